/** How far each consumer is in each share, as the stream of positions keeps it for all processes. */
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import { JOURNAL_CONSUMERS, type JournalConsumer } from './consumers.ts'
import { noPositions, positionSubject, readPositions, type Positions } from './nats-stream.ts'

/** How often it is looked up how far other processes are: only dropping needs to know. */
const LOOK_MS = 4_000
const ACK_MS_MAX = 5_000

export class NatsPositions {
  readonly #shareCount: number
  readonly #known: Positions
  #lookedAtMs = -Infinity

  constructor(shareCount: number) {
    this.#shareCount = shareCount
    this.#known = noPositions(shareCount)
  }

  of(consumer: JournalConsumer, share: number): number {
    return this.#known[consumer][share] ?? 0
  }

  /** What each consumer is done with in every share. */
  lowest(): Record<JournalConsumer, number> {
    return { detect: Math.min(...this.#known.detect), telemetry: Math.min(...this.#known.telemetry) }
  }

  /** Reads what is kept, unless that was done a moment ago; `isNew` is a connection that has not read it yet. */
  async look(manager: JetStreamManager, isNew: boolean): Promise<void> {
    if (!isNew && performance.now() - this.#lookedAtMs < LOOK_MS) return
    this.#lookedAtMs = performance.now()
    const positions = await readPositions(manager, this.#shareCount)
    for (const consumer of JOURNAL_CONSUMERS)
      for (const [share, position] of positions[consumer].entries()) this.#note(consumer, share, position)
  }

  /** Keeps it, durably; a position that is not beyond the known one is kept already. */
  async keep(client: JetStreamClient, consumer: JournalConsumer, share: number, position: number): Promise<void> {
    if (position <= this.of(consumer, share)) return
    const subject = positionSubject(consumer, this.#shareCount, share)
    await client.publish(subject, String(position), { timeout: ACK_MS_MAX })
    this.#note(consumer, share, position)
  }

  /** A commit of this process may be newer than what was just read. */
  #note(consumer: JournalConsumer, share: number, position: number): void {
    this.#known[consumer][share] = Math.max(this.of(consumer, share), position)
  }
}
