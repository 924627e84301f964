/** Where a page of figures of the fleet ended. The pages behind it speak of the time of the first, however late they are asked for. Pure. */
import { hourStartMs, isInCalendar } from '#contract/calendar'
import { accept, refuse, type Result } from '#contract/errors'
import { isLiftId, type LiftId } from '#contract/ids'
import { cursorText, partsOfCursor } from './cursor-text.ts'
import { readPeriodRange } from './figure-ranges.ts'
import type { HistoryRange } from './history-range.ts'

/** Days of one question about the whole fleet. */
const FLEET_RANGE_MS_MAX = 366 * 86_400_000

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
  const { from, to, after, readyMs, nowMs } = o
  const read = (range: { from?: string | undefined; to?: string | undefined }) =>
    readPeriodRange({ ...range, period: 'day', nowMs, rangeMsMax: FLEET_RANGE_MS_MAX })
  if (after === undefined) {
    const range = read({ from, to })
    if (!range.ok) return range
    const { fromMs, toMs } = range.value
    return accept({ fromMs, toMs, untilMs: Math.max(fromMs, Math.min(toMs, readyMs)) })
  }
  const cursor = readCursor(after)
  if (cursor === undefined) return refuse('history.badCursor', 'after is not the `next` of a page of figures')
  const iso = (atMs: number): string => new Date(atMs).toISOString()
  const said = read({ from: from ?? iso(cursor.fromMs), to: to ?? iso(cursor.toMs) })
  if (!said.ok) return said
  if (said.value.fromMs !== cursor.fromMs || said.value.toMs !== cursor.toMs)
    return refuse('history.badCursor', 'after is of another range; leave from and to out, or say them as before')
  if (cursor.untilMs > Math.max(cursor.fromMs, readyMs))
    return refuse('history.badCursor', 'after speaks of time that is not told yet')
  return accept(cursor)
}

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
