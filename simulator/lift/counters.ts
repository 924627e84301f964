/** What the controller counts. Counters only grow; one that falls means a replaced controller. */
import { mix, textWord } from '../random.ts'
import { DAY_MS, ZONE_MS } from '../town/calendar.ts'
import { groupsPerDay } from '../town/traffic.ts'
import { runEnergyKWh, standbyKWh } from './energy.ts'
import { heightOf, topLanding, type LiftPlan, type LiftState } from './lift-state.ts'

export type Counters = {
  readonly runCount: number
  readonly runTimeS: number
  readonly doorOpenCount: number
  readonly distanceM: number
  readonly energyKWh: number
  readonly passengerCount: number
}

export const NOTHING_COUNTED: Counters = {
  runCount: 0,
  runTimeS: 0,
  doorOpenCount: 0,
  distanceM: 0,
  energyKWh: 0,
  passengerCount: 0,
}

/** Sheaves that a 2:1 roped lift without machine room bends its ropes over in one run. */
export const ROPE_BENDS_PER_RUN = 3

/** Days from 1970: the lifts were handed over between March 2024 and April 2025. */
const HANDED_OVER_DAY = { first: 19_800, count: 400 } as const
/** What one group costs on average: often an empty run to it, and one with it. */
const RUNS_PER_GROUP = 1.85
const PERSONS_PER_GROUP = 1.3
/** Mean way of a run, as a share of the whole shaft. */
const RUN_SHARE = 0.55
/** Speeding up, braking and levelling of one run. */
const RUN_LOSS_S = 3.2
const MEAN_LOAD_KG = 60

/** A local midnight. */
export const handedOverAtMs = ({ house }: LiftPlan): number =>
  (HANDED_OVER_DAY.first + (mix(textWord(house.lift), house.seed, 6) % HANDED_OVER_DAY.count)) * DAY_MS - ZONE_MS

/** What such a lift has probably counted between its handover and `atMs`: for a lift whose counters nobody remembers. */
export function booksAt(plan: LiftPlan, atMs: number): Counters {
  const sinceMs = handedOverAtMs(plan)
  const dayCount = Math.max(0, (atMs - sinceMs) / DAY_MS)
  const groupsADay = (5 * groupsPerDay(plan.house, 'workday') + 2 * groupsPerDay(plan.house, 'weekend')) / 7
  const groupCount = Math.round(dayCount * groupsADay)
  const runCount = Math.round(groupCount * RUNS_PER_GROUP)
  const runM = (RUN_SHARE * heightOf(plan, topLanding(plan))) / 1000
  return {
    runCount,
    doorOpenCount: runCount,
    distanceM: runCount * runM,
    runTimeS: runCount * ((runM * 1000) / plan.ratedMmps + RUN_LOSS_S),
    energyKWh: runCount * runEnergyKWh(plan, MEAN_LOAD_KG, runM) + standbyKWh(plan, sinceMs, atMs),
    passengerCount: Math.round(groupCount * PERSONS_PER_GROUP),
  }
}

/** The lift has counted so much at `atMs`; it counts on from there. */
export const startCounting = (state: LiftState, counters: Counters, atMs: number): LiftState => ({
  ...state,
  counters,
  standbySinceMs: state.standbySinceMs === null ? null : atMs,
})

/** The counters at `atMs`, the standby energy up to then among them. */
export const countersAt = (plan: LiftPlan, { counters, standbySinceMs }: LiftState, atMs: number): Counters => ({
  ...counters,
  energyKWh: counters.energyKWh + standbyKWh(plan, standbySinceMs, atMs),
})

/** Puts the standby energy into the counters: when the mains go. */
export const bookStandby = (plan: LiftPlan, state: LiftState, atMs: number): LiftState => ({
  ...state,
  standbySinceMs: null,
  counters: countersAt(plan, state, atMs),
})
