/** One question for due hours, and what is done for them: read a few, one at a time, store their figures. */
import type { HourFigures } from '#contract/figures'
import type { MarkedHour } from '#storage/register/register'
import { TelemetryStoreError } from '#storage/telemetry/telemetry-store'
import { figuresOf, TooManySamplesError } from './hour-samples.ts'
import { ENDED_MS, isExpired, longestMsBetween, QUIET_MS } from './hour-times.ts'
import {
  leaveOut,
  momentOf,
  setBack,
  storeHours,
  type HourWorkOptions,
  type ReadHour,
  type Written,
} from './hour-write.ts'
import { answerOfStore } from './telemetry-wait.ts'
import { beforeTheEnd, reasonOf } from './wait.ts'

/** No further hour is begun so long after the first one was: what was read has to be written in time. */
const READ_WITHIN_MS = 5_000
/** So many hours in a row that cannot be read: it is not the hours. */
export const FAILED_COUNT_MAX = 2

export type RoundBegin = {
  readonly hoursMax: number
  readonly isNewestFirst: boolean
  /** Hours that could not be read, since the last one that could. */
  readonly failedCount: number
}
export type Round = Written & {
  readonly failedCount: number
  /** Why hours could not be read, when none could. */
  readonly failure: Error | undefined
  /** Nothing is due beyond what was worked on. */
  readonly isLast: boolean
}

/** Rejects when the register cannot be used, or when figures cannot be stored; marks stay then. */
export async function computeRound(o: HourWorkOptions, begin: RoundBegin): Promise<Round> {
  const { nowMs } = momentOf(o)
  const due = await dueHours(o, begin, nowMs)
  const expired = due.filter(({ hourAtMs }) => isExpired(hourAtMs, { nowMs, retentionDays: o.retentionDays }))
  await leaveOut(o, expired, 'expired', `samples are kept for ${o.retentionDays} days`)
  const gone = new Set(expired)
  const wanted = due.filter((hour) => !gone.has(hour))
  const { read, failed, failedCount, failure, isCut } = await readHours(o, wanted, begin.failedCount)
  const written = o.signal.aborted || read.length === 0 ? { storedCount: 0, lateCount: 0 } : await storeHours(o, read)
  if (!o.signal.aborted) await setBack(o, failed, 'failed')
  await o.pace.rest(o.signal)
  return { ...written, failedCount, failure, isLast: !isCut && due.length < begin.hoursMax }
}

async function dueHours(o: HourWorkOptions, begin: RoundBegin, nowMs: number): Promise<MarkedHour[]> {
  const lifts = o.lifts()
  if (lifts?.length === 0) return []
  const { hoursMax: limit, isNewestFirst } = begin
  const of = { lifts, endedBeforeMs: nowMs - ENDED_MS, quietMs: o.quietMs ?? QUIET_MS }
  return beforeTheEnd(o.staleHours.due({ ...of, limit, isNewestFirst }), o.signal)
}

type Reading = Pick<Round, 'failedCount' | 'failure'> & {
  readonly read: readonly ReadHour[]
  readonly failed: readonly MarkedHour[]
  /** Some were not tried. */
  readonly isCut: boolean
}

/** One hour at a time, so that the samples of no more than one are in memory; with rests between. */
async function readHours(o: HourWorkOptions, hours: readonly MarkedHour[], failedBefore: number): Promise<Reading> {
  const read: ReadHour[] = []
  const failed: MarkedHour[] = []
  let failure: Error | undefined
  let failedCount = failedBefore
  for (const [index, hour] of hours.entries()) {
    if (index > 0) await o.pace.rest(o.signal)
    const readAt = momentOf(o)
    const [first] = read
    const isLong = first !== undefined && longestMsBetween(first.readAt, readAt) > READ_WITHIN_MS
    const isAway = read.length === 0 && failed.length > 0 && failedCount >= FAILED_COUNT_MAX
    if (isLong || isAway || o.signal.aborted) return { read, failed, failedCount, failure, isCut: true }
    try {
      const figures = await figuresOrLeftOut(o, hour)
      if (figures !== undefined) read.push({ hour, figures, readAt })
      failedCount = 0
      failure = undefined
    } catch (error) {
      if (o.signal.aborted || !(error instanceof TelemetryStoreError)) throw error
      failed.push(hour)
      failedCount += 1
      if (read.length === 0) failure = error
      o.log.warn('figures.setBack', { lift: hour.lift, hourAtMs: hour.hourAtMs, reason: error.message.slice(0, 500) })
    }
  }
  return { read, failed, failedCount, failure, isCut: false }
}

/** Undefined when this hour is never to be computed, which is told. Rejects with a `TelemetryStoreError` when it cannot be read. */
async function figuresOrLeftOut(o: HourWorkOptions, hour: MarkedHour): Promise<HourFigures | undefined> {
  try {
    return await answerOfStore(figuresOf(o, hour), o.signal)
  } catch (error) {
    const isTooMany = error instanceof TooManySamplesError
    // A store that refuses a question may be set up wrongly: that is no reason to give up an hour.
    if (o.signal.aborted || error instanceof TelemetryStoreError) throw error
    await leaveOut(o, [hour], isTooMany ? 'tooMany' : 'refused', reasonOf(error))
    return undefined
  }
}
