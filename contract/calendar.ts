/**
 * Hours, days and months as people on the spot count them: Asia/Shanghai, whatever the zone of the server or the browser.
 *
 * Asia/Shanghai is eight hours ahead of UTC all the year, so the calendar is arithmetic: no table of zones that may be old,
 * and no other country's summer time can reach it. That has been so since 1992; from 1986 to 1991 there was summer time.
 * Instants before 1992 are refused with a `RangeError`, not counted by a rule that did not hold: nothing that the platform
 * keeps is older. Instants are Unix ms.
 */

export const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const ZONE_MS = 8 * HOUR_MS

/** First instant of the calendar: the begin of 1992 in Asia/Shanghai. */
export const CALENDAR_FROM_MS = Date.UTC(1992, 0, 1) - ZONE_MS
/** First instant after the calendar: the end of the year 9999, because labels have four digits for the year. */
export const CALENDAR_TO_MS = Date.UTC(10_000, 0, 1) - ZONE_MS

/** Whether this is a whole millisecond of the calendar: what all other functions here want. */
export const isInCalendar = (atMs: number): boolean =>
  Number.isSafeInteger(atMs) && atMs >= CALENDAR_FROM_MS && atMs < CALENDAR_TO_MS

/** Begin of the hour that holds this instant. Hours begin at the same instants in UTC and in Asia/Shanghai. */
export const hourStartMs = (atMs: number): number => inCalendar(atMs) - (atMs % HOUR_MS)
/** Begin of the hour after it. */
export const nextHourStartMs = (atMs: number): number => hourStartMs(atMs) + HOUR_MS
/** Hour of the local day, 0 to 23. */
export const hourOfDay = (atMs: number): number => Math.floor(((inCalendar(atMs) + ZONE_MS) % DAY_MS) / HOUR_MS)

/** Local midnight at which the day of this instant begins. */
export const dayStartMs = (atMs: number): number => inCalendar(atMs) - ((atMs + ZONE_MS) % DAY_MS)
/** Local midnight at which it ends. */
export const nextDayStartMs = (atMs: number): number => dayStartMs(atMs) + DAY_MS

/** Local midnight at which the month of this instant begins. */
export const monthStartMs = (atMs: number): number => monthMs(atMs, 0)
/** Local midnight at which it ends. */
export const nextMonthStartMs = (atMs: number): number => monthMs(atMs, 1)

/** `2026-11-21`. */
export const dayLabel = (atMs: number): string => localText(atMs).slice(0, 10)
/** `2026-11`. */
export const monthLabel = (atMs: number): string => localText(atMs).slice(0, 7)

/** Begin of the day with this label; undefined when there is no such day in the calendar (`2026-02-30`, `1990-05-01`). */
export function dayStartOf(label: string): number | undefined {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(label)) return undefined
  const startMs = Date.parse(`${label}T00:00:00Z`) - ZONE_MS
  return isInCalendar(startMs) && dayLabel(startMs) === label ? startMs : undefined
}

/** Begin of the month with this label; undefined when there is no such month in the calendar (`2026-13`, `2026-1`). */
export const monthStartOf = (label: string): number | undefined => dayStartOf(`${label}-01`)

/** As RFC 3339 would write it in UTC, but in local time. `Date` counts the days here; it is not asked for the time. */
const localText = (atMs: number): string => new Date(inCalendar(atMs) + ZONE_MS).toISOString()

function monthMs(atMs: number, monthsLater: number): number {
  const local = new Date(inCalendar(atMs) + ZONE_MS)
  return Date.UTC(local.getUTCFullYear(), local.getUTCMonth() + monthsLater, 1) - ZONE_MS
}

function inCalendar(atMs: number): number {
  if (isInCalendar(atMs)) return atMs
  throw new RangeError(`the calendar reaches from 1992 to 9999 in whole milliseconds: ${atMs} is not in it`)
}
