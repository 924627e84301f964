/**
 * The newest durable records, as they were written: a consumer that is up to date never reads the disk. Bounded; what falls
 * out is on disk. They lie in one ring that is written over again and again: copies of each batch would live just long enough
 * to make the process collect its old garbage every second, and stand still for it.
 */
import { MARK_BYTES } from './frames.ts'
import type { JournalRecord } from './journal.ts'
import { claimedBytes, decodeRecord, positionAt } from './record-codec.ts'
import type { Segment } from './segment-file.ts'

const RING_BYTES = 16 * 1024 * 1024
const BLOCKS_MAX = 16 * 1024

/** One batch, and where it lies on disk. */
type Block = {
  /** A part of the ring. */
  readonly bytes: Buffer
  readonly ringAt: number
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
  readonly #ring = Buffer.allocUnsafeSlow(RING_BYTES)
  /** Where the next batch goes, unless it does not fit before the end. */
  #ringAt = 0
  /** Oldest first. */
  #blocks: Block[] = []
  #after: number

  /** Nothing up to `after` is here. */
  constructor(after: number) {
    this.#after = after
  }

  /** Whether every durable record behind `position` is here. */
  covers(position: number): boolean {
    return position >= this.#after
  }

  /** Takes a copy: the bytes belong to the caller, who uses them again. A batch is far smaller than the ring. */
  add(batch: Buffer, lastPosition: number, place: { segment: Segment; offset: number }): void {
    if (this.#ringAt + batch.length > RING_BYTES) {
      this.#dropWhile(({ ringAt }) => ringAt >= this.#ringAt)
      this.#ringAt = 0
    }
    const from = this.#ringAt
    const end = from + batch.length
    this.#dropWhile(({ ringAt }) => (ringAt >= from && ringAt < end) || this.#blocks.length >= BLOCKS_MAX)
    batch.copy(this.#ring, from)
    this.#ringAt = end
    const { segment, offset } = place
    this.#blocks.push({ bytes: this.#ring.subarray(from, end), ringAt: from, lastPosition, segment, offset })
  }

  #dropWhile(isInTheWay: (oldest: Block) => boolean): void {
    for (let oldest = this.#blocks[0]; oldest !== undefined && isInTheWay(oldest); oldest = this.#blocks[0]) {
      this.#blocks.shift()
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
      if (positionAt(block.bytes, recordAt) > after) records.push(copyOf(decodeRecord(block.bytes, recordAt)))
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

/** The ring is written over; the record belongs to whoever reads it. */
const copyOf = (record: JournalRecord): JournalRecord => ({ ...record, payload: Buffer.from(record.payload) })
