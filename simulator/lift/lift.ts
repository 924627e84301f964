/**
 * One lift as a pure state machine on a virtual clock: a state says what the lift does and until when, `advanceLift` takes it
 * on to any later time. Between two changes nothing is computed.
 *
 * The doors are closed in every phase in which the car moves: `PHASES` says which those are, and the tests hold the machine to
 * it at any moment of any life. The two phases that move with open doors are entered by faults alone.
 */
import { textWord, unit } from '../random.ts'
import type { RiderGroup } from '../town/residents.ts'
import { NOTHING_COUNTED } from './counters.ts'
import { closeForRide, reopen, reopenFor } from './doors.ts'
import { endOfRun } from './energy.ts'
import { courseOf } from './faults.ts'
import { endFault } from './faults/course.ts'
import { becomeStuck, endStuck, free, letOut } from './faults/stuck.ts'
import { begin, heightOf, NO_FLAWS, opennessAt, type LiftPlan, type LiftState, type Step } from './lift-state.ts'
import { restAt } from './motion.ts'
import type { Phase } from './phases.ts'
import { dwellMs, exchange, join, stepOut } from './riders.ts'
import { arrive, depart, level, redirect, startRun } from './travel.ts'

export { startCounting } from './counters.ts'

/** People and cars are under way when the simulator starts: the lift has lived this long before anybody looks. */
const WARM_UP_MS = 5 * 60_000
export const warmUpFromMs = (startAtMs: number): number => startAtMs - WARM_UP_MS

/** A lift that stands at a landing with its doors closed and has counted nothing. */
export function startLift(plan: LiftPlan, atMs: number): LiftState {
  const { heightsMm, house } = plan
  const stop = Math.floor(unit(house.seed, textWord(plan.id), 7) * heightsMm.length)
  return {
    phase: 'idle',
    sinceMs: atMs,
    untilMs: Infinity,
    motion: restAt(heightOf(plan, stop)),
    run: null,
    stop,
    direction: 0,
    openness: 0,
    opennessTo: 0,
    reopenCount: 0,
    waiting: [],
    aboard: [],
    summons: null,
    isEvacuating: false,
    arrivedCount: 0,
    deliveredCount: 0,
    stairsCount: 0,
    trapped: null,
    counters: NOTHING_COUNTED,
    standbySinceMs: atMs,
    warmth: { degreesC: 0, atMs },
    fault: null,
    flaws: NO_FLAWS,
    positionErrorMm: 0,
    conditions: [],
    serviceMode: 1,
    onBatterySinceMs: null,
    alarmButton: false,
  }
}

/** When the lift changes next by itself; Infinity when it waits for a call. */
export const nextChangeAtMs = (state: LiftState): number =>
  state.fault === null ? state.untilMs : Math.min(state.untilMs, state.fault.dueAtMs)

/** Takes the lift through everything that is due up to and including `toMs`. */
export function advanceLift(plan: LiftPlan, state: LiftState, toMs: number): LiftState {
  let next = state
  for (let atMs = nextChangeAtMs(next); atMs <= toMs; atMs = nextChangeAtMs(next)) next = change(plan, next, atMs)
  return next
}

/** What a fault does by itself comes before the end of a phase that falls on the same ms. */
function change(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const course = courseOf(state)
  if (course === undefined) return PHASE_ENDS[state.phase](plan, state, atMs)
  if (state.fault !== null && state.fault.dueAtMs <= atMs)
    return course.due === undefined ? endFault(state) : course.due(plan, state, atMs)
  return course.ends?.[state.phase]?.(plan, state, atMs) ?? PHASE_ENDS[state.phase](plan, state, atMs)
}

/** Somebody calls the lift. `state` must have been advanced to `atMs`. */
export function callLift(plan: LiftPlan, state: LiftState, group: RiderGroup, atMs: number): LiftState {
  const called = join(plan, state, group)
  if (called.waiting === state.waiting) return called
  switch (state.phase) {
    case 'idle':
      return depart(plan, called, atMs)
    case 'running':
      return redirect(plan, called, atMs)
    case 'closing':
    case 'exchanged':
      return state.isEvacuating ? called : reopenFor(called, group, atMs)
    default:
      return called
  }
}

const PHASE_ENDS: Readonly<Record<Phase, Step>> = {
  idle: (plan, state, atMs) => depart(plan, { ...state, summons: 0 }, atMs),
  starting: startRun,
  running: level,
  levelling: arrive,
  opening: (plan, state, atMs) => begin(state, 'open', atMs, dwellMs(plan, state) / 2),
  open: exchange,
  exchanged: closeForRide,
  overloaded: stepOut,
  closing: (plan, state, atMs) =>
    opennessAt(state, atMs) > 0 ? reopen(state, atMs) : depart(plan, { ...state, isEvacuating: false }, atMs),
  braking: (plan, state, atMs) => becomeStuck(endOfRun(plan, state, atMs), atMs),
  'braking-ajar': (plan, state, atMs) => becomeStuck(endOfRun(plan, state, atMs), atMs, 'stuck-ajar'),
  drifting: (plan, state, atMs) => becomeStuck(endOfRun(plan, state, atMs), atMs, 'stuck-open'),
  stuck: endStuck,
  'stuck-ajar': endStuck,
  'stuck-open': endStuck,
  'closing-up': free,
  rescuing: letOut,
  // Phases that only a fault enters, and leaves: without one they end as a stop that is over.
  held: free,
  'kept-open': free,
  runaway: free,
  slipping: free,
  dark: free,
  'out-of-service': free,
  inspecting: free,
  'inspecting-halt': free,
}
