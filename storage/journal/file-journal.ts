/** The embedded journal: a folder of segments, a lock, and one position file per consumer. See README.md. */
import { join } from 'node:path'
import type { Log } from '#contract/log-events'
import { lockFolder } from '#storage/folder-lock'
import { Batch, type Done } from './batch.ts'
import { FileReader } from './file-reader.ts'
import { JOURNAL_CONSUMERS } from './consumers.ts'
import type { Journal, JournalConsumer, JournalEntry, JournalOptions, JournalReader, JournalStatus } from './journal.ts'
import { PositionFile } from './position-file.ts'
import { RecentRecords } from './recent-records.ts'
import { recordBytes } from './record-codec.ts'
import { BATCH_BYTES_MAX, SegmentLog } from './segment-log.ts'
import { Wakeups } from './wakeups.ts'

const SEGMENT_BYTES_MAX = 64 * 1024 * 1024
const BYTES_MAX = 8 * 1024 * 1024 * 1024
const WAITING_BYTES_MAX = 64 * 1024 * 1024
const RETRY_MS = 1_000
const CLOSE_MS_MAX = 10_000
/** A segment is at most this part of the whole, so that dropping old segments always makes room. */
const SEGMENTS_MIN = 8

export type FileJournalOptions = JournalOptions & {
  readonly segmentBytesMax?: number
  /** Bytes taken and not yet durable; beyond it nothing is taken. */
  readonly waitingBytesMax?: number
  /** How long after a failed write it is tried again. */
  readonly retryMs?: number
  readonly nowMs?: () => number
}

type Parts = {
  readonly segments: SegmentLog
  readonly positions: Readonly<Record<JournalConsumer, PositionFile>>
  readonly lock: AsyncDisposable
}
type Bounds = {
  readonly bytesMax: number
  readonly waitingBytesMax: number
  readonly batchBytesMax: number
  readonly retryMs: number
}

export class FileJournal implements Journal {
  readonly failed: Promise<never>
  #fail: (error: Error) => void = () => {}
  readonly #log: Log
  readonly #bounds: Bounds
  readonly #segments: SegmentLog
  readonly #positions: Parts['positions']
  readonly #lock: AsyncDisposable
  readonly #recent: RecentRecords
  readonly #readers = new Set<FileReader>()
  readonly #wakeups = new Wakeups()

  /** Filled while `#writing` is on its way to disk; then the two change places. */
  #filling = new Batch()
  #spare = new Batch()
  readonly #queue: Batch[] = []
  #waitingBytes = 0
  #refusedCount = 0
  #nextPosition: number
  #isRunning = false
  #writing: Promise<void> = Promise.resolve()
  #dropping: Promise<void> = Promise.resolve()
  #broken: string | undefined
  #isFull = false
  #isClosing = false
  #retryTimer: NodeJS.Timeout | undefined

