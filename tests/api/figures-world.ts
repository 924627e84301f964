/** A world with hours that are stored, and samples of hours that are not. */
import { expect } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { liftId, openWorld, type Json, type Who, type World } from './world.ts'

/** In Asia/Shanghai 18:20 of the same day. */
export const NOW = Date.parse('2026-11-21T10:20:00Z')
export const MINUTE = 60_000
export const at = (utc: string): number => Date.parse(utc)

const stored = (lift: string, hour: string, more: Partial<HourFigures> = {}): HourFigures => ({
  ...{ lift: liftId(lift), hourAtMs: at(hour), sampleCount: 60, countedMs: HOUR_MS },
  ...{ inServiceMs: HOUR_MS, outOfServiceMs: 0, maintenanceMs: 0, unknownMs: 0, onlineMs: HOUR_MS },
  ...more,
})
const status = (sampledAtMs: number, serviceMode: number): TelemetryPoint => ({
  ...{ measurement: 'status', lift: liftId('lift-a1'), sampledAtMs, boot: 1, seq: sampledAtMs / 1_000 },
  ...{ receivedAtMs: sampledAtMs + 50, fields: { serviceMode, vibrationMg: 3 } },
})
const reading = (utc: string, runCount: number, lift = 'lift-a1'): TelemetryPoint => ({
  ...status(at(utc), 0),
  lift: liftId(lift),
  measurement: 'statistics',
  fields: { runCount },
})
const every30s = (fromUtc: string, toUtc: string, mode: number): TelemetryPoint[] =>
  Array.from({ length: (at(toUtc) - at(fromUtc)) / 30_000 }, (_, n) => status(at(fromUtc) + n * 30_000, mode))

const FIGURES: readonly HourFigures[] = [
  // The 20th, 08:00 and 09:00 in Asia/Shanghai.
  stored('lift-a1', '2026-11-20T00:00:00Z', { runCount: 10, energyKWh: 0.1, worstVibrationMg: 12 }),
  stored('lift-a1', '2026-11-20T01:00:00Z', {
    ...{ runCount: 6, countedMs: HOUR_MS / 2, energyKWh: 0.2, worstVibrationMg: 5 },
    ...{ inServiceMs: 0, outOfServiceMs: 20 * MINUTE, maintenanceMs: 30 * MINUTE, unknownMs: 10 * MINUTE },
    onlineMs: 50 * MINUTE,
  }),
  // The 21st, 00:00, 08:00 and 16:00. The last one is within the hours that would be computed.
  stored('lift-a1', '2026-11-20T16:00:00Z', { runCount: 2 }),
  stored('lift-a1', '2026-11-21T00:00:00Z', { runCount: 20 }),
  stored('lift-a1', '2026-11-21T08:00:00Z', { runCount: 7 }),
  // What is not over, or has not begun, is not believed, whoever stored it.
  stored('lift-a1', '2026-11-21T10:00:00Z', { runCount: 999 }),
  stored('lift-a1', '2026-11-21T12:00:00Z', { runCount: 999 }),
  stored('lift-a2', '2026-11-20T00:00:00Z', { runCount: 1, outOfServiceMs: HOUR_MS, inServiceMs: 0 }),
  stored('lift-b1', '2026-10-31T16:00:00Z', { runCount: 4 }),
  stored('lift-b1', '2026-10-31T15:00:00Z', { runCount: 3 }),
]
const SAMPLES: readonly TelemetryPoint[] = [
  // 13:00 in Asia/Shanghai: too long ago to be computed when it is asked for.
  ...every30s('2026-11-21T05:00:00Z', '2026-11-21T05:10:00Z', 1),
  // Stored already, and not computed again.
  status(at('2026-11-21T08:30:00Z'), 0),
  ...every30s('2026-11-21T09:30:00Z', '2026-11-21T10:00:00Z', 2),
  ...every30s('2026-11-21T10:00:00Z', '2026-11-21T10:20:00Z', 1),
  // A terminal whose clock is ahead.
  status(NOW + 60_000, 0),
  ...[0, 15, 30, 45].map((minute) => reading(`2026-11-21T09:${String(minute).padStart(2, '0')}:00Z`, 100 + minute / 5)),
  reading('2026-11-21T10:00:00Z', 112),
  reading('2026-11-21T10:15:00Z', 115),
  // All that was heard of this lift in its hour: no state, and nothing to count from.
  reading('2026-11-21T09:40:00Z', 5, 'lift-a2'),
]

export async function openFiguresWorld(nowMs: () => number = () => NOW): Promise<World> {
  const world = await openWorld({ nowMs })
  await world.telemetry.putFigures(FIGURES)
  await world.telemetry.append(SAMPLES)
  return world
}

/** What is answered below `/api/v1/`, which has to be an answer and no refusal. */
export async function answerOf(world: World, path: string, as: Who = 'operator'): Promise<Json> {
  const { status: code, json, text } = await world.ask(`/api/v1/${path}`, { as })
  expect(code, text).toBe(200)
  return json
}
