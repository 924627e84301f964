/**
 * The journal (接收日志): the commit point of everything a device says. Append-only, in order, durable before `append`
 * reports success. Consumers read it by position and say how far they are done; what every consumer is done with may go.
 */
import type { Log } from '#contract/log-events'
import type { JournalConsumer } from './consumers.ts'
import { openFileJournal } from './file-journal.ts'
import { openNatsJournal } from './nats-journal.ts'

/** A message as the broker took it. `payload` is what the device sent, untouched. */
export type JournalEntry = {
  readonly topic: string
  /** Serial of the terminal that said it. */
  readonly terminal: string
  /** Unix ms, platform clock. */
  readonly receivedAtMs: number
  readonly payload: Uint8Array
}
/**
 * What is handed over to be made durable. `isUrgent` marks what people wait for (a message, a connection): when room runs
 * out it is still taken while everything else is refused. The mark is not kept with the record.
 */
export type NewEntry = JournalEntry & { readonly isUrgent?: boolean }
/** `position` is at least 1 and grows from record to record; it is never used twice. */
export type JournalRecord = JournalEntry & { readonly position: number }

// In a file of its own, because the adapters need the list too and imports go one way.
export { JOURNAL_CONSUMERS, type JournalConsumer } from './consumers.ts'

export interface JournalReader extends AsyncDisposable {
  /**
   * The next records, in order: at least one, at most `countMax`. Waits until there is one; returns an empty array when
   * `signal` aborts or after `waitMs`. Reading does not commit.
   */
  read(o: { countMax: number; waitMs: number; signal?: AbortSignal }): Promise<JournalRecord[]>
  /** This consumer is done with everything up to and including `position`: kept durably, never goes back. */
  commit(position: number): Promise<void>
  /**
   * How many records were not read yet at the instant `atMs` (monotonic clock, `performance.now`), the newest for which this
   * is known. Undefined while nothing is known yet. It grows old while the journal cannot be asked.
   */
  unread(): { readonly count: number; readonly atMs: number } | undefined
}

export type JournalTakes = 'all' | 'urgent' | 'nothing'
export type JournalStatus = {
  readonly bytes: number
  readonly firstPosition: number
  /** Position of the newest durable record, 0 when there never was one. */
  readonly lastPosition: number
  /** What each consumer is done with in every share. */
  readonly committed: Readonly<Record<JournalConsumer, number>>
  /** Records refused since this process opened the journal. */
  readonly refusedCount: number
  /** What `append` takes at the moment: everything, only urgent records because room runs out, or nothing. */
  readonly takes: JournalTakes
  /** Why not everything is taken at the moment; undefined exactly when `takes` is `all`. */
  readonly degraded: string | undefined
  /**
   * `receivedAtMs` of about the oldest record that some consumer still needs (at most a segment, or a day, too old);
   * undefined when every consumer is done with everything, or when the journal does not know.
   */
  readonly oldestNeededAtMs: number | undefined
}

export interface Journal extends AsyncDisposable {
  /**
   * Makes one record durable, then calls `done` with its position; calls it with an error when it could not be made
   * durable (and then the record may or may not be there: the device sends it again). Calls for records of one lift come in
   * the order of `append`; with `file:` all do. Total: never throws. Beyond the bounds (bytes on disk, bytes waiting) and while degraded it refuses at once, ahead of
   * those that still wait.
   */
  append(entry: NewEntry, done: (error: Error | undefined, position: number) => void): void
  /** Into how many shares the records are divided by lift (`contract/shares.ts`); each is read and committed on its own. */
  readonly shareCount: number
  /**
   * Reads one share, 0 unless told otherwise, from the record after `after`; without it, after what the consumer has
   * committed. With `nats:` never after more than that: of records that the servers have lost, nobody can have read the
   * ones that stand in their place. What the platform itself says (`PLATFORM_TOPIC`) is in every share.
   */
  reader(consumer: JournalConsumer, o?: { after?: number; share?: number }): Promise<JournalReader>
  status(): JournalStatus
  /** Resolves never; rejects when the journal cannot go on at all. */
  readonly failed: Promise<never>
}

export type JournalOptions = {
  readonly log: Log
  /** Largest size on disk; beyond it nothing is taken. */
  readonly bytesMax?: number
  /** Kept free on disk, and of `bytesMax`, for urgent records; at most an eighth of `bytesMax`. Only `file:`. */
  readonly reserveBytes?: number
  /** A segment older than this is closed, so that what every consumer is done with goes also where little is said. Only `file:`. */
  readonly segmentAgeMsMax?: number
  /** Shares of a `nats:` journal; the same for all processes. A `file:` journal has one. */
  readonly shareCount?: number
}

/** Opens the journal that the URL names: `file:/path/of/folder` or `nats://host:port`, a cluster as `nats://a:4222,b:4222,c:4222`. */
export async function openJournal(url: string, options: JournalOptions): Promise<Journal> {
  if (url.startsWith('file:')) return openFileJournal(url.slice('file:'.length).replace(/^\/\//, ''), options)
  if (url.startsWith('nats://')) return openNatsJournal(url, options)
  throw new Error(`JOURNAL_URL: there is no journal for “${url.split(':')[0] ?? ''}:”; use file: or nats:`)
}
