/**
 * One lift as a pure state machine on a virtual clock: a state says what the lift does and until when, `advanceLift` takes it
 * on to any later time. Between two changes nothing is computed. Times are Unix ms, heights mm above the lowest landing.
 *
 * The doors are closed in every phase in which the car moves, by construction: `PHASES` says so once, and the only way into a
 * moving phase leads through the end of `closing`.
 */
import { directionOf, massKg, nextStop, nextStopOneWay, personCount, type Direction } from './calls.ts'
import { NOTHING_COUNTED, openBooks, runEnergyKWh } from './counters.ts'
import { PHASES, type Condition, type LiftPlan, type LiftState, type Phase, type Trouble } from './lift-state.ts'
import { brakingDistanceMm, heightAt, motionS, motionTo, restAt, speedAt, type Motion } from './motion.ts'
import { textWord, unit } from './random.ts'
import type { RiderGroup } from './residents.ts'
import { firstStuckMarkMs, passStuckMark } from './stuck.ts'

const START_MS = 500
const DOOR_OPEN_MS = 2000
const DOOR_CLOSE_MS = 3000
const DWELL_MS = 3000
const TRANSFER_PER_PERSON_MS = 1750
/** Doors that stood open stay open this long for one more. */
const STAY_OPEN_MS = 1500
const ACCELERATION_MMPS2 = 600
const EMERGENCY_BRAKE_MMPS2 = 1500
/** The last stretch to the landing, at creeping speed. */
const LEVELLING_MM = 15
const LEVELLING_MMPS = 20
const RESCUE = { ratedMmps: 200, accelerationMmps2: 300 } as const
const REOPEN_COUNT_MAX = 3
/** Groups that wait for one lift; more take the stairs. */
const WAITING_MAX = 12
const BLOCKED_ATTEMPTS = 3
const BLOCKED_CLOSED_SHARE = 0.5
const DARK_MS = 3000
const OUT_OF_SERVICE_MS_MIN = 5000
/** In the unlocking zone (开锁区域): this near to a landing. */
export const DOOR_ZONE_MM = 75

/** People and cars are under way when the simulator starts: the lift has lived this long before anybody looks. */
const WARM_UP_MS = 5 * 60_000
export const warmUpFromMs = (startAtMs: number): number => startAtMs - WARM_UP_MS

/** A lift that stands at a landing with its doors closed and has counted nothing. */
export function startLift(plan: LiftPlan, atMs: number): LiftState {
  const { heightsMm, household } = plan
  const stop = Math.floor(unit(household.seed, textWord(plan.id), 7) * heightsMm.length)
  return {
    phase: 'idle',
    sinceMs: atMs,
    untilMs: Infinity,
    motion: restAt(heightOf(plan, stop)),
    run: null,
    stop,
    direction: 0,
    openness: 0,
    reopenCount: 0,
    isObstructed: false,
    waiting: [],
    aboard: [],
    counters: NOTHING_COUNTED,
    countersFloor: NOTHING_COUNTED,
    trouble: null,
    isEvacuating: false,
    conditions: [],
    serviceMode: 1,
    onBatterySinceMs: null,
    alarmButton: false,
    stage: 0,
    stairsCount: 0,
  }
}

/** Puts the counters where a start of the simulator finds them. */
export function startCounting(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const { aboard, waiting } = state
  const { counters, floor } = openBooks(plan.household, {
    atMs,
    shaftM: (plan.heightsMm.at(-1) ?? 0) / 1000,
    ratedMps: plan.ratedMmps / 1000,
    underWay: { groupCount: aboard.length + waiting.length, personCount: personCount(waiting) },
  })
  return { ...state, counters, countersFloor: floor }
}

/** Takes the lift through everything that is due up to and including `toMs`. */
export function advanceLift(plan: LiftPlan, state: LiftState, toMs: number): LiftState {
  let next = state
  while (next.untilMs <= toMs) next = PHASE_ENDS[next.phase](plan, next, next.untilMs)
  return next
}

