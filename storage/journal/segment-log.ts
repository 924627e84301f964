/** The segments of one folder: appends to the last, begins a new one when it is full, old or broken, drops the oldest. */
import { constants } from 'node:fs'
import { open, rm, truncate, type FileHandle } from 'node:fs/promises'
import type { Log } from '#contract/log-events'
import { errorCode } from './disk-errors.ts'
import { FRAME_BYTES_MAX, newMark, type Mark } from './frames.ts'
import { listSegments, segmentPath, syncFolder, type Segment } from './segment-file.ts'
import { firstRecordAtMs, scanSegment } from './segment-scan.ts'

/** Most that one write may bring. What a crash can tear is never more, because every write is synced before the next. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024
/**
 * A write to a file that was opened so is on disk when it returns, as if an fdatasync followed it. One call instead of two: a
 * thread that has to be waited for twice while the process is busy doubles the time to an acknowledgement.
 */
const { O_DSYNC, O_RDWR, O_CREAT, O_EXCL } = constants
/** Written and synced on trial before a broken journal takes messages again. */
const TRIAL_BYTES = 64 * 1024

type SegmentLogOptions = {
  readonly folder: string
  readonly segmentBytesMax: number
  /** A segment that was begun longer ago than this is followed by a new one, so that it can be dropped. */
  readonly segmentAgeMsMax: number
  /** Position of the first record when the folder has none. */
  readonly firstPosition: number
  /** How far some consumer is: the newest position that is known of when no record is left. */
  readonly committedPosition: number
  readonly nowMs: () => number
  readonly log: Log
}
/** What the log must know of a batch. */
type NewRecords = {
  readonly bytes: Buffer
  readonly firstPosition: number
  readonly lastPosition: number
  readonly firstAtMs: number
}

export class SegmentLog implements AsyncDisposable {
  readonly #o: SegmentLogOptions
  readonly #segments: Segment[] = []
  /** Before every record that this process appends. */
  readonly mark: Mark
  #handle: FileHandle | undefined
  /** When the segment that is written to was begun. */
  #beganAtMs = 0
  #bytes = 0
  #lastPosition = 0

  private constructor(o: SegmentLogOptions, segments: readonly Segment[]) {
    this.#o = o
    this.#segments.push(...segments)
    this.mark = segments.at(-1)?.mark ?? newMark()
    for (const segment of segments) this.#bytes += segment.bytes
  }

