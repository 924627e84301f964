/** The doors: opening, closing, opening again for somebody in the way or for a late comer. */
import { textWord, unit } from '../random.ts'
import { directionOf } from './calls.ts'
import { begin, opennessAt, type LiftPlan, type LiftState } from './lift-state.ts'
import type { RiderGroup } from '../town/residents.ts'

export const DOOR_OPEN_MS = 2000
export const DOOR_CLOSE_MS = 3000
/** After so many reopenings the doors close slowly, with a buzzer, whatever is in their way (强迫关门, nudging). */
const REOPEN_COUNT_MAX = 3
const NUDGING_FACTOR = 1.6
/** Doors that still stand open stay open this long for one more. */
const STAY_OPEN_MS = 1500
/** Where the light curtain meets who is in the way. */
const CURTAIN_OPENNESS = 0.45
/** Somebody who needs longer than this through the door walks slowly. */
const SLOW_TRANSFER_MS = 2600
/** How often a closing door meets somebody, and how often when somebody slow has just passed. */
const IN_THE_WAY_SHARE = 0.02
const SLOW_IN_THE_WAY_SHARE = 0.15

/** Opens from wherever the doors are. Opening again before they were shut does not count as an opening. */
export function openDoors(state: LiftState, atMs: number): LiftState {
  const openness = opennessAt(state, atMs)
  const { counters } = state
  const isFresh = openness === 0
  const counted = isFresh
    ? { ...state, reopenCount: 0, counters: { ...counters, doorOpenCount: counters.doorOpenCount + 1 } }
    : state
  return begin(counted, 'opening', atMs, (1 - openness) * DOOR_OPEN_MS, { opennessTo: 1 })
}

/** Closes from wherever the doors are, down to `opennessTo`. */
export function closeDoors(state: LiftState, atMs: number, opennessTo = 0): LiftState {
  const isNudging = state.reopenCount >= REOPEN_COUNT_MAX
  const fullMs = DOOR_CLOSE_MS * (isNudging ? NUDGING_FACTOR : 1)
  return begin(state, 'closing', atMs, (opennessAt(state, atMs) - opennessTo) * fullMs, { opennessTo })
}

/** The dwell is over: the doors close, unless somebody is in their way. */
export function closeForRide(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const { reopenCount, counters, aboard } = state
  const isSlow = aboard.some((group) => group.transferMs > SLOW_TRANSFER_MS * group.count)
  const share = isSlow ? SLOW_IN_THE_WAY_SHARE : IN_THE_WAY_SHARE
  const chance = unit(plan.house.seed, textWord(plan.id), counters.doorOpenCount, reopenCount, 12)
  const meetsSomebody = aboard.length > 0 && reopenCount < REOPEN_COUNT_MAX && chance < share
  return closeDoors(state, atMs, meetsSomebody ? CURTAIN_OPENNESS : 0)
}

/** The doors meet something and open again. */
export const reopen = (state: LiftState, atMs: number): LiftState =>
  openDoors({ ...state, reopenCount: state.reopenCount + 1 }, atMs)

/** Somebody comes while the doors stand open or close: they open again, but not for ever. */
export function reopenFor(state: LiftState, group: RiderGroup, atMs: number): LiftState {
  const goesAlong = state.direction === 0 || state.direction === directionOf(group)
  const isHere = group.from === state.stop
  // Doors on their way to something that is in their way open anyhow.
  const meetsSomebody = state.opennessTo > 0 && state.phase === 'closing'
  if (!isHere || !goesAlong || meetsSomebody || state.reopenCount >= REOPEN_COUNT_MAX) return state
  return state.phase === 'exchanged'
    ? begin({ ...state, reopenCount: state.reopenCount + 1 }, 'open', atMs, STAY_OPEN_MS)
    : reopen(state, atMs)
}
