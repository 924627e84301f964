/** Which hours are to be marked in the register for the samples that were stored, and which were marked shortly before. */
import { HOUR_MS, isInCalendar } from '#contract/calendar'
import type { LiftId } from '#contract/ids'
import { RecentMap } from '#contract/recent-map'
import type { LiftHour } from '#storage/register/register'
import { hoursOfSample } from '#storage/telemetry/hour-figures'
import { hourKeyOf } from '#storage/telemetry/hour-rows'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { isExpired, isSteadyBetween, longestMsBetween, MARK_AGAIN_MS, type Moment } from './hour-times.ts'

/** Three hours for each of ten thousand lifts, and as much again for what they send late. Beyond it marks are made too often. */
const MARKS_MAX = 60_000
const MARKS_OF_SHARE_MIN = 4_000

/** What the memory of one share of so many may hold: the shares of a process hold about as much together as one would alone. */
export const marksMaxOf = (shareCount: number): number =>
  Math.max(MARKS_OF_SHARE_MIN, Math.ceil(MARKS_MAX / Math.max(1, shareCount)))

type Made = { readonly at: Moment; readonly isRegistered: boolean }

/**
 * Knows the marks that this process made, so that most batches need none. It asks no clock: the moments are told to it.
 * Why nothing is missed says `hour-times.ts`.
 */
export class HourMarks {
  readonly #retentionDays: number
  readonly #made: RecentMap<string, Made>

  constructor(o: { retentionDays: number; marksMax?: number }) {
    this.#retentionDays = o.retentionDays
    this.#made = new RecentMap(o.marksMax ?? MARKS_MAX)
  }

  /**
   * The hours that these points take part in and that must be marked, each once. `at` is a moment after the points were
   * stored. Points that belong to no hour, or to one that is not computed any more, mark nothing.
   */
  missing(points: readonly TelemetryPoint[], at: Moment): LiftHour[] {
    const missing = new Map<string, LiftHour>()
    const seen = new Set<string>()
    for (const { measurement, lift, sampledAtMs } of points) {
      if (measurement !== 'status' && measurement !== 'statistics') continue
      if (!isInCalendar(sampledAtMs)) continue
      for (const hourAtMs of hoursOfSample(measurement, sampledAtMs)) {
        const key = hourKeyOf({ lift, hourAtMs })
        if (seen.has(key)) continue
        seen.add(key)
        if (this.#isMade(key, hourAtMs, at)) continue
        if (isExpired(hourAtMs, { nowMs: at.nowMs, retentionDays: this.#retentionDays })) continue
        missing.set(key, { lift, hourAtMs })
      }
    }
    return [...missing.values()]
  }

  /** These hours are marked, `begunAt` being a moment before the register was asked; those of `unregistered` lifts were left out. */
  made(hours: readonly LiftHour[], begunAt: Moment, unregistered: readonly LiftId[]): void {
    const leftOut = new Set(unregistered)
    for (const { lift, hourAtMs } of hours)
      this.#made.set(hourKeyOf({ lift, hourAtMs }), { at: begunAt, isRegistered: !leftOut.has(lift) })
  }

  #isMade(key: string, hourAtMs: number, at: Moment): boolean {
    const made = this.#made.get(key)
    if (made === undefined || !isSteadyBetween(made.at, at)) return false
    if (longestMsBetween(made.at, at) < MARK_AGAIN_MS) return true
    // A lift may be registered in the middle of an hour.
    return made.isRegistered && at.nowMs < hourAtMs + HOUR_MS
  }
}
