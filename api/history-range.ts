/** Which range and which bucket a question about history asks for. Pure. */
import { accept, refuse, type Result } from '#contract/errors'
import { HISTORY_POINTS_MAX, HISTORY_RANGE_MS_MAX } from '#contract/history'
import { SAMPLE_AHEAD_MS_MAX } from '#contract/telemetry'

export type HistoryRange = { readonly fromMs: number; readonly toMs: number }

/** Without `from`, the hour before `to`. */
const DEFAULT_RANGE_MS = 3_600_000
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]([01]\d|2[0-3]):\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** Buckets that people can read on an axis. The longest fits the longest range into one answer. */
export const BUCKETS_MS = [
  SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY,
] as const // prettier-ignore

/** Beyond these no store can count in nanoseconds, and no lift was measured. */
const FIRST_MS = 0
const LAST_MS = Date.UTC(2200, 0)

/** An instant of RFC 3339 as Unix ms; undefined when the text is none, such as 31 February. */
export function parseInstant(text: string): number | undefined {
  if (!RFC3339.test(text)) return undefined
  const atMs = Date.parse(text)
  if (!Number.isFinite(atMs)) return undefined
  // Date.parse rolls 31 February over into March instead of refusing it.
  const day = Number(text.slice(8, 10))
  const daysInMonth = new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate()
  return day <= daysInMonth ? atMs : undefined
}

/** `from` is included, `to` is not. `to` is now and `from` an hour before it unless told. */
export function readRange(o: {
  from?: string | undefined
  to?: string | undefined
  nowMs: number
}): Result<HistoryRange, 'history.badRange'> {
  const toMs = o.to === undefined ? o.nowMs : parseInstant(o.to)
  if (toMs === undefined) return refuse('history.badRange', noInstant('to', o.to))
  const fromMs = o.from === undefined ? toMs - DEFAULT_RANGE_MS : parseInstant(o.from)
  if (fromMs === undefined) return refuse('history.badRange', noInstant('from', o.from))
  if (fromMs < FIRST_MS || toMs > LAST_MS) return refuse('history.badRange', 'the range must lie between 1970 and 2200')
  if (fromMs >= toMs) return refuse('history.badRange', 'from must be before to')
  if (toMs - fromMs > HISTORY_RANGE_MS_MAX)
    return refuse('history.badRange', `the range is longer than ${HISTORY_RANGE_MS_MAX / DAY} days`)
  if (fromMs > o.nowMs + SAMPLE_AHEAD_MS_MAX)
    return refuse('history.badRange', 'from lies in the future, where nothing is measured yet')
  return accept({ fromMs, toMs })
}

/** In a query `+` stands for a space, which is how the offset of an instant is lost on the way. */
const noInstant = (name: string, text: string | undefined): string =>
  `${name} is not an instant of RFC 3339, such as 2026-03-01T00:00:00Z${/ \d{2}:\d{2}$/.test(text ?? '') ? '; write + as %2B' : ''}`

/** How many buckets touch the range; buckets begin at multiples of their length. */
export const bucketCount = ({ fromMs, toMs }: HistoryRange, bucketMs: number): number =>
  Math.floor((toMs - 1) / bucketMs) - Math.floor(fromMs / bucketMs) + 1

/** The asked bucket when the answer stays within `HISTORY_POINTS_MAX`; without one, the shortest readable that does. */
export function chooseBucket(range: HistoryRange, askedMs: number | undefined): Result<number, 'history.badRange'> {
  if (askedMs !== undefined)
    return bucketCount(range, askedMs) <= HISTORY_POINTS_MAX
      ? accept(askedMs)
      : refuse(
          'history.badRange',
          `more than ${HISTORY_POINTS_MAX} buckets of ${askedMs} ms fit into the range; ask for longer buckets`,
        )
  const fitting = BUCKETS_MS.find((bucketMs) => bucketCount(range, bucketMs) <= HISTORY_POINTS_MAX)
  return fitting === undefined ? refuse('history.badRange', 'the range is too long') : accept(fitting)
}
