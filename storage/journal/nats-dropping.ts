/**
 * When the stream is told to drop what every consumer is done with. A server that catches up asks the others for what the
 * stream held when it left; servers before 2.10.11 may give up their whole copy when that is gone meanwhile, and with the
 * next failure acknowledged records. So dropping waits until all copies are whole, and is rare.
 */

/** Dropping rewrites the oldest block of each server, so it is not done for every commit. */
const DROP_MS = 30_000
/** All copies have been whole for so long, as their leader says once a second. */
const WHOLE_MS = 10_000
/** Above this part of its size the stream drops although a copy is missing: a full one would acknowledge nothing. */
const CROWDED = 0.75

export class NatsDropping {
  readonly #bytesMax: number
  #wholeSinceMs: number | undefined
  #bytes = 0
  #droppedAtMs = -Infinity
  #through = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Takes what the leader says about the stream: its size and whether all copies are whole. `nowMs` is monotonic. */
  note({ bytes, copies }: { bytes: number; copies: 'one' | 'whole' | 'missing' }, nowMs: number): void {
    this.#bytes = bytes
    if (copies === 'missing') this.#wholeSinceMs = undefined
    else this.#wholeSinceMs ??= copies === 'one' ? -Infinity : nowMs
  }

  /** Whether everything up to position `through` is to be dropped at this moment. */
  isDue(through: number, nowMs: number): boolean {
    if (through <= this.#through) return false
    if (this.#bytes >= this.#bytesMax * CROWDED) return true
    const isWhole = this.#wholeSinceMs !== undefined && nowMs - this.#wholeSinceMs >= WHOLE_MS
    return isWhole && nowMs - this.#droppedAtMs >= DROP_MS
  }

  done(through: number, nowMs: number): void {
    this.#through = through
    this.#droppedAtMs = nowMs
  }
}
