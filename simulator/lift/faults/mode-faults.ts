/**
 * What takes the lift out of normal service: it lets everybody out, goes where it is wanted, and rests there in another mode
 * until it is over. Some of these are no faults but duties of a lift, such as the fire recall.
 */
import { mix, textWord } from '../../random.ts'
import { clear, gbt, raise, stands, type Code } from '../conditions.ts'
import { closeDoors, openDoors } from '../doors.ts'
import { endOfRun, warmthC } from '../energy.ts'
import {
  begin,
  heightMmAt,
  heightOf,
  kinematicsOf,
  NO_FLAWS,
  topLanding,
  type Flaws,
  type LiftPlan,
  type LiftState,
  type Step,
} from '../lift-state.ts'
import { INSPECTION } from '../limits.ts'
import { motionTo } from '../motion.ts'
import { joinFirst, sendAway } from '../riders.ts'
import { creep, depart, divert, land, moveOn, openRun } from '../travel.ts'
import { bite, change, endFault, faultIn, type Course, type TakeOver } from './course.ts'
import { withRider } from './trips.ts'

/** However short the trouble, a lift that has left service stays out so long. */
const REST_MS_MIN = 5000

/** One kind of leaving normal service. */
type Mode = {
  /** Said when it begins, and said when the lift rests. */
  readonly codes: readonly Code[]
  readonly restCodes: readonly Code[]
  /** The service mode while the lift is on its way, and when it rests. */
  readonly serviceMode: number
  readonly restMode: number
  readonly flaws: Flaws
  /** Where it goes: `nearest` is wherever it can stop first. */
  readonly landing: (plan: LiftPlan) => number | 'nearest'
  /** With the doors closed or open, or how else it spends its time. */
  readonly rest: 'closed' | 'open' | Step
}

const restsHere = (state: LiftState): boolean => {
  const { landing } = faultIn(state)
  return landing === null || landing === state.stop
}

/** Leaves normal service: whoever waits walks, whoever rides gets out. */
function leaveService(mode: Mode, plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const wanted = mode.landing(plan)
  const landing = wanted === 'nearest' ? null : wanted
  const left: LiftState = {
    ...sendAway(raise(change(bite(state, atMs), { landing, stage: 1, dueAtMs: Infinity }), mode.codes, atMs)),
    serviceMode: mode.serviceMode,
    flaws: mode.flaws,
    summons: landing,
    isEvacuating: true,
  }
  if (state.phase === 'idle') return goOn(mode, plan, left, atMs)
  return state.phase === 'running' ? divert(plan, left, atMs, landing ?? undefined) : left
}

const hasLeft = (state: LiftState): boolean => faultIn(state).stage > 0

/** With closed doors at a landing: to the landing where it is wanted, or to rest. */
function goOn(mode: Mode, plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  if (!restsHere(state)) return depart(plan, state, atMs)
  if (state.aboard.length > 0 || mode.rest === 'open') return openDoors(state, atMs)
  return beginRest(mode, plan, state, atMs)
}

function beginRest(mode: Mode, plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const resting: LiftState = {
    ...sendAway(raise(state, mode.restCodes, atMs)),
    serviceMode: mode.restMode,
    summons: null,
    direction: 0,
  }
  if (typeof mode.rest === 'function') return mode.rest(plan, resting, atMs)
  const leftMs = Math.max(REST_MS_MIN, faultIn(state).endsAtMs - atMs)
  return begin(resting, mode.rest === 'open' ? 'kept-open' : 'out-of-service', atMs, leftMs)
}

const backToService = (state: LiftState): LiftState => ({ ...endFault(state), isEvacuating: false, summons: null })

/** Until the lift leaves service, it works as ever. */
function courseOf(mode: Mode, rest: Partial<Course> = {}): Course {
  const { ends, ...others } = rest
  const goOnIfLeft: TakeOver = (plan, state, atMs) => (hasLeft(state) ? goOn(mode, plan, state, atMs) : undefined)
  return {
    begin: (plan, state, atMs) => leaveService(mode, plan, state, atMs),
    ends: {
      starting: (plan, state, atMs) => (restsHere(state) ? goOnIfLeft(plan, state, atMs) : undefined),
      levelling: (plan, state, atMs) => goOnIfLeft(plan, hasLeft(state) ? land(plan, state, atMs) : state, atMs),
      exchanged: (plan, state, atMs) =>
        mode.rest === 'open' && restsHere(state) ? beginRest(mode, plan, state, atMs) : undefined,
      closing: (plan, state, atMs) => (state.opennessTo === 0 ? goOnIfLeft(plan, state, atMs) : undefined),
      'out-of-service': (plan, state, atMs) => depart(plan, backToService(state), atMs),
      'kept-open': (_plan, state, atMs) => closeDoors(backToService(state), atMs),
      ...ends,
    },
    ...others,
  }
}

const ground = (): number => 0
const nearest = (): 'nearest' => 'nearest'
const PLAIN = {
  codes: [],
  restCodes: [],
  serviceMode: 1,
  restMode: 0,
  flaws: NO_FLAWS,
  landing: nearest,
  rest: 'closed',
} as const