/** Somebody calls the lift. `state` must have been advanced to `atMs`. */
export function callLift(plan: LiftPlan, state: LiftState, group: RiderGroup, atMs: number): LiftState {
  const isOut = state.trouble?.kind === 'power-cut' || state.waiting.length >= WAITING_MAX
  if (isOut) return { ...state, stairsCount: state.stairsCount + 1 }
  const called = { ...state, waiting: [...state.waiting, group] }
  switch (state.phase) {
    case 'idle':
      return depart(plan, called, atMs)
    case 'running':
      return redirect(plan, called, atMs)
    case 'closing':
    case 'exchanged':
      return reopenFor(called, group, atMs)
    default:
      return called
  }
}

/** Makes the car stop between two landings on its next run with people, for `durationMs`; somebody gets in to make sure. */
export function stopBetween(plan: LiftPlan, state: LiftState, durationMs: number, atMs: number): LiftState {
  const armed: LiftState = { ...state, trouble: { kind: 'stop-between', durationMs, endsAtMs: null } }
  if (state.phase === 'running' && state.aboard.length > 0) {
    const halted = haltAhead(plan, armed, atMs)
    if (halted !== undefined) return halted
  }
  const from = state.stop ?? 0
  const to = from === 0 ? plan.heightsMm.length - 1 : 0
  // Not through `callLift`: a full landing must not turn the scenario away.
  const called = { ...armed, waiting: [{ count: 2, massKg: 131, from, to }, ...armed.waiting] }
  return state.phase === 'idle' ? depart(plan, called, atMs) : called
}

/** Something keeps the doors from closing, from their next closing on, for `durationMs`. */
export function blockDoor(state: LiftState, durationMs: number, atMs: number): LiftState {
  const armed: LiftState = { ...state, trouble: { kind: 'door-blocked', durationMs, endsAtMs: null, attemptCount: 0 } }
  return state.phase === 'idle' ? openDoors(armed, atMs) : armed
}

/** The mains fail until `durationMs` later: the brake falls in, the battery brings the car to a landing, the lift goes out of service. */
export function cutPower(state: LiftState, durationMs: number, atMs: number): LiftState {
  const cut: LiftState = {
    ...raise(state, 41, 'event', atMs),
    trouble: { kind: 'power-cut', endsAtMs: atMs + durationMs },
    onBatterySinceMs: atMs,
    waiting: [],
  }
  switch (state.phase) {
    case 'idle':
    case 'starting':
      return leaveServiceOrOpen(cut, atMs)
    case 'running':
    case 'levelling':
      return brakeHard(cut, atMs)
    case 'exchanged':
      return state.aboard.length > 0 ? begin(cut, 'open', atMs, STAY_OPEN_MS) : cut
    case 'closing':
      return state.aboard.length > 0 ? openDoors(cut, atMs) : cut
    default:
      return cut
  }
}

export const heightMmAt = (state: LiftState, atMs: number): number =>
  heightAt(state.motion, (atMs - state.sinceMs) / 1000)
/** Up is positive, mm/s. */
export const speedMmpsAt = (state: LiftState, atMs: number): number =>
  PHASES[state.phase].carStatus === 1 ? state.motion.sign * speedAt(state.motion, (atMs - state.sinceMs) / 1000) : 0

/** The landing nearest to a height; the lower one of two that are equally near. */
export function nearestLanding(heightsMm: readonly number[], heightMm: number): number {
  let nearest = 0
  heightsMm.forEach((landingMm, landing) => {
    if (Math.abs(landingMm - heightMm) < Math.abs((heightsMm[nearest] ?? 0) - heightMm)) nearest = landing
  })
  return nearest
}

// ---------------------------------------------------------------------------------------------------------------- phases

type PhaseEnd = (plan: LiftPlan, state: LiftState, atMs: number) => LiftState

