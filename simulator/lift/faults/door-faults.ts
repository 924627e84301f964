/** Faults at and of the doors. */
import { gbt, pressAlarm, raise, releaseAlarm, vendor } from '../conditions.ts'
import { closeDoors, closeForRide, openDoors } from '../doors.ts'
import { begin, opennessAt, type LiftPlan, type LiftState } from '../lift-state.ts'
import { walkOut } from '../riders.ts'
import { land } from '../travel.ts'
import { bite, biteUntilOver, change, endFault, faultIn, type Course, type TakeOver } from './course.ts'
import { becomeStuck } from './stuck.ts'
import { withRider } from './trips.ts'

/** Where the doors meet what is in their way. */
const BLOCKED_OPENNESS = 0.5
const BLOCKED_ATTEMPTS = 3
/** How long the door motor tries before the controller calls it a fault. */
const OPENING_TRIED_MS = 10_000

/** A lift that nobody uses opens its doors, for these faults need open ones. */
const openIfIdle = (_plan: LiftPlan, state: LiftState, atMs: number): LiftState =>
  state.phase === 'idle' ? openDoors(state, atMs) : state

/** Doors that have just closed open once more for a fault that needs them open: nobody else may come for long. */
const openAgain = (state: LiftState, atMs: number): LiftState | undefined =>
  opennessAt(state, atMs) === 0 ? openDoors(state, atMs) : undefined

/** The same for a car that comes to a landing where nobody waits. */
const openOnArrival: TakeOver = (plan, state, atMs) =>
  faultIn(state).bittenAtMs === null ? openDoors(land(plan, state, atMs), atMs) : undefined

/** People do not wait in a car whose doors do not close. */
const hold = (state: LiftState, atMs: number): LiftState =>
  begin(walkOut(state), 'held', atMs, faultIn(state).endsAtMs - atMs)

const letClose = (state: LiftState, atMs: number): LiftState => closeDoors(endFault(state), atMs)

/** Something lies in the sill: the doors try again and again, then stay half open. */
const blocked: Course = {
  begin: openIfIdle,
  ends: {
    exchanged: (plan, state, atMs) => {
      const bitten = bite(state, atMs)
      const { endsAtMs, stage } = faultIn(bitten)
      if (atMs >= endsAtMs) return closeForRide(plan, endFault(state), atMs)
      return closeDoors(change(bitten, { stage: stage + 1 }), atMs, BLOCKED_OPENNESS)
    },
    closing: (_plan, state, atMs) => {
      const { bittenAtMs, stage } = faultIn(state)
      if (bittenAtMs === null) return openAgain(state, atMs)
      if (opennessAt(state, atMs) === 0) return undefined
      return stage < BLOCKED_ATTEMPTS ? openDoors(state, atMs) : hold(raise(state, [gbt(2)], atMs), atMs)
    },
    held: (_plan, state, atMs) => letClose(state, atMs),
    levelling: openOnArrival,
  },
}

/** A wedge or a shopping trolley holds the doors fully open. No controller calls that a fault. */
const heldOpen: Course = {
  begin: openIfIdle,
  ends: {
    exchanged: (_plan, state, atMs) => begin(walkOut(bite(state, atMs)), 'kept-open', atMs, faultIn(state).durationMs),
    closing: (_plan, state, atMs) => openAgain(state, atMs),
    levelling: openOnArrival,
    'kept-open': (plan, state, atMs) => closeForRide(plan, endFault(state), atMs),
  },
}

/** The car comes to its landing and its doors stay shut. */
const willNotOpen: Course = {
  begin: (plan, state, atMs) => withRider(plan, state, atMs),
  ends: {
    levelling: (plan, state, atMs) => {
      if (state.aboard.length === 0) return undefined
      const landed = bite(land(plan, state, atMs), atMs, { dueAtMs: atMs + OPENING_TRIED_MS })
      return becomeStuck(landed, atMs)
    },
  },
  due: (_plan, state, atMs) =>
    faultIn(state).bittenAtMs === null ? endFault(state) : raise(change(state, { dueAtMs: Infinity }), [gbt(3)], atMs),
}

/** The lock contact does not close: instead of starting, the doors open and the lift tries again. */
const lockBounces: Course = {
  begin: (plan, state, atMs) => withRider(plan, state, atMs),
  ends: {
    starting: (_plan, state, atMs) => {
      const failed = raise(biteUntilOver(state, atMs), [vendor(13)], atMs)
      return openDoors({ ...failed, flaws: { ...failed.flaws, isDoorLockOpen: true } }, atMs)
    },
  },
}

/** ms after the doors were forced: the alarm button for fun, twice. */
const MISCHIEF_MS: readonly number[] = [5000, 9000, 20_000, 24_000]

/** Somebody forces the doors and plays with the alarm button. */
const vandalism: Course = {
  begin: openIfIdle,
  ends: {
    exchanged: (plan, state, atMs) =>
      faultIn(state).bittenAtMs === null
        ? closeDoors(bite(state, atMs), atMs, BLOCKED_OPENNESS)
        : closeForRide(plan, endFault(state), atMs),
    closing: (_plan, state, atMs) => {
      if (faultIn(state).bittenAtMs === null) return openAgain(state, atMs)
      const forced = raise(change(state, { dueAtMs: atMs + (MISCHIEF_MS[0] ?? 0) }), [vendor(40)], atMs)
      return hold({ ...forced, flaws: { ...forced.flaws, isDoorLockOpen: true } }, atMs)
    },
    held: (_plan, state, atMs) => letClose(state, atMs),
    levelling: openOnArrival,
  },
  due: (_plan, state, atMs) => {
    const { bittenAtMs, stage } = faultIn(state)
    if (bittenAtMs === null) return endFault(state)
    const sinceMs = MISCHIEF_MS[stage] ?? 0
    const nextMs = MISCHIEF_MS[stage + 1]
    const dueAtMs = nextMs === undefined ? Infinity : atMs - sinceMs + nextMs
    const moved = change(state, { stage: stage + 1, dueAtMs })
    return stage % 2 === 0 ? pressAlarm(moved, atMs) : releaseAlarm(moved)
  },
}

export const DOOR_FAULTS = {
  'door-blocked': blocked,
  'door-held-open': heldOpen,
  'door-will-not-open': willNotOpen,
  'lock-contact-bounces': lockBounces,
  vandalism,
} as const
