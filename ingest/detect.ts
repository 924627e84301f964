/** Detection: reads the journal in order, keeps the live states, raises alarms, and saves a checkpoint from which it can go on. */
import type { Alarm } from '#contract/alarms'
import { faultOf } from '#contract/faults'
import type { Log } from '#contract/log-events'
import { PLATFORM_TOPIC } from '#contract/topics'
import type { JournalReader, JournalRecord } from '#storage/journal/journal'
import { ShareLostError, type Checkpoint } from '#storage/register/register'
import type { Counters } from './counters.ts'
import { decode } from './decode.ts'
import type { Fleet } from './fleet.ts'
import type { Ledger } from './ledger.ts'
import type { Outages } from './outages.ts'
import { quarantineRowOf } from './quarantine-row.ts'
import { reasonOf, wait } from './wait.ts'

const READ_COUNT_MAX = 500
const READ_WAIT_MS = 100
/** The rules look at every lift, so they do not do it after each read. */
const TICK_EVERY_MS = 100
const CHECKPOINT_EVERY_MS = 2_000
/** A lift that is not in memory is looked for in the register, but not more often than this. */
const RELOAD_EVERY_MS = 2_000
/** The broker leaves its mark in the journal every 20 s; silence for longer than this means that nobody listens to terminals. */
const BROKER_SILENT_MS_MAX = 75_000
/** A turn takes a fraction of a second; after one that took longer this process was asleep and does not know the present. */
const ASLEEP_MS = 2_000

/** When a broker was heard last, platform clock. One for all shares of a worker: each holds the same marks. */
export type BrokerHeard = { atMs: number }

type Options = {
  readonly reader: JournalReader
  readonly save: (checkpoint: Checkpoint) => Promise<void>
  /** The share is another worker's: nothing more may come from here. */
  readonly onLost: () => void
  readonly fleet: Fleet
  readonly ledger: Ledger
  readonly outages: Outages
  readonly counters: Counters
  readonly log: Log
  readonly nowMs: () => number
  readonly brokerHeard: BrokerHeard
  readonly isJournalWell: () => boolean
  readonly reloadLifts: () => Promise<void>
  readonly position: number
  /** Alarms that the register held open at the start: the rules learn of them when the replay has come to the present. */
  readonly openAlarms: readonly Alarm[]
  /** How many records were read since the last checkpoint. */
  readonly onUnsettled: (count: number) => void
  readonly signal: AbortSignal
}

/** Runs until the signal aborts; the last checkpoint is saved on the way out. Rejects only when the journal cannot be read. */
export async function detect(o: Options): Promise<void> {
  const { reader, fleet, ledger, signal } = o
  const progress = { position: o.position, savedPosition: o.position, savedAtMs: o.nowMs(), unsavedCount: 0 }
  const listening = { sinceMs: o.nowMs() }
  const take = takerOf(o)
  const isPresent = presentOf(reader)
  let keeping: Promise<void> | undefined
  let hasAdopted = false
  let tickedAtMs = 0

  while (!signal.aborted) {
    if (ledger.isFull) {
      // The journal keeps what comes; time stands still for the rules, so that no timer overtakes what is unread.
      await wait(READ_WAIT_MS, signal)
    } else {
      const records = await reader.read({ countMax: READ_COUNT_MAX, waitMs: READ_WAIT_MS, signal })
      for (const record of records) await take(record)
      const last = records.at(-1)
      progress.position = last?.position ?? progress.position
      progress.unsavedCount += records.length
      o.onUnsettled(progress.unsavedCount)
      const isCaughtUp = isPresent()
      if (isCaughtUp && !hasAdopted) {
        hasAdopted = true
        for (const alarm of o.openAlarms) fleet.adopt(alarm)
      }
      listen(o, listening, isCaughtUp)
      // Behind the present, time is that of the newest record: a timer must not overtake the message that ends its condition.
      const timeMs = isCaughtUp ? o.nowMs() : last?.receivedAtMs
      if (timeMs !== undefined && performance.now() - tickedAtMs >= TICK_EVERY_MS) {
        tickedAtMs = performance.now()
        decide(o, fleet.tick(timeMs, listening.sinceMs))
      }
    }
    // Beside the reading: a register that hangs must not keep the next record waiting.
    keeping ??= keep(o, progress).finally(() => (keeping = undefined))
  }
  await keeping
  await keep(o, progress)
}

/**
 * Tells, once in each turn, whether everything has been read. A process that was frozen wakes with an old idea of that; until
 * the journal has confirmed it anew, what came meanwhile may be unread.
 */
