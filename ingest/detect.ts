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
import { presentOf } from './present.ts'
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
  const progress: Progress = {
    position: o.position,
    savedPosition: o.position,
    readPosition: undefined,
    committedPosition: undefined,
    savedAtMs: o.nowMs(),
    unsavedCount: 0,
  }
  const listening = { sinceMs: o.nowMs() }
  const adoption: Adoption = { decided: new Set() }
  const take = takerOf(o, (changes) => decide(o, adoption, changes))
  const isPresent = presentOf(reader, () => performance.now())
  let keeping: Promise<void> | undefined
  let tickedAtMs = 0

  while (!signal.aborted) {
    if (ledger.isFull) {
      // The journal keeps what comes; time stands still for the rules, so that no timer overtakes what is unread.
      await wait(READ_WAIT_MS, signal)
    } else {
      const records = await reader.read({ countMax: READ_COUNT_MAX, waitMs: READ_WAIT_MS, signal })
      for (const record of records) await take(record)
      const last = records.at(-1)
      progress.readPosition = last?.position ?? progress.readPosition
      progress.position = progress.readPosition ?? progress.position
      progress.unsavedCount += records.length
      o.onUnsettled(progress.unsavedCount)
      const isCaughtUp = isPresent()
      if (isCaughtUp) adopt(o, adoption)
      listen(o, listening, isCaughtUp)
      // Behind the present, time is that of the newest record: a timer must not overtake the message that ends its condition.
      const timeMs = isCaughtUp ? o.nowMs() : last?.receivedAtMs
      if (timeMs !== undefined && performance.now() - tickedAtMs >= TICK_EVERY_MS) {
        tickedAtMs = performance.now()
        decide(o, adoption, fleet.tick(timeMs, listening.sinceMs))
      }
    }
    // Beside the reading: a register that hangs must not keep the next record waiting.
    keeping ??= keep(o, progress).finally(() => (keeping = undefined))
  }
  await keeping
  await keep(o, progress)
}

/** What the replay has decided so far, until the alarms of the register are adopted: `lift|kind`. Then undefined. */
type Adoption = { decided: Set<string> | undefined }
const conditionOf = ({ lift, kind }: { lift: string; kind: string }) => `${lift}|${kind}`

/** The list of open alarms is older than the replay: where the replay has decided itself, it knows better. */
function adopt({ fleet, openAlarms }: Options, adoption: Adoption): void {
  const { decided } = adoption
  if (decided === undefined) return
  adoption.decided = undefined
  for (const alarm of openAlarms) if (!decided.has(conditionOf(alarm))) fleet.adopt(alarm)
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

function takerOf(o: Options, onChanges: (changes: Changes) => void): (record: JournalRecord) => Promise<void> {
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
    onChanges(changes)
  }
}

type Progress = {
  position: number
  savedPosition: number
  /** The newest position that was read here: what was restored may name records that were lost. */
  readPosition: number | undefined
  committedPosition: number | undefined
  savedAtMs: number
  unsavedCount: number
}
type Changes = ReturnType<Fleet['tick']>

/** Hands over what was decided, and from time to time saves how far detection is. Never rejects. */
async function keep(o: Options, progress: Progress): Promise<void> {
  const { ledger, nowMs, signal } = o
  const isSettled = await ledger.settle()
  if (!isSettled || ledger.waitingCount > 0) return
  if (!signal.aborted && nowMs() - progress.savedAtMs < CHECKPOINT_EVERY_MS) return
  // Position and rows of one moment, at which nothing was waiting: everything up to here is in the register or in these rows.
  const { position, readPosition, unsavedCount } = progress
  if (!(await saveCheckpoint(o, progress, position, unsavedCount))) return
  if (readPosition === undefined || readPosition === progress.committedPosition) return
  progress.savedAtMs = nowMs()
  try {
    await o.reader.commit(readPosition)
    progress.committedPosition = readPosition
  } catch (error) {
    // The checkpoint stands: reading goes on behind it. Only the journal does not know yet what it may drop.
    o.outages.began('journal', reasonOf(error))
  }
}

/** True when the register has the state at this position. */
async function saveCheckpoint(
  { fleet, save, outages, nowMs, onLost, onUnsettled }: Options,
  progress: Progress,
  position: number,
  unsavedCount: number,
): Promise<boolean> {
  const rows = fleet.takeUnsaved()
  if (position === progress.savedPosition && rows.length === 0) return true
  progress.savedAtMs = nowMs()
  try {
    await save({ position, lifts: rows })
    progress.savedPosition = position
    progress.unsavedCount -= unsavedCount
    onUnsettled(progress.unsavedCount)
    outages.ended('register')
    return true
  } catch (error) {
    if (error instanceof ShareLostError) onLost()
    else {
      fleet.giveBackUnsaved(rows)
      outages.began('register', reasonOf(error))
    }
    return false
  }
}

function decide({ ledger, counters, log }: Options, { decided }: Adoption, changes: Changes): void {
  if (changes.length === 0) return
  for (const change of changes) decided?.add(conditionOf(change))
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
