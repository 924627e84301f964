import { describe, expect, it } from 'vitest'
import { callLift, nextChangeAtMs, advanceLift, startLift } from '#simulator/lift/lift'
import { booksAt, handedOverAtMs, startCounting } from '#simulator/lift/counters'
import { runEnergyKWh } from '#simulator/lift/energy'
import type { LiftPlan, LiftState } from '#simulator/lift/lift-state'
import { nextLabelChangeAtMs, readStatistics, readStatus } from '#simulator/lift/lift-status'
import { planOf } from '#simulator/lift/lift-plan'
import { PHASES } from '#simulator/lift/phases'
import { firstArrival, groupOf, nextArrival } from '#simulator/town/residents'
import { generateTown } from '#simulator/town/town'
import { MINUTE_MS, somePlan, START_MS } from './lift-under-test.ts'

const DAY_MS = 24 * 60 * MINUTE_MS
const DAY_COUNT = 14
/** A Monday at midnight in Asia/Shanghai. */
const MONDAY_MS = Date.parse('2026-06-01T00:00:00+08:00')

const { lifts } = generateTown({ seed: 20, liftCount: 40, boundAtMs: MONDAY_MS })
const realPlans = lifts.map((lift) => planOf(lift, { seed: 20, speed: 1, pattern: 'real' }))

/** Two weeks of a lift as it is really used. */
function fortnight(plan: LiftPlan): { state: LiftState; groupCount: number } {
  let state = startLift(plan, MONDAY_MS)
  let groupCount = 0
  const endMs = MONDAY_MS + DAY_COUNT * DAY_MS
  for (let next = firstArrival(plan.house, MONDAY_MS); next.atMs < endMs; next = nextArrival(plan.house, next)) {
    state = callLift(plan, advanceLift(plan, state, next.atMs), groupOf(plan.house, next), next.atMs)
    groupCount += 1
  }
  return { state: advanceLift(plan, state, endMs), groupCount }
}

const fortnights = realPlans.map((plan) => ({ plan, ...fortnight(plan) }))

describe('a lift in use', () => {
  it('takes 450 to 700 kWh a year for 60 to 200 trips a day', () => {
    const inRange = fortnights.filter(({ groupCount }) => groupCount / DAY_COUNT >= 60 && groupCount / DAY_COUNT <= 200)
    expect(inRange.length).toBeGreaterThan(20)
    for (const { plan, state } of inRange) {
      const { energyKWh = NaN } = readStatistics(plan, state, MONDAY_MS + DAY_COUNT * DAY_MS)
      const yearly = (energyKWh / DAY_COUNT) * 365
      expect(yearly, plan.id).toBeGreaterThan(450)
      expect(yearly, plan.id).toBeLessThan(700)
    }
  })

  it('opens its doors about twice for each group that rides, and leaves nobody on the stairs', () => {
    for (const { state, groupCount } of fortnights) {
      expect(state.counters.doorOpenCount / groupCount).toBeGreaterThan(1.5)
      expect(state.counters.doorOpenCount / groupCount).toBeLessThan(2.5)
      expect(state.stairsCount).toBe(0)
    }
  })

  it('has counted about so much as the books of a lift that nobody remembers say', () => {
    for (const { plan, state } of fortnights) {
      const sinceMs = handedOverAtMs(plan)
      const books = booksAt(plan, sinceMs + 100 * DAY_MS)
      const after = MONDAY_MS + DAY_COUNT * DAY_MS
      const counted = readStatistics(plan, state, after)
      for (const name of [
        'runCount',
        'doorOpenCount',
        'distanceM',
        'runTimeS',
        'energyKWh',
        'passengerCount',
      ] as const) {
        const ratio = books[name] / 100 / ((counted[name] ?? NaN) / DAY_COUNT)
        expect(ratio, `${plan.id} ${name}`).toBeGreaterThan(0.6)
        expect(ratio, `${plan.id} ${name}`).toBeLessThan(1.5)
      }
      expect(booksAt(plan, sinceMs - DAY_MS)).toMatchObject({ runCount: 0, energyKWh: 0 })
    }
  })
})

