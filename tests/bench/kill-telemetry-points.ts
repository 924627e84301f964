/** The points that the killed writer writes: each follows from its number, so that whoever looks knows what must be there. */
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { liftOf } from './fleet.ts'

export const BATCH_POINTS = 2_000
export const LIFT_COUNT = 50
const EVERY_MS = 1_000
const LATE_MS = 45 * 60_000
/** The store is opened without a retention: how long ago that is does not matter. */
const BEGAN_AT_MS = Date.UTC(2026, 0, 1)

/** The next lift each time; every seventh sample comes three quarters of an hour late. */
export function pointAt(number: number): TelemetryPoint {
  const isLate = number % 7 === 0
  const sampledAtMs = BEGAN_AT_MS + Math.floor(number / LIFT_COUNT) * EVERY_MS - (isLate ? LATE_MS : 0)
  return {
    measurement: number % 20 < 1 ? 'statistics' : 'status',
    lift: liftOf(number % LIFT_COUNT),
    sampledAtMs,
    boot: 1,
    seq: number,
    receivedAtMs: sampledAtMs + (isLate ? LATE_MS : 0) + 40,
    fields:
      number % 20 < 1
        ? { runCount: number, doorOpenCount: 2 * number, energyKWh: number / 8 }
        : {
            floorIndex: number % 7,
            carPosition: String(number % 7),
            doorClosed: number % 3 > 0,
            speedMps: number / 64,
          },
  }
}

export const WRITTEN_FROM_MS = BEGAN_AT_MS - LATE_MS
