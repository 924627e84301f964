/** What the controller and the terminal's sensors read off a lift, as it truly is: the measured fields of the MQTT contract. */
import type { Static } from 'typebox'
import type { STATISTICS_FIELDS, Status } from '#contract/telemetry'
import { textWord, unit } from '../random.ts'
import { DAY_MS, ZONE_MS } from '../town/calendar.ts'
import { massKg, personCount } from './calls.ts'
import { handedOverAtMs, ROPE_BENDS_PER_RUN } from './counters.ts'
import { standbyKWh, warmthC } from './energy.ts'
import { heightMmAt, nearestLanding, offLandingMm, speedMmpsAt, type LiftPlan, type LiftState } from './lift-state.ts'
import { DOOR_ZONE_MM } from './limits.ts'
import { timeOfHeight, wayOf } from './motion.ts'
import { PHASES } from './phases.ts'
import { isTooHeavy } from './riders.ts'
import { positionErrorMmAt } from './travel.ts'

export type StatusFields = Omit<Status, 'v' | 'boot' | 'seq' | 'sampledAtMs'>
export type StatisticsFields = { [Name in keyof typeof STATISTICS_FIELDS]: Static<(typeof STATISTICS_FIELDS)[Name]> }

const BATTERY_PCT_PER_MINUTE = 0.4
const YEAR_MS = 365.25 * DAY_MS
/** Rails and guide shoes wear: after so long the car shakes half as much again. */
const WEAR_MS = 8 * YEAR_MS

/** The status at `atMs`, to which the state must have been advanced. */
export function readStatus(plan: LiftPlan, state: LiftState, atMs: number): StatusFields {
  const trueMm = heightMmAt(state, atMs)
  // The position is the one that the controller believes in; the unlocking zone is sensed by switches in the shaft.
  const believedMm = trueMm + positionErrorMmAt(state, atMs)
  const floorIndex = nearestLanding(plan.heightsMm, believedMm)
  const { doorStatus, carStatus } = PHASES[state.phase]
  const speedMps = readSpeedMps(state, atMs)
  const doorClosed = doorStatus === 2
  const passengerCount = personCount(state.aboard)
  return {
    serviceMode: state.serviceMode,
    carStatus,
    carDirection: state.direction === 1 ? 1 : state.direction === -1 ? 2 : 0,
    doorZone: offLandingMm(plan, trueMm) <= DOOR_ZONE_MM,
    carPosition: plan.labels[floorIndex] ?? '?',
    floorIndex,
    positionMm: Math.round(believedMm),
    doorStatus,
    doorClosed,
    passengerPresent: passengerCount > 0,
    passengerCount,
    speedMps: speedMps === 0 ? 0 : speedMps,
    loadKg: massKg(state.aboard),
    overload: isTooHeavy(plan, state.aboard),
    powerSource: state.onBatterySinceMs === null ? 'mains' : 'battery',
    alarmButton: state.alarmButton,
    safetyCircuitClosed: !state.flaws.isSafetyCircuitOpen,
    doorLockClosed: doorClosed && !state.flaws.isDoorLockOpen,
    ...readSensors(plan, state, atMs, speedMps),
  }
}

/** Values of the terminal's own sensors; their noise is a function of the time, not of how often they are read. */
function readSensors(plan: LiftPlan, state: LiftState, atMs: number, speedMps: number) {
  const word = textWord(plan.id)
  const onBatteryMs = state.onBatterySinceMs === null ? 0 : atMs - state.onBatterySinceMs
  const controllerC = surroundingsC(word, atMs) + 6 + warmthC(state, atMs) + faultHeatC(state, atMs)
  return {
    temperatureC: round(controllerC + 0.4 * noise(word, atMs, 12), 1),
    vibrationMg: readVibrationMg(plan, state, atMs, speedMps),
    rssiDbm: Math.round(-60 - 28 * unit(word, 14) - 4 * noise(word, atMs, 15)),
    batteryPct: round(Math.max(5, 100 - (onBatteryMs / 60_000) * BATTERY_PCT_PER_MINUTE), 1),
  }
}

