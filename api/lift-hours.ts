/**
 * The hourly figures of one lift up to now: those that are stored, and of the last hours those that are not, computed from
 * samples here. An hour that is running is told up to now, never beyond.
 */
import { HOUR_MS, hourStartMs } from '#contract/calendar'
import { FIGURES_LIMIT_MAX, type HourFigures } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import { hourFiguresOf, samplesOfHour } from '#storage/telemetry/hour-figures'
import { sumsOf, together, type Sums } from '#storage/telemetry/sum-figures'
import type { PointPosition, RangeQuery, TelemetryPoint, TelemetryStore } from '#storage/telemetry/telemetry-store'
import type { HistoryRange } from './history-range.ts'

/** Hours that ended no longer ago are computed here when they are not stored; older ones are unknown then. */
export const RECENT_HOURS_MAX = 3
/** Hours that are read at once. */
const PIECE_HOURS = 5_000
const PAGE_SAMPLES = 5_000
/** A terminal that says more in an hour than this is not read to its end: its hour stays unknown. */
const SAMPLES_MAX = 50_000

/** What is known where there is no hour. */
export const NO_SUMS: Sums = sumsOf([])

type Store = Pick<TelemetryStore, 'figures' | 'points'>
type Question = {
  readonly lift: LiftId
  /** Begins of hours. */
  readonly range: HistoryRange
  readonly nowMs: number
  readonly signal: AbortSignal
}

/** The hours of the range, each once, in no order; those of which nothing is known may be missing. Piece by piece, so that five years are never held at once. */
export async function* hoursOfLift(
  store: Store,
  { lift, range, nowMs, signal }: Question,
): AsyncGenerator<HourFigures[]> {
  const runningMs = hourStartMs(nowMs)
  const toMs = Math.min(range.toMs, runningMs + HOUR_MS)
  for (let { fromMs } = range; fromMs < toMs; fromMs += PIECE_HOURS * HOUR_MS) {
    const piece = { fromMs, toMs: Math.min(toMs, fromMs + PIECE_HOURS * HOUR_MS) }
    // What a store may have of an hour that is not over speaks of time that has not happened.
    const over = { fromMs, toMs: Math.min(piece.toMs, runningMs) }
    const stored = await store.figures({ lifts: [lift], ...over, limit: FIGURES_LIMIT_MAX, signal })
    yield [...stored, ...(await missingHours(store, stored, { lift, range: piece, nowMs, signal }))]
  }
}

/** What the hours add up to, by the key of each. */
export async function sumsByKey(
  pieces: AsyncIterable<readonly HourFigures[]>,
  keyOf: (hour: HourFigures) => number,
): Promise<ReadonlyMap<number, Sums>> {
  const sums = new Map<number, Sums>()
  for await (const piece of pieces) {
    const byKey = new Map<number, HourFigures[]>()
    for (const hour of piece) {
      const key = keyOf(hour)
      const group = byKey.get(key)
      if (group === undefined) byKey.set(key, [hour])
      else group.push(hour)
    }
    for (const [key, hours] of byKey) sums.set(key, together([sums.get(key) ?? NO_SUMS, sumsOf(hours)]))
  }
  return sums
}

/** Of the last hours of the range those that are not stored, as far as a sample tells of them. */
async function missingHours(
  store: Store,
  stored: readonly HourFigures[],
  { lift, range, nowMs, signal }: Question,
): Promise<HourFigures[]> {
  const storedMs = new Set(stored.map(({ hourAtMs }) => hourAtMs))
  const found: HourFigures[] = []
  const firstMs = Math.max(range.fromMs, hourStartMs(nowMs) - RECENT_HOURS_MAX * HOUR_MS)
  for (let hourAtMs = firstMs; hourAtMs < Math.min(range.toMs, nowMs); hourAtMs += HOUR_MS) {
    if (storedMs.has(hourAtMs)) continue
    const { status, statistics } = samplesOfHour(hourAtMs)
    const points = [
      await samplesOf(store, { lift, measurement: 'status', ...status }, signal),
      await samplesOf(store, { lift, measurement: 'statistics', ...statistics }, signal),
    ]
    if (points.some((some) => some === undefined)) continue
    const untilMs = Math.min(hourAtMs + HOUR_MS, nowMs)
    const figures = hourFiguresOf({ lift, hourAtMs, untilMs, points: points.flatMap((some) => some ?? []) })
    if (figures.sampleCount > 0 || figures.countedMs > 0 || figures.unknownMs < untilMs - hourAtMs) found.push(figures)
  }
  return found
}

/** Undefined when they are more than `SAMPLES_MAX`: figures of a part of them would be wrong. */
async function samplesOf(
  store: Store,
  query: RangeQuery,
  signal: AbortSignal,
): Promise<readonly TelemetryPoint[] | undefined> {
  const points: TelemetryPoint[] = []
  let after: PointPosition | undefined
  do {
    const position = after === undefined ? {} : { after }
    const page = await store.points({ ...query, ...position, limit: PAGE_SAMPLES, signal })
    points.push(...page)
    if (points.length > SAMPLES_MAX) return undefined
    after = page.length < PAGE_SAMPLES ? undefined : page.at(-1)
  } while (after !== undefined)
  return points
}
