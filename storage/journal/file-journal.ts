/** The embedded journal: a folder of segments, a reserve, a lock, and one position file per consumer. See README.md. */
import { join } from 'node:path'
import type { Log } from '#contract/log-events'
import { lockFolder } from '#storage/folder-lock'
import type { Batch, Done } from './batch.ts'
import { BatchWriter } from './batch-writer.ts'
import { JOURNAL_CONSUMERS } from './consumers.ts'
import { isNoSpace } from './disk-errors.ts'
import { FileReader } from './file-reader.ts'
import type { Journal, JournalConsumer, JournalOptions, JournalReader, JournalStatus, NewEntry } from './journal.ts'
import { PositionFile } from './position-file.ts'
import { RecentRecords } from './recent-records.ts'
import { Reserve } from './reserve.ts'
import { Room } from './room.ts'
import { BATCH_BYTES_MAX, SegmentLog } from './segment-log.ts'
import { Wakeups } from './wakeups.ts'

const SEGMENT_BYTES_MAX = 64 * 1024 * 1024
const SEGMENT_AGE_MS_MAX = 24 * 60 * 60 * 1000
const BYTES_MAX = 8 * 1024 * 1024 * 1024
const RESERVE_BYTES = 64 * 1024 * 1024
/** The first time, the reserve is taken so long after the opening: a start has better things to do. */
const RESERVE_AFTER_MS = 10_000
const WAITING_BYTES_MAX = 64 * 1024 * 1024
const RETRY_MS = 1_000
const ANSWER_MS_MAX = 2_000
const CLOSE_MS_MAX = 10_000
/** A segment, and the reserve, are at most this part of the whole: dropping old segments always makes room. */
const BOUND_PARTS = 8

export type FileJournalOptions = JournalOptions & {
  readonly segmentBytesMax?: number
  /** How long after its opening the journal begins to take its reserve. */
  readonly reserveAfterMs?: number
  /** Bytes taken and not yet durable; beyond it nothing is taken. */
  readonly waitingBytesMax?: number
  /** How often it looks whether the disk answers and has room, and tries to write again after a failure. */
  readonly retryMs?: number
  /** A write that takes longer means that the disk does not answer: nothing is taken until it does. */
  readonly answerMsMax?: number
  readonly nowMs?: () => number
}

type Parts = {
  readonly segments: SegmentLog
  readonly positions: Readonly<Record<JournalConsumer, PositionFile>>
  readonly reserve: Reserve
  readonly room: Room
  readonly lock: AsyncDisposable
}
type Bounds = {
  readonly waitingBytesMax: number
  readonly batchBytesMax: number
  readonly retryMs: number
  readonly answerMsMax: number
  readonly reserveAfterMs: number
}

export class FileJournal implements Journal {
  readonly failed: Promise<never>
  /** One process reads it, so there is nothing to divide. */
  readonly shareCount = 1
  readonly #log: Log
  readonly #parts: Parts
  readonly #writer: BatchWriter
  readonly #recent: RecentRecords
  readonly #readers = new Set<FileReader>()
  readonly #wakeups = new Wakeups()
  readonly #timer: NodeJS.Timeout
  readonly #reserveFromMs: number
  #tending: Promise<void> = Promise.resolve()
  #isTending = false
  #dropping: Promise<void> = Promise.resolve()
  #oldestNeededAtMs: number | undefined
  #isClosing = false

