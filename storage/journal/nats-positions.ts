/** How far each consumer is in each share, as the stream of positions keeps it for all processes. */
import { JetStreamApiCodes, JetStreamApiError, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream'
import { JOURNAL_CONSUMERS, type JournalConsumer } from './consumers.ts'
import { noPositions, positionSubject, readPosition, readPositions, type Positions } from './nats-stream.ts'

/** How often it is looked up how far other processes are: only dropping needs to know. */
const LOOK_MS = 4_000
const ACK_MS_MAX = 5_000
/** Another process may have kept a position since we looked; it does not do so time and again. */
const TRIES = 3

const isOvertaken = (error: unknown) =>
  error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamWrongLastSequence

export class NatsPositions {
  readonly #shareCount: number
  #known: Positions
  #lookedAtMs = -Infinity

  constructor(shareCount: number) {
    this.#shareCount = shareCount
    this.#known = noPositions(shareCount)
  }

  of(consumer: JournalConsumer, share: number): number {
    return this.#known[consumer][share]?.position ?? 0
  }

  /** What each consumer is done with in every share. */
  lowest(): Record<JournalConsumer, number> {
    const lowestOf = (consumer: JournalConsumer) => Math.min(...this.#known[consumer].map(({ position }) => position))
    return { detect: lowestOf('detect'), telemetry: lowestOf('telemetry') }
  }

  /** The newest of all. */
  highest(): number {
    return Math.max(...JOURNAL_CONSUMERS.flatMap((consumer) => this.#known[consumer].map(({ position }) => position)))
  }

  /**
   * Reads what is kept, unless that was done a moment ago; true when it did. `isNew` is a connection that has not read it
   * yet: what it reads counts even when it is lower, since the servers may have lost what they had.
   */
  async look(manager: JetStreamManager, isNew: boolean): Promise<boolean> {
    if (!isNew && performance.now() - this.#lookedAtMs < LOOK_MS) return false
    this.#lookedAtMs = performance.now()
    if (isNew) this.#known = await readPositions(manager, this.#shareCount)
    else await this.lookNow(manager)
    return true
  }

  /** Reads what is kept at this moment. */
  async lookNow(manager: JetStreamManager): Promise<void> {
    const positions = await readPositions(manager, this.#shareCount)
    for (const consumer of JOURNAL_CONSUMERS)
      for (const [share, { position, seq }] of positions[consumer].entries()) this.#note(consumer, share, position, seq)
  }

  /** What is kept at this moment, also by another process. */
  async lookUp(manager: JetStreamManager, consumer: JournalConsumer, share: number): Promise<number> {
    const { position, seq } = await readPosition(manager, consumer, this.#shareCount, share)
    this.#note(consumer, share, position, seq)
    return this.of(consumer, share)
  }

  /**
   * Keeps it, durably; a position that is not beyond the kept one is kept already. A position never goes back, whoever
   * keeps it: it is written only behind the one that is known here, and looked up when there is another.
   */
  async keep(
    { client, manager }: { client: JetStreamClient; manager: JetStreamManager },
    consumer: JournalConsumer,
    share: number,
    position: number,
  ): Promise<void> {
    const subject = positionSubject(consumer, this.#shareCount, share)
    for (let tryCount = 1; position > this.of(consumer, share); tryCount += 1) {
      const lastSubjectSequence = this.#known[consumer][share]?.seq ?? 0
      try {
        const options = { timeout: ACK_MS_MAX, expect: { lastSubjectSequence } }
        const { seq } = await client.publish(subject, String(position), options)
        this.#note(consumer, share, position, seq)
      } catch (error) {
        if (!isOvertaken(error) || tryCount === TRIES) throw error
        this.#known[consumer][share] = await readPosition(manager, consumer, this.#shareCount, share)
      }
    }
  }

  /** Takes back every position beyond `limit`: there is no such record any more. */
  async lower(client: JetStreamClient, limit: number): Promise<void> {
    for (const consumer of JOURNAL_CONSUMERS)
      for (const [share, { position }] of this.#known[consumer].entries()) {
        if (position <= limit) continue
        const subject = positionSubject(consumer, this.#shareCount, share)
        const { seq } = await client.publish(subject, String(limit), { timeout: ACK_MS_MAX })
        this.#known[consumer][share] = { position: limit, seq }
      }
  }

  /** A commit of this process may be newer than what was just read. */
  #note(consumer: JournalConsumer, share: number, position: number, seq: number): void {
    if (seq > (this.#known[consumer][share]?.seq ?? 0)) this.#known[consumer][share] = { position, seq }
  }
}
