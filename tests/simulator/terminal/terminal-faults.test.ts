import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Status } from '#contract/telemetry'
import { TERMINAL_KIND_NAMES } from '#simulator/terminal/sensing'
import type { SimulatedLift, Spoken } from '#simulator/terminal/simulated-lift'
import { SHUT_IN_MS, TERMINAL_FAULT_NAMES, TERMINAL_FAULTS } from '#simulator/terminal/terminal-faults'
import { HOUR_MS, liftOf, MORNING_MS, statisticsOf, statusesOf, unfit } from './terminal-lift.ts'

const MINUTE_MS = 60_000
const FAULT_MS = MORNING_MS + 10 * MINUTE_MS
const kinds = fc.constantFrom(...TERMINAL_KIND_NAMES)
const faultNames = fc.constantFrom(...TERMINAL_FAULT_NAMES)

/** What is said from a fault on, for an hour. */
function during(o: {
  name: (typeof TERMINAL_FAULT_NAMES)[number]
  kind?: SimulatedLift['kind']
  index?: number
  durationMs?: number
}): { lift: SimulatedLift; before: Spoken[]; spoken: Spoken[] } {
  const { name, kind = 'controller', index = 2, durationMs = HOUR_MS + 1 } = o
  const lift = liftOf({ kind, index })
  const before = [...lift.greet(MORNING_MS), ...lift.advance(FAULT_MS)]
  const { played, spoken } = lift.play(name, durationMs, FAULT_MS)
  expect(played).toBe(true)
  spoken.push(...lift.advance(FAULT_MS + HOUR_MS))
  return { lift, before, spoken }
}

describe('a terminal with a fault', () => {
  it('says what the contract knows, whatever its kind and whatever is wrong at once', () => {
    const plays = fc.array(
      fc.record({
        name: faultNames,
        afterMs: fc.integer({ min: 0, max: HOUR_MS }),
        durationMs: fc.integer({ min: 1, max: HOUR_MS }),
      }),
      { maxLength: 6 },
    )
    fc.assert(
      fc.property(kinds, fc.nat(119), plays, fc.boolean(), (kind, index, script, isCut) => {
        const lift = liftOf({ kind, index })
        const spoken = lift.greet(MORNING_MS)
        if (isCut) spoken.push(...lift.play('power-cut', 5 * MINUTE_MS, MORNING_MS + MINUTE_MS).spoken)
        for (const { name, afterMs, durationMs } of [...script].sort((a, b) => a.afterMs - b.afterMs))
          spoken.push(...lift.play(name, durationMs, MORNING_MS + MINUTE_MS + afterMs).spoken)
        spoken.push(...lift.advance(MORNING_MS + 3 * HOUR_MS))
        expect(unfit(spoken)).toEqual([])
        // A fault takes fields away and never adds one.
        const fields = new Set(Object.keys(statusesOf(liftOf({ kind, index }).greet(MORNING_MS))[0] ?? {}))
        for (const status of statusesOf(spoken))
          expect(Object.keys(status).filter((field) => !fields.has(field))).toEqual([])
        // What had its time is over.
        expect(lift.faults.every(({ untilMs }) => untilMs > MORNING_MS + 3 * HOUR_MS)).toBe(true)
      }),
      { numRuns: 60 },
    )
  }, 120_000)

  it('says the same bytes for the same seed, however the time is cut', () => {
    fc.assert(
      fc.property(kinds, faultNames, fc.integer({ min: 20, max: 20_000 }), (kind, name, stepMs) => {
        const said = (step: number) => {
          const lift = liftOf({ kind })
          lift.advance(FAULT_MS)
          const spoken = lift.play(name, 7 * MINUTE_MS, FAULT_MS).spoken
          for (let atMs = FAULT_MS; atMs < FAULT_MS + HOUR_MS / 2;) {
            atMs = Math.min(atMs + step, FAULT_MS + HOUR_MS / 2)
            spoken.push(...lift.advance(atMs))
          }
          return spoken.map(({ payload }) => payload).join('\n')
        }
        expect(said(stepMs)).toBe(said(HOUR_MS))
      }),
      { numRuns: 40 },
    )
  }, 60_000)

  it('has only one in each part, and refuses one of a part that it does not have', () => {
    const lift = liftOf({ kind: 'basic' })
    expect(lift.play('presence-stuck-true', HOUR_MS, FAULT_MS).played).toBe(true)
    expect(lift.play('presence-stuck-false', HOUR_MS, FAULT_MS).played).toBe(false)
    expect(lift.play('door-zone-dead', HOUR_MS, FAULT_MS).played).toBe(true)
    expect(lift.play('temperature-absurd', HOUR_MS, FAULT_MS).played).toBe(false)
    expect(lift.play('door-blocked', MINUTE_MS, FAULT_MS).played).toBe(true)
    expect(lift.faults.map(({ name }) => name)).toEqual(['presence-stuck-true', 'door-zone-dead'])
    lift.advance(FAULT_MS + HOUR_MS)
    expect(lift.faults).toEqual([])
  })

  it('goes on as if nothing had been when the fault is over', () => {
    for (const name of TERMINAL_FAULT_NAMES) {
      if (TERMINAL_FAULTS[name].part === 'power' || TERMINAL_FAULTS[name].part === 'count') continue
      const [lift, healthy] = [liftOf({ index: 5 }), liftOf({ index: 5 })]
      lift.play(name, 5 * MINUTE_MS, FAULT_MS)
      const after = (one: SimulatedLift) => {
        one.advance(FAULT_MS + 30 * MINUTE_MS)
        return statusesOf(one.greet(FAULT_MS + 30 * MINUTE_MS)).map(({ seq: _seq, ...status }) => status)
      }
      expect(after(lift), name).toEqual(after(healthy))
    }
  })
})

