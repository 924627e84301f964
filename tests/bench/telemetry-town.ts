/** What the terminals of a town say in so many days: samples and hourly figures, the same at every run. */
import { HOUR_MS, hourOfDay } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { chanceOf } from '../chance.ts'

/** Begin of the time that is written: a local midnight. */
export const FROM_MS = Date.UTC(2026, 8, 30, 16)
const BATCH_COUNT = 5_000
/** Share of the samples of an hour in which the car moves: residents sleep, leave and come home. */
const MOVING = [1, 1, 1, 1, 1, 3, 12, 22, 18, 9, 8, 11, 12, 9, 7, 8, 11, 19, 22, 17, 12, 8, 4, 2].map((n) => n / 100)

export type Town = { readonly liftCount: number; readonly dayCount: number; readonly everyMs: number }

export const rowCountOf = ({ liftCount, dayCount, everyMs }: Town): number =>
  liftCount * Math.floor((dayCount * 24 * HOUR_MS) / everyMs)
export const toMsOf = ({ dayCount }: Town): number => FROM_MS + dayCount * 24 * HOUR_MS
export const liftOfTown = (index: number): LiftId => `bench-${String(index).padStart(5, '0')}` as LiftId

/** All samples in the order in which they would arrive, in batches as ingest makes them. */
export function* batchesOf(town: Town): Generator<TelemetryPoint[]> {
  const chance = chanceOf(4)
  const lifts = Array.from({ length: town.liftCount }, (_, index) => ({
    lift: liftOfTown(index),
    offsetMs: Math.floor(chance() * town.everyMs),
    floor: 1,
  }))
  let batch: TelemetryPoint[] = []
  let seq = 0
  for (let atMs = FROM_MS; atMs < toMsOf(town); atMs += town.everyMs) {
    const moving = MOVING[hourOfDay(atMs)] ?? 0
    seq += 1
    for (const state of lifts) {
      const isMoving = chance() < moving
      if (isMoving) state.floor = 1 + Math.floor(chance() * 7)
      batch.push(sampleOf(state, { atMs, seq, isMoving }, chance))
      if (batch.length === BATCH_COUNT) {
        yield batch
        batch = []
      }
    }
  }
  if (batch.length > 0) yield batch
}

function sampleOf(
  { lift, offsetMs, floor }: { lift: LiftId; offsetMs: number; floor: number },
  { atMs, seq, isMoving }: { atMs: number; seq: number; isMoving: boolean },
  chance: () => number,
): TelemetryPoint {
  const sampledAtMs = atMs + offsetMs
  const passengerCount = isMoving ? Math.floor(chance() * 4) : 0
  return {
    measurement: 'status',
    lift,
    sampledAtMs,
    boot: 17,
    seq,
    receivedAtMs: sampledAtMs + 20 + Math.floor(chance() * 60),
    fields: {
      serviceMode: 1,
      carStatus: isMoving ? 1 : 0,
      carDirection: isMoving ? 1 + Math.floor(chance() * 2) : 0,
      doorZone: !isMoving,
      carPosition: String(floor),
      floorIndex: floor - 1,
      positionMm: (floor - 1) * 2_900 + (isMoving ? Math.floor(chance() * 2_900) : 0),
      doorStatus: 2,
      doorClosed: true,
      passengerPresent: passengerCount > 0,
      passengerCount,
      speedMps: isMoving ? Math.round(chance() * 100) / 100 : 0,
      loadKg: passengerCount * (50 + Math.floor(chance() * 40)),
      overload: false,
      powerSource: 'mains',
      temperatureC: Math.round(200 + 40 * Math.sin(atMs / 13_750_000) + chance() * 4) / 10,
      rssiDbm: -75 + Math.floor(chance() * 8),
      batteryPct: 100,
    },
  }
}

export function* figuresOf(town: Town): Generator<HourFigures[]> {
  const chance = chanceOf(5)
  let rows: HourFigures[] = []
  for (let hourAtMs = FROM_MS; hourAtMs < toMsOf(town); hourAtMs += HOUR_MS) {
    for (let index = 0; index < town.liftCount; index += 1) {
      const runCount = Math.floor((MOVING[hourOfDay(hourAtMs)] ?? 0) * 200 * chance())
      rows.push({
        lift: liftOfTown(index),
        hourAtMs,
        sampleCount: Math.floor(HOUR_MS / town.everyMs),
        countedMs: HOUR_MS,
        runCount,
        doorCycleCount: runCount,
        runTimeS: runCount * 12,
        distanceM: runCount * 9,
        energyKWh: Math.round(runCount * 4) / 100,
        inServiceMs: HOUR_MS,
        outOfServiceMs: 0,
        maintenanceMs: 0,
        unknownMs: 0,
        onlineMs: HOUR_MS,
      })
      if (rows.length === BATCH_COUNT) {
        yield rows
        rows = []
      }
    }
  }
  if (rows.length > 0) yield rows
}
