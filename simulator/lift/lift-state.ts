/** What a simulated lift is at one moment. Times are Unix ms, heights mm above the lowest landing. Plain data throughout. */
import type { LiftId } from '#contract/ids'
import type { CodeSet, MessageClass } from '#contract/telemetry'
import type { House, RiderGroup } from '../town/residents.ts'
import type { Direction } from './calls.ts'
import type { Counters } from './counters.ts'
import type { LiftFaultName } from './faults/fault-names.ts'
import { heightAt, kinematicsAt, restAt, speedAt, type Kinematics, type Motion } from './motion.ts'
import { PHASES, type Phase } from './phases.ts'

/** What does not change while the lift is simulated. */
export type LiftPlan = {
  readonly id: LiftId
  readonly labels: readonly string[]
  readonly heightsMm: readonly number[]
  readonly ratedMmps: number
  readonly ratedLoadKg: number
  readonly house: House
}

/** A message of the controller that stands: raised and not yet cleared. */
export type Condition = {
  readonly codeSet: CodeSet
  readonly code: number
  readonly kind: MessageClass
  readonly sinceMs: number
}

/** What a fault changes in the lift as a machine, beside what it makes it do. */
export type Flaws = {
  readonly isSafetyCircuitOpen: boolean
  readonly isDoorLockOpen: boolean
  /** The brake lets the car slide past its stops by so much. */
  readonly overshootMm: number
  /** The position that the controller believes in runs away from the true one, per metre of way. */
  readonly driftMmPerM: number
  readonly vibrationMg: number
  /** The controller gets so much hotter than it should be. */
  readonly heatC: number
}
export const NO_FLAWS: Flaws = {
  isSafetyCircuitOpen: false,
  isDoorLockOpen: false,
  overshootMm: 0,
  driftMmPerM: 0,
  vibrationMg: 0,
  heatC: 0,
}

/** A fault that was put upon the lift. */
export type ActiveFault = {
  readonly name: LiftFaultName
  /** How long it lasts from when it begins to bite. */
  readonly durationMs: number
  /** When it began to bite; null while it waits for its chance. */
  readonly bittenAtMs: number | null
  /** When it is over; before it has bitten, when its chance is given up. */
  readonly endsAtMs: number
  /** When it does something by itself; Infinity when only the phases of the lift take it on. */
  readonly dueAtMs: number
  /** How far its course has got. */
  readonly stage: number
  /** The landing and the people that it is about, where it is about some. */
  readonly landing: number | null
  readonly group: RiderGroup | null
}

/** People in the car who cannot leave it. `heightMm` is where it stood when that began. */
export type Trapped = { readonly sinceMs: number; readonly heightMm: number }

export type LiftState = {
  readonly phase: Phase
  readonly sinceMs: number
  /** When the phase ends by itself; Infinity when it waits for a call. */
  readonly untilMs: number
  /** Counted from `sinceMs`. */
  readonly motion: Motion
  /** Where and when the present run began. */
  readonly run: { readonly fromMm: number; readonly atMs: number; readonly loadKg: number } | null
  /** The landing at which the car stands or to which it goes; null when it stops between two. */
  readonly stop: number | null
  readonly direction: Direction
  /** How far the doors are open, 0 to 1, at `sinceMs` and at `untilMs`. */
  readonly openness: number
  readonly opennessTo: number
  /** How often the doors opened again at this landing. */
  readonly reopenCount: number
  readonly waiting: readonly RiderGroup[]
  readonly aboard: readonly RiderGroup[]
  /** A landing that the lift goes to although nobody is there to ride. */
  readonly summons: number | null
  /** Everybody gets out at the next stop and nobody gets in. */
  readonly isEvacuating: boolean
  /** Persons: `arrivedCount` = waiting + aboard + `deliveredCount` + `stairsCount` at any moment. */
  readonly arrivedCount: number
  readonly deliveredCount: number
  /** Those who walked, all the way or the rest of it. */
  readonly stairsCount: number
  readonly trapped: Trapped | null
  readonly counters: Counters
  /** Since when the standby power is not yet in the counters; null while the mains are off. */
  readonly standbySinceMs: number | null
  /** How much warmer than its surroundings the runs made the controller, and when that was so. */
  readonly warmth: { readonly degreesC: number; readonly atMs: number }
  readonly fault: ActiveFault | null
  readonly flaws: Flaws
  /** Believed height less true height, at the end of the last run. */
  readonly positionErrorMm: number
  readonly conditions: readonly Condition[]
  readonly serviceMode: number
  readonly onBatterySinceMs: number | null
  readonly alarmButton: boolean
}

