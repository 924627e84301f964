import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { correctedAtMs, CORRECT_EVERY_MS, deviceMsAt, drawClock, trueClock, withJump } from '#simulator/terminal/clock'

const START_MS = Date.parse('2026-11-21T00:00:00+08:00')
const clocks = fc
  .record({
    clockSkewMs: fc.integer({ min: 1, max: 600_000 }),
    driftPpm: fc.integer({ min: 0, max: 500 }),
    seed: fc.nat(),
  })
  .map((o) => drawClock({ ...o, startAtMs: START_MS }))
const moments = fc.integer({ min: 0, max: 40 * 24 * 3600_000 }).map((afterMs) => START_MS + afterMs)

describe('the clock of a terminal', () => {
  it('is always right without skew and drift', () => {
    const clock = drawClock({ clockSkewMs: 0, driftPpm: 0, startAtMs: START_MS, seed: 7 })
    fc.assert(
      fc.property(moments, (atMs) => {
        expect(deviceMsAt(clock, atMs)).toBe(atMs)
      }),
    )
    expect(clock).toEqual(trueClock(START_MS))
  })

  it('is never more wrong than skew, drift between two corrections and what a correction leaves', () => {
    fc.assert(
      fc.property(clocks, moments, (clock, atMs) => {
        const boundMs =
          Math.abs(clock.skewMs) + (Math.abs(clock.driftPpm) * clock.correctEveryMs) / 1e6 + clock.residualMs + 1
        expect(Math.abs(deviceMsAt(clock, atMs) - atMs)).toBeLessThanOrEqual(boundMs)
      }),
      { numRuns: 500 },
    )
  })

  it('goes back only when it is corrected', () => {
    fc.assert(
      fc.property(clocks, moments, fc.integer({ min: 0, max: CORRECT_EVERY_MS }), (clock, atMs, laterMs) => {
        const [before, after] = [deviceMsAt(clock, atMs), deviceMsAt(clock, atMs + laterMs)]
        if (correctedAtMs(clock, atMs) === correctedAtMs(clock, atMs + laterMs))
          expect(after).toBeGreaterThanOrEqual(before)
        // A correction takes back no more than what had gone wrong since the one before.
        else expect(after).toBeGreaterThanOrEqual(before - (500 * CORRECT_EVERY_MS) / 1e6 - 2 * clock.residualMs - 1)
      }),
      { numRuns: 500 },
    )
  })

  it('drifts: it is corrected, and wrong again', () => {
    const clock = { ...trueClock(START_MS), driftPpm: 100, correctEveryMs: CORRECT_EVERY_MS }
    expect(deviceMsAt(clock, START_MS + CORRECT_EVERY_MS - 5000)).toBe(START_MS + CORRECT_EVERY_MS - 5000 + 1439)
    expect(deviceMsAt(clock, START_MS + CORRECT_EVERY_MS)).toBe(START_MS + CORRECT_EVERY_MS)
    expect(deviceMsAt(clock, START_MS + 1.5 * CORRECT_EVERY_MS + 5000)).toBe(START_MS + 1.5 * CORRECT_EVERY_MS + 5720)
  })

  it('shows a jump until it ends or the clock is corrected', () => {
    const jump = { fromMs: START_MS + 1000, toMs: START_MS + 60_000, byMs: 8 * 3600_000 }
    const clock = withJump(trueClock(START_MS), jump)
    const wrongMs = (atMs: number) => deviceMsAt(clock, atMs) - atMs
    expect([999, 1000, 59_999, 60_000].map((ms) => wrongMs(START_MS + ms))).toEqual([0, jump.byMs, jump.byMs, 0])
    const corrected = withJump(
      { ...trueClock(START_MS), correctEveryMs: CORRECT_EVERY_MS },
      { ...jump, toMs: Infinity },
    )
    expect(deviceMsAt(corrected, START_MS + CORRECT_EVERY_MS - 1)).toBe(START_MS + CORRECT_EVERY_MS - 1 + jump.byMs)
    expect(deviceMsAt(corrected, START_MS + CORRECT_EVERY_MS)).toBe(START_MS + CORRECT_EVERY_MS)
    // What no longer shows is let go of.
    const later = { fromMs: START_MS + 70_000, toMs: START_MS + 80_000, byMs: -5000 }
    expect(withJump(clock, later).jumps).toEqual([later])
  })

  it('never shows a time before 1970', () => {
    expect(deviceMsAt(withJump(trueClock(0), { fromMs: 0, toMs: 1000, byMs: -8 * 3600_000 }), 5)).toBe(0)
  })
})
