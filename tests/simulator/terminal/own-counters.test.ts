import { describe, expect, it } from 'vitest'
import { readStatus } from '#simulator/lift/lift-status'
import { count, countingFrom } from '#simulator/terminal/own-counters'
import type { SimulatedLift } from '#simulator/terminal/simulated-lift'
import { HOUR_MS, liftOf, MORNING_MS } from './terminal-lift.ts'

const MINUTE_MS = 60_000
const NOTHING = countingFrom({})

/** In the middle of a run. */
function movingLift(): { lift: SimulatedLift; atMs: number } {
  const lift = liftOf({ kind: 'retrofit', index: 4 })
  let atMs = MORNING_MS
  lift.greet(atMs)
  while (lift.state.phase !== 'running') lift.advance((atMs = lift.dueAtMs))
  lift.advance((atMs += 2000))
  return { lift, atMs }
}
const timesOf = ({ counted }: SimulatedLift) => ({ own: counted.terminal.runTimeS, true: counted.lift.runTimeS })

describe('the counters that a terminal keeps itself', () => {
  const { plan, state } = liftOf({})
  const standing = { ...readStatus(plan, state, MORNING_MS), carStatus: 0, doorClosed: true, positionMm: 12_000 }
  const { positionMm: _position, ...unplaced } = standing
  const begun = { ...standing, positionMm: 3000 }
  const runOf = (begin: typeof unplaced, end: typeof unplaced) => {
    const run = count(NOTHING, { ...begin, carStatus: 1 }, MORNING_MS)
    return count(run, { ...end, carStatus: 0 }, MORNING_MS + 9000)
  }

  it('count the way of a run from where it began to where it ended', () => {
    expect(runOf(begun, standing)).toMatchObject({
      runCount: 1,
      runTimeS: 9,
      distanceM: 9,
    })
  })

  it('invent no way for a run of which they know one end only', () => {
    for (const run of [runOf(unplaced, standing), runOf(standing, unplaced), runOf(unplaced, unplaced)])
      expect(run).toMatchObject({ runCount: 1, runTimeS: 9, distanceM: 0 })
  })

  it('book no time in which the terminal was dead as time of a run', () => {
    const { lift, atMs } = movingLift()
    const before = timesOf(lift)
    expect(lift.play('terminal-dies', 10 * MINUTE_MS, atMs).played).toBe(true)
    lift.advance(atMs + HOUR_MS)
    const after = timesOf(lift)
    expect(after.own).toBeGreaterThan(before.own)
    expect(after.own - before.own).toBeLessThanOrEqual(after.true - before.true + 10)
  })

  it('book no time in which the machine slept as time of a run', () => {
    const { lift, atMs } = movingLift()
    const before = timesOf(lift)
    lift.advanceUnheard(atMs + 20 * MINUTE_MS)
    lift.advance(atMs + HOUR_MS)
    const after = timesOf(lift)
    expect(after.own).toBeGreaterThan(before.own)
    expect(after.own - before.own).toBeLessThanOrEqual(after.true - before.true + 10)
  })
})
