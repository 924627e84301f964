/** What a lift draws from the mains, and how warm its controller gets. Our own simple model, set to the yearly figures known. */
import { textWord, unit } from '../random.ts'
import { massKg } from './calls.ts'
import { heightMmAt, type LiftPlan, type LiftState } from './lift-state.ts'

const G_MPS2 = 9.81
const J_PER_KWH = 3.6e6
/** Magnetising, brake and doors of one run. */
const RUN_START_J = 1500
/** Rails, sheaves and air. */
const FRICTION_N = 60
/**
 * Share of the work between car and counterweight that is lost. The drive feeds what an overhauling load gives back into the
 * house; counted, in a counter that never falls, is what both ways cost together.
 */
const LOSS_SHARE = 0.22
/** Controller, light, display and terminal: so much, by lift. */
const STANDBY_W = { min: 46, max: 58 } as const

/** The counterweight (对重) balances the car and this share of its rated load: 0.45 to 0.5, by lift. */
const balanceShare = (plan: LiftPlan): number => 0.45 + 0.05 * unit(plan.house.seed, textWord(plan.id), 16)

/** What one run with this load over this distance takes. */
export function runEnergyKWh(plan: LiftPlan, loadKg: number, distanceM: number): number {
  const unbalancedKg = Math.abs(loadKg - balanceShare(plan) * plan.ratedLoadKg)
  return (RUN_START_J + distanceM * (FRICTION_N + LOSS_SHARE * unbalancedKg * G_MPS2)) / J_PER_KWH
}

/** Light enough to be drawn up when the brake lets go, or heavy enough to sink. */
export const driftsUp = (plan: LiftPlan, state: LiftState): boolean =>
  massKg(state.aboard) < balanceShare(plan) * plan.ratedLoadKg

/** What the lift takes while it does nothing, since `sinceMs`. */
export const standbyKWh = (plan: LiftPlan, sinceMs: number | null, atMs: number): number => {
  const standbyW = STANDBY_W.min + (STANDBY_W.max - STANDBY_W.min) * unit(plan.house.seed, textWord(plan.id), 17)
  return sinceMs === null ? 0 : (Math.max(0, atMs - sinceMs) / 3600_000) * (standbyW / 1000)
}

const WARM_PER_RUN_C = 0.35
const COOLING_MS = 25 * 60_000

/** How much warmer than its surroundings the runs of the last hour have made the controller. */
export const warmthC = ({ warmth }: LiftState, atMs: number): number =>
  warmth.degreesC === 0 ? 0 : warmth.degreesC * Math.exp((warmth.atMs - atMs) / COOLING_MS)

/** Closes the account of the run: what it counts, what it costs and how warm it made the controller. */
export function endOfRun(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const { run, counters } = state
  if (run === null) return state
  const distanceM = Math.abs(heightMmAt(state, atMs) - run.fromMm) / 1000
  return {
    ...state,
    run: null,
    positionErrorMm: state.positionErrorMm + state.flaws.driftMmPerM * distanceM,
    warmth: { degreesC: warmthC(state, atMs) + WARM_PER_RUN_C, atMs },
    counters: {
      ...counters,
      distanceM: counters.distanceM + distanceM,
      runTimeS: counters.runTimeS + (atMs - run.atMs) / 1000,
      energyKWh: counters.energyKWh + runEnergyKWh(plan, run.loadKg, distanceM),
    },
  }
}
