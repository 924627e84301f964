/** What every telemetry store takes and answers, and how it says no. Times are Unix ms. */
import {
  HISTORY_POINTS_MAX,
  isStateField,
  MEASUREMENTS,
  SPAN_SAMPLES_MAX,
  STATE_SILENCE_MS_MAX,
  type FieldType,
  type HistoryPoint,
  type Measurement,
  type StateSpans,
} from '#contract/history'
import type { HourFigures } from '#contract/figures'
import { isLiftId, type LiftId } from '#contract/ids'
import type { FleetHour, FleetQuery, LastQuery, LastValue } from './fleet-questions.ts'
import type { FiguresQuery } from './hour-rows.ts'
import type { SumsQuery } from './hour-sums.ts'
import type { HourSums } from './sum-figures.ts'
import type { LiftCount, StretchPoints, StretchQuery } from './stretch-questions.ts'

/**
 * One point. Its identity is (`measurement`, `lift`, `sampledAtMs`, `boot`, `seq`): two samples of the same millisecond
 * are two points, the same sample sent again is the same point. `fields` are those of `MEASUREMENTS[measurement]`;
 * `boot`, `seq` and `receivedAtMs` are written as fields too.
 */
export type TelemetryPoint = {
  readonly measurement: Measurement
  readonly lift: LiftId
  readonly sampledAtMs: number
  readonly boot: number
  readonly seq: number
  readonly receivedAtMs: number
  readonly fields: Readonly<Record<string, number | string | boolean>>
}

/** `away`: try again later, nothing is wrong with the points. `refused`: these points will never be taken. */
export class TelemetryStoreError extends Error {
  override readonly name = 'TelemetryStoreError'
  readonly kind: 'away' | 'refused'
  /** The store asked not to be tried again before this time has passed; 0 when it did not. Bounded by the store's adapter. */
  readonly retryAfterMs: number
  constructor(
    kind: 'away' | 'refused',
    message: string,
    options: ErrorOptions & { readonly retryAfterMs?: number } = {},
  ) {
    super(message, options)
    this.kind = kind
    this.retryAfterMs = options.retryAfterMs ?? 0
  }
}

/** The store has more points together than it can tell: asking again does not help, and nothing is wrong with the store. */
export class TooManyPointsError extends TelemetryStoreError {
  constructor(message: string) {
    super('refused', message)
  }
}

export type RangeQuery = {
  readonly lift: LiftId
  readonly measurement: Measurement
  /** First instant, included. */
  readonly fromMs: number
  /** Last instant, excluded. */
  readonly toMs: number
}
export type HistoryQuery = RangeQuery & { readonly field: string; readonly bucketMs: number }
/** Where a point stands among the points of its measurement and lift. */
export type PointPosition = Pick<TelemetryPoint, 'sampledAtMs' | 'boot' | 'seq'>
/** With `after`, only points behind that one: a page begins where the one before ended, whatever came meanwhile. */
export type PointsQuery = RangeQuery & { readonly limit: number; readonly after?: PointPosition }
/** `limit`: most spans of an answer, at most `HISTORY_POINTS_MAX`. */
export type SpansQuery = RangeQuery & { readonly field: string; readonly limit: number }
/** With the bounds of the contract, for the thread that does not know them. */
export type SpansQuestion = SpansQuery & { readonly silenceMs: number; readonly samplesMax: number }