const PHASE_ENDS: Record<Phase, PhaseEnd> = {
  idle: depart,
  starting: startRun,
  running: endRun,
  levelling: arrive,
  opening: (plan, state, atMs) => begin(state, 'open', atMs, dwellMs(plan, state) / 2, { openness: 1 }),
  open: exchange,
  exchanged: (_plan, state, atMs) => closeDoors(state, atMs),
  closing: endClosing,
  held: releaseDoors,
  stuck: (plan, state, atMs) => passStuckMark(state, atMs) ?? rescue(plan, state, atMs),
  braking: (_plan, state, atMs) => begin(endOfRun(state, atMs), 'dark', atMs, DARK_MS, { direction: 0 }),
  dark: (plan, state, atMs) => rescue(plan, { ...raise(state, 46, 'event', atMs), serviceMode: 5 }, atMs),
  rescuing: (plan, state, atMs) =>
    arrive(
      plan,
      { ...clear(state, [4, 90]), isEvacuating: true, alarmButton: false, trouble: troubleAfterRescue(state) },
      atMs,
    ),
  'out-of-service': (plan, state, atMs) => depart(plan, restorePower(state), atMs),
}

/** Every change of phase goes through here. A phase lasts at least 1 ms, so that no loop of phases can stand still. */
function begin(
  state: LiftState,
  phase: Phase,
  atMs: number,
  durationMs: number,
  change: Partial<LiftState> = {},
): LiftState {
  const untilMs = durationMs === Infinity ? Infinity : atMs + Math.max(1, Math.ceil(durationMs))
  // A car that stands keeps no motion: its height is exact, however long it stands.
  const motion = PHASES[phase].carStatus === 0 ? restAt(heightMmAt(state, atMs)) : state.motion
  return { ...state, motion, ...change, phase, sinceMs: atMs, untilMs }
}

/** With the doors closed: to the next call, to those who wait here, or nowhere. */
function depart(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const next = nextStop(state, plan.heightsMm, { fromMm: heightMmAt(state, atMs), direction: state.direction })
  if (next !== undefined) return begin(state, 'starting', atMs, START_MS, { direction: next.way })
  if (state.waiting.length > 0) return openDoors(state, atMs)
  return begin(state, 'idle', atMs, Infinity, { direction: 0 })
}

function startRun(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const fromMm = heightMmAt(state, atMs)
  const next = nextStop(state, plan.heightsMm, { fromMm, direction: state.direction })
  if (next === undefined) return depart(plan, state, atMs)
  const counters = { ...state.counters, runCount: state.counters.runCount + 1 }
  const running = { ...state, counters, direction: next.way, run: { fromMm, atMs } }
  const bound = runTo(plan, running, next.stop, atMs)
  const mustHalt = state.trouble?.kind === 'stop-between' && state.aboard.length > 0
  return (mustHalt ? haltAhead(plan, bound, atMs) : undefined) ?? bound
}

/** Runs, or runs on, to just before a landing; creeping does the rest. */
function runTo(plan: LiftPlan, state: LiftState, stop: number, atMs: number): LiftState {
  const fromMm = heightMmAt(state, atMs)
  const landingMm = heightOf(plan, stop)
  const sign = landingMm > fromMm ? 1 : -1
  return runToHeight(plan, state, { toMm: landingMm - sign * LEVELLING_MM, stop, atMs })
}

function runToHeight(
  plan: LiftPlan,
  state: LiftState,
  o: { toMm: number; stop: number | null; atMs: number },
): LiftState {
  const motion = motionTo({
    fromMm: heightMmAt(state, o.atMs),
    toMm: o.toMm,
    startMmps: Math.abs(speedMmpsAt(state, o.atMs)),
    ratedMmps: plan.ratedMmps,
    accelerationMmps2: ACCELERATION_MMPS2,
  })
  return begin(state, 'running', o.atMs, motionS(motion) * 1000, { motion, stop: o.stop, direction: motion.sign })
}

