/** A lift and the people who come to it, taken on together from one event to the next. */
import { firstArrival, groupOf, nextArrival, type Arrivals } from '../town/residents.ts'
import { advanceLift, callLift, nextChangeAtMs, startLift } from './lift.ts'
import type { LiftPlan, LiftState } from './lift-state.ts'

export type Life = { readonly state: LiftState; readonly arrivals: Arrivals }

/** A lift at rest that nobody waits for. */
export const beginLife = (plan: LiftPlan, atMs: number): Life => ({
  state: startLift(plan, atMs),
  arrivals: firstArrival(plan.house, atMs),
})

/** When something happens next: to the lift by itself, or because somebody comes. */
export const nextEventAtMs = ({ state, arrivals }: Life): number => Math.min(nextChangeAtMs(state), arrivals.atMs)

/** Takes the lift through what is due, and then lets those come who have come by `atMs`. No event may lie before `atMs`. */
export function live(plan: LiftPlan, life: Life, atMs: number): Life {
  let state = advanceLift(plan, life.state, atMs)
  let { arrivals } = life
  while (arrivals.atMs <= atMs) {
    state = callLift(plan, state, groupOf(plan.house, arrivals), atMs)
    arrivals = nextArrival(plan.house, arrivals)
  }
  return { state, arrivals }
}
