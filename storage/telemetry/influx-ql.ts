/** Questions in InfluxQL, and what their answers mean. The only place that escapes for it. */
import { MEASUREMENTS, type HistoryPoint } from '#contract/history'
import {
  withinTime,
  historyTypeOf,
  toPoint,
  type HistoryQuery,
  type PointsQuery,
  type RangeQuery,
  type SpansQuestion,
  type TelemetryPoint,
} from './points.ts'
import type { StateSample } from './spans.ts'

/** One result per statement: rows by column name. Times are Unix ms (`epoch=ms`). */
export type InfluxRows = readonly Readonly<Record<string, unknown>>[]

export const toIdentifier = (name: string): string => `"${escapeQl(name).replaceAll('"', '\\"')}"`
export const toText = (text: string): string => `'${escapeQl(text).replaceAll("'", "\\'")}'`
const escapeQl = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')

/**
 * Aggregates per bucket. InfluxQL has no minimum, maximum or mean of booleans; they follow from how many there are and
 * how many of them are true, which is counted by a second statement. The field stays a boolean for everybody else.
 */
export function toHistoryQuestion(query: HistoryQuery): string {
  const field = toIdentifier(query.field)
  const ask = (what: string, condition: string): string =>
    `SELECT ${what} ${fromWhere(query)}${condition} GROUP BY time(${query.bucketMs}ms) fill(none)`
  if (historyTypeOf(query) !== 'boolean') {
    return ask(`min(${field}), max(${field}), mean(${field}), last(${field}), count(${field})`, '')
  }
  return `${ask(`last(${field}), count(${field})`, '')}; ${ask(`count(${field})`, ` AND ${field} = true`)}`
}

export function toHistory(query: HistoryQuery, [all = [], whenTrue = []]: readonly InfluxRows[]): HistoryPoint[] {
  if (historyTypeOf(query) !== 'boolean') {
    return all.map(({ time, min, max, mean, last, count }) => ({
      atMs: Number(time),
      min: Number(min),
      max: Number(max),
      mean: Number(mean),
      last: Number(last),
      count: Number(count),
    }))
  }
  const trueCountAt = new Map(whenTrue.map(({ time, count }) => [time, Number(count)]))
  return all.map(({ time, last, count: counted }) => {
    const count = Number(counted)
    // The two statements do not see the very same instant: samples may arrive between them.
    const trueCount = Math.min(trueCountAt.get(time) ?? 0, count)
    const mean = trueCount / count
    return { atMs: Number(time), min: Math.floor(mean), max: Math.ceil(mean), mean, last: Number(last), count }
  })
}

export const toPointsQuestion = (query: PointsQuery): string =>
  `SELECT ${Object.keys(MEASUREMENTS[query.measurement]).map(toIdentifier).join(', ')} ${fromWhere(query)} ORDER BY time ASC LIMIT ${query.limit}`

export function toPoints(query: PointsQuery, [rows = []]: readonly InfluxRows[]): TelemetryPoint[] {
  // Within a millisecond the server's order is that of the offset, ours is that of boot and seq.
  return rows
    .map((row) => toPoint(query, row['time'], row))
    .sort((a, b) => a.sampledAtMs - b.sampledAtMs || a.boot - b.boot || a.seq - b.seq)
}

export const toStatesQuestion = (query: SpansQuestion, limit: number): string =>
  `SELECT "boot", "seq", ${toIdentifier(query.field)} ${fromWhere(query)} ORDER BY time ASC LIMIT ${limit}`

/** In order of milliseconds; within one the server's order is that of the offset. */
export const toStateSamples = ({ field }: SpansQuestion, rows: InfluxRows): StateSample[] =>
  rows.map(({ time, boot, seq, [field]: value }) => {
    const isKnown = typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string'
    return { atMs: Number(time), boot: Number(boot), seq: Number(seq), value: isKnown ? value : undefined }
  })

export const toCountQuestion = (query: RangeQuery): string => `SELECT count("receivedAtMs") ${fromWhere(query)}`
export const toCount = ([rows = []]: readonly InfluxRows[]): number => Number(rows[0]?.['count'] ?? 0)

/** Times are whole numbers that were checked. */
function fromWhere(query: RangeQuery): string {
  const { measurement, lift, fromMs, toMs } = withinTime(query)
  return `FROM ${toIdentifier(measurement)} WHERE "lift" = ${toText(lift)} AND ${isBetween({ fromMs, toMs })}`
}

/** Longer series are put together from several inside the server, which leaves its mark on them though they are whole. */
const PARTIAL_ROWS_MIN = 10_000

/** The rows of each statement of an answer of `/query`, or the reason why there are none. */
export function readAnswer(body: unknown): { rows: InfluxRows[]; error: string | undefined } {
  const { results = [], error } = (body ?? {}) as InfluxAnswer
  const isCut = results.some(({ series = [] }) =>
    series.some(({ partial, values = [] }) => partial === true && values.length <= PARTIAL_ROWS_MIN),
  )
  const firstError =
    error ??
    results.find((result) => result.error !== undefined)?.error ??
    (isCut ? 'it cuts its answers short; raise max-row-limit' : undefined)
  return { rows: results.map((result) => (result.series ?? []).flatMap(toRows)), error: firstError }
}

function toRows({ columns, values = [], tags = {} }: Series): InfluxRows {
  // Copied from one whole row and overwritten; an object that grows name by name becomes a hash table, ten times as slow.
  const blank = JSON.parse(
    JSON.stringify({ ...tags, ...Object.fromEntries(columns.map((name) => [name, null])) }),
  ) as Row
  return values.map((given) => {
    const row = { ...blank }
    columns.forEach((name, index) => (row[name] = given[index]))
    return row
  })
}

type Row = Record<string, unknown>
type Series = {
  readonly columns: readonly string[]
  readonly values?: readonly (readonly unknown[])[]
  /** Those that the statement groups by. */
  readonly tags?: Readonly<Record<string, string>>
  /** Set when the server keeps the rest to itself (`max-row-limit`). */
  readonly partial?: boolean
}
/** As InfluxDB 1.x documents it, and 2.x and 3.x repeat it. */
type InfluxAnswer = {
  readonly error?: string
  readonly results?: readonly { readonly error?: string; readonly series?: readonly Series[] }[]
}

/** Times are whole numbers that were checked. */
export const isBetween = ({ fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): string =>
  `time >= ${fromMs}ms AND time < ${toMs}ms`

/** Behind another condition; nothing when all lifts are meant. There is at least one. */
export const andOfLifts = (lifts: readonly string[] | undefined): string =>
  lifts === undefined ? '' : ` AND (${lifts.map((lift) => `"lift" = ${toText(lift)}`).join(' OR ')})`