/** A new call on the way, where the car can still stop. */
function redirect(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  if (state.stop === null) return state
  const fromMm = heightMmAt(state, atMs)
  const way = state.motion.sign
  const stop = nextStopOneWay(state, plan.heightsMm, { fromMm, way, reachMm: reachMm(state, atMs) + LEVELLING_MM })
  if (stop === undefined) return state
  const isNearer = (heightOf(plan, stop) - heightOf(plan, state.stop)) * way < 0
  return isNearer ? runTo(plan, state, stop, atMs) : state
}

/** Half way between the next two landings ahead between which the car can stop; undefined when there are none. */
function haltAhead(plan: LiftPlan, state: LiftState, atMs: number): LiftState | undefined {
  const fromMm = heightMmAt(state, atMs)
  const way = state.motion.sign
  const middles = plan.heightsMm.slice(1).map((heightMm, landing) => (heightMm + heightOf(plan, landing)) / 2)
  const reach = reachMm(state, atMs)
  const ahead = middles.filter((middleMm) => (middleMm - fromMm) * way > reach).sort((a, b) => (a - b) * way)
  const [toMm] = ahead
  return toMm === undefined ? undefined : runToHeight(plan, state, { toMm, stop: null, atMs })
}

/** Braking distance, and a little more because times are whole ms. */
const reachMm = (state: LiftState, atMs: number): number =>
  brakingDistanceMm(speedMmpsAt(state, atMs), ACCELERATION_MMPS2) + 5

function endRun(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  if (state.stop === null) return becomeStuck(endOfRun(state, atMs), atMs)
  const fromMm = heightMmAt(state, atMs)
  const distanceMm = Math.abs(heightOf(plan, state.stop) - fromMm)
  const creepS = distanceMm / LEVELLING_MMPS
  const motion: Motion = {
    ...restAt(fromMm),
    sign: state.motion.sign,
    distanceMm,
    startMmps: LEVELLING_MMPS,
    peakMmps: LEVELLING_MMPS,
    cruiseS: creepS,
  }
  return begin(state, 'levelling', atMs, creepS * 1000, { motion })
}

function arrive(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const landed = endOfRun(state, atMs)
  return openDoors({ ...landed, motion: restAt(heightOf(plan, state.stop ?? 0)), sinceMs: atMs }, atMs)
}

/** Closes the account of the run. */
function endOfRun(state: LiftState, atMs: number): LiftState {
  if (state.run === null) return state
  const distanceM = Math.abs(heightMmAt(state, atMs) - state.run.fromMm) / 1000
  const { counters } = state
  return {
    ...state,
    run: null,
    counters: {
      ...counters,
      distanceM: counters.distanceM + distanceM,
      runTimeS: counters.runTimeS + (atMs - state.run.atMs) / 1000,
      energyKWh: counters.energyKWh + runEnergyKWh(distanceM),
    },
  }
}

// ----------------------------------------------------------------------------------------------------------------- doors

/** How far the doors are open. */
export function opennessAt(state: LiftState, atMs: number): number {
  const elapsedMs = atMs - state.sinceMs
  if (state.phase === 'opening') return Math.min(1, state.openness + elapsedMs / DOOR_OPEN_MS)
  if (state.phase === 'closing') return Math.max(0, state.openness - elapsedMs / DOOR_CLOSE_MS)
  return state.openness
}

/** Opens from wherever the doors are. Opening again before they were shut does not count as an opening. */
function openDoors(state: LiftState, atMs: number): LiftState {
  const openness = opennessAt(state, atMs)
  const { counters } = state
  const isFresh = openness === 0
  return begin(state, 'opening', atMs, (1 - openness) * DOOR_OPEN_MS, {
    openness,
    isObstructed: false,
    reopenCount: isFresh ? 0 : state.reopenCount,
    counters: isFresh ? { ...counters, doorOpenCount: counters.doorOpenCount + 1 } : counters,
  })
}

