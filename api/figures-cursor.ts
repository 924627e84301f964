/** Where a page of figures of the fleet ended. The pages behind it speak of the time of the first, however late they are asked for. Pure. */
import { HOUR_MS, hourStartMs, isInCalendar } from '#contract/calendar'
import { accept, refuse, type Result } from '#contract/errors'
import { isLiftId, type LiftId } from '#contract/ids'
import { cursorText, partsOfCursor } from './cursor-text.ts'
import { readPeriodRange } from './figure-ranges.ts'
import type { HistoryRange } from './history-range.ts'

const DAY_MS = 24 * HOUR_MS
/** Whole days of one question about the whole fleet. */
const FLEET_DAYS_MAX = 366
/** The page before may come from another process, whose clock is ahead. */
const AHEAD_MS_MAX = HOUR_MS

/** The figures speak of the time before `untilMs`. With `after` the page begins behind this lift. */
export type FleetRange = HistoryRange & { readonly untilMs: number; readonly after?: LiftId }

/** As clients pass it on, unread. */
export const cursorOf = ({ fromMs, toMs, untilMs }: FleetRange, last: LiftId): string =>
  cursorText([last, fromMs, toMs, untilMs])

/**
 * What a page is asked for: whole days, of which the time before `readyMs` is told. With a cursor range and time are those
 * of the first page; a range that is said again must be the same.
 */
export function readFleetRange(o: {
  from?: string | undefined
  to?: string | undefined
  after?: string | undefined
  /** Begin of an hour. */
  readyMs: number
  nowMs: number
}): Result<FleetRange, 'history.badRange' | 'history.badCursor'> {
  const cursor = o.after === undefined ? undefined : readCursor(o.after)
  if (o.after !== undefined && cursor === undefined)
    return refuse('history.badCursor', 'after is not the `next` of a page of figures')
  const aheadMs = cursor === undefined ? 0 : AHEAD_MS_MAX
  const range = readPeriodRange({
    period: 'day',
    from: o.from ?? isoOf(cursor?.fromMs),
    to: o.to ?? isoOf(cursor?.toMs),
    nowMs: o.nowMs + aheadMs,
  })
  if (!range.ok) return range
  const { fromMs, toMs } = range.value
  // Of the days that the range touches: a cursor comes back with these.
  const dayCount = (toMs - fromMs) / DAY_MS
  if (dayCount > FLEET_DAYS_MAX)
    return refuse(
      'history.badRange',
      `the range touches ${dayCount} days of Asia/Shanghai, and at most ${FLEET_DAYS_MAX} are told at once`,
    )
  const readyMs = Math.max(fromMs, o.readyMs + aheadMs)
  if (cursor === undefined) return accept({ fromMs, toMs, untilMs: Math.min(toMs, readyMs) })
  if (fromMs !== cursor.fromMs || toMs !== cursor.toMs)
    return refuse('history.badCursor', 'after is of another range; leave from and to out, or say them as before')
  if (cursor.untilMs > readyMs) return refuse('history.badCursor', 'after speaks of time that is not told yet')
  return accept(cursor)
}

const isoOf = (atMs: number | undefined): string | undefined =>
  atMs === undefined ? undefined : new Date(atMs).toISOString()

function readCursor(text: string): FleetRange | undefined {
  const parts = partsOfCursor(text)
  if (parts?.length !== 4) return undefined
  const [after, ...numbers] = parts
  const [fromMs, toMs, untilMs] = numbers.filter(isHour)
  if (fromMs === undefined || toMs === undefined || untilMs === undefined) return undefined
  if (typeof after !== 'string' || !isLiftId(after)) return undefined
  return untilMs < fromMs || untilMs > toMs ? undefined : { fromMs, toMs, untilMs, after }
}

const isHour = (value: unknown): value is number =>
  typeof value === 'number' && isInCalendar(value) && hourStartMs(value) === value
