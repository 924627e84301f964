/** Questions about the whole fleet, and how InfluxDB is asked them: the last value of each lift, a figure of all lifts by the hour. */
import { HOUR_MS } from '#contract/calendar'
import { COUNTER_FIGURES, type CounterFigure } from '#contract/figures'
import { HISTORY_POINTS_MAX, MEASUREMENTS, type FieldType, type Measurement } from '#contract/history'
import type { LiftId } from '#contract/ids'
import { FIGURES_POLICY } from './influx-database.ts'
import { isBetween, toIdentifier, type InfluxRows } from './influx-ql.ts'
import { withinTime } from './points.ts'

/** `fromMs` is included, `toMs` is not. The shorter the range, the sooner the answer. */
export type LastQuery = {
  readonly measurement: Measurement
  readonly field: string
  readonly fromMs: number
  readonly toMs: number
}
export type LastValue = {
  readonly lift: LiftId
  readonly sampledAtMs: number
  readonly value: number | string | boolean
}
/** Hours that begin within the range; at most `HISTORY_POINTS_MAX` of them. */
export type FleetQuery = { readonly figure: CounterFigure; readonly fromMs: number; readonly toMs: number }
/** `liftCount`: lifts of which the figure is known in this hour; the others are not in the sum. */
export type FleetHour = { readonly hourAtMs: number; readonly sum: number; readonly liftCount: number }

/** The question with times that a store can hold, and the type of its field. Throws a `RangeError` when it is none. */
export function lastQuestion(query: LastQuery): { query: LastQuery; type: FieldType } {
  assertTimes(query)
  const fields = Object.hasOwn(MEASUREMENTS, query.measurement) ? MEASUREMENTS[query.measurement] : {}
  const type = Object.hasOwn(fields, query.field) ? fields[query.field] : undefined
  if (type === undefined)
    throw new RangeError(`telemetry question: there is no ${JSON.stringify(query.field)} of ${query.measurement}`)
  return { query: withinTime(query), type }
}

export function fleetQuestion(query: FleetQuery): FleetQuery {
  assertTimes(query)
  if (!Object.hasOwn(COUNTER_FIGURES, query.figure))
    throw new RangeError(`telemetry question: no figure ${JSON.stringify(query.figure)} is summed`)
  if ((query.toMs - query.fromMs) / HOUR_MS > HISTORY_POINTS_MAX)
    throw new RangeError(`telemetry question: that would be more than ${HISTORY_POINTS_MAX} hours`)
  return withinTime(query)
}

function assertTimes({ fromMs, toMs }: { fromMs: number; toMs: number }): void {
  if (!Number.isSafeInteger(fromMs) || !Number.isSafeInteger(toMs))
    throw new RangeError('telemetry question: fromMs and toMs are whole milliseconds')
}

export const toLastValue = ({ lift, sampledAtMs, value }: Readonly<Record<string, unknown>>): LastValue => ({
  lift: String(lift) as LiftId, // only ids of lifts are stored
  sampledAtMs: Number(sampledAtMs),
  value: typeof value === 'string' || typeof value === 'boolean' ? value : Number(value),
})

export const toLastQuestion = ({ measurement, field, ...range }: LastQuery): string =>
  `SELECT last(${toIdentifier(field)}) FROM ${toIdentifier(measurement)} WHERE ${isBetween(range)} GROUP BY "lift"`

export const toLastValues = ([rows = []]: readonly InfluxRows[]): LastValue[] =>
  rows
    .map(({ lift, time, last }) => toLastValue({ lift, sampledAtMs: time, value: last }))
    .sort((a, b) => (a.lift < b.lift ? -1 : 1))

/** Each row names the figures that it has; what an older copy of it left there is not counted. */
export const toFleetQuestion = ({ figure, ...range }: FleetQuery): string =>
  `SELECT sum(${toIdentifier(figure)}), count(${toIdentifier(figure)}) FROM ${toIdentifier(FIGURES_POLICY)}."hour" WHERE ${isBetween(range)} AND "figures" =~ /(^| )${figure}( |$)/ GROUP BY time(1h) fill(none)`

export const toFleetHours = ([rows = []]: readonly InfluxRows[]): FleetHour[] =>
  rows.map(({ time, sum, count }) => ({ hourAtMs: Number(time), sum: Number(sum), liftCount: Number(count) }))
