import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { Connection, Message, Statistics, Status } from '#contract/telemetry'
import { readStatistics, readStatus } from '#simulator/lift-status'
import { SCENARIO_NAMES } from '#simulator/scenarios'
import { bootAt, SimulatedLift, type Spoken } from '#simulator/simulated-lift'
import { generateTown } from '#simulator/town'

const HOUR_MS = 3600_000
/** A Saturday at midnight in Asia/Shanghai. */
const MIDNIGHT_MS = Date.parse('2026-11-21T00:00:00+08:00')
const schemas = {
  status: Compile(Status),
  statistics: Compile(Statistics),
  message: Compile(Message),
  connection: Compile(Connection),
}

function simulate(o: { seed: number; index?: number; startAtMs?: number; speed?: number; liftCount?: number }) {
  const { seed, index = 0, startAtMs = MIDNIGHT_MS + 7 * HOUR_MS, speed = 1, liftCount = 120 } = o
  const { lifts, terminals } = generateTown({ seed, liftCount, boundAtMs: startAtMs })
  const [lift, terminal] = [lifts[index], terminals[index]]
  if (lift === undefined || terminal === undefined) throw new Error('the town has that lift')
  return new SimulatedLift({ lift, serial: terminal.serial, seed, speed, startAtMs })
}

const cases = fc.record({
  seed: fc.nat(),
  index: fc.nat(119),
  startAtMs: fc.integer({ min: 0, max: 24 * HOUR_MS }).map((ofDayMs) => MIDNIGHT_MS + ofDayMs),
  speed: fc.constantFrom(1, 1, 10, 60),
  stepMs: fc.integer({ min: 40, max: 1500 }),
  plays: fc.array(
    fc.record({
      name: fc.constantFrom(...SCENARIO_NAMES),
      atMs: fc.integer({ min: 0, max: HOUR_MS }),
      durationMs: fc.integer({ min: 1, max: 400_000 }),
    }),
    { maxLength: 5 },
  ),
})

