/**
 * Points of one measurement, column by column. In this form they cross to the worker: typed arrays are handed over
 * instead of thousands of objects being cloned on the thread that also takes messages.
 */
import { MEASUREMENTS, type Measurement } from '#contract/history'
import type { LiftId } from '#contract/ids'
import { HEADER_FIELDS, type TelemetryPoint } from './points.ts'

export type PointColumns = {
  readonly measurement: Measurement
  readonly count: number
  readonly lift: readonly string[]
  readonly sampledAtMs: Float64Array
  /** By field. Numbers, and booleans as 0 and 1; NaN where nothing was measured (points never carry NaN). */
  readonly numbers: Readonly<Record<string, Float64Array>>
  /** By field; null where nothing was measured. */
  readonly strings: Readonly<Record<string, readonly (string | null)[]>>
}

/** Packs points that were checked. Order within a measurement is kept. */
export function packPoints(points: readonly TelemetryPoint[]): PointColumns[] {
  const byMeasurement = new Map<Measurement, TelemetryPoint[]>()
  for (const point of points) {
    const group = byMeasurement.get(point.measurement)
    if (group) group.push(point)
    else byMeasurement.set(point.measurement, [point])
  }
  return [...byMeasurement].map(([measurement, group]) => packMeasurement(measurement, group))
}

function packMeasurement(measurement: Measurement, points: readonly TelemetryPoint[]): PointColumns {
  const numbers: Record<string, Float64Array> = {
    boot: packNumbers(points, (point) => point.boot),
    seq: packNumbers(points, (point) => point.seq),
    receivedAtMs: packNumbers(points, (point) => point.receivedAtMs),
  }
  const strings: Record<string, (string | null)[]> = {}
  for (const [name, type] of Object.entries(MEASUREMENTS[measurement])) {
    if (HEADER_FIELDS.has(name)) continue
    if (type === 'string') strings[name] = points.map((point) => toText(point.fields[name]))
    else numbers[name] = packNumbers(points, (point) => toNumber(point.fields[name]))
  }
  return {
    measurement,
    count: points.length,
    lift: points.map((point) => point.lift),
    sampledAtMs: packNumbers(points, (point) => point.sampledAtMs),
    numbers,
    strings,
  }
}

/** Several times faster than `Float64Array.from` with a function. */
function packNumbers(points: readonly TelemetryPoint[], read: (point: TelemetryPoint) => number): Float64Array {
  const packed = new Float64Array(points.length)
  let row = 0
  for (const point of points) {
    packed[row] = read(point)
    row += 1
  }
  return packed
}

const toNumber = (value: number | string | boolean | undefined): number =>
  value === undefined ? Number.NaN : Number(value)
const toText = (value: number | string | boolean | undefined): string | null =>
  value === undefined ? null : String(value)

/** The points of one measurement, as they were packed. Times and counts are never NaN. */
export function unpackPoints(columns: PointColumns): TelemetryPoint[] {
  const { measurement, numbers, strings } = columns
  const fields = Object.entries(MEASUREMENTS[measurement]).filter(([name]) => !HEADER_FIELDS.has(name))
  return columns.lift.map((lift, row) => {
    const given: Record<string, number | string | boolean> = {}
    for (const [name, type] of fields) {
      if (type === 'string') {
        const text = strings[name]?.[row] ?? undefined
        if (text !== undefined) given[name] = text
      } else {
        const value = numbers[name]?.[row] ?? Number.NaN
        if (!Number.isNaN(value)) given[name] = type === 'boolean' ? value === 1 : value
      }
    }
    return {
      measurement,
      lift: lift as LiftId, // only ids of lifts are stored
      sampledAtMs: columns.sampledAtMs[row] ?? Number.NaN,
      boot: numbers['boot']?.[row] ?? Number.NaN,
      seq: numbers['seq']?.[row] ?? Number.NaN,
      receivedAtMs: numbers['receivedAtMs']?.[row] ?? Number.NaN,
      fields: given,
    }
  })
}

/** What may be moved instead of copied. */
export function buffersOf(columns: readonly PointColumns[]): ArrayBuffer[] {
  return columns.flatMap((batch) =>
    [batch.sampledAtMs, ...Object.values(batch.numbers)]
      .map((array) => array.buffer)
      .filter((buffer) => buffer instanceof ArrayBuffer),
  )
}
