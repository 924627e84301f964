/** Stores the figures of hours that were read, and tells the register what became of each hour. */
import type { HourFigures } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import type { Log } from '#contract/log-events'
import type { MarkedHour, Register } from '#storage/register/register'
import { hourKeyOf } from '#storage/telemetry/hour-rows'
import { TelemetryStoreError, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import type { Counters } from './counters.ts'
import { longestMsBetween, WRITE_WITHIN_MS, type Moment } from './hour-times.ts'
import { storedQuestions } from './hour-stored.ts'
import type { Outages } from './outages.ts'
import type { Pace } from './pace.ts'
import { answerOfStore } from './telemetry-wait.ts'
import { backOffMs, beforeTheEnd, reasonOf, wait } from './wait.ts'

export type HourWorkOptions = {
  readonly staleHours: Pick<Register['staleHours'], 'due' | 'clear' | 'mark' | 'count'>
  readonly telemetry: Pick<TelemetryStore, 'points' | 'figures' | 'putFigures'>
  /** The lifts to work for, as they are known then; undefined when they are all that there are. */
  readonly lifts: () => readonly LiftId[] | undefined
  readonly retentionDays: number
  readonly pace: Pace
  readonly outages: Outages
  readonly counters: Counters
  readonly log: Log
  readonly nowMs: () => number
  /** How many hours have ended and wait. */
  readonly onWaiting: (count: number) => void
  readonly signal: AbortSignal
  /** Shorter only for tests that cannot wait. */
  readonly quietMs?: number
  readonly askEveryMs?: number
}
/** `readAt` is a moment before its first sample was read. */
export type ReadHour = { readonly hour: MarkedHour; readonly figures: HourFigures; readonly readAt: Moment }
export type Written = { readonly storedCount: number; readonly lateCount: number }
type LeftOut = 'expired' | 'refused' | 'tooMany' | 'fewer'
type SetBack = 'failed' | 'late'

export const momentOf = (o: HourWorkOptions): Moment => ({ nowMs: o.nowMs(), elapsedMs: performance.now() })

/** Rejects when the store or the register cannot be used: what was not stored then stays marked. */
export async function storeHours(o: HourWorkOptions, read: readonly ReadHour[]): Promise<Written> {
  const fewer = await fewerThanStored(o, read)
  const written = await write(
    o,
    read.filter((each) => !fewer.has(each)),
  )
  const left = [...fewer].map(({ hour }) => hour)
  await leaveOut(o, left, 'fewer', 'the figures that are stored are of more samples than there are')
  return written
}

/** Samples never become fewer while they are kept: whoever finds fewer than were counted before must not replace the figures. */
async function fewerThanStored(o: HourWorkOptions, read: readonly ReadHour[]): Promise<Set<ReadHour>> {
  const storedCounts = new Map<string, number>()
  for (const question of storedQuestions(read.map(({ hour }) => hour))) {
    const asked = o.telemetry.figures({ ...question, signal: o.signal })
    const rows = await o.pace.work(() => answerOfStore(asked, o.signal))
    for (const row of rows) storedCounts.set(hourKeyOf(row), row.sampleCount)
  }
  const countOf = ({ hour }: ReadHour): number => storedCounts.get(hourKeyOf(hour)) ?? 0
  return new Set(read.filter((each) => countOf(each) > each.figures.sampleCount))
}

/** Stores what is not too late and clears the marks; what the store refuses is found by halving. */
async function write(o: HourWorkOptions, read: readonly ReadHour[]): Promise<Written> {
  // Looked at last: somebody else may have computed it of more samples since.
  const now = momentOf(o)
  const inTime = read.filter(({ readAt }) => longestMsBetween(readAt, now) <= WRITE_WITHIN_MS)
  const late = read.filter((each) => !inTime.includes(each))
  const hours = inTime.map(({ hour }) => hour)
  const refusal = await put(o, inTime)
  let written: Written = { storedCount: hours.length, lateCount: 0 }
  if (refusal === undefined) await settle(o, hours)
  else if (hours.length === 1) {
    await leaveOut(o, hours, 'refused', refusal.message)
    written = { storedCount: 0, lateCount: 0 }
  } else {
    const middle = Math.ceil(hours.length / 2)
    written = sumOf(await write(o, inTime.slice(0, middle)), await write(o, inTime.slice(middle)))
  }
  if (late.length === 0) return written
  const lateHours = late.map(({ hour }) => hour)
  await setBack(o, lateHours, 'late')
  o.log.warn('figures.late', { count: lateHours.length })
  return sumOf(written, { storedCount: 0, lateCount: lateHours.length })
}

const sumOf = (a: Written, b: Written): Written => ({
  storedCount: a.storedCount + b.storedCount,
  lateCount: a.lateCount + b.lateCount,
})

/** Resolves with why the store refuses these figures. What it takes after we gave up waiting is marked to be computed again. */
async function put(o: HourWorkOptions, read: readonly ReadHour[]): Promise<TelemetryStoreError | undefined> {
  if (read.length === 0) return undefined
  let isGivenUp = false
  const stored = o.telemetry.putFigures(read.map(({ figures }) => figures)).then(async () => {
    if (isGivenUp) await o.staleHours.mark(read.map(({ hour }) => hour))
  })
  stored.catch(() => {}) // told below, unless it was given up
  try {
    await o.pace.work(() => answerOfStore(stored, o.signal))
    return undefined
  } catch (error) {
    if (!(error instanceof TelemetryStoreError) || error.kind !== 'refused') throw error
    return error
  } finally {
    isGivenUp = true
  }
}

/**
 * After the figures are stored. A mark that is not the one they were made for may stand for samples that somebody else has
 * computed meanwhile, and ours have overwritten his: such hours are marked again. Tried until the register has taken it,
 * and once more when the signal aborts.
 */
async function settle(o: HourWorkOptions, hours: readonly MarkedHour[]): Promise<void> {
  for (let tryCount = 0; hours.length > 0; tryCount += 1) {
    try {
      const others = await beforeTheEnd(o.staleHours.clear(hours), o.signal)
      if (others.length > 0) await beforeTheEnd(o.staleHours.mark(others), o.signal)
      o.counters.hours.inc(hours.length)
      return
    } catch (error) {
      if (o.signal.aborted) throw error
      o.outages.began('figures', reasonOf(error))
      o.counters.retries.inc({ store: 'register' })
      await wait(backOffMs(tryCount), o.signal)
    }
  }
}

/** They are due again when they have been quiet for the usual time, behind the others. */
export async function setBack(o: HourWorkOptions, hours: readonly MarkedHour[], why: SetBack): Promise<void> {
  if (hours.length === 0) return
  o.counters.hoursSetBack.inc({ reason: why }, hours.length)
  await beforeTheEnd(o.staleHours.mark(hours), o.signal)
}

/** Their figures stay as they are, or absent. */
export async function leaveOut(
  o: HourWorkOptions,
  hours: readonly MarkedHour[],
  why: LeftOut,
  reason: string,
): Promise<void> {
  const [first] = hours
  if (first === undefined) return
  await beforeTheEnd(o.staleHours.clear(hours), o.signal)
  o.counters.hoursLeftOut.inc({ reason: why }, hours.length)
  const { lift, hourAtMs } = first
  o.log.warn('figures.leftOut', { why, count: hours.length, lift, hourAtMs, reason: reason.slice(0, 500) })
}
