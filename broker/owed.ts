/**
 * Connections that are still owed an acknowledgement. While room runs out the journal takes only what is urgent; the rest is
 * left unacknowledged and its connection stays open, so that an alarm behind a status gets through. Once the journal takes
 * everything again these connections are closed, a few at a time: their devices come back and send again what they kept.
 *
 * A device that sends nothing before it has its acknowledgement would wait for that with its alarm. A connection of which
 * nothing was taken for long is therefore closed at once: what it sends first when it is back is taken, see `Commits`.
 */
import type { Journal } from '#storage/journal/journal'
import type { Connection } from './connection.ts'

/** Over how long the connections are closed, ms: all of a town at once would be a flood of sign-ins. */
const RELEASE_MS = 10_000
const ROUND_MS = 250
const RELEASE_ROUNDS = RELEASE_MS / ROUND_MS

/** Who is owed an acknowledgement, since when, and when it is closed for that. */
export class Owed {
  readonly #journal: Pick<Journal, 'status'>
  readonly #stuckMs: () => number
  readonly #elapsedMs: () => number
  readonly #onFault: (fault: unknown) => void
  /** Since when each is owed something, ms of the clock that never goes back. */
  readonly #owed = new Map<Connection, number>()
  /** Closed per round; 0 while room runs out. */
  #perRoundCount = 0
  #timer: NodeJS.Timeout | undefined

  constructor(o: {
    journal: Pick<Journal, 'status'>
    /** How long a connection may be owed something while nothing of it is taken, ms. */
    stuckMs: () => number
    /** A clock that never goes back, ms. */
    elapsedMs: () => number
    onFault: (fault: unknown) => void
  }) {
    this.#journal = o.journal
    this.#stuckMs = o.stuckMs
    this.#elapsedMs = o.elapsedMs
    this.#onFault = o.onFault
  }

  get owedCount(): number {
    return this.#owed.size
  }

  /** Marks a connection whose device waits for an acknowledgement that it will not get. */
  readonly owe = (connection: Connection): void => {
    if (!this.#owed.has(connection)) this.#owed.set(connection, this.#elapsedMs())
    this.#timer ??= setInterval(() => this.#round(), ROUND_MS)
  }

  /** The connection is closed, for whatever reason. */
  forget(connection: Connection): void {
    this.#owed.delete(connection)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#owed.clear()
  }

  #round(): void {
    try {
      if (this.#journal.status().takes === 'all') this.#closeSome()
      else this.#closeStuck()
    } catch (fault) {
      this.#onFault(fault)
    }
    if (this.#owed.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#perRoundCount = 0
  }

  #closeSome(): void {
    if (this.#perRoundCount === 0) this.#perRoundCount = Math.ceil(this.#owed.size / RELEASE_ROUNDS)
    let leftCount = this.#perRoundCount
    for (const connection of this.#owed.keys()) {
      if (leftCount === 0) return
      leftCount -= 1
      this.#close(connection)
    }
  }

  #closeStuck(): void {
    this.#perRoundCount = 0
    const sinceMs = this.#elapsedMs() - this.#stuckMs()
    for (const [connection, owedAtMs] of this.#owed)
      if (Math.max(owedAtMs, connection.takenAtMs) < sinceMs) this.#close(connection)
  }

  #close(connection: Connection): void {
    this.#owed.delete(connection)
    connection.endReason = 'sends again what was not acknowledged'
    connection.conn.destroy()
  }
}
