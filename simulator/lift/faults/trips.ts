/** Faults that stop a running car between two landings, with people in it. */
import { gbt, raise, vendor, type Code } from '../conditions.ts'
import {
  heightOf,
  kinematicsOf,
  NO_FLAWS,
  offLandingMm,
  topLanding,
  type Flaws,
  type LiftPlan,
  type LiftState,
} from '../lift-state.ts'
import { BUFFER, EMERGENCY_BRAKE, rideLimits, RUNAWAY_FACTOR, SAFETY_GEAR } from '../limits.ts'
import { haltFrom, kinematicsAt, motionToSpeed, targetMm, timeOfHeight, wayOf } from '../motion.ts'
import { brake, depart, moveOn } from '../travel.ts'
import { joinFirst } from '../riders.ts'
import { bite, change, endFault, faultIn, type Course } from './course.ts'

/** An armed fault looks so often whether its moment has come. */
const LOOK_MS = 200
/** A stop this far from the nearest landing is between two beyond doubt. */
const BETWEEN_MM = 400
/** A car that does not brake for the last landing is caught so little beyond it. */
const LIMIT_SWITCH_MM = 20
/** So far before the last landing a car that is to run past it has not yet begun to brake. */
const BEFORE_BRAKING_MM = 1600
const AJAR_OPENNESS = 0.25

/** Somebody rides, so that there is a run for the fault to bite on. */
export function withRider(plan: LiftPlan, state: LiftState, atMs: number, from?: number): LiftState {
  const joined = joinFirst(plan, state, from === undefined ? {} : { from })
  return state.phase === 'idle' ? depart(plan, joined, atMs) : joined
}

/** Waits for a run with people on which `strike` finds its moment. */
export function onRun(
  strike: (plan: LiftPlan, state: LiftState, atMs: number) => LiftState | undefined,
  rest: Partial<Course> & { from?: (plan: LiftPlan) => number } = {},
): Course {
  const { from, ...others } = rest
  const look = (plan: LiftPlan, state: LiftState, atMs: number): LiftState => {
    if (atMs >= faultIn(state).endsAtMs) return endFault(state)
    const isRide = state.phase === 'running' && state.aboard.length > 0
    return (isRide ? strike(plan, state, atMs) : undefined) ?? change(state, { dueAtMs: atMs + LOOK_MS })
  }
  return {
    begin: (plan, state, atMs) => look(plan, withRider(plan, state, atMs, from?.(plan)), atMs),
    due: look,
    ...others,
  }
}

const isBetween = (plan: LiftPlan, heightMm: number): boolean =>
  heightMm > 0 && heightMm < heightOf(plan, topLanding(plan)) && offLandingMm(plan, heightMm) >= BETWEEN_MM

const OPEN_CIRCUIT: Flaws = { ...NO_FLAWS, isSafetyCircuitOpen: true }

/** A brake that fell in at once would leave the car between two landings. */
export const wouldHaltBetween = (plan: LiftPlan, state: LiftState, atMs: number): boolean =>
  isBetween(plan, targetMm(haltFrom(kinematicsOf(state, atMs), EMERGENCY_BRAKE)))

/** The brake falls in where the car will come to stand between two landings. */
function trip(o: { codes: readonly Code[]; flaws: Flaws; isAjar?: boolean }): Course {
  return onRun((plan, state, atMs) => {
    if (!wouldHaltBetween(plan, state, atMs)) return undefined
    const struck = { ...raise(bite(state, atMs), o.codes, atMs), flaws: o.flaws }
    if (o.isAjar !== true) return brake(struck, atMs)
    return { ...brake(struck, atMs, { phase: 'braking-ajar' }), opennessTo: AJAR_OPENNESS }
  })
}

/** The car gets too fast; the governor trips the safety gear (安全钳), which holds it until a mechanic frees it. */
const overspeed = onRun(
  (plan, state, atMs) => {
    const way = wayOf(state.motion)
    const from = kinematicsOf(state, atMs)
    const limits = { ...rideLimits(plan.ratedMmps), speedMmps: Infinity }
    const motion = motionToSpeed(from, way * plan.ratedMmps * RUNAWAY_FACTOR, limits)
    const haltMm = targetMm(haltFrom(kinematicsAt(motion, motion.endS), SAFETY_GEAR))
    if (way === 0 || !isBetween(plan, haltMm)) return undefined
    return moveOn(bite(state, atMs), 'runaway', atMs, { motion, stop: null })
  },
  {
    from: () => 0,
    ends: {
      runaway: (_plan, state, atMs) => {
        const gripped = { ...raise(state, [vendor(3), gbt(1)], atMs), flaws: OPEN_CIRCUIT }
        return brake(gripped, atMs, { limits: SAFETY_GEAR })
      },
    },
  },
)

/** The car does not slow down for the last landing: the limit switch and the buffer stop it just beyond. */
function overrun(way: 1 | -1, code: Code): Course {
  const lastLanding = (plan: LiftPlan) => (way === 1 ? topLanding(plan) : 0)
  return onRun(
    (plan, state, atMs) => {
      const endMm = heightOf(plan, lastLanding(plan))
      const from = kinematicsOf(state, atMs)
      const isBound = state.stop === lastLanding(plan) && (endMm - from.heightMm) * way > BEFORE_BRAKING_MM
      if (!isBound) return undefined
      const motion = motionToSpeed(from, way * plan.ratedMmps, rideLimits(plan.ratedMmps))
      const endS = timeOfHeight(motion, endMm + way * LIMIT_SWITCH_MM) ?? 0
      return moveOn(bite(state, atMs), 'runaway', atMs, { motion, stop: null, endS })
    },
    {
      from: (plan) => (way === 1 ? 0 : topLanding(plan)),
      ends: {
        runaway: (_plan, state, atMs) => {
          const struck = { ...raise(state, [code, gbt(1)], atMs), flaws: OPEN_CIRCUIT }
          return brake(struck, atMs, { limits: BUFFER })
        },
      },
    },
  )
}

export const TRIPS = {
  'entrapment-between-floors': trip({ codes: [], flaws: NO_FLAWS }),
  'safety-circuit-open': trip({ codes: [gbt(1)], flaws: OPEN_CIRCUIT }),
  'lock-contact-opens': trip({ codes: [gbt(1), vendor(13)], flaws: { ...OPEN_CIRCUIT, isDoorLockOpen: true } }),
  'door-opens-while-running': trip({
    codes: [gbt(1), vendor(4)],
    flaws: { ...OPEN_CIRCUIT, isDoorLockOpen: true },
    isAjar: true,
  }),
  overspeed,
  'hit-top': overrun(1, vendor(1)),
  'hit-bottom': overrun(-1, vendor(2)),
} as const
