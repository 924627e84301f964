/** Records that are written and synced together, and whom to tell. */
import { MARK_BYTES, type Mark } from './frames.ts'
import type { NewEntry } from './journal.ts'
import { claimedBytes, decodeRecord, encodeRecord } from './record-codec.ts'

export type Done = (error: Error | undefined, position: number) => void
type Waiting = { readonly done: Done; readonly isUrgent: boolean }

const FIRST_BYTES = 64 * 1024

export class Batch {
  readonly #mark: Mark
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #length = 0
  #firstPosition = 0
  #firstAtMs = 0
  #waiting: Waiting[] = []

  constructor(mark: Mark) {
    this.#mark = mark
  }

  get length(): number {
    return this.#length
  }
  get count(): number {
    return this.#waiting.length
  }
  get firstPosition(): number {
    return this.#firstPosition
  }
  get lastPosition(): number {
    return this.#firstPosition + this.#waiting.length - 1
  }
  /** `receivedAtMs` of the first record. */
  get firstAtMs(): number {
    return this.#firstAtMs
  }
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Positions of one batch follow one another without a gap. `bytes` is what the record takes with its mark. */
  add(entry: NewEntry, bytes: number, position: number, done: Done): void {
    if (this.#waiting.length === 0) {
      this.#firstPosition = position
      this.#firstAtMs = entry.receivedAtMs
    }
    this.#makeRoom(bytes)
    this.#buffer.writeUInt32LE(this.#mark.first, this.#length)
    this.#buffer.writeUInt32LE(this.#mark.second, this.#length + 4)
    this.#length = encodeRecord(this.#buffer, this.#length + MARK_BYTES, entry, position)
    this.#waiting.push({ done, isUrgent: entry.isUrgent === true })
  }

  /** Tells everybody in order, and makes the batch empty for its next use. A caller that throws does not keep others from being told. */
  finish(error: Error | undefined, onThrow: (error: unknown) => void): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#length = 0
    for (let i = 0; i < waiting.length; i += 1) {
      try {
        waiting[i]?.done(error, error === undefined ? this.#firstPosition + i : 0)
      } catch (thrown) {
        onThrow(thrown)
      }
    }
  }

  /** Takes everything out, record by record, without telling anybody. The entries are views of this batch: use them at once. */
  *drain(): Generator<{ readonly entry: NewEntry; readonly bytes: number; readonly done: Done }> {
    const waiting = this.#waiting
    const end = this.#length
    this.#waiting = []
    this.#length = 0
    let at = 0
    for (const { done, isUrgent } of waiting) {
      const bytes = MARK_BYTES + (claimedBytes(this.#buffer, at + MARK_BYTES, end) ?? 0)
      yield { entry: { ...decodeRecord(this.#buffer, at + MARK_BYTES), isUrgent }, bytes, done }
      at += bytes
    }
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}