describe('each fault of a sensor', () => {
  it('of presence makes somebody of nobody, or nobody of somebody', () => {
    expect(statusesOf(during({ name: 'presence-stuck-true' }).spoken).every((one) => one.passengerPresent)).toBe(true)
    const nobody = statusesOf(during({ name: 'presence-stuck-false' }).spoken)
    expect(nobody.every((one) => !one.passengerPresent && one.passengerCount === 0)).toBe(true)
    expect(nobody.some(({ loadKg = 0 }) => loadKg > 0)).toBe(true)
  })

  it('of the door switch lets closed doors flicker, and a terminal that counts for itself counts openings', () => {
    const { before, spoken } = during({ name: 'door-switch-flickers', kind: 'retrofit', durationMs: 10 * MINUTE_MS })
    const closed = statusesOf(spoken).map(({ doorClosed }) => doorClosed)
    expect(closed.filter((isClosed, index) => isClosed !== closed[index + 1]).length).toBeGreaterThan(100)
    const [first, last] = [statisticsOf(before)[0], statisticsOf(spoken).at(-1)]
    expect((last?.doorOpenCount ?? 0) - (first?.doorOpenCount ?? 0)).toBeGreaterThan(100)
  })

  it('of the door zone leaves the car in no zone at all', () => {
    const { before, spoken } = during({ name: 'door-zone-dead' })
    expect(statusesOf(before).some(({ doorZone }) => doorZone)).toBe(true)
    expect(statusesOf(spoken).some(({ doorZone }) => doorZone)).toBe(false)
  })

  it('of the position leaves it out, or lets it stand still while the car moves', () => {
    for (const status of statusesOf(during({ name: 'position-lost' }).spoken)) {
      expect([status.positionMm, status.floorIndex, status.speedMps]).toEqual([undefined, undefined, undefined])
      expect(status.carPosition).toBe('?')
    }
    const frozen = statusesOf(during({ name: 'position-frozen' }).spoken)
    expect(new Set(frozen.map(({ carPosition, positionMm }) => `${carPosition} ${positionMm}`)).size).toBe(1)
    expect(frozen.some(({ carStatus }) => carStatus === 1)).toBe(true)
  })

  it('of the temperature tells one that cannot be', () => {
    for (const { temperatureC = 20 } of statusesOf(during({ name: 'temperature-absurd' }).spoken))
      expect([-55, 149.9]).toContain(temperatureC)
  })
})

