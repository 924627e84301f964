/** Where the car goes: to the next call, past it to a nearer one, to a stop by its brake, and at creeping speed to a landing. */
import { massKg, nextStop, nextStopOneWay } from './calls.ts'
import { openDoors } from './doors.ts'
import { endOfRun } from './energy.ts'
import {
  begin,
  heightMmAt,
  heightOf,
  kinematicsOf,
  nearestLanding,
  topLanding,
  type LiftPlan,
  type LiftState,
} from './lift-state.ts'
import { CREEP, EMERGENCY_BRAKE, LEVELLING_MM, rideLimits, WEAK_BRAKE } from './limits.ts'
import { haltFrom, motionTo, reachMm, wayOf, type Limits, type Motion } from './motion.ts'
import type { Phase } from './phases.ts'
import { callsOf } from './riders.ts'

const START_MS = 500
/** An idle car goes to the lowest landing after so long, where the next ride most likely begins. */
const PARKING_MS = 5 * 60_000

/** With the doors closed at a landing: to the next call, to those who wait here, or nowhere. */
export function depart(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const next = nextStopFrom(plan, state, atMs)
  if (next !== undefined) return begin(state, 'starting', atMs, START_MS, { direction: next.way })
  if (state.waiting.length > 0) return openDoors(state, atMs)
  return begin(state, 'idle', atMs, state.stop === 0 ? Infinity : PARKING_MS, { direction: 0 })
}

/** Where a standing car goes to. A car at a landing is where that landing is, even if it stands a little off. */
function nextStopFrom(plan: LiftPlan, state: LiftState, atMs: number) {
  const fromMm = state.stop === null ? heightMmAt(state, atMs) : heightOf(plan, state.stop)
  return nextStop(callsOf(plan, state), plan.heightsMm, { fromMm, direction: state.direction })
}

/** The brake lifts and the run begins. */
export function startRun(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const next = nextStopFrom(plan, state, atMs)
  if (next === undefined) return depart(plan, state, atMs)
  return runTo(plan, openRun(state, atMs), next.stop, atMs)
}

/** A run is counted when it begins, and its account stays open until the car stands. */
export const openRun = (state: LiftState, atMs: number): LiftState => ({
  ...state,
  counters: { ...state.counters, runCount: state.counters.runCount + 1 },
  run: { fromMm: heightMmAt(state, atMs), atMs, loadKg: massKg(state.aboard) },
})

/** Runs, or runs on, to just before a landing; levelling does the rest. */
export function runTo(plan: LiftPlan, state: LiftState, stop: number, atMs: number): LiftState {
  const from = kinematicsOf(state, atMs)
  const levelMm = levelHeightMm(plan, state, stop, atMs)
  const way = levelMm > from.heightMm ? 1 : -1
  const { overshootMm } = state.flaws
  const aheadOfLandingMm = overshootMm > 0 ? -overshootMm : LEVELLING_MM
  const toMm = withinShaft(plan, levelMm - way * aheadOfLandingMm)
  const motion = motionTo(from, toMm, rideLimits(plan.ratedMmps))
  return begin(state, 'running', atMs, motion.endS * 1000, { motion, stop, direction: way })
}

/** What the controller takes for the height of a landing: the true one, less the error of its position when it gets there. */
function levelHeightMm(plan: LiftPlan, state: LiftState, stop: number, atMs: number): number {
  const landingMm = heightOf(plan, stop)
  const { driftMmPerM } = state.flaws
  if (driftMmPerM === 0 && state.positionErrorMm === 0) return landingMm
  const fromMm = heightMmAt(state, atMs)
  const believedWayMm = landingMm - (fromMm + positionErrorMmAt(state, atMs))
  // The error grows with the way, whichever way that is.
  return withinShaft(plan, fromMm + believedWayMm / (1 + (Math.sign(believedWayMm) * driftMmPerM) / 1000))
}

/** Believed height less true height. */
export function positionErrorMmAt(state: LiftState, atMs: number): number {
  const { run, flaws, positionErrorMm } = state
  if (run === null || flaws.driftMmPerM === 0) return positionErrorMm
  return positionErrorMm + (Math.abs(heightMmAt(state, atMs) - run.fromMm) / 1000) * flaws.driftMmPerM
}

