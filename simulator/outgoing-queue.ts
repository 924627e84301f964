/**
 * What a terminal has said and the broker has not acknowledged. Bounded: when it is full the oldest message goes, and is
 * counted. Order is that of speaking, also after a lost connection.
 */
import type { Spoken } from './simulated-lift.ts'

/** Messages that a terminal without a connection keeps; about an hour of a busy lift. */
export const KEPT_MAX = 1000

type Entry = { readonly spoken: Spoken; sendCount: number }

export class OutgoingQueue {
  readonly #keptMax: number
  /** Not in the hands of the present connection. */
  #waiting: Entry[] = []
  /** Handed to the connection, not yet acknowledged, oldest first. */
  readonly #inFlight = new Map<number, Entry>()
  #ticket = 0
  #droppedCount = 0
  #resentCount = 0
  #publishedCount = 0
  #acknowledgedCount = 0

  constructor(keptMax: number = KEPT_MAX) {
    this.#keptMax = keptMax
  }

  /** All that is not acknowledged. */
  get size(): number {
    return this.#waiting.length + this.#inFlight.size
  }
  get inFlightCount(): number {
    return this.#inFlight.size
  }
  /** Thrown away because the queue was full. */
  get droppedCount(): number {
    return this.#droppedCount
  }
  /** Sent again after a lost connection. */
  get resentCount(): number {
    return this.#resentCount
  }
  /** Handed to a connection at least once. */
  get publishedCount(): number {
    return this.#publishedCount
  }
  get acknowledgedCount(): number {
    return this.#acknowledgedCount
  }

  put(spoken: readonly Spoken[]): void {
    for (const one of spoken) this.#waiting.push({ spoken: one, sendCount: 0 })
    const overCount = Math.min(this.size - this.#keptMax, this.#waiting.length)
    if (overCount > 0) {
      this.#waiting.splice(0, overCount)
      this.#droppedCount += overCount
    }
  }

  /** The next message to send, and the ticket under which its acknowledgement is to be told. */
  take(): { ticket: number; spoken: Spoken } | undefined {
    const entry = this.#waiting.shift()
    if (entry === undefined) return undefined
    if (entry.sendCount === 0) this.#publishedCount += 1
    else this.#resentCount += 1
    entry.sendCount += 1
    this.#ticket += 1
    this.#inFlight.set(this.#ticket, entry)
    return { ticket: this.#ticket, spoken: entry.spoken }
  }

  /** The broker has it. A ticket of an earlier connection is no longer known and changes nothing. */
  acknowledge(ticket: number): void {
    if (this.#inFlight.delete(ticket)) this.#acknowledgedCount += 1
  }

  /** The connection is gone: what was in flight is sent again, before what came later. */
  takeBack(): void {
    this.#waiting = [...this.#inFlight.values(), ...this.#waiting]
    this.#inFlight.clear()
  }

  /** The terminal lost its memory. */
  forget(): void {
    this.#droppedCount += this.size
    this.#waiting = []
    this.#inFlight.clear()
  }
}
