/** Computes the figures of the hours that are marked in the register, beside the readers of all shares. Why no sample is missed says `hour-times.ts`. */
import { TelemetryStoreError } from '#storage/telemetry/telemetry-store'
import { computeRound, FAILED_COUNT_MAX, type Round } from './hour-round.ts'
import { ENDED_MS, WRITE_WITHIN_MS } from './hour-times.ts'
import type { HourWorkOptions } from './hour-write.ts'
import { figuresPauseMs } from './telemetry-wait.ts'
import { backOffMs, beforeTheEnd, reasonOf, wait } from './wait.ts'

export type { HourWorkOptions } from './hour-write.ts'

/** How often the register is asked for hours that are due. */
const ASK_EVERY_MS = 5_000
/** So many hours in one round: few until it is known how fast the store is, and again when it was too slow. */
const HOURS_FIRST = 4
const HOURS_MAX = 50

/** What the rounds before teach about the next one. */
type Course = {
  readonly hoursMax: number
  /** Hours that could not be read, since the last one that could. */
  readonly failedCount: number
  /** Rounds in a row that were in vain. */
  readonly vainCount: number
  /** Waited before the next round. */
  readonly pauseMs: number
}

/** Runs until the signal aborts, and then ends within a moment. Never rejects: the marks stay, and it is tried again. */
export async function computeHours(o: HourWorkOptions): Promise<void> {
  const askEveryMs = o.askEveryMs ?? ASK_EVERY_MS
  let course: Course = { hoursMax: HOURS_FIRST, failedCount: 0, vainCount: 0, pauseMs: 0 }
  let countedAtMs = -Infinity
  // Whoever sends a month late must not hold up this morning, nor the other way round: in turn from either end.
  for (let isNewestFirst = false; !o.signal.aborted; isNewestFirst = !isNewestFirst) {
    try {
      const round = await computeRound(o, { ...course, isNewestFirst })
      if (o.signal.aborted) break
      course = afterRound(o, course, round)
      if (round.isLast || performance.now() - countedAtMs >= askEveryMs) {
        countedAtMs = performance.now()
        if ((await countWaiting(o)) === 0) o.outages.ended('figures')
      }
      await wait(round.isLast ? Math.max(course.pauseMs, askEveryMs) : course.pauseMs, o.signal)
    } catch (error) {
      if (o.signal.aborted) break
      course = afterError(o, course, error)
      await wait(course.pauseMs, o.signal)
    }
  }
  o.outages.ended('figures') // whoever goes on will find out himself
}

async function countWaiting(o: HourWorkOptions): Promise<number> {
  const lifts = o.lifts()
  const question = { lifts, endedBeforeMs: o.nowMs() - ENDED_MS }
  const count = lifts?.length === 0 ? 0 : await beforeTheEnd(o.staleHours.count(question), o.signal)
  o.onWaiting(count)
  return count
}

function afterRound(o: HourWorkOptions, before: Course, round: Round): Course {
  const { storedCount, lateCount, failedCount, failure } = round
  const course = { ...before, failedCount, pauseMs: 0 }
  if (storedCount > 0) {
    o.outages.ended('figures')
    const hoursMax = lateCount > 0 ? before.hoursMax / 2 : before.hoursMax * 2
    return { ...course, hoursMax: Math.min(HOURS_MAX, Math.max(1, Math.floor(hoursMax))), vainCount: 0 }
  }
  if (lateCount === 0 && failure === undefined) return course
  const seconds = WRITE_WITHIN_MS / 1_000
  const tooSlow = `telemetry store is too slow: figures could not be stored within ${seconds} s after their samples were read`
  if (lateCount > 0 || failedCount >= FAILED_COUNT_MAX) o.outages.began('figures', failure?.message ?? tooSlow)
  return inVain(o, course, failure)
}

/** Register or telemetry store, which cannot take the figures. */
function afterError(o: HourWorkOptions, before: Course, error: unknown): Course {
  o.outages.began('figures', reasonOf(error))
  if (error instanceof TelemetryStoreError) return inVain(o, before, error)
  o.counters.retries.inc({ store: 'register' })
  return { ...before, vainCount: before.vainCount + 1, pauseMs: backOffMs(before.vainCount) }
}

/** Next time one hour is enough to find out whether the store is well again. */
function inVain(o: HourWorkOptions, course: Course, failure: Error | undefined): Course {
  o.counters.retries.inc({ store: 'telemetry' })
  const retryAfterMs = failure instanceof TelemetryStoreError ? failure.retryAfterMs : 0
  const pauseMs = figuresPauseMs(course.vainCount, retryAfterMs)
  return { ...course, hoursMax: 1, vainCount: course.vainCount + 1, pauseMs }
}