function presentOf(reader: JournalReader): () => boolean {
  let turnedAtMs = performance.now()
  let wokenAtMs = -Infinity
  return () => {
    const nowMs = performance.now()
    if (nowMs - turnedAtMs > ASLEEP_MS) wokenAtMs = nowMs
    turnedAtMs = nowMs
    const unread = reader.unread()
    return unread !== undefined && unread.count === 0 && unread.atMs >= wokenAtMs
  }
}

/** Time in which nobody could hear the terminals is not their silence. */
function listen(
  { outages, nowMs, brokerHeard, isJournalWell }: Options,
  listening: { sinceMs: number },
  isCaughtUp: boolean,
): void {
  const silentMs = nowMs() - brokerHeard.atMs
  const isBrokerSilent = silentMs > BROKER_SILENT_MS_MAX
  if (!isBrokerSilent) outages.ended('broker')
  else if (isCaughtUp) outages.began('broker', `no word from the broker for ${Math.round(silentMs / 1000)} s`)
  if (isBrokerSilent || !isJournalWell()) listening.sinceMs = nowMs()
}

function takerOf(o: Options): (record: JournalRecord) => Promise<void> {
  const { fleet, outages, counters } = o
  let reloadedAtMs = 0
  return async (record) => {
    if (record.topic === PLATFORM_TOPIC) {
      o.brokerHeard.atMs = Math.max(o.brokerHeard.atMs, record.receivedAtMs)
      return
    }
    const decoded = decode(record)
    if (!decoded.ok) return reject(o, record, decoded.code, decoded.detail)
    if (!fleet.has(decoded.value.lift) && o.nowMs() - reloadedAtMs >= RELOAD_EVERY_MS) {
      reloadedAtMs = o.nowMs()
      await o.reloadLifts().catch((error: unknown) => outages.began('register', reasonOf(error)))
    }
    const changes = fleet.apply(decoded.value)
    if (changes === undefined) return reject(o, record, 'lift.unknown', decoded.value.lift)
    counters.messages.inc({ kind: decoded.value.kind })
    if (decoded.value.unknownFieldCount > 0) counters.unknownFields.inc(decoded.value.unknownFieldCount)
    if (decoded.value.kind === 'message' && faultOf(decoded.value.body.codeSet, decoded.value.body.code) === undefined)
      counters.unknownCodes.inc()
    decide(o, changes)
  }
}

type Progress = { position: number; savedPosition: number; savedAtMs: number; unsavedCount: number }

/** Hands over what was decided, and from time to time saves how far detection is. Never rejects. */
async function keep(
  { ledger, fleet, save, reader, outages, nowMs, signal, onLost, onUnsettled }: Options,
  progress: Progress,
): Promise<void> {
  const isSettled = await ledger.settle()
  if (!isSettled || ledger.waitingCount > 0) return
  if (!signal.aborted && nowMs() - progress.savedAtMs < CHECKPOINT_EVERY_MS) return
  // Position and rows of one moment, at which nothing was waiting: everything up to here is in the register or in these rows.
  const { position, unsavedCount } = progress
  const rows = fleet.takeUnsaved()
  if (position === progress.savedPosition && rows.length === 0) return
  progress.savedAtMs = nowMs()
  try {
    await save({ position, lifts: rows })
    await reader.commit(position)
    progress.savedPosition = position
    progress.unsavedCount -= unsavedCount
    onUnsettled(progress.unsavedCount)
    outages.ended('register')
  } catch (error) {
    if (error instanceof ShareLostError) return onLost()
    fleet.giveBackUnsaved(rows)
    outages.began('register', reasonOf(error))
  }
}

function decide({ ledger, counters, log }: Options, changes: ReturnType<Fleet['tick']>): void {
  if (changes.length === 0) return
  ledger.add(changes)
  for (const { kind, event, lift, id, byClock } of changes.map((change) => ({
    ...change,
    byClock: change.trace.byClock,
  }))) {
    counters.changes.inc({ kind, event })
    log.info('alarm.changed', { alarm: id, lift, kind, event, byClock })
  }
}

function reject(
  { ledger, counters, log }: Options,
  record: JournalRecord,
  ...[reason, detail]: [Parameters<typeof quarantineRowOf>[1], string]
): void {
  counters.quarantined.inc({ reason })
  log.debug('message.quarantined', {
    position: record.position,
    terminal: record.terminal,
    topic: record.topic,
    reason,
  })
  ledger.quarantine(quarantineRowOf(record, reason, detail))
}
