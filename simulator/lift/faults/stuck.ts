/** A car that stands and holds its people: what happens while it stands, and how they get out. */
import { closeDoors, openDoors } from '../doors.ts'
import { begin, heightMmAt, NO_FLAWS, offLandingMm, opennessAt, type LiftPlan, type LiftState } from '../lift-state.ts'
import { DOOR_ZONE_MM } from '../limits.ts'
import { gbt, pressAlarm, raise, releaseAlarm } from '../conditions.ts'
import type { Phase } from '../phases.ts'
import { creep, land } from '../travel.ts'
import { change, endFault, faultIn } from './course.ts'

type Mark = { readonly afterMs: number; readonly pass: (plan: LiftPlan, state: LiftState, atMs: number) => LiftState }

const press: Mark['pass'] = (_plan, state, atMs) => (state.aboard.length > 0 ? pressAlarm(state, atMs) : state)
const release: Mark['pass'] = (_plan, state) => releaseAlarm(state)

/** ms after the stop. The controller says soon that it stands where it should not; somebody holds the alarm button now and then. */
const MARKS: readonly Mark[] = [
  { afterMs: 2000, pass: sayWhereItStands },
  { afterMs: 40_000, pass: press },
  { afterMs: 45_000, pass: release },
  { afterMs: 340_000, pass: press },
  { afterMs: 345_000, pass: release },
  { afterMs: 940_000, pass: press },
  { afterMs: 945_000, pass: release },
]

/** A controller without power says nothing. */
function sayWhereItStands(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const isOutside = offLandingMm(plan, heightMmAt(state, atMs)) > DOOR_ZONE_MM
  return isOutside && state.onBatterySinceMs === null ? raise(state, [gbt(4)], atMs) : state
}

/** The car stands, and stays until the fault is over. */
export function becomeStuck(state: LiftState, atMs: number, phase: Phase = 'stuck'): LiftState {
  const standing = begin(change(state, { stage: 0 }), phase, atMs, 1, { direction: 0 })
  return { ...standing, untilMs: nextMarkAtMs(standing, atMs) }
}

function nextMarkAtMs(state: LiftState, atMs: number): number {
  const { stage, endsAtMs } = faultIn(state)
  const markAtMs = state.sinceMs + (MARKS[stage]?.afterMs ?? Infinity)
  return Math.max(atMs + 1, Math.min(markAtMs, endsAtMs))
}

/** What is due while the car stands: the next mark, or the end. */
export function endStuck(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  return passMark(plan, state, atMs) ?? free(plan, state, atMs)
}

/** The state after the mark that is due now; undefined when the fault is over. */
export function passMark(plan: LiftPlan, state: LiftState, atMs: number): LiftState | undefined {
  const { stage, endsAtMs } = faultIn(state)
  const mark = MARKS[stage]
  if (mark === undefined || atMs >= endsAtMs) return undefined
  const passed = change(mark.pass(plan, state, atMs), { stage: stage + 1 })
  return { ...passed, untilMs: nextMarkAtMs(passed, atMs) }
}

/** The fault is over, or a mechanic is here: the doors are closed if they must be, the car goes to a landing, people get out. */
export function free(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const whole = { ...releaseAlarm(state), flaws: NO_FLAWS }
  const held = whole.fault === null ? whole : change(whole, { dueAtMs: Infinity })
  if (state.stop !== null) return letOut(plan, held, atMs)
  if (opennessAt(state, atMs) > 0) return { ...closeDoors(held, atMs), phase: 'closing-up' }
  return creep(plan, held, atMs)
}

/** At a landing: the fault has ended, the doors open, everybody gets out. */
export function letOut(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  return openDoors({ ...endFault(land(plan, state, atMs)), isEvacuating: true }, atMs)
}