describe('a simulated lift', () => {
  it('says the same bytes for the same seed, however the time is cut', () => {
    const hour = (seed: number, stepMs: number) => {
      const lift = simulate({ seed })
      const spoken: Spoken[] = lift.greet(MIDNIGHT_MS + 7 * HOUR_MS)
      for (let atMs = MIDNIGHT_MS + 7 * HOUR_MS; atMs < MIDNIGHT_MS + 8 * HOUR_MS;) {
        atMs = Math.min(atMs + stepMs, MIDNIGHT_MS + 8 * HOUR_MS)
        spoken.push(...lift.advance(atMs))
      }
      return spoken.map(({ kind, payload }) => `${kind} ${payload}`).join('\n')
    }
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 20, max: 100_000 }), (seed, stepMs) => {
        expect(hour(seed, stepMs)).toBe(hour(seed, 50))
        expect(hour(seed, stepMs)).not.toBe(hour(seed + 1, stepMs))
      }),
      { numRuns: 8 },
    )
  })

  it('never opens its doors while it moves, never leaves its shaft, and always names the floor where it is', () => {
    fc.assert(
      fc.property(cases, ({ stepMs, plays, startAtMs, ...rest }) => {
        const lift = simulate({ startAtMs, ...rest })
        const { plan } = lift
        const topMm = plan.heightsMm.at(-1) ?? 0
        const due = [...plays].sort((a, b) => b.atMs - a.atMs)
        for (let atMs = startAtMs; atMs < startAtMs + HOUR_MS; atMs += stepMs) {
          lift.advance(atMs)
          for (let play = due.at(-1); play !== undefined && startAtMs + play.atMs <= atMs; play = due.at(-1)) {
            lift.play(play.name, play.durationMs, atMs)
            due.pop()
          }
          const status = readStatus(plan, lift.state, atMs)
          const { positionMm = NaN, floorIndex = NaN, speedMps = NaN, loadKg = NaN, doorStatus, doorClosed } = status
          // Plain comparisons first: there are tens of thousands of samples.
          const heightMm = plan.heightsMm[floorIndex] ?? NaN
          const distanceMm = Math.abs(positionMm - heightMm)
          const isSound =
            doorClosed === (doorStatus === 2) &&
            (status.carStatus === 0 || doorClosed) &&
            (status.carStatus === 1 || speedMps === 0) &&
            (doorClosed || distanceMm === 0) &&
            positionMm >= 0 &&
            positionMm <= topMm &&
            Math.abs(speedMps) * 1000 <= plan.ratedMmps + 1 &&
            plan.heightsMm.every((otherMm) => Math.abs(positionMm - otherMm) >= distanceMm - 1) &&
            status.carPosition === plan.labels[floorIndex] &&
            (Math.abs(distanceMm - 75) <= 1 || status.doorZone === distanceMm <= 75) &&
            loadKg <= plan.ratedLoadKg &&
            loadKg > 0 === status.passengerPresent
          if (!isSound) throw new Error(JSON.stringify({ atMs, status, phase: lift.state.phase }))
        }
      }),
      { numRuns: 40 },
    )
  }, 120_000)

  it('says only what the contract knows, numbered without a gap, with counters that never fall', () => {
    fc.assert(
      fc.property(cases, ({ plays, stepMs: _stepMs, startAtMs, ...rest }) => {
        const lift = simulate({ startAtMs, ...rest })
        const spoken = lift.greet(startAtMs)
        for (const { name, atMs, durationMs } of [...plays].sort((a, b) => a.atMs - b.atMs))
          spoken.push(...lift.play(name, durationMs, startAtMs + atMs).spoken)
        spoken.push(...lift.advance(startAtMs + 2 * HOUR_MS))
        const wrong = spoken.filter(({ kind, payload }) => !schemas[kind].Check(JSON.parse(payload)))
        expect(wrong).toEqual([])
        expect(spoken.map(({ seq }) => seq)).toEqual(spoken.map((_, index) => index + 1))
        expect(spoken.every(({ payload }) => payload.length < 1024)).toBe(true)
        let before: Record<string, number> = {}
        for (const { kind, payload } of spoken) {
          if (kind !== 'statistics') continue
          const { v: _v, boot: _boot, seq: _seq, ...counters } = JSON.parse(payload) as Record<string, number>
          for (const [name, value] of Object.entries(counters))
            expect(value, name).toBeGreaterThanOrEqual(before[name] ?? 0)
          before = counters
        }
      }),
      { numRuns: 40 },
    )
  }, 120_000)

  it('speaks at least every 10 s while it runs or is occupied, and every 60 s when it is idle', () => {
    const startAtMs = MIDNIGHT_MS + 16 * HOUR_MS
    const lift = simulate({ seed: 3, startAtMs })
    const statuses = lift
      .advance(startAtMs + 6 * HOUR_MS)
      .filter(({ kind }) => kind === 'status')
      .map(({ payload }) => JSON.parse(payload) as Status)
    expect(statuses.length).toBeGreaterThan(500)
    statuses.slice(1).forEach((status, index) => {
      const before = statuses[index] as Status // index + 1 exists, so index does
      const isBusy = before.carStatus === 1 || before.passengerPresent
      expect(status.sampledAtMs - before.sampledAtMs).toBeLessThanOrEqual(isBusy ? 10_000 : 60_000)
      if (before.carStatus === 1) expect(status.sampledAtMs - before.sampledAtMs).toBeLessThanOrEqual(1000)
    })
  })

  it('tells its counters every 15 minutes', () => {
    const startAtMs = MIDNIGHT_MS
    const lift = simulate({ seed: 3, startAtMs })
    const told = [...lift.greet(startAtMs), ...lift.advance(startAtMs + 4 * HOUR_MS)].filter(
      ({ kind }) => kind === 'statistics',
    )
    expect(told.length).toBeGreaterThanOrEqual(17)
  })

  it('starts again with counters no lower than before, minutes or days later', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(119),
        fc.integer({ min: 0, max: 30 * HOUR_MS }),
        fc.oneof(fc.integer({ min: 1000, max: HOUR_MS / 3 }), fc.integer({ min: 1000, max: 20 * HOUR_MS })),
        (seed, index, offsetMs, spanMs) => {
          const startAtMs = MIDNIGHT_MS + offsetMs
          const first = simulate({ seed, index, startAtMs })
          first.advanceUnheard(startAtMs + spanMs)
          const second = simulate({ seed, index, startAtMs: startAtMs + spanMs })
          const before = readStatistics(first.plan, first.state, startAtMs + spanMs)
          const after = readStatistics(second.plan, second.state, startAtMs + spanMs)
          for (const [name, value] of Object.entries(before))
            expect(after[name as keyof typeof after], name).toBeGreaterThanOrEqual(value)
        },
      ),
      { numRuns: 150 },
    )
  }, 60_000)

  it('numbers its starts upwards', () => {
    expect(bootAt(MIDNIGHT_MS + 250)).toBeGreaterThan(bootAt(MIDNIGHT_MS))
    expect(bootAt(Date.parse('2058-01-01T00:00:00Z'))).toBeLessThanOrEqual(0xffff_ffff)
    const lift = simulate({ seed: 1, startAtMs: MIDNIGHT_MS })
    const boot = () => (JSON.parse(lift.greet(MIDNIGHT_MS).at(-1)?.payload ?? '') as Status).boot
    const first = boot()
    lift.reboot(MIDNIGHT_MS)
    expect(boot()).toBe(first + 1)
  })

  it('carries everybody who calls, and nobody waits for ever', () => {
    const startAtMs = MIDNIGHT_MS + 6 * HOUR_MS
    for (let index = 0; index < 20; index += 1) {
      const lift = simulate({ seed: 5, index, startAtMs })
      let longestMs = 0
      let calledAtMs = startAtMs
      for (let atMs = startAtMs; atMs < startAtMs + 12 * HOUR_MS; atMs += 5000) {
        lift.advanceUnheard(atMs)
        if (lift.state.waiting.length + lift.state.aboard.length === 0) calledAtMs = atMs
        longestMs = Math.max(longestMs, atMs - calledAtMs)
      }
      // A busy spell may chain ride to ride, but it ends.
      expect(longestMs).toBeLessThan(20 * 60_000)
      expect(lift.state.stairsCount).toBe(0)
    }
  })
})