const noise = (word: number, atMs: number, channel: number): number => unit(word, Math.floor(atMs / 1000), channel)

/** The same as in the status, for those who want nothing else of it. */
export function readVibrationMg(
  plan: LiftPlan,
  state: LiftState,
  atMs: number,
  speedMps = readSpeedMps(state, atMs),
): number {
  const word = textWord(plan.id)
  const still = 1.5 + 2 * noise(word, atMs, 13)
  if (speedMps === 0) return round(still, 1)
  // Worn rails shake more, and so does a lift that was never quite well aligned.
  const wear = 0.8 + 0.4 * unit(word, 18) + (0.5 * Math.max(0, atMs - handedOverAtMs(plan))) / WEAR_MS
  const flaw = state.flaws.vibrationMg * (0.8 + 0.4 * noise(word, atMs, 19))
  return round(still + 9 * Math.abs(speedMps) * wear + flaw, 1)
}

const readSpeedMps = (state: LiftState, atMs: number): number => round(speedMmpsAt(state, atMs) / 1000, 3)

/** A controller that overheats does so little by little. */
function faultHeatC({ flaws, fault }: LiftState, atMs: number): number {
  if (flaws.heatC === 0 || fault === null || fault.bittenAtMs === null) return 0
  return flaws.heatC * Math.min(1, (3 * (atMs - fault.bittenAtMs)) / fault.durationMs)
}

/** At the top of the shaft: warmest at the end of July and at four in the afternoon. */
function surroundingsC(word: number, atMs: number): number {
  const ofYear = ((atMs + ZONE_MS) % YEAR_MS) / YEAR_MS
  const ofDay = ((atMs + ZONE_MS) % DAY_MS) / DAY_MS
  const season = -Math.cos((ofYear - 0.07) * 2 * Math.PI)
  const hour = -Math.cos((ofDay - 1 / 6) * 2 * Math.PI)
  return 15 + 4 * unit(word, 11) + 9 * season + 3 * hour
}

/** The counters at `atMs`. */
export function readStatistics(plan: LiftPlan, state: LiftState, atMs: number): StatisticsFields {
  const { counters } = state
  return {
    runCount: counters.runCount,
    runTimeS: round(counters.runTimeS, 1),
    doorOpenCount: counters.doorOpenCount,
    ropeBendCount: counters.runCount * ROPE_BENDS_PER_RUN,
    distanceM: round(counters.distanceM, 1),
    energyKWh: round(counters.energyKWh + standbyKWh(plan, state.standbySinceMs, atMs), 3),
    passengerCount: counters.passengerCount,
  }
}

/** When a moving car passes the middle between two landings, where its floor label changes; Infinity when it will not. */
export function nextLabelChangeAtMs(plan: LiftPlan, state: LiftState, atMs: number): number {
  const way = wayOf(state.motion)
  if (way === 0 || !PHASES[state.phase].moves) return Infinity
  const believedMm = heightMmAt(state, atMs) + positionErrorMmAt(state, atMs)
  let nextMm: number | undefined
  for (let landing = 1; landing < plan.heightsMm.length; landing += 1) {
    const middleMm = ((plan.heightsMm[landing - 1] ?? 0) + (plan.heightsMm[landing] ?? 0)) / 2
    const aheadMm = (middleMm - believedMm) * way
    if (aheadMm > 0.5 && (nextMm === undefined || aheadMm < (nextMm - believedMm) * way)) nextMm = middleMm
  }
  if (nextMm === undefined) return Infinity
  const elapsedS = timeOfHeight(state.motion, nextMm - positionErrorMmAt(state, atMs))
  if (elapsedS === undefined) return Infinity
  return Math.max(state.sinceMs + Math.ceil(elapsedS * 1000), atMs + 1)
}

function round(value: number, digits: number): number {
  const scale = 10 ** digits
  return Math.round(value * scale) / scale
}