export interface TelemetryStore extends AsyncDisposable {
  /** Durable when it resolves; idempotent. Rejects with `TelemetryStoreError`. At most `BATCH_POINTS_MAX` points. */
  append(points: readonly TelemetryPoint[]): Promise<void>
  /** Minimum, maximum, mean, last and count per bucket that has samples; buckets begin at multiples of `bucketMs`. Booleans count as 0 and 1. */
  history(query: HistoryQuery & { readonly signal?: AbortSignal }): Promise<HistoryPoint[]>
  /**
   * The states of a state field as spans. A sample is believed until the next one, at most `STATE_SILENCE_MS_MAX`; a
   * state from before the range counts when it is believed at its begin, and is never told beyond its end.
   */
  spans(query: SpansQuery & { readonly signal?: AbortSignal }): Promise<StateSpans>
  /** Raw points in order of sample time, boot and seq, oldest first, at most `limit`. */
  points(query: PointsQuery & { readonly signal?: AbortSignal }): Promise<TelemetryPoint[]>
  /** How many points there are in a range. */
  count(query: RangeQuery): Promise<number>
  /**
   * Stores hourly figures; a row replaces that of the same lift and hour. Durable when it resolves. Rejects with
   * `TelemetryStoreError`, and with a `RangeError` above `BATCH_POINTS_MAX` rows.
   */
  putFigures(rows: readonly HourFigures[]): Promise<void>
  /** Hourly figures in order of hour and lift, at most `limit`; hours without figures are not in the answer. */
  figures(query: FiguresQuery & { readonly signal?: AbortSignal }): Promise<HourFigures[]>
  /**
   * What the hours that begin within the range add up to, for each lift that has one, in order of lifts; the hours stay in
   * the store.
   */
  sums(query: SumsQuery & { readonly signal?: AbortSignal }): Promise<HourSums[]>
  /** The last value of each lift that has one within the range, in order of lifts. */
  last(query: LastQuery & { readonly signal?: AbortSignal }): Promise<LastValue[]>
  /** A figure of all lifts together, for each hour that has one, oldest first. */
  fleet(query: FleetQuery & { readonly signal?: AbortSignal }): Promise<FleetHour[]>
  /** Sample time of the oldest point of all lifts in a stretch; undefined when there is none. */
  oldest(query: StretchQuery): Promise<number | undefined>
  /** How many points each lift has that has any in a stretch, in order of lifts. */
  tally(query: StretchQuery): Promise<LiftCount[]>
  /** The points of all lifts in a stretch; a long one only in part. */
  stretch(query: StretchQuery): Promise<StretchPoints>
  /** What the retention did since the store was opened. */
  retained(): RetentionCounts
  /** Rejects with the reason when the store cannot be used now. Bounded in time. */
  check(): Promise<void>
}
/** `leftOutCount`: points that were older than the retention when they came. `removedCount`: rows that the embedded store removed. */
export type RetentionCounts = { readonly leftOutCount: number; readonly removedCount: number }

export const BATCH_POINTS_MAX = 5_000
/** The last whole millisecond that InfluxDB can keep (its time is 64-bit nanoseconds). */
export const SAMPLED_AT_MS_MAX = 9_223_372_036_853

/** Fields that every point has of its own; under these names `fields` is not looked at. */
export const HEADER_FIELDS: ReadonlySet<string> = new Set(['boot', 'seq', 'receivedAtMs'])

/** The contract's fields as maps: every field of every point is looked up. */
const FIELD_TYPES: ReadonlyMap<string, ReadonlyMap<string, FieldType>> = new Map(
  Object.entries(MEASUREMENTS).map(([measurement, types]) => [measurement, new Map(Object.entries(types))]),
)

/**
 * Rejects points that no store may take: a foreign measurement, lift, field or type. Every store refuses the same
 * points, and what passes cannot break out of a line or a statement.
 */
export function refuseBadPoints(points: readonly TelemetryPoint[]): void {
  if (points.length > BATCH_POINTS_MAX)
    throw new RangeError(`a batch has at most ${BATCH_POINTS_MAX} points, not ${points.length}`)
  for (const point of points) {
    const reason = reasonToRefuse(point)
    if (reason !== undefined) {
      throw new TelemetryStoreError(
        'refused',
        `point ${JSON.stringify(point.measurement)} of lift ${JSON.stringify(point.lift)}: ${reason}`,
      )
    }
  }
}

