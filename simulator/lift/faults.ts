/** The faults of a lift: putting one upon it, and letting out those whom it traps. What each does stands in `faults/`. */
import type { LiftPlan, LiftState } from './lift-state.ts'
import { CHANCE_MS, FAULT_MS_MAX, type Course } from './faults/course.ts'
import { DOOR_FAULTS } from './faults/door-faults.ts'
import type { LiftFaultName } from './faults/fault-names.ts'
import { LIFT_FAULTS } from './faults/fault-table.ts'
import { MACHINE_FAULTS } from './faults/machine-faults.ts'
import { MODE_FAULTS } from './faults/mode-faults.ts'
import { PEOPLE_FAULTS } from './faults/people-faults.ts'
import { POWER_FAULTS } from './faults/power-faults.ts'
import { free } from './faults/stuck.ts'
import { TRIPS } from './faults/trips.ts'
import { PHASES } from './phases.ts'

export { FAULT_CAUSES, LIFT_FAULT_NAMES, type FaultCause, type LiftFaultName } from './faults/fault-names.ts'
export { LIFT_FAULTS, type LiftFault } from './faults/fault-table.ts'

export const isLiftFaultName = (text: string): text is LiftFaultName => Object.hasOwn(LIFT_FAULTS, text)

const COURSES: Readonly<Record<LiftFaultName, Course>> = {
  ...DOOR_FAULTS,
  ...TRIPS,
  ...MACHINE_FAULTS,
  ...MODE_FAULTS,
  ...POWER_FAULTS,
  ...PEOPLE_FAULTS,
}

/** The course of the fault that the lift has, if it has one. */
export const courseOf = (state: LiftState): Course | undefined =>
  state.fault === null ? undefined : COURSES[state.fault.name]

/**
 * Puts a fault upon the lift. It bites at once or at its next chance, and lasts for `durationMs` from then, at most
 * `FAULT_MS_MAX`; a fault that finds no chance in `CHANCE_MS` is given up. Undefined while another fault lasts.
 */
export function beginFault(
  plan: LiftPlan,
  state: LiftState,
  o: { name: LiftFaultName; durationMs: number },
  atMs: number,
): LiftState | undefined {
  if (state.fault !== null) return undefined
  const givenUpAtMs = atMs + CHANCE_MS
  const fault = {
    name: o.name,
    durationMs: Math.max(1, Math.min(FAULT_MS_MAX, Math.round(o.durationMs))),
    bittenAtMs: null,
    endsAtMs: givenUpAtMs,
    dueAtMs: givenUpAtMs,
    stage: 0,
    landing: null,
    group: null,
  }
  return COURSES[o.name].begin(plan, { ...state, fault }, atMs)
}

/** What a mechanic finds who comes now: people to let out, people who are being let out already, or nobody who is trapped. */
export type RescueAnswer = 'begins' | 'under-way' | 'nobody-trapped'
export function rescueAnswer(state: LiftState): RescueAnswer {
  if (state.trapped === null) return 'nobody-trapped'
  return PHASES[state.phase].holds && state.phase !== 'closing-up' ? 'begins' : 'under-way'
}

/**
 * A mechanic lets out those who are trapped; with that most faults are over. Unless `rescueAnswer` is `begins` nothing
 * changes.
 */
export function rescueLift(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  if (rescueAnswer(state) !== 'begins') return state
  return (courseOf(state)?.rescue ?? free)(plan, state, atMs)
}