describe('counters', () => {
  it('go on from where they are told to start', () => {
    const plan = somePlan({})
    const counters = { runCount: 7, runTimeS: 80, doorOpenCount: 9, distanceM: 50, energyKWh: 12.5, passengerCount: 11 }
    const state = startCounting(startLift(plan, START_MS - DAY_MS), counters, START_MS)
    expect(readStatistics(plan, state, START_MS)).toEqual({ ...counters, ropeBendCount: 21 })
    const anHourLater = readStatistics(plan, state, START_MS + 60 * MINUTE_MS)
    // Standby alone: 46 to 58 W.
    expect((anHourLater.energyKWh ?? NaN) - 12.5).toBeGreaterThan(0.045)
    expect((anHourLater.energyKWh ?? NaN) - 12.5).toBeLessThan(0.059)
  })

  it('count a run the dearer, the farther it is and the less the load balances the counterweight', () => {
    const plan = somePlan({ ratedLoadKg: 630 })
    expect(runEnergyKWh(plan, 0, 10)).toBeGreaterThan(runEnergyKWh(plan, 0, 5))
    expect(runEnergyKWh(plan, 0, 10)).toBeGreaterThan(runEnergyKWh(plan, 300, 10))
    expect(runEnergyKWh(plan, 630, 10)).toBeGreaterThan(runEnergyKWh(plan, 300, 10))
  })
})

describe('what is read off a lift', () => {
  const plan = somePlan({ isHalf: true })
  const riding = callLift(
    plan,
    startLift(plan, START_MS),
    { count: 1, massKg: 70, from: 0, to: 4, transferMs: 1800 },
    START_MS,
  )

  it('is a function of the state and the time, not of how often it is read', () => {
    const first = readStatus(plan, riding, START_MS + 300)
    for (let atMs = START_MS; atMs < START_MS + 2000; atMs += 50) readStatus(plan, riding, atMs)
    expect(readStatus(plan, riding, START_MS + 300)).toEqual(first)
  })

  it('shakes more the faster the car is, and is warmer by day, in summer and after many runs', () => {
    let state = riding
    const byPhase = new Map<string, number[]>()
    for (let atMs = START_MS; atMs < START_MS + 2 * MINUTE_MS; atMs += 100) {
      state = advanceLift(plan, state, atMs)
      const { speedMps = 0, vibrationMg = NaN } = readStatus(plan, state, atMs)
      const kind = speedMps === 0 ? 'stands' : Math.abs(speedMps) > 0.95 ? 'fast' : 'slow'
      byPhase.set(kind, [...(byPhase.get(kind) ?? []), vibrationMg])
    }
    expect(Math.max(...(byPhase.get('stands') ?? []))).toBeLessThan(Math.min(...(byPhase.get('fast') ?? [])))
    const temperature = (text: string, lift = riding) => readStatus(plan, lift, Date.parse(text)).temperatureC ?? NaN
    expect(temperature('2026-07-28T16:00:00+08:00')).toBeGreaterThan(temperature('2026-07-28T04:00:00+08:00') + 3)
    expect(temperature('2026-07-28T16:00:00+08:00')).toBeGreaterThan(temperature('2026-01-28T16:00:00+08:00') + 12)
    const busy: LiftState = { ...riding, warmth: { degreesC: 6, atMs: START_MS } }
    const gainC = (afterMs: number) =>
      (readStatus(plan, busy, START_MS + afterMs).temperatureC ?? NaN) -
      (readStatus(plan, riding, START_MS + afterMs).temperatureC ?? NaN)
    expect(gainC(0)).toBeCloseTo(6, 0)
    expect(gainC(2 * 60 * MINUTE_MS)).toBeLessThan(0.2)
  })

  it('names the landing that is nearest, also half ones, and knows when that will change', () => {
    let state = riding
    const labels: string[] = []
    for (let atMs = START_MS; atMs < START_MS + 2 * MINUTE_MS;) {
      const status = readStatus(plan, state, atMs)
      if (labels.at(-1) !== status.carPosition) labels.push(status.carPosition)
      const changeAtMs = nextLabelChangeAtMs(plan, state, atMs)
      if (PHASES[state.phase].moves && changeAtMs < state.untilMs) {
        expect(readStatus(plan, state, changeAtMs - 1).carPosition).toBe(status.carPosition)
        expect(readStatus(plan, state, changeAtMs).carPosition).not.toBe(status.carPosition)
      }
      atMs = Math.min(nextChangeAtMs(state), changeAtMs, atMs + MINUTE_MS)
      state = advanceLift(plan, state, atMs)
    }
    expect(labels.join(' ')).toMatch(/1 2\.5 3\.5 4\.5 5\.5/)
  })
})
