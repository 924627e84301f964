import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { Status } from '#contract/telemetry'
import { entrapmentSampleOf, nextEntrapment, noEntrapment } from '#ingest/entrapment'
import { RandomFaults } from '#simulator/random-faults'
import type { Scenario } from '#simulator/scenarios'
import { SimulatedLift } from '#simulator/terminal/simulated-lift'
import { generateTown } from '#simulator/town/town'

const START_AT_MS = Date.UTC(2026, 10, 21, 3, 30)
const MINUTE_MS = 60_000
const isStatus = Compile(Status)
const town = generateTown({ seed: 20, liftCount: 120, boundAtMs: START_AT_MS })
const lifts = town.lifts.map(({ id }) => id)

/** What is played within `spanMs`, with its moment after the start; `accepts` answers like a lift. */
function played(o: { seed: number; faultMinutes: number; spanMs: number; accepts?: (scenario: Scenario) => boolean }) {
  const all: { scenario: Scenario; afterMs: number }[] = []
  let atMs = START_AT_MS
  const faults = new RandomFaults({
    ...{ seed: o.seed, faultMinutes: o.faultMinutes, lifts, reporting: lifts.slice(0, 80), startAtMs: START_AT_MS },
    play: (scenario) => {
      if (o.accepts?.(scenario) === false) return false
      all.push({ scenario, afterMs: atMs - START_AT_MS })
      return true
    },
  })
  for (; atMs <= START_AT_MS + o.spanMs; atMs += 250) faults.tick(atMs)
  return all
}

describe('random faults of a demonstration', () => {
  it.each([1, 2, 3, 20, 77])('begin with an entrapment that is detected within three minutes, with seed %d', (seed) => {
    const [first] = played({ seed, faultMinutes: 6, spanMs: 3 * MINUTE_MS })
    expect(first?.scenario.name).toBe('entrapment-between-floors')
    expect(first?.afterMs).toBeGreaterThanOrEqual(MINUTE_MS)
    expect(first?.afterMs).toBeLessThanOrEqual(101_000)
    const lift = town.lifts.find(({ id }) => id === first?.scenario.lift)
    const serial = town.terminals.find((terminal) => terminal.lift === lift?.id)?.serial
    if (first === undefined || lift === undefined || serial === undefined)
      throw new Error('the first fault is of a lift of the town')
    const simulated = new SimulatedLift({ lift, serial, seed, speed: 1, startAtMs: START_AT_MS })
    const { name, durationMs = 0 } = first.scenario
    const spoken = simulated.greet(START_AT_MS)
    spoken.push(...simulated.play(name, durationMs, START_AT_MS + first.afterMs).spoken)
    spoken.push(...simulated.advance(START_AT_MS + 3 * MINUTE_MS))
    let memory = noEntrapment
    const raised: number[] = []
    for (const { kind, payload } of spoken) {
      const body: unknown = JSON.parse(payload)
      if (kind !== 'status' || !isStatus.Check(body)) continue
      const step = nextEntrapment(memory, lift.id, entrapmentSampleOf(body, body.sampledAtMs))
      memory = step.memory
      raised.push(...step.changes.filter(({ event }) => event === 'raise').map(({ atMs }) => atMs))
    }
    expect(raised).toHaveLength(1)
    expect((raised[0] ?? Infinity) - START_AT_MS).toBeLessThan(3 * MINUTE_MS)
  })

  it('leave no ten minutes without one when they come every six on average', () => {
    const all = played({ seed: 5, faultMinutes: 6, spanMs: 24 * 60 * MINUTE_MS })
    const gaps = all.map(({ afterMs }, index) => afterMs - (all[index - 1]?.afterMs ?? 0))
    expect(Math.max(...gaps)).toBeLessThan(10 * MINUTE_MS)
    expect(all.length).toBeGreaterThan(220)
    expect(all.length).toBeLessThan(260)
    expect(new Set(all.map(({ scenario }) => scenario.name)).size).toBeGreaterThan(8)
  })

  it('try other lifts when one refuses', () => {
    let refusedCount = 0
    const accepts = () => (refusedCount += 1) % 4 === 0
    const all = played({ seed: 5, faultMinutes: 6, spanMs: 60 * MINUTE_MS, accepts })
    expect(all.length).toBeGreaterThan(6)
    expect(refusedCount).toBeGreaterThan(all.length * 3)
  })

  it('never come when they are off', () => {
    expect(played({ seed: 5, faultMinutes: 0, spanMs: 60 * MINUTE_MS })).toEqual([])
  })

  it('are the same for the same seed', () => {
    const o = { seed: 9, faultMinutes: 6, spanMs: 120 * MINUTE_MS }
    expect(played(o)).toEqual(played(o))
    expect(played(o)).not.toEqual(played({ ...o, seed: 10 }))
  })
})
