import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Status } from '#contract/telemetry'
import { personCount } from '#simulator/lift/calls'
import type { Truth } from '#simulator/lift/truth'
import { SCENARIO_NAMES, SCENARIOS } from '#simulator/scenarios'
import { bootAt, SimulatedLift, type Spoken } from '#simulator/terminal/simulated-lift'
import { generateTown } from '#simulator/town/town'
import { unfit } from './terminal-lift.ts'

const HOUR_MS = 3600_000
/** A Saturday at midnight in Asia/Shanghai. */
const MIDNIGHT_MS = Date.parse('2026-11-21T00:00:00+08:00')
function simulate(o: {
  seed: number
  index?: number
  startAtMs?: number
  speed?: number
  liftCount?: number
  onTruth?: (truth: Truth) => void
}) {
  const { seed, index = 0, startAtMs = MIDNIGHT_MS + 7 * HOUR_MS, speed = 1, liftCount = 120 } = o
  const { lifts, terminals } = generateTown({ seed, liftCount, boundAtMs: startAtMs })
  const [lift, terminal] = [lifts[index], terminals[index]]
  if (lift === undefined || terminal === undefined) throw new Error('the town has that lift')
  const { onTruth } = o
  const heard = onTruth === undefined ? {} : { onTruth }
  return new SimulatedLift({ lift, serial: terminal.serial, seed, speed, startAtMs, ...heard })
}

/** All but those that make the terminal count wrong. */
const scenarioNames = SCENARIO_NAMES.filter((name) => !('part' in SCENARIOS[name] && SCENARIOS[name].part === 'count'))
const cases = fc.record({
  seed: fc.nat(),
  index: fc.nat(119),
  startAtMs: fc.integer({ min: 0, max: 24 * HOUR_MS }).map((ofDayMs) => MIDNIGHT_MS + ofDayMs),
  speed: fc.constantFrom(1, 1, 10, 60),
  plays: fc.array(
    fc.record({
      name: fc.constantFrom(...scenarioNames),
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

  it('says only what the contract knows, numbered without a gap, with counters that never fall', () => {
    fc.assert(
      fc.property(cases, ({ plays, startAtMs, ...rest }) => {
        const lift = simulate({ startAtMs, ...rest })
        const spoken = lift.greet(startAtMs)
        for (const { name, atMs, durationMs } of [...plays].sort((a, b) => a.atMs - b.atMs))
          spoken.push(...lift.play(name, durationMs, startAtMs + atMs).spoken)
        spoken.push(...lift.advance(startAtMs + 2 * HOUR_MS))
        expect(unfit(spoken)).toEqual([])
        let [boot, last] = [0, 0]
        for (const { seq, payload } of spoken) {
          const said = JSON.parse(payload) as Status
          expect(said.seq).toBe(seq)
          if (said.boot === boot) expect(seq).toBe(last + 1)
          else expect([seq, said.boot > boot]).toEqual([1, true])
          ;[boot, last] = [said.boot, seq]
        }
        expect(spoken.every(({ payload }) => payload.length < 1024)).toBe(true)
        let before: Record<string, number> = {}
        for (const { kind, payload } of spoken) {
          if (kind !== 'statistics') continue
          const {
            v: _v,
            boot: _boot,
            seq: _seq,
            sampledAtMs: _at,
            ...counters
          } = JSON.parse(payload) as Record<string, number>
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
    const { runCount } = lift.state.counters
    const told = [...lift.greet(startAtMs), ...lift.advance(startAtMs + 4 * HOUR_MS)].filter(
      ({ kind }) => kind === 'statistics',
    )
    // And after each hundred runs.
    expect(told.length).toBeLessThanOrEqual(17 + Math.ceil((lift.state.counters.runCount - runCount) / 100))
    expect(told.length).toBeGreaterThanOrEqual(17)
  })

  it('numbers its starts upwards', () => {
    expect(bootAt(MIDNIGHT_MS + 250)).toBeGreaterThan(bootAt(MIDNIGHT_MS))
    expect(bootAt(Date.parse('2058-01-01T00:00:00Z'))).toBeLessThanOrEqual(0xffff_ffff)
    const lift = simulate({ seed: 1, startAtMs: MIDNIGHT_MS })
    const first = lift.boot
    expect(first).toBe(bootAt(MIDNIGHT_MS))
    // Down for a moment: less than a step of the count is a step all the same.
    lift.play('terminal-dies', 100, MIDNIGHT_MS)
    lift.advance(MIDNIGHT_MS + 200)
    expect(lift.boot).toBe(first + 1)
  })

  it('tells what is really so at the start and whenever people or a fault change, whatever its terminal says', () => {
    const truths: Truth[] = []
    const startAtMs = MIDNIGHT_MS + 8 * HOUR_MS
    const lift = simulate({ seed: 4, startAtMs, onTruth: (truth) => truths.push(truth) })
    expect(truths.map(({ atMs }) => atMs)).toEqual([startAtMs])
    expect(lift.play('terminal-dies', HOUR_MS, startAtMs + 60_000).played).toBe(true)
    lift.play('entrapment-between-floors', 300_000, startAtMs + 60_000)
    expect(lift.advance(startAtMs + HOUR_MS / 2)).toEqual([])
    const trapped = truths.filter((truth) => truth.trapped !== null)
    expect(trapped[0]?.trapped).toMatchObject({ place: 'between', sinceMs: trapped[0]?.atMs })
    expect(trapped[0]?.trapped?.peopleCount).toBeGreaterThan(0)
    expect(trapped[0]?.fault?.name).toBe('entrapment-between-floors')
    expect(truths.at(-1)).toMatchObject({ trapped: null, fault: null })
    for (const { arrivedCount, deliveredCount, stairsCount, peopleInCar, peopleWaiting } of truths)
      expect(arrivedCount).toBe(deliveredCount + stairsCount + peopleInCar + peopleWaiting)
    const last = truths.at(-1)
    expect(last?.peopleInCar).toBe(personCount(lift.state.aboard))
    // Nothing is told twice.
    const told = truths.map(({ atMs: _at, heightMm: _height, speedMmps: _speed, doorOpenness: _door, ...rest }) =>
      JSON.stringify(rest),
    )
    expect(told.filter((one, index) => one === told[index - 1])).toEqual([])
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
