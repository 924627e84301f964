import type { LiftId } from '#contract/ids'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'

/** A Tuesday in 2026; a multiple of 10 s. */
export const T0 = 1_795_190_400_000
export const LIFT = 'meilin-03-2' as LiftId
export const OTHER_LIFT = 'meilin-03-1' as LiftId

/** A status sample with the fields of a real one, or with the given fields alone. */
export function statusPoint(o: {
  atMs?: number
  boot?: number
  seq?: number
  lift?: LiftId
  fields?: TelemetryPoint['fields']
}): TelemetryPoint {
  const sampledAtMs = o.atMs ?? T0
  const seq = o.seq ?? 0
  return {
    measurement: 'status',
    lift: o.lift ?? LIFT,
    sampledAtMs,
    boot: o.boot ?? 17,
    seq,
    receivedAtMs: sampledAtMs + 40,
    fields: o.fields ?? {
      serviceMode: 1,
      carStatus: 1,
      carDirection: 1,
      doorZone: false,
      carPosition: '3',
      floorIndex: 2,
      positionMm: 6_820 + (seq % 1_000),
      doorStatus: 2,
      doorClosed: true,
      passengerPresent: true,
      passengerCount: 2,
      speedMps: 0.98,
      loadKg: 132,
      overload: false,
      powerSource: 'mains',
      temperatureC: 24.1,
      rssiDbm: -71,
      batteryPct: 100,
    },
  }
}
