/** Power cuts: the brake falls in, the battery brings the car to a landing, the lift rests until the mains are back. */
import { clear, gbt, raise, releaseAlarm } from '../conditions.ts'
import { bookStandby } from '../counters.ts'
import { openDoors } from '../doors.ts'
import { endOfRun } from '../energy.ts'
import { begin, type LiftPlan, type LiftState } from '../lift-state.ts'
import { sendAway } from '../riders.ts'
import { brake, creep, depart, land } from '../travel.ts'
import { bite, endFault, faultIn, type Course } from './course.ts'
import { becomeStuck, free, passMark } from './stuck.ts'
import { onRun, wouldHaltBetween } from './trips.ts'

/** Until the battery has taken over. */
const DARK_MS = 3000
const OUT_OF_SERVICE_MS_MIN = 5000
/** Doors without power are pushed open by those inside. */
const PUSHED_OPEN_MS = 1500

function loseMains(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const cut: LiftState = {
    ...sendAway(bookStandby(plan, bite(raise(state, [gbt(41)], atMs), atMs), atMs)),
    onBatterySinceMs: atMs,
    isEvacuating: true,
    summons: null,
  }
  switch (state.phase) {
    case 'idle':
    case 'starting':
      return leaveService(plan, cut, atMs)
    case 'running':
    case 'levelling':
      return brake(cut, atMs)
    case 'exchanged':
      return state.aboard.length > 0 ? begin(cut, 'open', atMs, PUSHED_OPEN_MS) : cut
    case 'closing':
      return state.aboard.length > 0 ? openDoors(cut, atMs) : cut
    default:
      return cut
  }
}

/** At a landing with closed doors: those inside get out first, if the doors can be opened. */
function leaveService(_plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  if (state.aboard.length > 0) return openDoors(state, atMs)
  return restInDark({ ...raise(clear(state, [gbt(46)]), [gbt(42)], atMs), serviceMode: 0 }, atMs)
}

function restInDark(state: LiftState, atMs: number): LiftState {
  const leftMs = faultIn(state).endsAtMs - atMs
  return begin(state, 'out-of-service', atMs, Math.max(OUT_OF_SERVICE_MS_MIN, leftMs), { direction: 0 })
}

const mainsBack = (state: LiftState, atMs: number): LiftState => ({
  ...endFault(state),
  onBatterySinceMs: null,
  standbySinceMs: atMs,
  isEvacuating: false,
})

const letEverybodyOut = (plan: LiftPlan, state: LiftState, atMs: number): LiftState =>
  openDoors({ ...releaseAlarm(clear(land(plan, state, atMs), [gbt(4)])), isEvacuating: true }, atMs)

/** A mechanic turns the car to a landing by hand; the mains stay away. */
const rescue = (plan: LiftPlan, state: LiftState, atMs: number): LiftState =>
  state.stop === null ? creep(plan, state, atMs) : letEverybodyOut(plan, state, atMs)

const powerCut: Course = {
  begin: loseMains,
  ends: {
    braking: (plan, state, atMs) => begin(endOfRun(plan, state, atMs), 'dark', atMs, DARK_MS, { direction: 0 }),
    dark: (plan, state, atMs) => creep(plan, { ...raise(state, [gbt(46)], atMs), serviceMode: 5 }, atMs),
    rescuing: letEverybodyOut,
    closing: (plan, state, atMs) => (state.opennessTo === 0 ? leaveService(plan, state, atMs) : undefined),
    'out-of-service': (plan, state, atMs) => depart(plan, mainsBack(state, atMs), atMs),
  },
  rescue,
}

/**
 * The rescue battery is flat: the car stays where the brake held it, in the dark, until the mains are back. The mains go at
 * once when the car runs, with people or without. Otherwise they go while somebody rides, at a moment from which the brake holds
 * the car between two landings: elsewhere nobody would miss the battery.
 *
 * That the mains are off is the last that the controller says. Without power it says nothing new, so the service mode stays the
 * one that it last told, also while the lift rests after a rescue.
 */
const flatOnRide: Course = onRun(
  (plan, state, atMs) => (wouldHaltBetween(plan, state, atMs) ? loseMains(plan, state, atMs) : undefined),
  {
    rescue,
    ends: {
      closing: (_plan, state, atMs) => {
        if (state.onBatterySinceMs === null || state.opennessTo > 0) return undefined
        return state.aboard.length > 0 ? openDoors(state, atMs) : restInDark(state, atMs)
      },
      'out-of-service': (plan, state, atMs) => depart(plan, mainsBack(state, atMs), atMs),
      braking: (plan, state, atMs) => becomeStuck(endOfRun(plan, state, atMs), atMs),
      stuck: (plan, state, atMs) => passMark(plan, state, atMs) ?? free(plan, powered(state, atMs), atMs),
      rescuing: (plan, state, atMs) =>
        state.onBatterySinceMs === null ? undefined : letEverybodyOut(plan, state, atMs),
    },
  },
)

const flatBattery: Course = {
  ...flatOnRide,
  begin: (plan, state, atMs) =>
    state.phase === 'running' ? loseMains(plan, state, atMs) : flatOnRide.begin(plan, state, atMs),
}

/** The mains are back while the car still stands between two landings. */
const powered = (state: LiftState, atMs: number): LiftState => ({
  ...clear(state, [gbt(41)]),
  onBatterySinceMs: null,
  standbySinceMs: atMs,
})

export const POWER_FAULTS = { 'power-cut': powerCut, 'power-cut-flat-battery': flatBattery } as const