/** Somebody comes while the doors stand open or close: they open again, but not for ever. */
function reopenFor(state: LiftState, group: RiderGroup, atMs: number): LiftState {
  const goesAlong = state.direction === 0 || state.direction === directionOf(group)
  const isHere = group.from === state.stop
  if (!isHere || !goesAlong || state.isObstructed || state.reopenCount >= REOPEN_COUNT_MAX) return state
  const again = { ...state, reopenCount: state.reopenCount + 1 }
  return state.phase === 'exchanged' ? begin(again, 'open', atMs, STAY_OPEN_MS) : openDoors(again, atMs)
}

function closeDoors(state: LiftState, atMs: number): LiftState {
  const { trouble } = state
  if (trouble?.kind !== 'door-blocked') return begin(state, 'closing', atMs, state.openness * DOOR_CLOSE_MS)
  const endsAtMs = trouble.endsAtMs ?? atMs + trouble.durationMs
  if (endsAtMs <= atMs) return begin({ ...state, trouble: null }, 'closing', atMs, state.openness * DOOR_CLOSE_MS)
  const blocked: LiftState = {
    ...state,
    isObstructed: true,
    trouble: { ...trouble, endsAtMs, attemptCount: trouble.attemptCount + 1 },
  }
  return begin(blocked, 'closing', atMs, BLOCKED_CLOSED_SHARE * DOOR_CLOSE_MS)
}

function endClosing(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  if (state.isObstructed) return meetObstacle(state, atMs)
  const closed = { ...state, openness: 0, isEvacuating: false }
  return state.trouble?.kind === 'power-cut' ? leaveServiceOrOpen(closed, atMs) : depart(plan, closed, atMs)
}

function meetObstacle(state: LiftState, atMs: number): LiftState {
  const { trouble } = state
  if (trouble?.kind !== 'door-blocked' || trouble.endsAtMs === null || trouble.attemptCount < BLOCKED_ATTEMPTS)
    return openDoors(state, atMs)
  const openness = opennessAt(state, atMs)
  const held = raise({ ...state, isObstructed: false }, 2, 'fault', atMs)
  return begin(held, 'held', atMs, trouble.endsAtMs - atMs, { openness })
}

function releaseDoors(_plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const free = { ...clear(state, [2]), trouble: null }
  return begin(free, 'closing', atMs, state.openness * DOOR_CLOSE_MS)
}

function dwellMs(plan: LiftPlan, state: LiftState): number {
  const { leaving, entering } = transfer(plan, state)
  return DWELL_MS + TRANSFER_PER_PERSON_MS * (personCount(leaving) + personCount(entering))
}

/** Who gets out and in at this stop, and which way the car goes then. Nobody gets in who would make it too heavy. */
function transfer(plan: LiftPlan, state: LiftState) {
  const isClearing = state.isEvacuating || state.trouble?.kind === 'power-cut'
  const leaving = isClearing ? state.aboard : state.aboard.filter(({ to }) => to === state.stop)
  const staying = state.aboard.filter((group) => !leaving.includes(group))
  const direction = directionOnwards(plan, state, staying)
  const entering: RiderGroup[] = []
  if (!isClearing)
    for (const group of state.waiting) {
      const fits = massKg(staying) + massKg(entering) + group.massKg <= plan.ratedLoadKg
      if (group.from === state.stop && directionOf(group) === direction && fits) entering.push(group)
    }
  return { leaving, staying, entering, direction }
}

/** On as before while someone calls from ahead, else as the first who waits here wishes, else back, else nowhere. */
function directionOnwards(plan: LiftPlan, state: LiftState, staying: readonly RiderGroup[]): Direction {
  const calls = { aboard: staying, waiting: state.waiting.filter(({ from }) => from !== state.stop) }
  const next = nextStop(calls, plan.heightsMm, { fromMm: heightOf(plan, state.stop ?? 0), direction: state.direction })
  if (next !== undefined && (next.way === state.direction || staying.length > 0)) return next.way
  const first = state.waiting.find(({ from }) => from === state.stop)
  return first === undefined ? (next?.way ?? 0) : directionOf(first)
}

