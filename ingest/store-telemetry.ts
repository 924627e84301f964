/** Takes what the journal holds to the telemetry store in batches, and moves its position only when the store has them. */
import type { Log } from '#contract/log-events'
import type { QuarantineRow } from '#contract/register'
import type { JournalReader, JournalRecord } from '#storage/journal/journal'
import { STALE_HOURS_MAX, type Register } from '#storage/register/register'
import { TelemetryStoreError, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import type { Counters } from './counters.ts'
import { decode } from './decode.ts'
import type { HourMarks } from './hour-marks.ts'
import type { Moment } from './hour-times.ts'
import type { Outages } from './outages.ts'
import { pointOf } from './points.ts'
import { quarantineRowOf } from './quarantine-row.ts'
import { answerOfStore, storePauseMs } from './telemetry-wait.ts'
import { backOffMs, reasonOf, wait } from './wait.ts'

const BATCH_COUNT_MAX = 5_000
/** A batch is sent when this time has passed since the one before, however small it is: charts may lag by so much. */
const BATCH_EVERY_MS = 250

type Options = {
  readonly reader: JournalReader
  readonly telemetry: Pick<TelemetryStore, 'append'>
  /** Where hours are marked whose figures are to be computed, and what was marked before. */
  readonly staleHours: Pick<Register['staleHours'], 'mark'>
  readonly hourMarks: HourMarks
  /** Keeps a refused point where a person can see it; resolves when it is kept. */
  readonly quarantine: (rows: readonly QuarantineRow[]) => Promise<unknown>
  readonly outages: Outages
  readonly counters: Counters
  readonly log: Log
  readonly nowMs: () => number
  /** How many records were read and are not in the store yet. */
  readonly onUnsettled: (count: number) => void
  readonly signal: AbortSignal
}

/** A point with the record it came from. */
type Item = { readonly record: JournalRecord; readonly point: TelemetryPoint }

/** Runs until the signal aborts. Rejects only when the journal cannot be read. */
export async function storeTelemetry(o: Options): Promise<void> {
  while (!o.signal.aborted) {
    const startedAtMs = o.nowMs()
    const records = await o.reader.read({ countMax: BATCH_COUNT_MAX, waitMs: 1_000, signal: o.signal })
    const last = records.at(-1)
    if (last === undefined) continue
    o.onUnsettled(records.length)
    const items = records.flatMap((record): Item[] => {
      const decoded = decode(record)
      return decoded.ok ? [{ record, point: pointOf(decoded.value) }] : [] // detection puts the rest in quarantine
    })
    // In this order: what was not marked before a crash is stored and marked again after it.
    const isKept = (await keep(o, items)) && (await mark(o, items))
    if (!isKept || !(await persist(o, () => o.reader.commit(last.position)))) return
    o.onUnsettled(0)
    if (records.length < BATCH_COUNT_MAX) await wait(BATCH_EVERY_MS - (o.nowMs() - startedAtMs), o.signal)
  }
}

/** Appends until the store has every point that it can take; false when the signal aborted first. */
async function keep(o: Options, items: readonly Item[]): Promise<boolean> {
  if (items.length === 0) return true
  for (let tryCount = 0; ; tryCount += 1) {
    if (o.signal.aborted) return false
    const refusal = await append(o, items)
    if (o.signal.aborted && refusal !== undefined) return false
    if (refusal === undefined) {
      o.outages.ended('telemetry')
      for (const { point } of items) o.counters.points.inc({ measurement: point.measurement })
      return true
    }
    if (refusal.kind === 'refused') {
      o.outages.ended('telemetry')
      return divide(o, items, refusal.message)
    }
    o.outages.began('telemetry', refusal.message)
    o.counters.retries.inc({ store: 'telemetry' })
    await wait(storePauseMs(tryCount, refusal.retryAfterMs), o.signal)
  }
}

/** Marks the hours that these points take part in, unless that was done just before; false when the signal aborted first. */
async function mark(o: Options, items: readonly Item[]): Promise<boolean> {
  const points = items.map(({ point }) => point)
  const missing = o.hourMarks.missing(points, momentOf(o))
  for (let begin = 0; begin < missing.length; begin += STALE_HOURS_MAX) {
    const hours = missing.slice(begin, begin + STALE_HOURS_MAX)
    let isAway = false
    const isMarked = await persist(o, async () => {
      const begunAt = momentOf(o)
      const unregistered = await o.staleHours.mark(hours).catch((error: unknown) => {
        isAway = true
        o.outages.began('register', reasonOf(error))
        throw error
      })
      o.hourMarks.made(hours, begunAt, unregistered)
    })
    if (!isMarked) return false
    if (isAway) o.outages.ended('register')
  }
  return true
}

const momentOf = (o: Options): Moment => ({ nowMs: o.nowMs(), elapsedMs: performance.now() })

/** Halves a refused batch until the point that the store will never take stands alone; that one goes to quarantine. */
async function divide(o: Options, items: readonly Item[], reason: string): Promise<boolean> {
  const [only] = items
  if (items.length === 1 && only !== undefined) {
    o.counters.quarantined.inc({ reason: 'store.refused' })
    o.log.warn('telemetry.refused', { position: only.record.position, lift: only.point.lift, reason })
    return persist(o, () => o.quarantine([quarantineRowOf(only.record, 'store.refused', reason.slice(0, 500))]))
  }
  const middle = Math.ceil(items.length / 2)
  return (await keep(o, items.slice(0, middle))) && keep(o, items.slice(middle))
}

/** Undefined when the store has the batch. When it does not answer nothing is committed, and the same is stored again. */
async function append(
  { telemetry, signal }: Options,
  items: readonly Item[],
): Promise<TelemetryStoreError | undefined> {
  try {
    await answerOfStore(telemetry.append(items.map(({ point }) => point)), signal)
    return undefined
  } catch (error) {
    // What we do not understand is treated as an outage: it is tried again and nothing is given up.
    return error instanceof TelemetryStoreError
      ? error
      : new TelemetryStoreError('away', reasonOf(error), { cause: error })
  }
}

/** Tries until it succeeds; false when the signal aborted first. */
async function persist(o: Options, act: () => Promise<unknown>): Promise<boolean> {
  for (let tryCount = 0; ; tryCount += 1) {
    try {
      await act()
      return true
    } catch (error) {
      o.log.warn('ingest.retry', { reason: reasonOf(error), tryCount })
      o.counters.retries.inc({ store: 'register' })
      await wait(backOffMs(tryCount), o.signal)
      if (o.signal.aborted) return false
    }
  }
}
