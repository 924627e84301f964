/**
 * The course of a fault: what happens to the lift in place of what its control would do. A course takes over at the ends of
 * phases (`ends`), and at times of its own (`due`); everything that it does not name goes on as in a healthy lift.
 */
import { NO_FLAWS, type ActiveFault, type LiftPlan, type LiftState, type Step } from '../lift-state.ts'
import type { Phase } from '../phases.ts'

/** Takes the place of what the control would do; undefined when it lets it. */
export type TakeOver = (plan: LiftPlan, state: LiftState, atMs: number) => LiftState | undefined
export type Course = {
  /** When the fault is put upon the lift: from then on it waits for its chance, or bites at once. */
  readonly begin: Step
  readonly ends?: Partial<Record<Phase, TakeOver>>
  /** At `dueAtMs`. Without it a fault ends then. */
  readonly due?: Step
  /** When a mechanic lets the people out. Without it that also ends the fault. */
  readonly rescue?: Step
}

/** A fault that finds no chance in so long is given up. */
export const CHANCE_MS = 20 * 60_000
/** No fault lasts longer, whatever was asked for. */
export const FAULT_MS_MAX = 7 * 24 * 3600_000

/** The fault of a lift that has one. */
export function faultIn(state: LiftState): ActiveFault {
  if (state.fault === null) throw new Error('this lift has no fault')
  return state.fault
}

export const change = (state: LiftState, of: Partial<ActiveFault>): LiftState => ({
  ...state,
  fault: { ...faultIn(state), ...of },
})

/** The fault begins to bite: its duration is counted from here. It stays until a phase or `dueAtMs` ends it. */
export function bite(state: LiftState, atMs: number, of: Partial<ActiveFault> = {}): LiftState {
  const fault = faultIn(state)
  if (fault.bittenAtMs !== null) return state
  return change(state, { bittenAtMs: atMs, endsAtMs: atMs + fault.durationMs, dueAtMs: Infinity, ...of })
}

/** Bites at once and simply lasts. */
export const biteUntilOver = (state: LiftState, atMs: number): LiftState =>
  bite(state, atMs, { dueAtMs: atMs + faultIn(state).durationMs })

/** Nothing is wrong any more, and nothing stands of what the controller said. */
export const endFault = (state: LiftState): LiftState => ({
  ...state,
  fault: null,
  flaws: NO_FLAWS,
  positionErrorMm: 0,
  conditions: [],
  serviceMode: 1,
  alarmButton: false,
})
