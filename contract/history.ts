/** Which measured values have a history, in which measurement they are kept, and the shape in which they are asked for and answered. */
import { Type, type Static } from 'typebox'
import { STATISTICS_FIELDS, STATUS_FIELDS } from './telemetry.ts'

export type FieldType = 'integer' | 'number' | 'boolean' | 'string'
export type Measurement = 'status' | 'statistics' | 'message' | 'connection'

/** InfluxDB measurements and their fields. The only tag is `lift` (and `terminal` of connection): bounded by the fleet. */
export const MEASUREMENTS: Readonly<Record<Measurement, Readonly<Record<string, FieldType>>>> = {
  status: { boot: 'integer', seq: 'integer', receivedAtMs: 'integer', ...fieldTypes(STATUS_FIELDS) },
  statistics: { boot: 'integer', seq: 'integer', receivedAtMs: 'integer', ...fieldTypes(STATISTICS_FIELDS) },
  message: {
    boot: 'integer',
    seq: 'integer',
    receivedAtMs: 'integer',
    id: 'string',
    codeSet: 'string',
    code: 'integer',
    kind: 'string',
    raised: 'boolean',
    snapshot: 'string',
  },
  connection: {
    boot: 'integer',
    seq: 'integer',
    receivedAtMs: 'integer',
    state: 'string',
    terminal: 'string',
    firmware: 'string',
    iccid: 'string',
  },
}

function fieldTypes(fields: Readonly<Record<string, object>>): Record<string, FieldType> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, schema]) => {
      const type = 'type' in schema ? schema.type : 'string'
      return [name, type === 'integer' || type === 'number' || type === 'boolean' ? type : 'string']
    }),
  )
}

/** Units of the fields that have one, for axes and dashboards. */
export const FIELD_UNITS: Readonly<Record<string, string>> = {
  positionMm: 'mm',
  speedMps: 'm/s',
  loadKg: 'kg',
  temperatureC: '°C',
  vibrationMg: 'mg',
  rssiDbm: 'dBm',
  batteryPct: '%',
  runTimeS: 's',
  distanceM: 'm',
  energyKWh: 'kWh',
}

/** At most this many points in one answer, whatever the range. */
export const HISTORY_POINTS_MAX = 2_000
/** Longest range of one question. */
export const HISTORY_RANGE_MS_MAX = 5 * 366 * 24 * 3600_000

/** Fields of `status` and `statistics` with numbers in them: what a chart can draw. Booleans are read as 0 and 1. */
export function isHistoryField(measurement: 'status' | 'statistics', field: string): boolean {
  const type = MEASUREMENTS[measurement][field]
  return Object.hasOwn(MEASUREMENTS[measurement], field) && type !== undefined && type !== 'string'
}

/** One bucket that holds at least one sample. Buckets without samples are left out: a gap is a gap. */
export const HistoryPoint = Type.Object({
  atMs: Type.Integer({ description: 'Begin of the bucket' }),
  min: Type.Number(),
  max: Type.Number(),
  mean: Type.Number(),
  last: Type.Number(),
  count: Type.Integer(),
})
export type HistoryPoint = Static<typeof HistoryPoint>

/**
 * A sample of a state is believed until the next one, at most this long: an idle terminal speaks once a minute, and one
 * lost sample is no gap.
 */
export const STATE_SILENCE_MS_MAX = 150_000
/** At most this many samples are looked at for one answer of spans. */
export const SPAN_SAMPLES_MAX = 200_000
/** Integers that stand for states and not for quantities; booleans and texts always do. */
const STATE_INTEGERS: ReadonlySet<string> = new Set([
  'serviceMode',
  'carStatus',
  'carDirection',
  'doorStatus',
  'floorIndex',
])

/** Fields of `status` that hold a state: what is asked for as spans. Other measurements are not said again while they stay as they are. */
export function isStateField(field: string): boolean {
  const type = Object.hasOwn(MEASUREMENTS.status, field) ? MEASUREMENTS.status[field] : undefined
  return type === 'boolean' || type === 'string' || (type === 'integer' && STATE_INTEGERS.has(field))
}

export type StateValue = boolean | number | string
/**
 * A state span (状态区间): from `fromMs` up to, not including, `toMs` the state was `value`. `sampleCount` is how many
 * samples say so within the span; 0 when the state was brought along from before the range.
 */
export type StateSpan = {
  readonly fromMs: number
  readonly toMs: number
  readonly value: StateValue
  readonly sampleCount: number
}
/**
 * Spans oldest first, never overlapping; where there is none, nothing is known. They speak of the time before `untilMs`,
 * which is the end of the range when `isWhole`; otherwise the rest is to be asked for from there.
 */
export type StateSpans = { readonly spans: readonly StateSpan[]; readonly isWhole: boolean; readonly untilMs: number }
