/** Detection: reads the journal in order, keeps the live states, raises alarms, and saves a checkpoint from which it can go on. */
import { faultOf } from '#contract/faults'
import type { Log } from '#contract/log-events'
import type { JournalReader, JournalRecord } from '#storage/journal/journal'
import type { Register } from '#storage/register/register'
import type { Counters } from './counters.ts'
import { decode } from './decode.ts'
import type { Fleet } from './fleet.ts'
import { WAITING_MAX, type Ledger } from './ledger.ts'
import type { Outages } from './outages.ts'
import { quarantineRowOf } from './quarantine-row.ts'
import { reasonOf, wait } from './wait.ts'

const READ_COUNT_MAX = 500
const READ_WAIT_MS = 100
const CHECKPOINT_EVERY_MS = 2_000
/** A lift that is not in memory is looked for in the register, but not more often than this. */
const RELOAD_EVERY_MS = 2_000

type Options = {
  readonly reader: JournalReader
  readonly register: Pick<Register, 'lifts' | 'liveStates'>
  readonly fleet: Fleet
  readonly ledger: Ledger
  readonly outages: Outages
  readonly counters: Counters
  readonly log: Log
  readonly nowMs: () => number
  /** Why the platform cannot hear terminals at the moment, if it cannot. */
  readonly deafness: () => string | undefined
  readonly reloadLifts: () => Promise<void>
  readonly position: number
  readonly signal: AbortSignal
}

/** Runs until the signal aborts; the last checkpoint is saved on the way out. Rejects only when the journal cannot be read. */
export async function detect(o: Options): Promise<void> {
  const { reader, fleet, ledger, outages, counters, signal } = o
  let position = o.position
  let savedPosition = position
  let savedAtMs = o.nowMs()
  let listeningSinceMs = o.nowMs()
  let reloadedAtMs = 0

  const take = async (record: JournalRecord): Promise<void> => {
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

  const saveCheckpoint = async (): Promise<void> => {
    if (position === savedPosition && !signal.aborted) return
    const rows = fleet.takeUnsaved()
    try {
      await o.register.liveStates.save({ position, lifts: rows })
      await reader.commit(position)
      savedPosition = position
      outages.ended('register')
    } catch (error) {
      fleet.giveBackUnsaved(rows)
      outages.began('register', reasonOf(error))
    }
  }

  for (;;) {
    const records =
      ledger.waitingCount < WAITING_MAX
        ? await reader.read({ countMax: READ_COUNT_MAX, waitMs: READ_WAIT_MS, signal })
        : []
    if (records.length === 0 && ledger.waitingCount >= WAITING_MAX) await wait(READ_WAIT_MS, signal)
    for (const record of records) await take(record)
    const last = records.at(-1)
    position = last?.position ?? position

    if (o.deafness() !== undefined) listeningSinceMs = o.nowMs()
    // While there is a backlog, time is that of the newest record: a timer must not overtake the message that ends its condition.
    const isCaughtUp = records.length < READ_COUNT_MAX
    const timeMs = isCaughtUp ? o.nowMs() : (last?.receivedAtMs ?? o.nowMs())
    decide(o, fleet.tick(timeMs, listeningSinceMs))

    const isSettled = await ledger.settle()
    if (isSettled && (signal.aborted || o.nowMs() - savedAtMs >= CHECKPOINT_EVERY_MS)) {
      savedAtMs = o.nowMs()
      await saveCheckpoint()
    }
    if (signal.aborted) return
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
