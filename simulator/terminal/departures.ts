/** Messages between the buffer and the wire: ready to be sent, and held up by the delays of the link, one behind the other. */
import type { Link } from './link.ts'
import type { OutgoingQueue, Taken } from './outgoing-queue.ts'

/** Unacknowledged messages that one terminal has under way. */
const IN_FLIGHT_MAX = 20
/** How often a terminal whose link is stalled looks whether it is open again. */
const STALLED_MS = 250

export class Departures {
  readonly #queue: OutgoingQueue
  readonly #link: Link
  #waiting: (Taken & { readonly leavesAtMs: number })[] = []

  constructor(queue: OutgoingQueue, link: Link) {
    this.#queue = queue
    this.#link = link
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** When something that waits may leave; Infinity when nothing does. */
  dueAtMs(nowMs: number): number {
    const takesAtMs = this.#queue.inFlightCount < IN_FLIGHT_MAX ? this.#queue.lateDueAtMs : Infinity
    const [first] = this.#waiting
    if (first === undefined) return takesAtMs
    // One that is overdue is held by a stalled link.
    return Math.min(first.leavesAtMs <= nowMs ? nowMs + STALLED_MS : first.leavesAtMs, takesAtMs)
  }

  /** Takes out of the queue what may be under way together. */
  fill(nowMs: number, isHurried: boolean): void {
    while (this.#queue.inFlightCount < IN_FLIGHT_MAX) {
      const taken = this.#queue.take(nowMs, isHurried)
      if (taken === undefined) return
      this.#waiting.push({ ...taken, leavesAtMs: this.#link.leavesAtMs(nowMs) })
    }
  }

  /** The next that leaves by `nowMs`. */
  next(nowMs: number): Taken | undefined {
    const [first] = this.#waiting
    if (first === undefined || first.leavesAtMs > nowMs) return undefined
    return this.#waiting.shift()
  }

  /** The connection is gone; what waits here is still in the queue's hands. */
  clear(): void {
    this.#waiting = []
    this.#link.reset()
  }
}
