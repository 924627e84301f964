/** Records that are written and synced together, and whom to tell. */
import type { JournalEntry } from './journal.ts'
import { encodeRecord } from './record-codec.ts'

export type Done = (error: Error | undefined, position: number) => void

const FIRST_BYTES = 64 * 1024

export class Batch {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #length = 0
  #firstPosition = 0
  #waiting: Done[] = []

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
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Positions of one batch follow one another without a gap. `bytes` is what the record takes. */
  add(entry: JournalEntry, bytes: number, position: number, done: Done): void {
    if (this.#waiting.length === 0) this.#firstPosition = position
    this.#reserve(bytes)
    this.#length = encodeRecord(this.#buffer, this.#length, entry, position)
    this.#waiting.push(done)
  }

  /** Tells everybody in order, and makes the batch empty for its next use. A caller that throws does not keep others from being told. */
  finish(error: Error | undefined, onThrow: (error: unknown) => void): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#length = 0
    for (let i = 0; i < waiting.length; i += 1) {
      try {
        waiting[i]?.(error, error === undefined ? this.#firstPosition + i : 0)
      } catch (thrown) {
        onThrow(thrown)
      }
    }
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}