/** Inspection: a mechanic on the car roof moves the car a little, works, and moves it on. */
const WORK_MS = { min: 15_000, spread: 30_000 } as const

const inspect: Step = (plan, state, atMs) => {
  if (atMs >= faultIn(state).endsAtMs) return creep(plan, state, atMs)
  const { stage } = faultIn(state)
  const topMm = heightOf(plan, topLanding(plan))
  const word = mix(plan.house.seed, textWord(plan.id), Math.floor(atMs / 1000), stage, 22)
  const toMm = Math.round(topMm * (0.05 + (0.9 * (word % 1000)) / 1000))
  if (Math.abs(toMm - heightMmAt(state, atMs)) < 10) return halt(plan, state, atMs)
  const motion = motionTo(kinematicsOf(state, atMs), toMm, INSPECTION)
  return moveOn(openRun(change(state, { stage: stage + 1 }), atMs), 'inspecting', atMs, { motion, stop: null })
}
const halt: Step = (plan, state, atMs) => {
  const word = mix(plan.house.seed, textWord(plan.id), faultIn(state).stage, 23)
  return begin(endOfRun(plan, state, atMs), 'inspecting-halt', atMs, WORK_MS.min + (word % WORK_MS.spread), {
    direction: 0,
  })
}

/** Firefighters: a crew rides from the ground to the top and back, until it is done. */
const CREW = { massKg: 210 } as const
const CREW_BOARDS_MS = 10_000

const crewRides: Partial<Course> = {
  ends: {
    exchanged: (plan, state, atMs) => {
      if (!restsHere(state) && state.isEvacuating) return undefined
      const isOver = atMs >= faultIn(state).endsAtMs && stands(state, gbt(45))
      if (isOver || state.aboard.length > 0 || state.waiting.length > 0) return undefined
      const crew = joinFirst(plan, { ...state, isEvacuating: false, serviceMode: 4 }, CREW)
      return begin(raise(clear(crew, [gbt(44)]), [gbt(45)], atMs), 'open', atMs, CREW_BOARDS_MS)
    },
    closing: (plan, state, atMs) => {
      if (state.opennessTo > 0) return undefined
      if (state.isEvacuating) return restsHere(state) ? openDoors(state, atMs) : depart(plan, state, atMs)
      const isOver = atMs >= faultIn(state).endsAtMs && state.aboard.length + state.waiting.length === 0
      return depart(plan, isOver ? backToService(state) : state, atMs)
    },
    starting: (plan, state, atMs) => (state.isEvacuating && restsHere(state) ? openDoors(state, atMs) : undefined),
    levelling: (plan, state, atMs) => {
      const landed = land(plan, state, atMs)
      return landed.isEvacuating && !restsHere(landed) ? depart(plan, landed, atMs) : openDoors(landed, atMs)
    },
  },
}

/** The controller gets hotter for a third of the time, then it stops the lift to cool down. */
const HOT: Mode = { ...PLAIN, restCodes: [gbt(42)], flaws: { ...NO_FLAWS, heatC: 38 } }

const overheats = courseOf(HOT, {
  begin: (_plan, state, atMs) => ({
    ...bite(state, atMs, { dueAtMs: atMs + Math.ceil(faultIn(state).durationMs / 3) }),
    flaws: HOT.flaws,
  }),
  due: (plan, state, atMs) => leaveService(HOT, plan, state, atMs),
  ends: {
    'out-of-service': (plan, state, atMs) => {
      const warmth = { degreesC: warmthC(state, atMs) + state.flaws.heatC, atMs }
      return depart(plan, { ...backToService(state), warmth }, atMs)
    },
  },
})

/** The controller locks the drive at the next start: the doors open again and the lift leaves service. */
const LOCKED: Mode = { ...PLAIN, codes: [gbt(8)], restCodes: [gbt(42)] }
const cannotRestart = courseOf(LOCKED, {
  begin: withRider,
  ends: {
    starting: (plan, state, atMs) =>
      goOn(LOCKED, plan, hasLeft(state) ? state : leaveService(LOCKED, plan, state, atMs), atMs),
  },
})

export const MODE_FAULTS = {
  'fire-recall': courseOf({ ...PLAIN, codes: [gbt(44)], serviceMode: 3, restMode: 3, landing: ground, rest: 'open' }),
  firefighter: courseOf(
    { ...PLAIN, codes: [gbt(44)], serviceMode: 3, restMode: 4, landing: ground, rest: 'open' },
    crewRides,
  ),
  earthquake: courseOf({ ...PLAIN, codes: [gbt(47)], serviceMode: 6, restMode: 6, rest: 'open' }),
  'water-in-pit': courseOf({
    ...PLAIN,
    restCodes: [gbt(42)],
    flaws: { ...NO_FLAWS, isSafetyCircuitOpen: true },
    landing: () => 1,
  }),
  'controller-overheats': overheats,
  'cannot-restart': cannotRestart,
  inspection: courseOf(
    { ...PLAIN, restCodes: [gbt(43)], restMode: 2, rest: inspect },
    {
      ends: {
        inspecting: halt,
        'inspecting-halt': inspect,
        rescuing: (plan, state, atMs) => depart(plan, backToService(land(plan, state, atMs)), atMs),
      },
    },
  ),
} as const
