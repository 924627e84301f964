/** What really happens to a lift, whatever its terminal can sense: only tests, scorecards and the curious may read it. */
import type { LiftId } from '#contract/ids'
import { personCount } from './calls.ts'
import type { LiftFaultName } from './faults/fault-names.ts'
import {
  heightMmAt,
  offLandingMm,
  opennessAt,
  speedMmpsAt,
  type LiftPlan,
  type LiftState,
  type Trapped,
} from './lift-state.ts'
import { DOOR_ZONE_MM } from './limits.ts'

export type Truth = {
  readonly lift: LiftId
  readonly atMs: number
  readonly peopleInCar: number
  readonly peopleWaiting: number
  /**
   * People in the car who cannot leave it, because it stands between two landings, or at one with doors that will not open;
   * from when it stands until doors have opened for them at a landing. `place` is where that began: `between` is farther from
   * every landing than the unlocking zone reaches. A power cut traps too, until the battery has brought the car to a landing,
   * which is less than a minute.
   */
  readonly trapped: {
    readonly sinceMs: number
    readonly place: 'between' | 'at-level'
    readonly peopleCount: number
  } | null
  /** Above the lowest landing, of the car's floor. */
  readonly heightMm: number
  /** Up is positive. */
  readonly speedMmps: number
  /** 0 closed to 1 open. */
  readonly doorOpenness: number
  /** What is wrong, from when it bites. A fault that still waits for its chance is none. */
  readonly fault: { readonly name: LiftFaultName; readonly sinceMs: number } | null
  /** Persons, ever since: arrived = waiting + in the car + delivered + took the stairs. */
  readonly arrivedCount: number
  readonly deliveredCount: number
  readonly stairsCount: number
}

/** The truth at `atMs`, to which the state must have been advanced. */
export function truthAt(plan: LiftPlan, state: LiftState, atMs: number): Truth {
  const { trapped, fault } = state
  const peopleInCar = personCount(state.aboard)
  return {
    lift: plan.id,
    atMs,
    peopleInCar,
    peopleWaiting: personCount(state.waiting),
    trapped: trapped === null ? null : trappedAt(plan, trapped, peopleInCar),
    heightMm: heightMmAt(state, atMs),
    speedMmps: speedMmpsAt(state, atMs),
    doorOpenness: opennessAt(state, atMs),
    fault: fault === null || fault.bittenAtMs === null ? null : { name: fault.name, sinceMs: fault.bittenAtMs },
    arrivedCount: state.arrivedCount,
    deliveredCount: state.deliveredCount,
    stairsCount: state.stairsCount,
  }
}

const trappedAt = (plan: LiftPlan, { sinceMs, heightMm }: Trapped, peopleCount: number): Truth['trapped'] => ({
  sinceMs,
  place: offLandingMm(plan, heightMm) > DOOR_ZONE_MM ? 'between' : 'at-level',
  peopleCount,
})
