/** Which hours, days or months of Asia/Shanghai a question about figures (统计数据) asks for. Pure. */
import {
  dayLabel,
  dayStartMs,
  dayStartOf,
  HOUR_MS,
  hourStartMs,
  isInCalendar,
  monthLabel,
  monthStartMs,
  monthStartOf,
  nextDayStartMs,
  nextHourStartMs,
  nextMonthStartMs,
} from '#contract/calendar'
import { accept, refuse, type Result } from '#contract/errors'
import { HISTORY_POINTS_MAX, HISTORY_RANGE_MS_MAX } from '#contract/history'
import { SAMPLE_AHEAD_MS_MAX } from '#contract/telemetry'
import { parseInstant, type HistoryRange } from './history-range.ts'

export type Period = 'hour' | 'day' | 'month'
/** One hour, day or month of the calendar, whole. */
export type PeriodSpan = HistoryRange & { readonly label: string }

type Calendar = {
  readonly startMs: (atMs: number) => number
  readonly nextMs: (atMs: number) => number
  readonly label: (atMs: number) => string
  /** Without `from`, so many of them up to `to`. */
  readonly countUnlessTold: number
}
const CALENDARS: Readonly<Record<Period, Calendar>> = {
  hour: {
    startMs: hourStartMs,
    nextMs: nextHourStartMs,
    label: (atMs) => new Date(atMs).toISOString(),
    countUnlessTold: 24,
  },
  day: { startMs: dayStartMs, nextMs: nextDayStartMs, label: dayLabel, countUnlessTold: 30 },
  month: { startMs: monthStartMs, nextMs: nextMonthStartMs, label: monthLabel, countUnlessTold: 12 },
}
export const PERIODS = Object.keys(CALENDARS) as Period[]

/** Begin of the period that holds this instant. */
export const periodStartMs = (period: Period, atMs: number): number => CALENDARS[period].startMs(atMs)

const DAY_MS = 24 * HOUR_MS
/** As for history: no lift is measured then. */
const LAST_MS = Date.UTC(2200, 0)

/** The instant that a text names: one of RFC 3339, or the begin of a day or month of Asia/Shanghai. Undefined when there is no such. */
export function parseBegin(text: string): number | undefined {
  return monthStartOf(text) ?? dayStartOf(text) ?? parseInstant(text)
}

/**
 * The range of whole periods that `[from, to)` touches. `to` is now unless told, and `from` the begin of the 30th day
 * (24th hour, 12th month), counted back from `to`; `unlessToldOf` says which of them when it is not that of `period`.
 */
export function readPeriodRange(o: {
  period: Period
  unlessToldOf?: Period
  from?: string | undefined
  to?: string | undefined
  nowMs: number
}): Result<HistoryRange, 'history.badRange'> {
  const { period, unlessToldOf = period, nowMs } = o
  const toMs = o.to === undefined ? nowMs : parseBegin(o.to)
  if (toMs === undefined) return refuse('history.badRange', noBegin('to', o.to))
  if (!isWithin(toMs)) return refuse('history.badRange', OUTSIDE)
  const fromMs = o.from === undefined ? beginUnlessTold(unlessToldOf, toMs) : parseBegin(o.from)
  if (fromMs === undefined) return refuse('history.badRange', noBegin('from', o.from))
  if (!isWithin(fromMs)) return refuse('history.badRange', OUTSIDE)
  const said = { isFrom: o.from !== undefined, isTo: o.to !== undefined }
  if (fromMs >= toMs) return refuse('history.badRange', noTime(said))
  if (toMs - fromMs > HISTORY_RANGE_MS_MAX)
    return refuse('history.badRange', `the range is longer than ${HISTORY_RANGE_MS_MAX / DAY_MS} days`)
  if (fromMs > nowMs + SAMPLE_AHEAD_MS_MAX) return refuse('history.badRange', inFuture(said, unlessToldOf))
  const { startMs, nextMs } = CALENDARS[period]
  return accept({ fromMs: startMs(fromMs), toMs: nextMs(toMs - 1) })
}

/** The periods of a range of whole ones, oldest first; refused when they are more than an answer holds. */
export function periodsOf(period: Period, { fromMs, toMs }: HistoryRange): Result<PeriodSpan[], 'history.badRange'> {
  const { nextMs, label } = CALENDARS[period]
  const shortestMs = { hour: HOUR_MS, day: DAY_MS, month: 28 * DAY_MS }[period]
  if ((toMs - fromMs) / shortestMs > HISTORY_POINTS_MAX)
    return refuse(
      'history.badRange',
      `the range has more than ${HISTORY_POINTS_MAX} periods; ask for longer periods or a shorter range`,
    )
  const periods: PeriodSpan[] = []
  for (let startMs = fromMs; startMs < toMs; startMs = nextMs(startMs))
    periods.push({ label: label(startMs), fromMs: startMs, toMs: nextMs(startMs) })
  return accept(periods)
}

function beginUnlessTold(period: Period, toMs: number): number {
  const { startMs, countUnlessTold } = CALENDARS[period]
  let beginMs = startMs(isWithin(toMs - 1) ? toMs - 1 : toMs)
  for (let count = 1; count < countUnlessTold && isWithin(beginMs - 1); count += 1) beginMs = startMs(beginMs - 1)
  return beginMs
}

const isWithin = (atMs: number): boolean => isInCalendar(atMs) && atMs <= LAST_MS
const OUTSIDE = 'the range must lie between 1992 and 2200'

type Said = { readonly isFrom: boolean; readonly isTo: boolean }
/** Why a range has no time in it, in the words of what was said. */
function noTime({ isFrom, isTo }: Said): string {
  if (!isFrom) return 'to is the first instant of the calendar, and nothing lies before it'
  if (!isTo) return 'from must be before now, which stands for to unless that is said'
  return 'from must be before to, which is not included: a day ends where the next begins'
}
function inFuture({ isFrom }: Said, unlessToldOf: Period): string {
  if (isFrom) return 'from lies in the future, where nothing is measured yet'
  return (
    `to lies in the future, and so do the ${CALENDARS[unlessToldOf].countUnlessTold} ${unlessToldOf}s before it, ` +
    'which are meant unless from is said; nothing is measured there yet'
  )
}

/** In a query `+` stands for a space, which is how the offset of an instant is lost on the way. */
const noBegin = (name: string, text = ''): string =>
  `${name} is no instant of RFC 3339 (2026-03-01T00:00:00Z), and no day (2026-03-01) or month (2026-03) since 1992` +
  (/ \d{2}:\d{2}$/.test(text) ? '; write + as %2B' : '')
