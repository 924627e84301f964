/** From a lift of the register to what the state machine needs of it. */
import type { Lift } from '#contract/register'
import { houseOf, type Pattern } from '../town/residents.ts'
import type { LiftPlan } from './lift-state.ts'

/** Speeds in m/s become mm/s; the residents follow from the seed and the lift's id. */
export const planOf = (lift: Lift, house: { seed: number; speed: number; pattern: Pattern }): LiftPlan => ({
  id: lift.id,
  labels: lift.landings.map(({ label }) => label),
  heightsMm: lift.landings.map(({ heightMm }) => heightMm),
  ratedMmps: lift.ratedSpeedMps * 1000,
  ratedLoadKg: lift.ratedLoadKg,
  house: houseOf(lift, house),
})
