/**
 * The newest durable records, as they were written: a consumer that is up to date never reads the disk. Bounded; what falls
 * out is on disk.
 */
import { MARK_BYTES } from './frames.ts'
import type { JournalRecord } from './journal.ts'
import { claimedBytes, decodeRecord, positionAt } from './record-codec.ts'
import type { Segment } from './segment-file.ts'

const RECENT_BYTES_MAX = 16 * 1024 * 1024
const RECENT_BLOCKS_MAX = 16 * 1024

/** One batch, and where it lies on disk. */
type Block = {
  readonly bytes: Buffer
  readonly lastPosition: number
  readonly segment: Segment
  readonly offset: number
}

export type RecentRead = {
  readonly records: JournalRecord[]
  /** Where on disk the next record lies, should it fall out before it is read. */
  readonly segment: Segment
  readonly offset: number
}

export class RecentRecords {
  #blocks: Block[] = []
  #bytes = 0
  #after: number

  /** Nothing up to `after` is here. */
  constructor(after: number) {
    this.#after = after
  }

  /** Whether every durable record behind `position` is here. */
  covers(position: number): boolean {
    return position >= this.#after
  }

  /** Takes a copy: the bytes belong to the caller, who uses them again. */
  add(bytes: Buffer, lastPosition: number, place: { segment: Segment; offset: number }): void {
    this.#blocks.push({ bytes: Buffer.from(bytes), lastPosition, segment: place.segment, offset: place.offset })
    this.#bytes += bytes.length
    while (this.#bytes > RECENT_BYTES_MAX || this.#blocks.length > RECENT_BLOCKS_MAX) {
      const oldest = this.#blocks.shift()
      if (oldest === undefined) return
      this.#bytes -= oldest.bytes.length
      this.#after = oldest.lastPosition
    }
  }

  /** The records behind `after`, at most `countMax`; undefined when there is none. Ask only what is covered. */
  read(after: number, countMax: number): RecentRead | undefined {
    const records: JournalRecord[] = []
    let index = this.#firstBlockBehind(after)
    let block = this.#blocks[index]
    let at = 0
    let last = block
    while (block !== undefined && records.length < countMax) {
      if (at >= block.bytes.length) {
        index += 1
        block = this.#blocks[index]
        if (block === undefined) break
        last = block
        at = 0
      }
      const recordAt = at + MARK_BYTES
      if (positionAt(block.bytes, recordAt) > after) records.push(decodeRecord(block.bytes, recordAt))
      at = recordAt + (claimedBytes(block.bytes, recordAt, block.bytes.length) ?? block.bytes.length)
    }
    return last === undefined ? undefined : { records, segment: last.segment, offset: last.offset + at }
  }

  #firstBlockBehind(after: number): number {
    let low = 0
    let high = this.#blocks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#blocks[middle]?.lastPosition ?? 0) > after) high = middle
      else low = middle + 1
    }
    return low
  }
}