/** Takes a lift from one state to the next. `state` must have been advanced to `atMs`. */
export type Step = (plan: LiftPlan, state: LiftState, atMs: number) => LiftState

const elapsedS = (state: LiftState, atMs: number): number => (atMs - state.sinceMs) / 1000

export const heightMmAt = (state: LiftState, atMs: number): number => heightAt(state.motion, elapsedS(state, atMs))
/** Up is positive, mm/s. */
export const speedMmpsAt = (state: LiftState, atMs: number): number => speedAt(state.motion, elapsedS(state, atMs))
export const kinematicsOf = (state: LiftState, atMs: number): Kinematics =>
  kinematicsAt(state.motion, elapsedS(state, atMs))

/** How far the doors are open, 0 to 1. */
export function opennessAt(state: LiftState, atMs: number): number {
  const { openness, opennessTo, sinceMs, untilMs } = state
  if (openness === opennessTo || atMs <= sinceMs) return openness
  return atMs >= untilMs ? opennessTo : openness + ((opennessTo - openness) * (atMs - sinceMs)) / (untilMs - sinceMs)
}

/** What a new phase may bring with it; the doors stay as they are unless it says how far they go. */
type Change = Partial<Pick<LiftState, 'motion' | 'stop' | 'direction' | 'opennessTo'>>

/** Every change of phase goes through here. A phase lasts at least 1 ms, so that no loop of phases can stand still. */
export function begin(
  state: LiftState,
  phase: Phase,
  atMs: number,
  durationMs: number,
  change: Change = {},
): LiftState {
  const openness = opennessAt(state, atMs)
  const { stop = state.stop, direction = state.direction, opennessTo = openness } = change
  return {
    phase,
    sinceMs: atMs,
    untilMs: atMs + Math.max(1, Math.ceil(durationMs)),
    // A car that stands keeps no motion: its height is exact, however long it stands.
    motion: change.motion ?? (PHASES[phase].moves ? state.motion : standing(state, atMs)),
    stop,
    direction,
    openness,
    opennessTo,
    trapped: trappedIn(state, phase, atMs),
    // Field by field: a spread of so many takes far longer, and this is most of what a lift costs.
    run: state.run,
    reopenCount: state.reopenCount,
    waiting: state.waiting,
    aboard: state.aboard,
    summons: state.summons,
    isEvacuating: state.isEvacuating,
    arrivedCount: state.arrivedCount,
    deliveredCount: state.deliveredCount,
    stairsCount: state.stairsCount,
    counters: state.counters,
    standbySinceMs: state.standbySinceMs,
    warmth: state.warmth,
    fault: state.fault,
    flaws: state.flaws,
    positionErrorMm: state.positionErrorMm,
    conditions: state.conditions,
    serviceMode: state.serviceMode,
    onBatterySinceMs: state.onBatterySinceMs,
    alarmButton: state.alarmButton,
  }
}

/** People are trapped from when the car that holds them stands until its doors are open. */
function trappedIn(state: LiftState, phase: Phase, atMs: number): Trapped | null {
  if (phase === 'open') return null
  if (state.trapped !== null || !PHASES[phase].holds || state.aboard.length === 0) return state.trapped
  return { sinceMs: atMs, heightMm: heightMmAt(state, atMs) }
}

function standing(state: LiftState, atMs: number): Motion {
  return state.motion.endS === 0 ? state.motion : restAt(heightMmAt(state, atMs))
}

export function heightOf(plan: LiftPlan, landing: number): number {
  const heightMm = plan.heightsMm[landing]
  if (heightMm === undefined) throw new RangeError(`there is no landing ${landing}`)
  return heightMm
}

export const topLanding = (plan: LiftPlan): number => plan.heightsMm.length - 1

/** The landing nearest to a height; the lower one of two that are equally near. */
export function nearestLanding(heightsMm: readonly number[], heightMm: number): number {
  let nearest = 0
  for (let landing = 1; landing < heightsMm.length; landing += 1)
    if (Math.abs((heightsMm[landing] ?? 0) - heightMm) < Math.abs((heightsMm[nearest] ?? 0) - heightMm))
      nearest = landing
  return nearest
}

/** How far a height is from the nearest landing. */
export const offLandingMm = (plan: LiftPlan, heightMm: number): number =>
  Math.abs(heightOf(plan, nearestLanding(plan.heightsMm, heightMm)) - heightMm)
