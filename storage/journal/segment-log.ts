/** The segments of one folder: appends to the last, begins a new one when it is full or broken, drops the oldest. */
import { open, rm, truncate, type FileHandle } from 'node:fs/promises'
import type { Log } from '#contract/log-events'
import { RECORD_BYTES_MAX } from './record-codec.ts'
import { listSegments, readChunk, segmentPath, syncFolder, type Segment } from './segment-file.ts'

/** Most that one write may bring. What a crash can tear is never more, because every write is synced before the next. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024
/** Written and synced on trial before a broken journal takes messages again. */
const TRIAL_BYTES = 64 * 1024

type SegmentLogOptions = {
  readonly folder: string
  readonly segmentBytesMax: number
  /** Position of the first record when the folder has none. */
  readonly firstPosition: number
  /** How far some consumer is: the newest position that is known of when no record is left. */
  readonly committedPosition: number
  readonly log: Log
}

export class SegmentLog implements AsyncDisposable {
  readonly #o: SegmentLogOptions
  readonly #segments: Segment[] = []
  #handle: FileHandle | undefined
  #bytes = 0
  #lastPosition = 0

  private constructor(o: SegmentLogOptions) {
    this.#o = o
  }

  /**
   * Reads the last segment through and trusts the others by name, so that opening takes the same time however much there
   * is. A torn tail is cut off.
   */
  static async open(o: SegmentLogOptions): Promise<SegmentLog> {
    const log = new SegmentLog(o)
    log.#segments.push(...(await listSegments(o.folder)))
    for (const segment of log.#segments) log.#bytes += segment.bytes
    const last = log.#segments.at(-1)
    if (last === undefined) {
      await log.#begin(o.firstPosition)
      return log
    }
    const isWhole = await log.#openLast(last)
    for (let i = log.#segments.length - 2; i >= 0 && log.#lastPosition === 0; i -= 1) await log.#scanPositions(i)
    log.#lastPosition ||= o.committedPosition
    // What cannot be read to its end is not written to either.
    if (!isWhole) await log.#begin(Math.max(log.nextPosition, o.committedPosition + 1))
    return log
  }

  get segments(): readonly Segment[] {
    return this.#segments
  }
  get bytes(): number {
    return this.#bytes
  }
  get firstPosition(): number {
    return this.#segments[0]?.firstPosition ?? this.#lastPosition + 1
  }
  /** Position of the newest durable record. */
  get lastPosition(): number {
    return this.#lastPosition
  }

  /** Smallest position that was never given to a record. */
  get nextPosition(): number {
    return Math.max(this.#lastPosition + 1, this.#segments.at(-1)?.firstPosition ?? 1)
  }

  /** Makes one batch durable and says where it lies. After a rejection only `recover` may follow. */
  async append(
    batch: Buffer,
    firstPosition: number,
    lastPosition: number,
  ): Promise<{ segment: Segment; offset: number }> {
    const { segment: active, handle } = await this.#room(batch.length, firstPosition)
    const offset = active.bytes
    await writeAll(handle, batch, offset)
    await handle.datasync()
    active.bytes += batch.length
    this.#bytes += batch.length
    this.#lastPosition = lastPosition
    return { segment: active, offset }
  }

  /**
   * After a failed append: gives up the segment, cuts off what was not acknowledged and begins a new one whose disk is
   * tried first. Rejects while that is not possible. A file that failed to sync is not synced again: the kernel may have
   * thrown the pages away and would report success.
   */
  async recover(nextPosition: number): Promise<void> {
    await this.#handle?.close().catch(() => {})
    this.#handle = undefined
    const broken = this.#segments.at(-1)
    if (broken !== undefined && broken.bytes === 0) {
      await rm(broken.path, { force: true })
      this.#segments.pop()
    } else if (broken !== undefined) await truncate(broken.path, broken.bytes).catch(ignoreMissing)
    await this.#begin(nextPosition, async (handle) => {
      await writeAll(handle, Buffer.alloc(TRIAL_BYTES), 0)
      await handle.datasync()
      await handle.truncate(0)
      await handle.sync()
    })
  }

  /** Removes the segments of which nothing after `position` is left. The last one always stays: it keeps the count. */
  async dropThrough(position: number): Promise<void> {
    for (;;) {
      const [oldest, second] = this.#segments
      if (oldest === undefined || second === undefined || second.firstPosition - 1 > position) return
      this.#segments.shift()
      this.#bytes -= oldest.bytes
      await rm(oldest.path, { force: true })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
  }

  /** The segment that the next batch goes to. */
  async #room(bytes: number, firstPosition: number): Promise<{ segment: Segment; handle: FileHandle }> {
    const segment = this.#segments.at(-1)
    const handle = this.#handle
    if (segment === undefined || handle === undefined) throw new Error('no segment is open')
    if (segment.bytes === 0 || segment.bytes + bytes <= this.#o.segmentBytesMax) return { segment, handle }
    this.#handle = undefined
    await handle.close()
    return this.#begin(firstPosition)
  }

  async #begin(
    firstPosition: number,
    trial?: (handle: FileHandle) => Promise<void>,
  ): Promise<{ segment: Segment; handle: FileHandle }> {
    const path = segmentPath(this.#o.folder, firstPosition)
    const handle = await open(path, 'wx')
    try {
      await trial?.(handle)
      await syncFolder(this.#o.folder)
    } catch (error) {
      await handle.close().catch(() => {})
      await rm(path, { force: true }).catch(() => {})
      throw error
    }
    this.#handle = handle
    const segment = { path, firstPosition, bytes: 0 }
    this.#segments.push(segment)
    return { segment, handle }
  }

  /** Opens the last segment for appending; false when there is damage in it that is not a torn tail. */
  async #openLast(last: Segment): Promise<boolean> {
    const handle = await open(last.path, 'r+')
    const { goodOffset, lastPosition } = await this.#scan(handle, last, Infinity)
    this.#lastPosition = lastPosition
    const restBytes = last.bytes - goodOffset
    const isTail = restBytes <= BATCH_BYTES_MAX + RECORD_BYTES_MAX
    if (restBytes > 0 && isTail) {
      this.#o.log.warn('journal.tornTail', { path: last.path, offset: goodOffset, bytes: restBytes })
      await handle.truncate(goodOffset)
      last.bytes = goodOffset
      this.#bytes -= restBytes
    } else if (restBytes > 0)
      this.#o.log.error('journal.damaged', { path: last.path, offset: goodOffset, bytes: restBytes })
    // What a killed process wrote and did not sync is readable now; a consumer must not act on what a power cut can undo.
    await handle.sync()
    await syncFolder(this.#o.folder)
    if (isTail) this.#handle = handle
    else await handle.close()
    return isTail
  }

  /** Only when the last segment has no record: the newest position is further back. */
  async #scanPositions(index: number): Promise<void> {
    const segment = this.#segments[index]
    const before = this.#segments[index + 1]?.firstPosition ?? Infinity
    if (segment === undefined) return
    const handle = await open(segment.path, 'r')
    try {
      this.#lastPosition = (await this.#scan(handle, segment, before)).lastPosition
    } finally {
      await handle.close()
    }
  }

  async #scan(
    handle: FileHandle,
    segment: Segment,
    before: number,
  ): Promise<{ goodOffset: number; lastPosition: number }> {
    let offset = 0
    let floor = segment.firstPosition - 1
    let lastPosition = 0
    while (offset < segment.bytes) {
      const query = { offset, endOffset: segment.bytes, after: Infinity, floor, before, countMax: Infinity }
      const chunk = await readChunk(handle, query)
      if (chunk.lastPosition > floor) lastPosition = floor = chunk.lastPosition
      offset = chunk.offset
      if (chunk.stop === 'end') break
      if (chunk.stop === 'more') continue
      if (chunk.resumeOffset === undefined) break
      this.#o.log.error('journal.damaged', { path: segment.path, offset, bytes: chunk.resumeOffset - offset })
      offset = chunk.resumeOffset
    }
    return { goodOffset: offset, lastPosition }
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}

async function writeAll(handle: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const result = await handle.write(bytes, written, bytes.length - written, offset + written)
    written += result.bytesWritten
  }
}
