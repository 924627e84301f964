/** Faults of the drive, the brake, the position and what wears. */
import { textWord, unit } from '../../random.ts'
import { gbt, raise, stands, vendor } from '../conditions.ts'
import { openDoors } from '../doors.ts'
import { driftsUp, endOfRun } from '../energy.ts'
import { begin, heightOf, kinematicsOf, NO_FLAWS, topLanding, type LiftPlan, type LiftState } from '../lift-state.ts'
import { DOOR_ZONE_MM, DRIFT, DRIFT_MM_MAX, INSPECTION } from '../limits.ts'
import { motionTo, timeOfHeight } from '../motion.ts'
import { depart, land, level, moveOn, openRun, startRun } from '../travel.ts'
import { bite, biteUntilOver, change, endFault, faultIn, type Course } from './course.ts'
import { becomeStuck } from './stuck.ts'
import { withRider } from './trips.ts'

/** A share in [0, 1) of this fault at this lift. */
const share = (plan: LiftPlan, state: LiftState, channel: number): number =>
  unit(plan.house.seed, textWord(plan.id), state.counters.runCount, channel)

const DRIFT_MM_PER_M = 1.5
/** With a larger error than this the controller no longer trusts its position. One more run must still end in the unlocking zone. */
const ERROR_MM_MAX = 45

const isLost = (state: LiftState): boolean => stands(state, gbt(7))

/** With the doors closed and nobody inside: slowly down to the lowest landing, whose switch tells where the car is. */
function correct(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const motion = motionTo(kinematicsOf(state, atMs), heightOf(plan, 0), INSPECTION)
  return moveOn(openRun(state, atMs), 'rescuing', atMs, { motion, stop: 0 })
}

const losePosition = (state: LiftState, atMs: number): LiftState => ({
  ...raise(change(state, { dueAtMs: Infinity }), [gbt(7)], atMs),
  isEvacuating: true,
})

const goAndCorrect = (plan: LiftPlan, state: LiftState, atMs: number): LiftState =>
  state.aboard.length > 0 ? openDoors(state, atMs) : correct(plan, state, atMs)

/** The encoder slips: the car stops farther and farther off its landings, until the controller notices. */
const encoderDrift: Course = {
  begin: (_plan, state, atMs) => ({
    ...biteUntilOver(state, atMs),
    flaws: { ...NO_FLAWS, driftMmPerM: DRIFT_MM_PER_M },
  }),
  due: (plan, state, atMs) => {
    const lost = losePosition(state, atMs)
    return state.phase === 'idle' ? correct(plan, lost, atMs) : lost
  },
  ends: {
    levelling: (plan, state, atMs) => {
      const landed = land(plan, state, atMs)
      const isTooFar = Math.abs(landed.positionErrorMm) > ERROR_MM_MAX
      if (!isTooFar && !isLost(state)) return undefined
      return goAndCorrect(plan, isLost(state) ? landed : losePosition(landed, atMs), atMs)
    },
    starting: (plan, state, atMs) => (isLost(state) ? goAndCorrect(plan, state, atMs) : undefined),
    closing: (plan, state, atMs) =>
      isLost(state) && state.opennessTo === 0 ? goAndCorrect(plan, state, atMs) : undefined,
    rescuing: (plan, state, atMs) => depart(plan, { ...endFault(land(plan, state, atMs)), isEvacuating: false }, atMs),
  },
}

/** Worn linings: the car slides past its landing and must come back, and stops late when it has to stop at once. */
const brakeWeak: Course = {
  begin: (plan, state, atMs) => ({
    ...biteUntilOver(withRider(plan, state, atMs), atMs),
    flaws: { ...NO_FLAWS, overshootMm: Math.round(25 + 35 * share(plan, state, 20)) },
  }),
  ends: { running: (plan, state, atMs) => level(plan, raise(state, [vendor(16)], atMs), atMs) },
}

/** A bearing or a guide shoe has gone: it is felt whenever the car runs. */
const abnormalVibration: Course = {
  begin: (plan, state, atMs) => withRider(plan, state, atMs),
  ends: {
    starting: (plan, state, atMs) => {
      const shaking = raise(biteUntilOver(state, atMs), [vendor(38)], atMs)
      return startRun(plan, { ...shaking, flaws: { ...NO_FLAWS, vibrationMg: 45 } }, atMs)
    },
  },
}

/** The limiter waits for the longest ride and 10 s, and never less than 20 s. */
const limiterMs = (plan: LiftPlan): number =>
  Math.max(20_000, 10_000 + (heightOf(plan, topLanding(plan)) / plan.ratedMmps) * 1000)

/** The ropes slip: the motor turns and the car does not move, until the limiter stops the motor for good. */
const runTimeLimiter: Course = {
  begin: (plan, state, atMs) => withRider(plan, state, atMs),
  ends: {
    starting: (plan, state, atMs) =>
      state.aboard.length === 0
        ? undefined
        : begin(openRun(bite(state, atMs), atMs), 'slipping', atMs, limiterMs(plan)),
    slipping: (plan, state, atMs) => becomeStuck(raise(endOfRun(plan, state, atMs), [gbt(6)], atMs), atMs),
  },
}

/** The brake lets go while people get in or out: the car drifts off with open doors until a stopping device holds it. */
const unintendedMovement: Course = {
  begin: (plan, state, atMs) => withRider(plan, state, atMs, 0),
  ends: {
    exchanged: (plan, state, atMs) => {
      const way = driftsUp(plan, state) ? 1 : -1
      const hasRoom = way === 1 ? state.stop !== topLanding(plan) : state.stop !== 0
      if (!hasRoom || state.aboard.length === 0) return undefined
      const from = kinematicsOf(state, atMs)
      const distanceMm = (0.5 + 0.4 * share(plan, state, 21)) * DRIFT_MM_MAX
      const motion = motionTo(from, from.heightMm + way * distanceMm, DRIFT)
      const leavesS = timeOfHeight(motion, from.heightMm + way * DOOR_ZONE_MM) ?? 0
      const bitten = bite(openRun(state, atMs), atMs, { dueAtMs: atMs + Math.ceil(leavesS * 1000) })
      return moveOn({ ...bitten, flaws: { ...NO_FLAWS, isSafetyCircuitOpen: true } }, 'drifting', atMs, {
        motion,
        stop: null,
      })
    },
  },
  due: (_plan, state, atMs) =>
    faultIn(state).bittenAtMs === null ? endFault(state) : raise(change(state, { dueAtMs: Infinity }), [gbt(5)], atMs),
}

export const MACHINE_FAULTS = {
  'encoder-drift': encoderDrift,
  'brake-weak': brakeWeak,
  'abnormal-vibration': abnormalVibration,
  'run-time-limiter': runTimeLimiter,
  'unintended-movement': unintendedMovement,
} as const
