/**
 * When the stream is told to drop what every consumer is done with. A server of a cluster that catches up asks the others
 * for what the stream held when it left; servers older than February 2024 may give up their whole copy when that is gone
 * meanwhile, and with the next failure acknowledged records. So a cluster drops rarely, and while all its copies are whole.
 */

/** Dropping rewrites the oldest block of each server, so it is not done for every commit. */
const DROP_MS = 30_000
/** All copies have been whole for so long, as their leader says once a second. */
const WHOLE_MS = 10_000
/** A cluster drops from this part of its size on: with 8 GiB, a town of 1 000 lifts does so about once a day. */
const WORTH = 0.25
/** From here on it drops although a copy is missing: a full one would acknowledge nothing. */
const CROWDED = 0.75

/** The copies of a stream: it has one; it has several and all are there; or some are missing. */
export type Copies = 'one' | 'whole' | 'missing'

export class NatsDropping {
  readonly #bytesMax: number
  #copies: Copies = 'missing'
  #wholeSinceMs: number | undefined
  #bytes = 0
  #droppedAtMs = -Infinity
  #through = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Takes what the leader says about the stream: its size and whether all copies are whole. `nowMs` is monotonic. */
  note({ bytes, copies }: { bytes: number; copies: Copies }, nowMs: number): void {
    this.#bytes = bytes
    this.#copies = copies
    if (copies === 'whole') this.#wholeSinceMs ??= nowMs
    else this.#wholeSinceMs = undefined
  }

  /** Whether everything up to position `through` is to be dropped at this moment. */
  isDue(through: number, nowMs: number): boolean {
    if (through <= this.#through) return false
    if (this.#bytes >= this.#bytesMax * CROWDED) return true
    if (nowMs - this.#droppedAtMs < DROP_MS) return false
    if (this.#copies === 'one') return true
    const isWhole = this.#wholeSinceMs !== undefined && nowMs - this.#wholeSinceMs >= WHOLE_MS
    return isWhole && this.#bytes >= this.#bytesMax * WORTH
  }

  done(through: number, nowMs: number): void {
    this.#through = through
    this.#droppedAtMs = nowMs
  }
}