describe('each fault of a terminal', () => {
  it('of its clock shows in all times that it says', () => {
    const { before, spoken } = during({ name: 'clock-jumps', durationMs: 20 * MINUTE_MS })
    const [last, first] = [statusesOf(before).at(-1), statusesOf(spoken)[0]]
    const jumpMs = (first?.sampledAtMs ?? 0) - (last?.sampledAtMs ?? 0)
    expect(Math.abs(jumpMs)).toBeGreaterThan(60_000)
    const timesMs = statusesOf(spoken).map(({ sampledAtMs }) => sampledAtMs)
    const stepsMs = timesMs.slice(1).map((atMs, index) => atMs - (timesMs[index] ?? 0))
    expect(stepsMs.filter((stepMs) => Math.abs(stepMs) > 61_000 || stepMs < 0).length).toBe(1)
    expect(timesMs.at(-1)).toBeLessThanOrEqual(FAULT_MS + HOUR_MS)
  })

  it('makes it fall silent and come back as a new boot, while the lift lives on', () => {
    const { lift, before, spoken } = during({ name: 'terminal-dies', durationMs: 8 * MINUTE_MS })
    const said = statusesOf(spoken)
    expect(said[0]?.sampledAtMs).toBe(FAULT_MS + 8 * MINUTE_MS)
    expect(said[0]?.boot).toBeGreaterThan(statusesOf(before)[0]?.boot ?? Infinity)
    expect(said[0]?.seq).toBe(1)
    const healthy = liftOf({ index: 2 })
    healthy.advance(FAULT_MS + HOUR_MS)
    expect(lift.state).toEqual(healthy.state)
  })

  it('makes it start again and again', () => {
    const { spoken } = during({ name: 'terminal-reboots', durationMs: 6 * MINUTE_MS })
    const boots = [...new Set(statusesOf(spoken).map(({ boot }) => boot))]
    expect(boots.length).toBe(8)
    expect(boots).toEqual([...boots].sort((a, b) => a - b))
    for (const boot of boots) {
      const numbers = spoken
        .filter(({ payload }) => (JSON.parse(payload) as Status).boot === boot)
        .map(({ seq }) => seq)
      expect(numbers).toEqual(numbers.map((_, index) => index + 1))
    }
  })

  it('lets it die with people inside: not before somebody has been shut in for a while', () => {
    const lift = liftOf({ index: 9 })
    lift.advance(FAULT_MS)
    expect(lift.play('terminal-dies-occupied', 15 * MINUTE_MS, FAULT_MS).played).toBe(true)
    lift.advance(FAULT_MS + 2 * MINUTE_MS)
    expect(lift.isDown).toBe(false)
    const spoken = lift.play('entrapment-between-floors', 10 * MINUTE_MS, FAULT_MS + 2 * MINUTE_MS).spoken
    let diedAtMs = NaN
    while (!lift.isDown) spoken.push(...lift.advance((diedAtMs = lift.dueAtMs)))
    const statuses = statusesOf(spoken)
    const last = statuses.at(-1)
    expect(last).toMatchObject({ passengerPresent: true, carStatus: 0, doorClosed: true, doorZone: false })
    expect(diedAtMs).toBe((lift.state.trapped?.sinceMs ?? NaN) + SHUT_IN_MS)
    expect(statusesOf(lift.advance(lift.dueAtMs + 10 * MINUTE_MS))).toEqual([])
  })

  it('without a battery goes off with the mains and comes back with them', () => {
    const lift = liftOf({ index: 11 })
    lift.advance(FAULT_MS)
    expect(lift.play('terminal-without-battery', HOUR_MS, FAULT_MS).played).toBe(true)
    expect(lift.isDown).toBe(false)
    const { spoken } = lift.play('power-cut', 5 * MINUTE_MS, FAULT_MS + MINUTE_MS)
    expect(lift.isDown).toBe(true)
    expect(statusesOf(spoken).some(({ powerSource }) => powerSource === 'battery')).toBe(false)
    const after = statusesOf(lift.advance(FAULT_MS + 20 * MINUTE_MS))
    expect(lift.isDown).toBe(false)
    expect(after[0]?.sampledAtMs).toBeGreaterThanOrEqual(FAULT_MS + 6 * MINUTE_MS)
    expect(after.every(({ powerSource }) => powerSource === 'mains')).toBe(true)
  })

  it('counts no numbers twice while it is down', () => {
    const lift = liftOf({})
    expect(lift.play('terminal-without-battery', HOUR_MS, FAULT_MS).played).toBe(true)
    expect(lift.play('power-cut', 5 * MINUTE_MS, FAULT_MS).played).toBe(true)
    expect(lift.play('sequence-repeats', MINUTE_MS, FAULT_MS + MINUTE_MS).played).toBe(false)
    expect(lift.faults.map(({ name }) => name)).toEqual(['terminal-without-battery'])
  })

  it('lasts whole ms', () => {
    const lift = liftOf({})
    expect(lift.play('terminal-dies', 1000.6, FAULT_MS).played).toBe(true)
    expect(lift.faults.map(({ untilMs }) => untilMs)).toEqual([FAULT_MS + 1001])
  })

  it('counts numbers twice, or counters from zero again', () => {
    const repeated = during({ name: 'sequence-repeats' })
    const numbers = [...repeated.before, ...repeated.spoken].map(({ seq }) => seq)
    expect(numbers.length - new Set(numbers).size).toBe(20)
    for (const kind of TERMINAL_KIND_NAMES) {
      const { before, spoken } = during({ name: 'counters-restart', kind })
      const [old, young] = [statisticsOf(before).at(-1), statisticsOf(spoken)[0]]
      expect(old?.runCount).toBeGreaterThan(1000)
      expect(young?.runCount).toBeLessThan(100)
      expect(Object.keys(young ?? {})).toEqual(Object.keys(old ?? {}))
    }
  })
})