const withinShaft = (plan: LiftPlan, heightMm: number): number =>
  Math.min(heightOf(plan, topLanding(plan)), Math.max(0, heightMm))

/** A running car stops earlier when a call ahead is nearer than where it goes to, and not too near. */
export function redirect(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const way = wayOf(state.motion)
  if (state.stop === null || way === 0) return state
  const from = kinematicsOf(state, atMs)
  const stop = nextStopOneWay(callsOf(plan, state), plan.heightsMm, {
    fromMm: from.heightMm,
    way,
    reachMm: reachFor(plan, state, atMs),
  })
  if (stop === undefined) return state
  const isNearer = (heightOf(plan, stop) - heightOf(plan, state.stop)) * way < 0
  return isNearer ? runTo(plan, state, stop, atMs) : state
}

/** A running car is sent to `wanted` if it can still stop there, else to the nearest landing at which it can. */
export function divert(plan: LiftPlan, state: LiftState, atMs: number, wanted?: number): LiftState {
  const way = wayOf(state.motion)
  if (state.stop === null || way === 0) return state
  const { heightMm } = kinematicsOf(state, atMs)
  const reach = reachFor(plan, state, atMs)
  const reachable = plan.heightsMm
    .map((landingMm, landing) => ({ landing, aheadMm: (landingMm - heightMm) * way }))
    .filter(({ aheadMm }) => aheadMm >= reach)
    .sort((a, b) => a.aheadMm - b.aheadMm)
  const found = reachable.find(({ landing }) => landing === wanted) ?? reachable[0]
  return found === undefined ? state : runTo(plan, state, found.landing, atMs)
}

/** How far ahead of a running car the nearest landing must be at which it can stop. */
function reachFor(plan: LiftPlan, state: LiftState, atMs: number): number {
  const way = wayOf(state.motion) === -1 ? -1 : 1
  // The error of the position counts as well: where the landing is believed to be must be in reach.
  const errorMm = Math.abs(positionErrorMmAt(state, atMs)) * 1.1
  return reachMm(kinematicsOf(state, atMs), way, rideLimits(plan.ratedMmps)) + LEVELLING_MM + errorMm + 1
}

/** The run is over but for the last stretch. */
export function level(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const levelMm = levelHeightMm(plan, state, state.stop ?? 0, atMs)
  const motion = motionTo(kinematicsOf(state, atMs), levelMm, rideLimits(plan.ratedMmps))
  return begin(state, 'levelling', atMs, motion.endS * 1000, { motion })
}

/** At a landing: the doors open for those who get out or in, and stay shut for an empty car that was only sent there. */
export function arrive(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const landed = land(plan, state, atMs)
  const isWanted = landed.aboard.length > 0 || landed.waiting.some(({ from }) => from === landed.stop)
  return isWanted ? openDoors(landed, atMs) : depart(plan, landed, atMs)
}

/** The car has come to its landing. */
export function land(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const ended = endOfRun(plan, state, atMs)
  return ended.summons === ended.stop ? { ...ended, summons: null } : ended
}

/** The brake falls in, wherever the car is. */
export function brake(state: LiftState, atMs: number, o: { phase?: Phase; limits?: Limits } = {}): LiftState {
  const limits = o.limits ?? (state.flaws.overshootMm > 0 ? WEAK_BRAKE : EMERGENCY_BRAKE)
  const motion = haltFrom(kinematicsOf(state, atMs), limits)
  return begin(state, o.phase ?? 'braking', atMs, motion.endS * 1000, { motion, stop: null })
}

/** At creeping speed to the nearest landing, or to the given one. */
export function creep(plan: LiftPlan, state: LiftState, atMs: number, landing?: number): LiftState {
  const stop = landing ?? nearestLanding(plan.heightsMm, heightMmAt(state, atMs))
  const motion = motionTo(kinematicsOf(state, atMs), heightOf(plan, stop), CREEP)
  return moveOn(openRun(state, atMs), 'rescuing', atMs, { motion, stop })
}

/** A motion that is not one of a ride. */
export function moveOn(
  state: LiftState,
  phase: Phase,
  atMs: number,
  o: { motion: Motion; stop: number | null; endS?: number },
): LiftState {
  const { motion, stop, endS = motion.endS } = o
  const way = wayOf(motion)
  return begin(state, phase, atMs, endS * 1000, { motion, stop, direction: way === 0 ? state.direction : way })
}