function exchange(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const halfDwellMs = dwellMs(plan, state) / 2
  const { staying, entering, direction } = transfer(plan, state)
  const { counters } = state
  return begin(state, 'exchanged', atMs, halfDwellMs, {
    direction,
    aboard: [...staying, ...entering],
    waiting: state.waiting.filter((group) => !entering.includes(group)),
    counters: { ...counters, passengerCount: counters.passengerCount + personCount(entering) },
  })
}

// --------------------------------------------------------------------------------------------------------------- trouble

function raise(state: LiftState, code: number, kind: Condition['kind'], atMs: number): LiftState {
  return { ...state, conditions: [...state.conditions, { code, kind, sinceMs: atMs }] }
}
function clear(state: LiftState, codes: readonly number[]): LiftState {
  return { ...state, conditions: state.conditions.filter(({ code }) => !codes.includes(code)) }
}

function becomeStuck(state: LiftState, atMs: number): LiftState {
  const { trouble } = state
  const durationMs = trouble?.kind === 'stop-between' ? trouble.durationMs : 0
  const endsAtMs = atMs + durationMs
  const stuck: LiftState = { ...state, trouble: { kind: 'stop-between', durationMs, endsAtMs } }
  return begin(stuck, 'stuck', atMs, firstStuckMarkMs(durationMs), { direction: 0, stage: 0 })
}

/** At creeping speed to the nearest landing. */
function rescue(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const fromMm = heightMmAt(state, atMs)
  const stop = nearestLanding(plan.heightsMm, fromMm)
  const motion = motionTo({ fromMm, toMm: heightOf(plan, stop), ...RESCUE })
  return begin(state, 'rescuing', atMs, motionS(motion) * 1000, {
    motion,
    stop,
    direction: motion.sign,
    run: { fromMm, atMs },
  })
}

const troubleAfterRescue = ({ trouble }: LiftState): Trouble | null =>
  trouble?.kind === 'stop-between' ? null : trouble

function brakeHard(state: LiftState, atMs: number): LiftState {
  const fromMm = heightMmAt(state, atMs)
  const startMmps = Math.abs(speedMmpsAt(state, atMs))
  const { sign } = state.motion
  const motion = motionTo({
    fromMm,
    toMm: fromMm + sign * brakingDistanceMm(startMmps, EMERGENCY_BRAKE_MMPS2),
    startMmps,
    ratedMmps: startMmps,
    accelerationMmps2: EMERGENCY_BRAKE_MMPS2,
  })
  return begin(state, 'braking', atMs, motionS(motion) * 1000, { motion: { ...motion, sign }, stop: null })
}

/** At a landing with the doors closed and no mains: those inside get out first. */
function leaveServiceOrOpen(state: LiftState, atMs: number): LiftState {
  if (state.aboard.length > 0) return openDoors(state, atMs)
  const { trouble } = state
  const leftMs = trouble?.kind === 'power-cut' ? trouble.endsAtMs - atMs : 0
  const out = raise(clear(state, [46]), 42, 'event', atMs)
  return begin(out, 'out-of-service', atMs, Math.max(OUT_OF_SERVICE_MS_MIN, leftMs), { serviceMode: 0, direction: 0 })
}

const restorePower = (state: LiftState): LiftState => ({
  ...clear(state, [41, 42, 46]),
  trouble: null,
  serviceMode: 1,
  onBatterySinceMs: null,
})

function heightOf(plan: LiftPlan, landing: number): number {
  const heightMm = plan.heightsMm[landing]
  if (heightMm === undefined) throw new RangeError(`there is no landing ${landing}`)
  return heightMm
}
