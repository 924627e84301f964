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
}

export type JournalStatus = {
  readonly bytes: number
  readonly firstPosition: number
  /** Position of the newest durable record, 0 when there never was one. */
  readonly lastPosition: number
  readonly committed: Readonly<Record<JournalConsumer, number>>
  /** Records refused since this process opened the journal. */
  readonly refusedCount: number
  /** Why nothing is acknowledged at the moment; undefined when all is well. */
  readonly degraded: string | undefined
}

export interface Journal extends AsyncDisposable {
  /**
   * Makes one record durable, then calls `done` with its position; calls it with an error when it could not be made
   * durable (and then the record may or may not be there: the device sends it again). Calls come in the order of `append`.
   * Total: never throws. Beyond the bounds (bytes on disk, bytes waiting) and while degraded it refuses at once, ahead of
   * those that still wait.
   */
  append(entry: JournalEntry, done: (error: Error | undefined, position: number) => void): void
  /** Reads from the record after `after`; without it, after what the consumer has committed. */
  reader(consumer: JournalConsumer, o?: { after?: number }): Promise<JournalReader>
  status(): JournalStatus
  /** Resolves never; rejects when the journal cannot go on at all. */
  readonly failed: Promise<never>
}

export type JournalOptions = {
  readonly log: Log
  /** Largest size on disk; beyond it nothing is taken. */
  readonly bytesMax?: number
}

/** Opens the journal that the URL names: `file:/path/of/folder` or `nats://host:port`. */
export async function openJournal(url: string, options: JournalOptions): Promise<Journal> {
  if (url.startsWith('file:')) return openFileJournal(url.slice('file:'.length).replace(/^\/\//, ''), options)
  if (url.startsWith('nats://')) return openNatsJournal(url, options)
  throw new Error(`JOURNAL_URL: there is no journal for “${url.split(':')[0] ?? ''}:”; use file: or nats:`)
}