  constructor(parts: Parts, bounds: Bounds, log: Log) {
    this.#segments = parts.segments
    this.#positions = parts.positions
    this.#lock = parts.lock
    this.#bounds = bounds
    this.#log = log
    this.#recent = new RecentRecords(parts.segments.lastPosition)
    // A position that a consumer has seen is not given again, even when the records were lost.
    this.#nextPosition = Math.max(parts.segments.nextPosition, ...this.#committedPositions().map((each) => each + 1))
    this.failed = new Promise((_, reject) => (this.#fail = reject))
    this.failed.catch(() => {})
  }

  append(entry: JournalEntry, done: Done): void {
    const bytes = recordBytes(entry)
    const reason = bytes === undefined ? 'the message is too large for the journal' : this.#refusal(bytes)
    if (reason !== undefined || bytes === undefined) {
      this.#refusedCount += 1
      this.#tell(done, new Error(reason))
      return
    }
    if (this.#filling.length + bytes > this.#bounds.batchBytesMax) this.#closeBatch()
    this.#filling.add(entry, bytes, this.#nextPosition, done)
    this.#nextPosition += 1
    this.#waitingBytes += bytes
    if (!this.#isRunning) this.#run()
  }

  async reader(consumer: JournalConsumer, o?: { after?: number }): Promise<JournalReader> {
    if (this.#isClosing) throw new Error('the journal is closed')
    const after = o?.after ?? this.#positions[consumer].position
    if (after >= this.#nextPosition) {
      // The consumer has seen more than there is: records were lost. What comes must not hide behind what it has seen.
      this.#log.error('journal.damaged', { consumer, after, lastPosition: this.#segments.lastPosition })
      this.#closeBatch()
      this.#nextPosition = after + 1
    }
    const reader = new FileReader({
      segments: this.#segments,
      recent: this.#recent,
      after: Math.min(after, this.#segments.lastPosition),
      log: this.#log,
      commit: (position) => this.#commit(consumer, position),
      wakeups: this.#wakeups,
      onClosed: (closed) => this.#readers.delete(closed),
    })
    this.#readers.add(reader)
    return reader
  }

  status(): JournalStatus {
    return {
      bytes: this.#segments.bytes,
      firstPosition: this.#segments.firstPosition,
      lastPosition: this.#segments.lastPosition,
      committed: { detect: this.#positions.detect.position, telemetry: this.#positions.telemetry.position },
      refusedCount: this.#refusedCount,
      degraded: this.#broken ?? (this.#isFull ? this.#fullReason() : undefined),
    }
  }

  /** Stops taking, makes durable what was taken, keeps the consumers' positions, gives the folder back. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    clearTimeout(this.#retryTimer)
    const closing = (async () => {
      for (const reader of [...this.#readers]) await reader[Symbol.asyncDispose]()
      await this.#writing
      await Promise.all(JOURNAL_CONSUMERS.map((consumer) => this.#positions[consumer][Symbol.asyncDispose]()))
      await this.#dropping
      await this.#segments[Symbol.asyncDispose]()
    })()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('the disk of the journal does not answer')), CLOSE_MS_MAX)
    })
    try {
      await Promise.race([closing, late])
    } finally {
      clearTimeout(timer)
      this.#refuseWaiting(new Error('the journal is closed'))
      await this.#lock[Symbol.asyncDispose]()
    }
  }

  #refusal(bytes: number): string | undefined {
    if (this.#isClosing) return 'the journal is closed'
    if (this.#broken !== undefined) return this.#broken
    if (this.#waitingBytes + bytes > this.#bounds.waitingBytesMax) return 'too much waits for the disk of the journal'
    if (this.#segments.bytes + this.#waitingBytes + bytes <= this.#bounds.bytesMax) return undefined
    if (!this.#isFull) {
      this.#isFull = true
      this.#log.error('journal.degraded', { reason: this.#fullReason() })
    }
    return this.#fullReason()
  }

  #fullReason(): string {
    return `the journal is full (${this.#bounds.bytesMax} bytes): its consumers are behind`
  }

  #tell(done: Done, error: Error): void {
    try {
      done(error, 0)
    } catch (thrown) {
      this.#onThrow(thrown)
    }
  }

  readonly #onThrow = (error: unknown): void => this.#log.error('journal.callerThrew', { error })

  /** One batch after the other, until nothing waits. Ends only by itself: whatever goes wrong inside refuses and retries. */
  #run(): void {
    this.#isRunning = true
    this.#writing = this.#writeBatches().catch((error: unknown) =>
      this.#fail(error instanceof Error ? error : new Error(String(error))),
    )
  }

  async #writeBatches(): Promise<void> {
    // One turn of the event loop: what came with the same packets goes to disk with the same sync.
    await new Promise((resolve) => setImmediate(resolve))
    for (let batch = this.#takeBatch(); batch !== undefined; batch = this.#takeBatch()) {
      const error = await this.#writeBatch(batch)
      if (error !== undefined) this.#refusedCount += batch.count
      this.#waitingBytes -= batch.length
      batch.finish(error, this.#onThrow)
      this.#spare = batch
      if (error !== undefined) this.#refuseWaiting(error)
    }
  }

  #closeBatch(): void {
    if (this.#filling.count === 0) return
    this.#queue.push(this.#filling)
    this.#filling = new Batch()
  }

  #takeBatch(): Batch | undefined {
    const queued = this.#queue.shift()
    if (queued !== undefined) return queued
    if (this.#filling.count === 0) {
      // Said in the same step as it is found: an append right after this begins a new run.
      this.#isRunning = false
      return undefined
    }
    const batch = this.#filling
    this.#filling = this.#spare
    return batch
  }

  async #writeBatch(batch: Batch): Promise<Error | undefined> {
    try {
      const place = await this.#segments.append(batch.bytes, batch.firstPosition, batch.lastPosition)
      this.#recent.add(batch.bytes, batch.lastPosition, place)
      this.#wakeups.wakeAll()
      return undefined
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error))
      this.#broken = `the journal cannot be written: ${cause.message}`
      this.#log.error('journal.syncFailed', { error: cause, refusedCount: batch.count })
      this.#retryLater()
      return new Error(this.#broken, { cause })
    }
  }

  #refuseWaiting(error: Error): void {
    for (const batch of [...this.#queue.splice(0), this.#filling]) {
      this.#refusedCount += batch.count
      this.#waitingBytes -= batch.length
      batch.finish(error, this.#onThrow)
    }
  }

  #retryLater(): void {
    if (this.#isClosing) return
    this.#retryTimer = setTimeout(() => {
      this.#writing = this.#recover()
    }, this.#bounds.retryMs)
    this.#retryTimer.unref()
  }

  async #recover(): Promise<void> {
    try {
      await this.#segments.recover(this.#nextPosition)
      this.#broken = undefined
      this.#log.info('journal.recovered', { lastPosition: this.#segments.lastPosition })
    } catch (error) {
      this.#broken = `the journal cannot be written: ${error instanceof Error ? error.message : String(error)}`
      this.#log.debug('journal.degraded', { reason: this.#broken })
      this.#retryLater()
    }
  }

  #committedPositions(): number[] {
    return JOURNAL_CONSUMERS.map((consumer) => this.#positions[consumer].position)
  }

  async #commit(consumer: JournalConsumer, position: number): Promise<void> {
    if (!Number.isSafeInteger(position)) throw new Error(`${position} is no position`)
    // Nobody is done with what is not there yet, whatever he remembers of an earlier journal.
    await this.#positions[consumer].move(Math.min(position, this.#segments.lastPosition))
    // In order, so that two never remove the same segment.
    this.#dropping = this.#dropping.then(() => this.#dropCommitted())
    await this.#dropping
  }

