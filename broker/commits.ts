/** Publications on their way into the journal. The acknowledgement of each waits here until it is on disk. */
import type { Journal } from '#storage/journal/journal'
import type { MessageKind } from '#contract/topics'
import type { TerminalSerial } from '#contract/ids'
import type { Connection } from './connection.ts'
import type { BrokerMetrics } from './metrics.ts'

export type Publication = { readonly topic: string; readonly qos: number; readonly payload: Uint8Array | string }

export class Commits {
  readonly #journal: Pick<Journal, 'append'>
  readonly #metrics: BrokerMetrics
  readonly #nowMs: () => number
  readonly #elapsedMs: () => number
  #underwayCount = 0
  #onSettled: (() => void) | undefined

  constructor(o: {
    journal: Pick<Journal, 'append'>
    metrics: BrokerMetrics
    nowMs: () => number
    /** A clock that never goes back, ms, for durations. */
    elapsedMs: () => number
  }) {
    this.#journal = o.journal
    this.#metrics = o.metrics
    this.#nowMs = o.nowMs
    this.#elapsedMs = o.elapsedMs
  }

  get underwayCount(): number {
    return this.#underwayCount
  }

  /**
   * Hands one publication to the journal and calls `done` when it is durable, or with the reason why it is not. `isWill`
   * marks what the broker says for a terminal: nobody waits for its acknowledgement.
   */
  commit(
    connection: Connection,
    o: { serial: TerminalSerial; kind: MessageKind; publication: Publication; isWill: boolean },
    done: (error: Error | undefined) => void,
  ): void {
    const { kind, publication } = o
    const payload = typeof publication.payload === 'string' ? Buffer.from(publication.payload) : publication.payload
    const startedAt = this.#elapsedMs()
    this.#underwayCount += 1
    connection.waitingCount += 1
    const entry = { topic: publication.topic, terminal: o.serial, receivedAtMs: this.#nowMs(), payload }
    this.#journal.append(entry, (error) => {
      this.#underwayCount -= 1
      connection.waitingCount -= 1
      if (error === undefined) {
        this.#metrics.published.inc({ kind })
        this.#metrics.bytes.inc(payload.length)
        if (publication.qos === 1 && !o.isWill) {
          this.#metrics.acknowledged.inc()
          this.#metrics.ackSeconds.observe((this.#elapsedMs() - startedAt) / 1000)
        }
      }
      done(error)
      if (this.#underwayCount === 0) this.#onSettled?.()
    })
  }

  /** Resolves when nothing is underway, with true; or after `waitMs`, with false. */
  async settled(waitMs: number): Promise<boolean> {
    if (this.#underwayCount === 0) return true
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), waitMs)
      this.#onSettled = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }
}
