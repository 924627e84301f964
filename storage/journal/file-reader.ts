/** Reads the segments in order for one consumer: the newest from memory, the rest from disk. */
import { open, type FileHandle } from 'node:fs/promises'
import type { Log } from '#contract/log-events'
import type { JournalReader, JournalRecord } from './journal.ts'
import type { RecentRecords } from './recent-records.ts'
import { readChunk, type Chunk, type Segment, type View } from './segment-file.ts'
import type { SegmentLog } from './segment-log.ts'
import type { Wakeups } from './wakeups.ts'

type FileReaderOptions = {
  readonly segments: SegmentLog
  readonly recent: RecentRecords
  readonly after: number
  readonly log: Log
  readonly commit: (position: number) => Promise<void>
  /** Woken when there is more. */
  readonly wakeups: Wakeups
  readonly onClosed: (reader: FileReader) => void
}

type Place = { segment: Segment; offset: number; floor: number }

export class FileReader implements JournalReader {
  readonly #o: FileReaderOptions
  #after: number
  #place: Place | undefined
  #view: View | undefined
  #handle: { readonly path: string; readonly file: FileHandle } | undefined
  readonly #closing = new AbortController()
  #reading: Promise<unknown> = Promise.resolve()
  #isReading = false

  constructor(o: FileReaderOptions) {
    this.#o = o
    this.#after = o.after
  }

  async read(o: { countMax: number; waitMs: number; signal?: AbortSignal }): Promise<JournalRecord[]> {
    if (this.#isReading) throw new Error('a journal reader reads once at a time')
    this.#isReading = true
    const reading = this.#read(o)
    this.#reading = reading.catch(() => {})
    try {
      return await reading
    } finally {
      this.#isReading = false
    }
  }

  commit(position: number): Promise<void> {
    return this.#o.commit(position)
  }

  unread(): { count: number; atMs: number } {
    const { firstPosition, lastPosition } = this.#o.segments
    return { count: Math.max(0, lastPosition - Math.max(this.#after, firstPosition - 1)), atMs: performance.now() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#reading
    await this.#leaveFile()
    this.#o.onClosed(this)
  }

  async #read(o: { countMax: number; waitMs: number; signal?: AbortSignal }): Promise<JournalRecord[]> {
    const signals = o.signal === undefined ? [this.#closing.signal] : [this.#closing.signal, o.signal]
    const deadlineMs = performance.now() + o.waitMs
    while (!signals.some((signal) => signal.aborted)) {
      if (this.#o.segments.lastPosition > this.#after) {
        const records = await this.#next(o.countMax)
        if (records.length > 0) return records
        continue
      }
      const restMs = deadlineMs - performance.now()
      if (restMs <= 0) return []
      await this.#o.wakeups.wait(restMs, signals)
    }
    return []
  }

  /** Some of the records behind `#after`. May be none, but then it has come nearer to the newest. */
  async #next(countMax: number): Promise<JournalRecord[]> {
    if (!this.#o.recent.covers(this.#after)) return this.#nextFromDisk(countMax)
    const newest = this.#o.segments.lastPosition
    const read = this.#o.recent.read(this.#after, countMax)
    this.#after = read?.records.at(-1)?.position ?? newest
    this.#place = read === undefined ? undefined : { segment: read.segment, offset: read.offset, floor: this.#after }
    if (this.#handle !== undefined) await this.#leaveFile()
    return read?.records ?? []
  }

  async #nextFromDisk(countMax: number): Promise<JournalRecord[]> {
    const segments = this.#o.segments.segments
    const place = this.#placeOnDisk(segments)
    if (place === undefined) {
      // No file is left of what there was up to the newest position.
      this.#after = this.#o.segments.lastPosition
      return []
    }
    const index = segments.indexOf(place.segment)
    const next = segments[index + 1]
    // Taken in one step: up to `endOffset` there is everything up to `newest`.
    const newest = next === undefined ? this.#o.segments.lastPosition : next.firstPosition - 1
    const query = {
      mark: place.segment.mark,
      offset: place.offset,
      endOffset: place.segment.bytes,
      after: this.#after,
      floor: place.floor,
      before: next?.firstPosition ?? Infinity,
      countMax,
    }
    const chunk = query.offset < query.endOffset ? await this.#readChunk(place.segment, query) : undefined
    if (chunk !== undefined) {
      place.offset = chunk.offset
      place.floor = Math.max(place.floor, chunk.lastPosition)
      this.#after = Math.max(this.#after, chunk.lastPosition)
      if (chunk.stop === 'damage') this.#passDamage(place, chunk, query.endOffset)
    }
    const isEnd = chunk === undefined || chunk.stop === 'end' || place.offset >= query.endOffset
    if (isEnd) this.#after = Math.max(this.#after, newest)
    if (isEnd && next !== undefined) this.#place = { segment: next, offset: 0, floor: next.firstPosition - 1 }
    return chunk?.records ?? []
  }

  #placeOnDisk(segments: readonly Segment[]): Place | undefined {
    if (this.#place !== undefined && segments.includes(this.#place.segment)) return this.#place
    const segment = segments.findLast((each) => each.firstPosition <= this.#after + 1) ?? segments[0]
    if (segment === undefined) return undefined
    this.#place = { segment, offset: 0, floor: segment.firstPosition - 1 }
    return this.#place
  }

  async #readChunk(segment: Segment, query: Parameters<typeof readChunk>[1]): Promise<Chunk | undefined> {
    try {
      if (this.#handle?.path !== segment.path) {
        await this.#leaveFile()
        this.#handle = { path: segment.path, file: await open(segment.path, 'r') }
      }
      const chunk = await readChunk(this.#handle.file, query, this.#view)
      this.#view = chunk.view
      return chunk
    } catch (error) {
      // Dropped a moment ago: every consumer was done with it, so there is nothing to read in it.
      if (!this.#o.segments.segments.includes(segment)) return undefined
      throw error
    }
  }

  /** What follows the damage in its segment is read on when it is known where; else the segment is over. */
  #passDamage(place: Place, chunk: Chunk, endOffset: number): void {
    const resumeOffset = chunk.resumeOffset ?? endOffset
    const bytes = resumeOffset - place.offset
    this.#o.log.error('journal.damaged', { path: place.segment.path, offset: place.offset, bytes })
    place.offset = resumeOffset
  }

  async #leaveFile(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    this.#view = undefined
    await handle?.file.close()
  }
}
