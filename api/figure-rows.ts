/** How the figures of a span look in an answer. */
import { Type } from 'typebox'
import { COUNTER_FIGURES, SumFigures } from '#contract/figures'
import type { Sums } from '#storage/telemetry/sum-figures'
import { figuresOf } from '#storage/telemetry/sum-figures'
import { BYTE_ORDER_MARK, CRLF, csvCell, localTime } from './export-formats.ts'
import type { Period, PeriodSpan } from './figure-ranges.ts'
import type { HistoryRange } from './history-range.ts'

const dateTime = (description: string) => Type.String({ format: 'date-time', description })
/** What every answer about figures says of the time that it speaks of. */
export const spanOnWire = {
  from: dateTime('Included; begin of the first whole period that the range touches'),
  to: dateTime('Not included; end of the last one'),
  until: dateTime(
    'The figures speak of the time before it: `to`, or an earlier instant while `isRunning`: now, or (fleet) the end of the last hour that is ready',
  ),
  isRunning: Type.Boolean({
    description: 'A part of the time was not told of, because it has not passed, or (fleet) is not ready yet',
  }),
}
const { lift: _lift, fromAtMs: _from, toAtMs: _to, untilAtMs: _until, ...figures } = SumFigures.properties
/** All figures of a span, without the span. */
export const figuresOnWire = figures
export const FiguresRow = Type.Object({
  label: Type.String({
    description: 'Of the period in Asia/Shanghai: `2026-11-21`, `2026-11`; of an hour its begin in UTC',
  }),
  ...spanOnWire,
  ...figures,
})
export type FiguresRow = ReturnType<typeof toFiguresRow>

const isoOf = (atMs: number): string => new Date(atMs).toISOString()

/** The part of a range that is told of, when nothing is told beyond `beforeMs`. */
export function toSpan({ fromMs, toMs }: HistoryRange, beforeMs: number) {
  const untilMs = Math.max(fromMs, Math.min(toMs, beforeMs))
  return {
    span: { fromMs, toMs, untilMs },
    onWire: { from: isoOf(fromMs), to: isoOf(toMs), until: isoOf(untilMs), isRunning: untilMs < toMs },
  }
}

export function toFigures(sums: Sums, range: HistoryRange, beforeMs: number, liftCount = 1) {
  const { fromAtMs, toAtMs, untilAtMs, ...told } = figuresOf(sums, toSpan(range, beforeMs).span, liftCount)
  return told
}

export const toFiguresRow = (sums: Sums, { label, ...range }: PeriodSpan, nowMs: number) => ({
  label,
  ...toSpan(range, nowMs).onWire,
  ...toFigures(sums, range, nowMs),
})

const COUNTERS = Object.keys(COUNTER_FIGURES) as (keyof typeof COUNTER_FIGURES)[]
const PLAIN = Object.keys(figures).filter(
  (name): name is Exclude<keyof typeof figures, 'countedMs'> => name !== 'countedMs',
)

/**
 * One line per period, what is not known left empty. Labels are local, that of an hour its begin as exports write times; ends
 * of periods are in UTC.
 */
export function toFiguresCsv(lift: string, period: Period, rows: readonly FiguresRow[]): string {
  const header = [
    'lift',
    'label [Asia/Shanghai]',
    'from [UTC]',
    'to [UTC]',
    'until [UTC]',
    ...PLAIN,
    ...COUNTERS.map((name) => `${name} countedMs`),
  ]
  const lines = rows.map((row) => [
    ...[lift, period === 'hour' ? localTime(Date.parse(row.from)) : row.label, row.from, row.to, row.until],
    ...PLAIN.map((name) => row[name]),
    ...COUNTERS.map((name) => row.countedMs[name]),
  ])
  return BYTE_ORDER_MARK + [header, ...lines].map((cells) => cells.map(csvCell).join(',') + CRLF).join('')
}