function reasonToRefuse(point: TelemetryPoint): string | undefined {
  const types = FIELD_TYPES.get(point.measurement)
  if (types === undefined) return 'there is no such measurement'
  if (!isLiftId(point.lift)) return 'this is not the id of a lift'
  if (!isCount(point.sampledAtMs) || point.sampledAtMs > SAMPLED_AT_MS_MAX)
    return `sampledAtMs ${point.sampledAtMs} is out of range`
  if (!isCount(point.boot) || !isCount(point.seq)) return `boot ${point.boot} or seq ${point.seq} is out of range`
  if (!isCount(point.receivedAtMs)) return `receivedAtMs ${point.receivedAtMs} is out of range`
  for (const name in point.fields) {
    const value = point.fields[name]
    if (value === undefined || HEADER_FIELDS.has(name)) continue
    const type = types.get(name)
    if (type === undefined) return `there is no field ${JSON.stringify(name)}`
    if (!isOfType(value, type)) return `${name} is not of type ${type}`
  }
  return undefined
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

function isOfType(value: number | string | boolean, type: FieldType): boolean {
  switch (type) {
    case 'integer':
      return Number.isSafeInteger(value)
    case 'number':
      return Number.isFinite(value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'string':
      return typeof value === 'string'
    default:
      return type satisfies never
  }
}

/** Throws when a question is not one: these are mistakes of the caller, not of the store. */
export function assertRange(query: RangeQuery): void {
  assertQuestion(FIELD_TYPES.has(query.measurement), 'there is no such measurement')
  assertQuestion(isLiftId(query.lift), 'this is not the id of a lift')
  assertQuestion(
    Number.isSafeInteger(query.fromMs) && Number.isSafeInteger(query.toMs),
    'fromMs and toMs are whole milliseconds',
  )
}

/** The type of the field that is asked for. Strings have no history. */
export function historyTypeOf(query: HistoryQuery): 'integer' | 'number' | 'boolean' {
  assertRange(query)
  const type = FIELD_TYPES.get(query.measurement)?.get(query.field)
  assertQuestion(
    Number.isSafeInteger(query.bucketMs) && query.bucketMs > 0,
    'bucketMs is a whole number of milliseconds',
  )
  assertQuestion(
    (query.toMs - query.fromMs) / query.bucketMs <= HISTORY_POINTS_MAX,
    `that would be more than ${HISTORY_POINTS_MAX} buckets`,
  )
  if (type === undefined || type === 'string')
    throw new RangeError(`telemetry question: ${query.measurement} has no history of ${JSON.stringify(query.field)}`)
  return type
}

export function assertLimit(query: PointsQuery): void {
  assertRange(query)
  const { limit, after } = query
  assertQuestion(Number.isSafeInteger(limit) && limit > 0, 'limit is a whole number above 0')
  if (after !== undefined)
    assertQuestion(
      isCount(after.sampledAtMs) && isCount(after.boot) && isCount(after.seq),
      'after is where a point stands',
    )
}

/** The question with the bounds of the contract and times that a store can hold. */
export function toSpansQuestion(query: SpansQuery): SpansQuestion {
  assertRange(query)
  const { measurement, field, limit } = query
  assertQuestion(
    Number.isSafeInteger(limit) && limit > 0 && limit <= HISTORY_POINTS_MAX,
    `limit is a whole number from 1 to ${HISTORY_POINTS_MAX}`,
  )
  assertQuestion(
    measurement === 'status' && isStateField(field),
    `${measurement} has no states of ${JSON.stringify(field)}`,
  )
  return { ...withinTime(query), silenceMs: STATE_SILENCE_MS_MAX, samplesMax: SPAN_SAMPLES_MAX }
}

function assertQuestion(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new RangeError(`telemetry question: ${otherwise}`)
}

/** The point that a store has under these column names. What was not measured is null or missing there, and left out here. */
export function toPoint(
  query: RangeQuery,
  sampledAtMs: unknown,
  columns: Readonly<Record<string, unknown>>,
): TelemetryPoint {
  const fields: Record<string, number | string | boolean> = {}
  for (const name of Object.keys(MEASUREMENTS[query.measurement])) {
    const value = columns[name]
    if (HEADER_FIELDS.has(name)) continue
    if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') fields[name] = value
  }
  return {
    measurement: query.measurement,
    lift: query.lift,
    sampledAtMs: Number(sampledAtMs),
    boot: Number(columns['boot']),
    seq: Number(columns['seq']),
    receivedAtMs: Number(columns['receivedAtMs']),
    fields,
  }
}

/** The question without times that no store can hold, so that the far ends of time are allowed in it. */
export function withinTime<Query extends Pick<RangeQuery, 'fromMs' | 'toMs'>>(query: Query): Query {
  return { ...query, fromMs: toStorable(query.fromMs), toMs: toStorable(query.toMs) }
}

const toStorable = (atMs: number): number => Math.min(Math.max(atMs, 0), SAMPLED_AT_MS_MAX + 1)
