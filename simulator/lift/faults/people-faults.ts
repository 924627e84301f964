/** What people do: an e-bike in the car, an alarm for nothing, a call button that sticks. */
import { pressAlarm, raise, releaseAlarm, stands, vendor } from '../conditions.ts'
import { openDoors } from '../doors.ts'
import { exchange, joinFirst } from '../riders.ts'
import { depart, land } from '../travel.ts'
import { topLanding, type LiftPlan, type LiftState } from '../lift-state.ts'
import type { RiderGroup } from '../../town/residents.ts'
import { bite, biteUntilOver, change, endFault, faultIn, type Course } from './course.ts'
import { withRider } from './trips.ts'

/** Somebody of 70 kg and an e-bike of 55 kg. */
const E_BIKE_GROUP_KG = 125

/** Somebody takes an e-bike (电动自行车) up, which is forbidden because batteries burn. The camera sees it. */
const eBike: Course = {
  begin: (plan, state, atMs) => {
    const joined = joinFirst(plan, state, { from: 0, massKg: E_BIKE_GROUP_KG })
    const known = change(joined, { group: joined.waiting[0] ?? null })
    return state.phase === 'idle' ? depart(plan, known, atMs) : known
  },
  ends: {
    open: (plan, state, atMs) => {
      const { group } = faultIn(state)
      const after = exchange(plan, state, atMs)
      const isAboard = group !== null && after.aboard.some((one) => isSame(one, group))
      if (isAboard) return raise(biteUntilOver(after, atMs), [vendor(37)], atMs)
      return stands(after, vendor(37)) ? endFault(after) : after
    },
  },
}

/** By value, so that it holds also for a state that was copied. */
const isSame = (one: RiderGroup, other: RiderGroup): boolean =>
  one.count === other.count &&
  one.massKg === other.massKg &&
  one.from === other.from &&
  one.to === other.to &&
  one.transferMs === other.transferMs

/** After so long inside somebody leans on the button, for so long. */
const MISTAKE_AFTER_MS = 1500
const MISTAKE_MS = 4000

/** Somebody leans on the alarm button; nothing is wrong with the lift. */
const alarmByMistake: Course = {
  begin: withRider,
  ends: {
    open: (plan, state, atMs) => {
      const after = exchange(plan, state, atMs)
      return after.aboard.length > 0 && faultIn(after).bittenAtMs === null
        ? bite(after, atMs, { dueAtMs: atMs + MISTAKE_AFTER_MS })
        : after
    },
  },
  due: (_plan, state, atMs) => {
    const { bittenAtMs, stage } = faultIn(state)
    if (bittenAtMs === null) return endFault(state)
    if (stage > 0) return endFault(releaseAlarm(state))
    return pressAlarm(change(state, { stage: 1, dueAtMs: atMs + MISTAKE_MS }), atMs)
  },
}

/** How long a button must be pressed before the controller calls it stuck. */
const STICKS_MS = 20_000

/** A call button sticks: the car comes to its landing again and again, and nobody is there. */
const buttonStuck: Course = {
  begin: (plan, state, atMs) => {
    const landing = Math.min(2, topLanding(plan))
    const stuck = bite(state, atMs, { landing, dueAtMs: atMs + STICKS_MS })
    return state.phase === 'idle' ? comeAgain(plan, stuck, atMs) : stuck
  },
  ends: {
    levelling: (plan, state, atMs) => {
      const isForSomebody = state.aboard.length > 0 || state.waiting.some(({ from }) => from === state.stop)
      if (isForSomebody) return undefined
      const landed = land(plan, state, atMs)
      return landed.stop === faultIn(state).landing ? openDoors(landed, atMs) : comeAgain(plan, landed, atMs)
    },
    closing: (plan, state, atMs) =>
      state.opennessTo > 0 ? undefined : comeAgain(plan, { ...state, isEvacuating: false }, atMs),
  },
  due: (plan, state, atMs) => {
    const { endsAtMs } = faultIn(state)
    if (atMs >= endsAtMs) return { ...endFault(state), summons: null }
    const said = raise(change(state, { dueAtMs: endsAtMs }), [vendor(14)], atMs)
    return state.phase === 'idle' ? comeAgain(plan, said, atMs) : said
  },
}

/** With nobody else to serve, the car goes where the button calls it. A car that has just been there waits for a while. */
function comeAgain(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const { landing } = faultIn(state)
  return depart(plan, { ...state, summons: landing === state.stop ? null : landing }, atMs)
}

export const PEOPLE_FAULTS = {
  'e-bike': eBike,
  'alarm-by-mistake': alarmByMistake,
  'button-stuck': buttonStuck,
} as const
