/** What the controller and the terminal's sensors read off a lift: the measured fields of the MQTT contract. */
import type { Static } from 'typebox'
import type { STATISTICS_FIELDS, Status } from '#contract/telemetry'
import { massKg, personCount } from './calls.ts'
import { ROPE_BENDS_PER_RUN, standbyKWh, type Counters } from './counters.ts'
import { DOOR_ZONE_MM, heightMmAt, nearestLanding, speedMmpsAt } from './lift.ts'
import { PHASES, type LiftPlan, type LiftState } from './lift-state.ts'
import { timeOfHeight } from './motion.ts'
import { textWord, unit } from './random.ts'

export type StatusFields = Omit<Status, 'v' | 'boot' | 'seq' | 'sampledAtMs'>
export type StatisticsFields = { [Name in keyof typeof STATISTICS_FIELDS]: Static<(typeof STATISTICS_FIELDS)[Name]> }

const DAY_MS = 24 * 3600_000
const BATTERY_PCT_PER_MINUTE = 0.4

/** The status at `atMs`, to which the state must have been advanced. */
export function readStatus(plan: LiftPlan, state: LiftState, atMs: number): StatusFields {
  const heightMm = heightMmAt(state, atMs)
  const floorIndex = nearestLanding(plan.heightsMm, heightMm)
  const { doorStatus, carStatus } = PHASES[state.phase]
  const speedMps = round(speedMmpsAt(state, atMs) / 1000, 3)
  const doorClosed = doorStatus === 2
  const passengerCount = personCount(state.aboard)
  return {
    serviceMode: state.serviceMode,
    carStatus,
    carDirection: state.direction === 1 ? 1 : state.direction === -1 ? 2 : 0,
    doorZone: Math.abs((plan.heightsMm[floorIndex] ?? 0) - heightMm) <= DOOR_ZONE_MM,
    carPosition: plan.labels[floorIndex] ?? '?',
    floorIndex,
    positionMm: Math.round(heightMm),
    doorStatus,
    doorClosed,
    passengerPresent: passengerCount > 0,
    passengerCount,
    speedMps,
    loadKg: massKg(state.aboard),
    overload: false,
    powerSource: state.onBatterySinceMs === null ? 'mains' : 'battery',
    alarmButton: state.alarmButton,
    safetyCircuitClosed: true,
    doorLockClosed: doorClosed,
    ...readSensors(plan, state, atMs, speedMps),
  }
}

/** Values of the terminal's own sensors; their noise is a function of the time, not of how often they are read. */
function readSensors(plan: LiftPlan, state: LiftState, atMs: number, speedMps: number) {
  const word = textWord(plan.id)
  const noise = (channel: number) => unit(word, Math.floor(atMs / 1000), channel)
  const warmth = Math.sin(((atMs + 2 * 3600_000) / DAY_MS) * 2 * Math.PI)
  const onBatteryMs = state.onBatterySinceMs === null ? 0 : atMs - state.onBatterySinceMs
  return {
    temperatureC: round(21 + 6 * unit(word, 11) + 3 * warmth + 0.4 * noise(12), 1),
    vibrationMg: round(1.5 + 9 * Math.abs(speedMps) + 2 * noise(13), 1),
    rssiDbm: Math.round(-60 - 28 * unit(word, 14) - 4 * noise(15)),
    batteryPct: round(Math.max(5, 100 - (onBatteryMs / 60_000) * BATTERY_PCT_PER_MINUTE), 1),
  }
}

/** The counters at `atMs`. */
export function readStatistics(plan: LiftPlan, state: LiftState, atMs: number): StatisticsFields {
  const shown = (name: keyof Counters) => Math.max(state.counters[name], state.countersFloor[name])
  return {
    runCount: shown('runCount'),
    runTimeS: round(shown('runTimeS'), 1),
    doorOpenCount: shown('doorOpenCount'),
    ropeBendCount: shown('runCount') * ROPE_BENDS_PER_RUN,
    distanceM: round(shown('distanceM'), 1),
    energyKWh: round(shown('energyKWh') + standbyKWh(plan.household, atMs), 3),
    passengerCount: shown('passengerCount'),
  }
}

/** When a moving car passes the middle between two landings, where its floor label changes; Infinity when it will not. */
export function nextLabelChangeAtMs(plan: LiftPlan, state: LiftState, atMs: number): number {
  if (PHASES[state.phase].carStatus !== 1) return Infinity
  const heightMm = heightMmAt(state, atMs)
  const { sign } = state.motion
  let earliestMs = Infinity
  for (let landing = 1; landing < plan.heightsMm.length; landing += 1) {
    const middleMm = ((plan.heightsMm[landing - 1] ?? 0) + (plan.heightsMm[landing] ?? 0)) / 2
    if ((middleMm - heightMm) * sign <= 0) continue
    const elapsedS = timeOfHeight(state.motion, middleMm)
    if (elapsedS !== undefined) earliestMs = Math.min(earliestMs, state.sinceMs + Math.ceil(elapsedS * 1000))
  }
  return Math.max(earliestMs, atMs + 1)
}

function round(value: number, digits: number): number {
  const scale = 10 ** digits
  return Math.round(value * scale) / scale
}
