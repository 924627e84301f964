/** Computes the figures of the hours that are marked in the register, beside the two readers. Why no sample is missed says `hour-times.ts`. */
import type { HourFigures } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import type { Log } from '#contract/log-events'
import type { MarkedHour, Register } from '#storage/register/register'
import { TelemetryStoreError, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import type { Counters } from './counters.ts'
import { figuresOf, TooManySamplesError } from './hour-samples.ts'
import { ENDED_MS, isExpired, longestMsBetween, QUIET_MS, WRITE_WITHIN_MS, type Moment } from './hour-times.ts'
import type { Outages } from './outages.ts'
import { answerOfStore, storePauseMs } from './telemetry-wait.ts'
import type { Turns } from './turns.ts'
import { backOffMs, reasonOf, wait } from './wait.ts'

/** How often the register is asked for hours that are due. */
const ASK_EVERY_MS = 5_000
const DUE_COUNT_MAX = 200
/** So many hours are stored at once, so that little is lost when something fails. */
const WRITE_COUNT = 50
/** Nothing more is read so long after the question: what was read has to be written in time. */
const READ_WITHIN_MS = 12_000

export type HourWorkOptions = {
  readonly staleHours: Pick<Register['staleHours'], 'due' | 'clear' | 'mark' | 'count'>
  readonly telemetry: Pick<TelemetryStore, 'points' | 'putFigures'>
  /** The lifts to work for, as they are known then; undefined when they are all that there are. */
  readonly lifts: () => readonly LiftId[] | undefined
  readonly retentionDays: number
  /** One for all shares of a worker. */
  readonly turns: Turns
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
type LeftOut = 'expired' | 'refused' | 'tooMany'
type Computed = { readonly hour: MarkedHour; readonly figures: HourFigures }

/** Runs until the signal aborts, and then ends within a moment. Never rejects: the marks stay, and it is tried again. */
export async function computeHours(o: HourWorkOptions): Promise<void> {
  for (let failedCount = 0; !o.signal.aborted;) {
    try {
      const isMore = await computeDue(o)
      failedCount = 0
      o.outages.ended('figures')
      if (!isMore) await wait(o.askEveryMs ?? ASK_EVERY_MS, o.signal)
    } catch (error) {
      if (o.signal.aborted) break
      o.outages.began('figures', reasonOf(error))
      const isStore = error instanceof TelemetryStoreError
      o.counters.retries.inc({ store: isStore ? 'telemetry' : 'register' })
      await wait(storePauseMs(failedCount, isStore ? error.retryAfterMs : 0), o.signal)
      failedCount += 1
    }
  }
  o.outages.ended('figures') // whoever goes on will find out himself
}

const momentOf = (o: HourWorkOptions): Moment => ({ nowMs: o.nowMs(), elapsedMs: performance.now() })

/** One question for due hours, and what is to be done for them. True when more may be due. */
async function computeDue(o: HourWorkOptions): Promise<boolean> {
  const { staleHours, signal } = o
  const asked = momentOf(o)
  const of = { lifts: o.lifts(), endedBeforeMs: asked.nowMs - ENDED_MS }
  const due = await staleHours.due({ ...of, quietMs: o.quietMs ?? QUIET_MS, limit: DUE_COUNT_MAX })
  const expiring = { nowMs: asked.nowMs, retentionDays: o.retentionDays }
  const expired = due.filter(({ hourAtMs }) => isExpired(hourAtMs, expiring))
  await leaveOut(o, expired, 'expired', `samples are kept for ${o.retentionDays} days`)
  const gone = new Set(expired)
  let computed: Computed[] = []
  let isCut = false
  for (const hour of due.filter((each) => !gone.has(each))) {
    isCut = longestMsBetween(asked, momentOf(o)) > READ_WITHIN_MS
    if (isCut || signal.aborted) break
    const figures = await compute(o, hour)
    if (figures !== undefined) computed.push({ hour, figures })
    if (computed.length < WRITE_COUNT) continue
    await write(o, asked, computed)
    computed = []
  }
  if (signal.aborted) return false
  await write(o, asked, computed)
  o.onWaiting(await staleHours.count(of))
  return isCut || due.length === DUE_COUNT_MAX
}

/** Undefined when this hour is never to be computed, which is told. Rejects when the store is away. */
async function compute(o: HourWorkOptions, hour: MarkedHour): Promise<HourFigures | undefined> {
  try {
    return await figuresOf(o, hour)
  } catch (error) {
    // A store that refuses a question may be set up wrongly: that is no reason to give up an hour.
    if (o.signal.aborted || error instanceof TelemetryStoreError) throw error
    await leaveOut(o, [hour], error instanceof TooManySamplesError ? 'tooMany' : 'refused', reasonOf(error))
    return undefined
  }
}

/** Stores figures and clears the marks that they were made for; what the store refuses is found by halving. */
async function write(o: HourWorkOptions, asked: Moment, computed: readonly Computed[]): Promise<void> {
  if (computed.length === 0) return
  const hours = computed.map(({ hour }) => hour)
  try {
    const isWritten = await o.turns.take(async () => {
      // Looked at last: somebody else may have computed it of more samples since.
      if (longestMsBetween(asked, momentOf(o)) > WRITE_WITHIN_MS) return false
      await put(o, computed)
      return true
    }, o.signal)
    if (isWritten) return await settle(o, hours)
    o.log.debug('figures.late', { count: hours.length })
    await o.staleHours.mark(hours)
  } catch (error) {
    if (!(error instanceof TelemetryStoreError) || error.kind !== 'refused') throw error
    if (computed.length === 1) return leaveOut(o, hours, 'refused', error.message)
    const middle = Math.ceil(computed.length / 2)
    await write(o, asked, computed.slice(0, middle))
    await write(o, asked, computed.slice(middle))
  }
}

/** What the store takes after we gave up waiting is marked to be computed again. */
async function put({ telemetry, staleHours, signal }: HourWorkOptions, computed: readonly Computed[]): Promise<void> {
  let isGivenUp = false
  const stored = telemetry.putFigures(computed.map(({ figures }) => figures)).then(async () => {
    if (isGivenUp) await staleHours.mark(computed.map(({ hour }) => hour))
  })
  stored.catch(() => {}) // told below, unless it was given up
  try {
    await answerOfStore(stored, signal)
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
  for (let tryCount = 0; ; tryCount += 1) {
    try {
      const others = await o.staleHours.clear(hours)
      if (others.length > 0) await o.staleHours.mark(others)
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

/** Their figures stay as they are, or absent. */
async function leaveOut(o: HourWorkOptions, hours: readonly MarkedHour[], why: LeftOut, reason: string): Promise<void> {
  const [first] = hours
  if (first === undefined) return
  await o.staleHours.clear(hours)
  o.counters.hoursLeftOut.inc({ reason: why }, hours.length)
  const { lift, hourAtMs } = first
  o.log.warn('figures.leftOut', { why, count: hours.length, lift, hourAtMs, reason: reason.slice(0, 500) })
}