describe('a town of simulated lifts', () => {
  const townAt = (startAtMs: number) => {
    const { lifts, terminals } = generateTown({ seed: 20, liftCount: 120, boundAtMs: startAtMs })
    const fleet = lifts.map((lift, index) => {
      const serial = terminals[index]?.serial
      if (serial === undefined) throw new Error('every lift has a terminal')
      return new SimulatedLift({ lift, serial, seed: 20, speed: 1, startAtMs })
    })
    return fleet
  }

  it('shows several cars moving in any minute of the day', () => {
    const fleet = townAt(MIDNIGHT_MS)
    const runCounts = () => fleet.map(({ state }) => state.counters.runCount)
    let before = runCounts()
    for (let minute = 1; minute <= 24 * 60; minute += 1) {
      for (const lift of fleet) lift.advanceUnheard(MIDNIGHT_MS + minute * 60_000)
      const now = runCounts()
      const movedCount = now.filter((count, index) => count !== before[index]).length
      if (movedCount < 3) throw new Error(`only ${movedCount} cars set off in minute ${minute}`)
      before = now
    }
  }, 60_000)

  it('stays far below 150 messages a second when everybody comes home', () => {
    const fromMs = MIDNIGHT_MS + 17.5 * HOUR_MS
    const fleet = townAt(fromMs)
    const count = fleet.reduce((sum, lift) => sum + lift.advance(fromMs + 10 * 60_000).length, 0)
    expect(count / 600).toBeGreaterThan(10)
    expect(count / 600).toBeLessThan(100)
  })
})