  /**
   * Reads the last segment through and trusts the others by name, so that opening takes the same time however much there
   * is. A torn tail is cut off. Needs no room on the disk: a new segment is begun by the first append that needs one.
   */
  static async open(o: SegmentLogOptions): Promise<SegmentLog> {
    const log = new SegmentLog(o, await listSegments(o.folder))
    const last = log.#segments.at(-1)
    if (last !== undefined) await log.#openLast(last)
    for (let i = log.#segments.length - 2; i >= 0 && log.#lastPosition === 0; i -= 1) await log.#scanPositions(i)
    log.#lastPosition ||= o.committedPosition
    return log
  }

  get segments(): readonly Segment[] {
    return this.#segments
  }
  get bytes(): number {
    return this.#bytes
  }
  get firstPosition(): number {
    return this.#segments[0]?.firstPosition ?? this.nextPosition
  }
  /** Position of the newest durable record. */
  get lastPosition(): number {
    return this.#lastPosition
  }

  /** Smallest position that was never given to a record. */
  get nextPosition(): number {
    const last = this.#segments.at(-1)
    if (last === undefined) return Math.max(this.#lastPosition + 1, this.#o.firstPosition)
    // A new segment beside one that is not written to must not have its name.
    return Math.max(this.#lastPosition + 1, this.#handle === undefined ? last.firstPosition + 1 : last.firstPosition)
  }

  /** Makes one batch durable and says where it lies. After a rejection only `giveUp` or `recover` may follow. */
  async append(batch: NewRecords): Promise<{ segment: Segment; offset: number }> {
    const { segment: active, handle } = await this.#room(batch.bytes.length, batch.firstPosition)
    const offset = active.bytes
    await writeAll(handle, batch.bytes, offset)
    if (offset === 0) active.firstAtMs = batch.firstAtMs
    active.bytes += batch.bytes.length
    this.#bytes += batch.bytes.length
    this.#lastPosition = batch.lastPosition
    return { segment: active, offset }
  }

  /**
   * After a failed append: leaves the segment and cuts off what was not acknowledged. The next append begins a new one. A
   * file that failed to sync is not synced again: the kernel may have thrown the pages away and would report success.
   */
  async giveUp(): Promise<void> {
    await this.#handle?.close().catch(() => {})
    this.#handle = undefined
    const broken = this.#segments.at(-1)
    if (broken === undefined) return
    if (broken.bytes === 0) {
      await rm(broken.path, { force: true })
      this.#segments.pop()
      return
    }
    await truncate(broken.path, broken.bytes).catch((error: unknown) => {
      // What stays behind was not acknowledged and does no harm; a disk that refuses this may still take a new file.
      this.#o.log.debug('journal.degraded', { path: broken.path, error })
    })
  }

  /** Gives the segment up and begins a new one whose disk is tried first. Rejects while that is not possible. */
  async recover(nextPosition: number): Promise<void> {
    await this.giveUp()
    await this.#begin(nextPosition, async (handle) => {
      await writeAll(handle, Buffer.alloc(TRIAL_BYTES), 0)
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

  /** `receivedAtMs` of the first record of the segment in which the record behind `position` lies. */
  async segmentAtMs(position: number): Promise<number | undefined> {
    const segment = this.#segments.findLast((each) => each.firstPosition <= position + 1) ?? this.#segments[0]
    if (segment !== undefined) segment.firstAtMs ??= await firstRecordAtMs(segment)
    return segment?.firstAtMs
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
  }

  /** The segment that the next batch goes to. */
  async #room(bytes: number, firstPosition: number): Promise<{ segment: Segment; handle: FileHandle }> {
    const segment = this.#segments.at(-1)
    const handle = this.#handle
    if (segment === undefined || handle === undefined) return this.#begin(firstPosition)
    const isOld = this.#o.nowMs() - this.#beganAtMs > this.#o.segmentAgeMsMax
    const fits = segment.bytes + bytes <= this.#o.segmentBytesMax
    if (segment.bytes === 0 || (fits && !isOld)) return { segment, handle }
    this.#handle = undefined
    await handle.close()
    return this.#begin(firstPosition)
  }

  async #begin(
    firstPosition: number,
    trial?: (handle: FileHandle) => Promise<void>,
  ): Promise<{ segment: Segment; handle: FileHandle }> {
    const path = segmentPath(this.#o.folder, firstPosition, this.mark)
    const handle = await open(path, O_RDWR | O_CREAT | O_EXCL | O_DSYNC).catch(async (error: unknown) => {
      // What an attempt before this one could not remove. Nothing was ever acknowledged from it.
      if (errorCode(error) === 'EEXIST') await rm(path, { force: true })
      throw error
    })
    try {
      await trial?.(handle)
      await syncFolder(this.#o.folder)
    } catch (error) {
      await handle.close().catch(() => {})
      await rm(path, { force: true }).catch(() => {})
      throw error
    }
    this.#handle = handle
    this.#beganAtMs = this.#o.nowMs()
    const segment = { path, firstPosition, mark: this.mark, bytes: 0, firstAtMs: undefined }
    this.#segments.push(segment)
    return { segment, handle }
  }

  /** Reads the last segment and leaves it open for appending, unless what cannot be read at its end is more than a torn tail. */
  async #openLast(last: Segment): Promise<void> {
    const { log, folder } = this.#o
    const handle = await open(last.path, last.mark === undefined ? 'r' : O_RDWR | O_DSYNC)
    try {
      const { goodOffset, lastPosition } = await scanSegment(handle, last, Infinity, log)
      this.#lastPosition = lastPosition
      const restBytes = last.bytes - goodOffset
      const isTail = last.mark !== undefined && restBytes <= BATCH_BYTES_MAX + FRAME_BYTES_MAX
      if (restBytes > 0 && isTail) {
        log.warn('journal.tornTail', { path: last.path, offset: goodOffset, bytes: restBytes })
        await handle.truncate(goodOffset)
        last.bytes = goodOffset
        this.#bytes -= restBytes
      } else if (restBytes > 0) log.error('journal.damaged', { path: last.path, offset: goodOffset, bytes: restBytes })
      // What a killed process wrote and did not sync is readable now; a consumer must not act on what a power cut can undo.
      await handle.sync()
      await syncFolder(folder)
      // What cannot be read to its end is not written to either.
      if (isTail) this.#handle = handle
      this.#beganAtMs = last.firstAtMs ?? this.#o.nowMs()
    } finally {
      if (this.#handle !== handle) await handle.close()
    }
  }

  /** Only when the last segment has no record: the newest position is further back. */
  async #scanPositions(index: number): Promise<void> {
    const segment = this.#segments[index]
    const before = this.#segments[index + 1]?.firstPosition ?? Infinity
    if (segment === undefined) return
    const handle = await open(segment.path, 'r')
    try {
      this.#lastPosition = (await scanSegment(handle, segment, before, this.#o.log)).lastPosition
    } finally {
      await handle.close()
    }
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const result = await handle.write(bytes, written, bytes.length - written, offset + written)
    written += result.bytesWritten
  }
}
