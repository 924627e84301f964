/**
 * A store cut into local days and stretches, which is the measure in which it is copied and compared. Days are those of
 * Asia/Shanghai; unlike those of the calendar they reach back to 1970, because a terminal whose clock was never set may
 * have spoken of it.
 */
import type { Measurement } from '#contract/history'
import { SAMPLED_AT_MS_MAX, type TelemetryStore } from './points.ts'
import type { LiftCount, StretchPoints } from './stretch-questions.ts'
import { MS_PER_DAY } from './retention.ts'

const ZONE_MS = 8 * 3_600_000
/** As many points are asked for at once as far as can be foreseen: fewer cost InfluxDB more, which opens every lift and field anew. */
const STRETCH_POINTS = 30_000

/** First instant that no store can hold. */
export const END_MS = SAMPLED_AT_MS_MAX + 1
export const nextDayMs = (atMs: number): number => atMs + MS_PER_DAY - ((atMs + ZONE_MS) % MS_PER_DAY)
/** `2026-11-21`. */
export const toDay = (atMs: number): string => new Date(atMs + ZONE_MS).toISOString().slice(0, 10)

/** A day, or the part of one that was asked for: what the lifts of a store have in it. */
export type Day = {
  readonly measurement: Measurement
  readonly fromMs: number
  readonly toMs: number
  readonly lifts: readonly LiftCount[]
  readonly count: number
}
export type Asked = <T>(attempt: () => Promise<T>) => Promise<T>

/** The days of a measurement that have points, oldest first. Leaps over those that have none. */
export async function* daysOf(
  store: TelemetryStore,
  { measurement, fromMs, toMs, asked }: { measurement: Measurement; fromMs: number; toMs: number; asked: Asked },
): AsyncGenerator<Day> {
  for (let atMs = fromMs; atMs < toMs;) {
    const from = atMs
    const oldestMs = await asked(() => store.oldest({ measurement, fromMs: from, toMs }))
    if (oldestMs === undefined) return
    // The day of the oldest point begins where the range begins, or at its own midnight.
    atMs = Math.max(fromMs, nextDayMs(oldestMs) - MS_PER_DAY)
    for (let isEmpty = false; atMs < toMs && !isEmpty;) {
      const query = { measurement, fromMs: atMs, toMs: Math.min(nextDayMs(atMs), toMs) }
      const lifts = await asked(() => store.tally(query))
      const count = lifts.reduce((sum, lift) => sum + lift.count, 0)
      isEmpty = count === 0
      if (!isEmpty) yield { ...query, lifts, count }
      atMs = query.toMs
    }
  }
}

/** All points of a day in stretches, oldest first, one stretch being read while the one before is used. */
export async function* stretchesOf(
  store: TelemetryStore,
  day: Pick<Day, 'measurement' | 'fromMs' | 'toMs' | 'count'>,
  asked: Asked,
): AsyncGenerator<StretchPoints & { readonly fromMs: number }> {
  const { measurement, toMs } = day
  const stepMs = Math.ceil((toMs - day.fromMs) / Math.max(1, Math.ceil(day.count / STRETCH_POINTS)))
  const read = async (fromMs: number) => ({
    ...(await asked(() => store.stretch({ measurement, fromMs, toMs: Math.min(fromMs + stepMs, toMs) }))),
    fromMs,
  })
  let next = read(day.fromMs)
  for (;;) {
    const stretch = await next
    const isLast = stretch.untilMs >= toMs
    if (!isLast) {
      next = read(stretch.untilMs)
      // It is looked at when its turn comes, or never when somebody stopped.
      next.catch(() => {})
    }
    yield stretch
    if (isLast) return
  }
}
