/**
 * Questions about a stretch of time of all lifts together, and how InfluxDB is asked them: what copies and compares whole
 * stores. The tables have no order by lift, so reading a stretch of all lifts costs little more than reading one lift.
 */
import { MEASUREMENTS, type Measurement } from '#contract/history'
import type { LiftId } from '#contract/ids'
import { isBetween, toIdentifier, type InfluxRows } from './influx-ql.ts'
import { TelemetryStoreError, toPoint, withinTime, type TelemetryPoint } from './points.ts'

/** All lifts; `fromMs` is included, `toMs` is not. */
export type StretchQuery = { readonly measurement: Measurement; readonly fromMs: number; readonly toMs: number }
export type LiftCount = { readonly lift: LiftId; readonly count: number }
/**
 * All points of the stretch before `untilMs`, which is its end unless it has more than `STRETCH_POINTS_MAX` points; the
 * rest is to be asked for from there. In order of sample time; within a millisecond in no order.
 */
export type StretchPoints = { readonly points: readonly TelemetryPoint[]; readonly untilMs: number }

/** At most so many points are in one answer: some 50 MB. */
export const STRETCH_POINTS_MAX = 50_000

/** The question with times that a store can hold. Throws a `RangeError` when it is none. */
export function stretchQuestion({ measurement, fromMs, toMs }: StretchQuery): StretchQuery {
  if (!Object.hasOwn(MEASUREMENTS, measurement))
    throw new RangeError('telemetry question: there is no such measurement')
  if (!Number.isSafeInteger(fromMs) || !Number.isSafeInteger(toMs))
    throw new RangeError('telemetry question: fromMs and toMs are whole milliseconds')
  return withinTime({ measurement, fromMs, toMs })
}

/** No store can give a millisecond in parts. */
export const crowded = (atMs: number): TelemetryStoreError =>
  new TelemetryStoreError(
    'refused',
    `there are more than ${STRETCH_POINTS_MAX} points in the millisecond ${new Date(atMs).toISOString()}`,
  )

type Ask = (question: string) => Promise<InfluxRows[]>

const fromWhere = ({ measurement, ...range }: StretchQuery): string =>
  `FROM ${toIdentifier(measurement)} WHERE ${isBetween(range)}`

export async function askOldest(ask: Ask, query: StretchQuery): Promise<number | undefined> {
  const [rows = []] = await ask(`SELECT first("receivedAtMs") ${fromWhere(query)}`)
  return rows[0] === undefined ? undefined : Number(rows[0]['time'])
}

export async function askTally(ask: Ask, query: StretchQuery): Promise<LiftCount[]> {
  const [rows = []] = await ask(`SELECT count("receivedAtMs") ${fromWhere(query)} GROUP BY "lift"`)
  return rows
    .map(({ lift, count }) => ({ lift: String(lift) as LiftId, count: Number(count) })) // only ids of lifts are stored
    .sort((a, b) => (a.lift < b.lift ? -1 : 1))
}

/** Counts first, so that no answer is larger than it may be, and halves what is too much. */
export async function askStretch(ask: Ask, query: StretchQuery): Promise<StretchPoints> {
  let { toMs } = query
  for (;;) {
    const [rows = []] = await ask(`SELECT count("receivedAtMs") ${fromWhere({ ...query, toMs })}`)
    const count = Number(rows[0]?.['count'] ?? 0)
    if (count === 0) return { points: [], untilMs: toMs }
    if (count <= STRETCH_POINTS_MAX) break
    if (toMs - query.fromMs <= 1) throw crowded(query.fromMs)
    toMs = query.fromMs + Math.floor((toMs - query.fromMs) / 2)
  }
  const names = Object.keys(MEASUREMENTS[query.measurement]).map(toIdentifier).join(', ')
  const [rows = []] = await ask(`SELECT ${names} ${fromWhere({ ...query, toMs })} GROUP BY "lift"`)
  const points = rows.map(
    (row) => toPoint({ ...query, lift: String(row['lift']) as LiftId }, row['time'], row), // only ids of lifts are stored
  )
  return { points: points.sort((a, b) => a.sampledAtMs - b.sampledAtMs), untilMs: toMs }
}