  constructor(parts: Parts, bounds: Bounds, log: Log) {
    this.#parts = parts
    this.#log = log
    const { segments } = parts
    const recent = new RecentRecords(segments.lastPosition)
    this.#recent = recent
    let fail: (error: Error) => void = () => {}
    this.failed = new Promise((_, reject) => (fail = reject))
    this.failed.catch(() => {})
    this.#writer = new BatchWriter({
      ...parts,
      ...bounds,
      log,
      // A position that a consumer has seen is not given again, even when the records were lost.
      nextPosition: Math.max(segments.nextPosition, ...this.#committedPositions().map((each) => each + 1)),
      onFailed: (error) => fail(error),
      onDurable: (batch: Batch, place) => {
        recent.add(batch.bytes, batch.lastPosition, place)
        this.#wakeups.wakeAll()
      },
    })
    this.#reserveFromMs = performance.now() + bounds.reserveAfterMs
    this.#timer = setInterval(() => this.#tend(), Math.min(bounds.retryMs, bounds.answerMsMax / 2))
    this.#timer.unref()
  }

  append(entry: NewEntry, done: Done): void {
    this.#writer.append(entry, done)
  }

  async reader(consumer: JournalConsumer, o?: { after?: number }): Promise<JournalReader> {
    if (this.#isClosing) throw new Error('the journal is closed')
    const { segments, positions } = this.#parts
    const after = o?.after ?? positions[consumer].position
    if (after >= this.#writer.nextPosition) {
      // The consumer has seen more than there is: records were lost. What comes must not hide behind what it has seen.
      this.#log.error('journal.damaged', { consumer, after, lastPosition: segments.lastPosition })
      this.#writer.skipThrough(after)
    }
    const reader = new FileReader({
      segments,
      recent: this.#recent,
      after: Math.min(after, segments.lastPosition),
      log: this.#log,
      commit: (position) => this.#commit(consumer, position),
      wakeups: this.#wakeups,
      onClosed: (closed) => this.#readers.delete(closed),
    })
    this.#readers.add(reader)
    return reader
  }

  status(): JournalStatus {
    const { segments, positions } = this.#parts
    return {
      bytes: segments.bytes,
      firstPosition: segments.firstPosition,
      lastPosition: segments.lastPosition,
      committed: { detect: positions.detect.position, telemetry: positions.telemetry.position },
      refusedCount: this.#writer.refusedCount,
      takes: this.#writer.takes,
      degraded: this.#writer.degraded,
      oldestNeededAtMs: this.#oldestNeededAtMs,
    }
  }

  /** Stops taking, makes durable what was taken, keeps the consumers' positions, gives the folder back. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    clearInterval(this.#timer)
    const { segments, positions, lock } = this.#parts
    const closing = (async () => {
      for (const reader of [...this.#readers]) await reader[Symbol.asyncDispose]()
      await this.#writer.close()
      await this.#tending
      await Promise.all(JOURNAL_CONSUMERS.map((consumer) => positions[consumer][Symbol.asyncDispose]()))
      await this.#dropping
      await segments[Symbol.asyncDispose]()
    })()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('the disk of the journal does not answer')), CLOSE_MS_MAX)
    })
    try {
      await Promise.race([closing, late])
      // Not given back while a write may still be under way: it would land in what the next owner writes.
      await lock[Symbol.asyncDispose]()
    } finally {
      clearTimeout(timer)
      this.#writer.refuseWaiting(new Error('the journal is closed'))
    }
  }

  /** About once a second: whether the disk answers, whether it can be written again, whether there is room. */
  #tend(): void {
    this.#writer.look()
    // Nothing more is asked of a disk that does not answer.
    if (this.#isTending || this.#writer.isSilent || this.#isClosing) return
    this.#isTending = true
    this.#tending = this.#tendDisk()
      .catch((error: unknown) => this.#log.debug('journal.degraded', { error }))
      .finally(() => (this.#isTending = false))
  }

  async #tendDisk(): Promise<void> {
    if (this.#writer.isBroken) await this.#writer.recover()
    else await this.#tendReserve()
    await this.#findOldest()
  }

  async #tendReserve(): Promise<void> {
    const { reserve, room } = this.#parts
    const isEarly = !room.isDiskShort && performance.now() < this.#reserveFromMs
    if (!reserve.isWhole && (isEarly || !(await reserve.isGrowthDue()))) return
    try {
      if (!reserve.isWhole) await reserve.grow()
      if (reserve.isWhole) room.noteDisk(false)
    } catch (error) {
      if (!isNoSpace(error)) throw error
      room.noteDisk(true)
    }
  }

  async #findOldest(): Promise<void> {
    const position = Math.min(...this.#committedPositions())
    if (position >= this.#parts.segments.lastPosition) this.#oldestNeededAtMs = undefined
    else if (this.#recent.covers(position))
      this.#oldestNeededAtMs = this.#recent.read(position, 1)?.records[0]?.receivedAtMs
    else this.#oldestNeededAtMs = await this.#parts.segments.segmentAtMs(position)
  }

  #committedPositions(): number[] {
    return JOURNAL_CONSUMERS.map((consumer) => this.#parts.positions[consumer].position)
  }

  async #commit(consumer: JournalConsumer, position: number): Promise<void> {
    if (!Number.isSafeInteger(position)) throw new Error(`${position} is no position`)
    const { segments, positions } = this.#parts
    // Nobody is done with what is not there yet, whatever he remembers of an earlier journal.
    await positions[consumer].move(Math.min(position, segments.lastPosition))
    // In order, so that two never remove the same segment.
    this.#dropping = this.#dropping.then(() => this.#dropCommitted())
    await this.#dropping
  }

  async #dropCommitted(): Promise<void> {
    try {
      await this.#parts.segments.dropThrough(Math.min(...this.#committedPositions()))
    } catch (error) {
      this.#log.error('journal.degraded', { reason: 'an old segment cannot be removed', error })
    }
    this.#writer.look()
  }
}

/** Opens a folder, which is made when it is not there. Rejects when another process has it open. */
export async function openFileJournal(path: string, options: FileJournalOptions): Promise<Journal> {
  const { log } = options
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
    const journal = await openParts(path, options, { positions, lock })
    const { degraded: _, ...status } = journal.status()
    log.info('journal.opened', { path, ...status })
    return journal
  } catch (error) {
    for (const part of opened.reverse()) await part[Symbol.asyncDispose]()
    throw error
  }
}

async function openParts(
  path: string,
  options: FileJournalOptions,
  { positions, lock }: Pick<Parts, 'positions' | 'lock'>,
): Promise<FileJournal> {
  const { log, nowMs = Date.now, bytesMax = BYTES_MAX } = options
  const partBytesMax = Math.floor(bytesMax / BOUND_PARTS)
  const reserveBytes = Math.min(options.reserveBytes ?? RESERVE_BYTES, partBytesMax)
  const segmentBytesMax = Math.min(options.segmentBytesMax ?? SEGMENT_BYTES_MAX, partBytesMax)
  const reserve = await Reserve.open(path, reserveBytes)
  const room = new Room({ bytesMax, urgentBytes: reserveBytes }, log)
  room.noteDisk(!reserve.isWhole && !(await reserve.canGrow()))
  const segments = await SegmentLog.open({
    folder: path,
    log,
    nowMs,
    segmentBytesMax,
    segmentAgeMsMax: options.segmentAgeMsMax ?? SEGMENT_AGE_MS_MAX,
    committedPosition: Math.max(positions.detect.position, positions.telemetry.position),
    // Beyond what any earlier journal of this folder gave, should it have been deleted while others remember positions of it.
    firstPosition: Math.floor(nowMs()) * 1000 + 1,
  })
  const bounds = {
    waitingBytesMax: options.waitingBytesMax ?? WAITING_BYTES_MAX,
    batchBytesMax: Math.min(BATCH_BYTES_MAX, segmentBytesMax),
    retryMs: options.retryMs ?? RETRY_MS,
    answerMsMax: options.answerMsMax ?? ANSWER_MS_MAX,
    reserveAfterMs: options.reserveAfterMs ?? RESERVE_AFTER_MS,
  }
  return new FileJournal({ segments, positions, reserve, room, lock }, bounds, log)
}