  async #dropCommitted(): Promise<void> {
    try {
      await this.#segments.dropThrough(Math.min(...this.#committedPositions()))
    } catch (error) {
      this.#log.error('journal.degraded', { reason: 'an old segment cannot be removed', error })
    }
    if (!this.#isFull || this.#segments.bytes + this.#waitingBytes >= this.#bounds.bytesMax) return
    this.#isFull = false
    this.#log.info('journal.recovered', { bytes: this.#segments.bytes })
  }
}

/** Opens a folder, which is made when it is not there. Rejects when another process has it open. */
export async function openFileJournal(path: string, options: FileJournalOptions): Promise<Journal> {
  const { log, nowMs = Date.now, bytesMax = BYTES_MAX } = options
  const lock = await lockFolder(path, 'JOURNAL_URL')
  const opened: AsyncDisposable[] = [lock]
  try {
    const openPositions = async (consumer: JournalConsumer) => {
      const { file, isDamaged } = await PositionFile.open(join(path, `${consumer}.position`))
      opened.push(file)
      if (isDamaged) log.error('journal.damaged', { path: join(path, `${consumer}.position`) })
      return file
    }
    const positions = { detect: await openPositions('detect'), telemetry: await openPositions('telemetry') }
    const segmentBytesMax = Math.min(options.segmentBytesMax ?? SEGMENT_BYTES_MAX, Math.floor(bytesMax / SEGMENTS_MIN))
    const segments = await SegmentLog.open({
      folder: path,
      log,
      segmentBytesMax,
      committedPosition: Math.max(positions.detect.position, positions.telemetry.position),
      // Beyond what any earlier journal of this folder gave, should it have been deleted while others remember positions of it.
      firstPosition: Math.floor(nowMs()) * 1000 + 1,
    })
    const bounds = {
      bytesMax,
      waitingBytesMax: options.waitingBytesMax ?? WAITING_BYTES_MAX,
      batchBytesMax: Math.min(BATCH_BYTES_MAX, segmentBytesMax),
      retryMs: options.retryMs ?? RETRY_MS,
    }
    const journal = new FileJournal({ segments, positions, lock }, bounds, log)
    const { degraded: _, ...status } = journal.status()
    log.info('journal.opened', { path, ...status })
    return journal
  } catch (error) {
    for (const part of opened.reverse()) await part[Symbol.asyncDispose]()
    throw error
  }
}
