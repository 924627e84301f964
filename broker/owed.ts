/**
 * Connections that are still owed an acknowledgement. While room runs out the journal takes only what is urgent; the rest is
 * left unacknowledged and its connection stays open, so that an alarm behind a status gets through. Once the journal takes
 * everything again these connections are closed, a few at a time: their devices come back and send again what they kept.
 */
import type { Journal } from '#storage/journal/journal'
import type { Connection } from './connection.ts'

/** Over how long the connections are closed, ms: all of a town at once would be a flood of sign-ins. */
export const RELEASE_MS = 10_000
const ROUND_MS = 250
export const RELEASE_ROUNDS = RELEASE_MS / ROUND_MS

export class Owed {
  readonly #journal: Pick<Journal, 'status'>
  readonly #onFault: (fault: unknown) => void
  readonly #owed = new Set<Connection>()
  /** Closed per round; 0 while room runs out. */
  #perRoundCount = 0
  #timer: NodeJS.Timeout | undefined

  constructor(o: { journal: Pick<Journal, 'status'>; onFault: (fault: unknown) => void }) {
    this.#journal = o.journal
    this.#onFault = o.onFault
  }

  get owedCount(): number {
    return this.#owed.size
  }

  /** Marks a connection whose device waits for an acknowledgement that it will not get. */
  readonly owe = (connection: Connection): void => {
    this.#owed.add(connection)
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
      if (this.#journal.status().takes !== 'all') this.#perRoundCount = 0
      else this.#closeSome()
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
    for (const connection of this.#owed) {
      if (leftCount === 0) return
      leftCount -= 1
      this.#owed.delete(connection)
      connection.endReason = 'sends again what was not acknowledged'
      connection.conn.destroy()
    }
  }
}
