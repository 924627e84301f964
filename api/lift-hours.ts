/**
 * The hourly figures of one lift up to now: those that are stored, and of the last hours those that are not, computed from
 * samples here. An hour that is running is told up to now, never beyond.
 */
import { HOUR_MS, hourStartMs } from '#contract/calendar'
import { FIGURES_LIMIT_MAX, type HourFigures } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import { hourFiguresOf } from '#storage/telemetry/hour-figures'
import { readSamplesOfHour } from '#storage/telemetry/hour-samples'
import { sumsOf, together, type Sums } from '#storage/telemetry/sum-figures'
import type { TelemetryStore } from '#storage/telemetry/telemetry-store'
import type { FiguresLimits } from './figures-limits.ts'
import type { HistoryRange } from './history-range.ts'

/** Hours that ended no longer ago are computed here when they are not stored; older ones are unknown then. */
export const RECENT_HOURS_MAX = 3

/** What is known where there is no hour. */
export const NO_SUMS: Sums = sumsOf([])

type Store = Pick<TelemetryStore, 'figures' | 'points'>
export type HoursQuestion = {
  readonly lift: LiftId
  /** Begins of hours. */
  readonly range: HistoryRange
  readonly nowMs: number
}
type Limits = Pick<FiguresLimits, 'pieceHours' | 'samplesMax' | 'pageSamples'>
type Question = HoursQuestion & { readonly signal: AbortSignal; readonly limits: Limits }

/** The hours of the range, each once, in no order; those of which nothing is known may be missing. Piece by piece, so that five years are never held at once. */
export async function* hoursOfLift(
  store: Store,
  { lift, range, nowMs, signal, limits }: Question,
): AsyncGenerator<HourFigures[]> {
  const pieceMs = limits.pieceHours * HOUR_MS
  const runningMs = hourStartMs(nowMs)
  const toMs = Math.min(range.toMs, runningMs + HOUR_MS)
  for (let { fromMs } = range; fromMs < toMs; fromMs += pieceMs) {
    const piece = { fromMs, toMs: Math.min(toMs, fromMs + pieceMs) }
    // What a store may have of an hour that is not over speaks of time that has not happened.
    const over = { fromMs, toMs: Math.min(piece.toMs, runningMs) }
    const stored = await store.figures({ lifts: [lift], ...over, limit: FIGURES_LIMIT_MAX, signal })
    yield [...stored, ...(await missingHours(store, stored, { lift, range: piece, nowMs, signal, limits }))]
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
  { lift, range, nowMs, signal, limits }: Question,
): Promise<HourFigures[]> {
  const storedMs = new Set(stored.map(({ hourAtMs }) => hourAtMs))
  const found: HourFigures[] = []
  const firstMs = Math.max(range.fromMs, hourStartMs(nowMs) - RECENT_HOURS_MAX * HOUR_MS)
  for (let hourAtMs = firstMs; hourAtMs < Math.min(range.toMs, nowMs); hourAtMs += HOUR_MS) {
    if (storedMs.has(hourAtMs)) continue
    const points = await readSamplesOfHour({ lift, hourAtMs }, (query) => store.points({ ...query, signal }), limits)
    // A terminal that says more is not read to its end: its hour stays unknown.
    if (points === undefined) continue
    const untilMs = Math.min(hourAtMs + HOUR_MS, nowMs)
    const figures = hourFiguresOf({ lift, hourAtMs, untilMs, points })
    const { sampleCount, countedMs, onlineMs, unknownMs } = figures
    if (sampleCount > 0 || countedMs > 0 || onlineMs > 0 || unknownMs < untilMs - hourAtMs) found.push(figures)
  }
  return found
}
