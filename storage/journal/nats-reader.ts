/** Reads the stream in order for one consumer. The server keeps nothing about it: it says itself where to go on. */
import { DeliverPolicy, type ConsumerMessages, type JetStreamClient } from '@nats-io/jetstream'
import type { Log } from '#contract/log-events'
import type { JournalReader, JournalRecord } from './journal.ts'
import { STREAM } from './nats-stream.ts'
import { decodeRecord, frameBytes } from './record-codec.ts'
import { Wakeups } from './wakeups.ts'

/** Read ahead of the consumer. */
const AHEAD_COUNT_MAX = 1_000
/** The server shows a sign of life at half of this; twice without one and reading starts again. */
const PULL_MS = 5_000
const CHECK_MS = 2_000
/** No record for so long although there are some: reading starts again. */
const STUCK_MS = 15_000
const RETRY_MS = 500

export type NatsSession = {
  readonly client: JetStreamClient
  readonly base: () => number
  readonly signal: AbortSignal
}

type NatsReaderOptions = {
  readonly after: number | undefined
  readonly log: Log
  readonly session: () => NatsSession | undefined
  readonly sessions: Wakeups
  readonly committed: () => number
  readonly lastPosition: () => number
  /** Tells the newest position that was read: another process may have appended it a moment ago. */
  readonly onTaken: (position: number) => void
  readonly commit: (position: number) => Promise<void>
  readonly onClosed: (reader: NatsReader) => void
}

export class NatsReader implements JournalReader {
  readonly #o: NatsReaderOptions
  #ahead: JournalRecord[] = []
  /** Position up to which records were taken from the stream. */
  #taken: number | undefined
  #takenAtMs = 0
  readonly #arrivals = new Wakeups()
  readonly #room = new Wakeups()
  readonly #closing = new AbortController()
  readonly #loop: Promise<void>

  constructor(o: NatsReaderOptions) {
    this.#o = o
    this.#taken = o.after
    this.#loop = this.#run()
  }

  async read(o: { countMax: number; waitMs: number; signal?: AbortSignal }): Promise<JournalRecord[]> {
    const signals = o.signal === undefined ? [this.#closing.signal] : [this.#closing.signal, o.signal]
    const deadlineMs = performance.now() + o.waitMs
    while (this.#ahead.length === 0) {
      const restMs = deadlineMs - performance.now()
      if (restMs <= 0 || signals.some((signal) => signal.aborted)) return []
      await this.#arrivals.wait(restMs, signals)
    }
    const records = this.#ahead.splice(0, o.countMax)
    this.#room.wakeAll()
    return records
  }

  commit(position: number): Promise<void> {
    return this.#o.commit(position)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#loop
    this.#o.onClosed(this)
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      const session = this.#o.session()
      if (session === undefined) {
        await this.#o.sessions.wait(RETRY_MS, [signal])
        continue
      }
      try {
        await this.#take(session)
      } catch (error) {
        this.#o.log.debug('journal.degraded', { reason: 'reading the stream failed; again', error })
      }
      await this.#o.sessions.wait(RETRY_MS, [signal])
    }
  }

  /** Takes records from the stream until the session ends or something is wrong. */
  async #take(session: NatsSession): Promise<void> {
    const base = session.base()
    this.#taken ??= this.#o.committed()
    const consumer = await session.client.consumers.get(STREAM, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, this.#taken - base + 1),
    })
    const messages = await consumer.consume({ max_messages: AHEAD_COUNT_MAX, expires: PULL_MS })
    const stop = () => messages.stop()
    const signals = [session.signal, this.#closing.signal]
    for (const signal of signals) signal.addEventListener('abort', stop)
    this.#takenAtMs = performance.now()
    const check = setInterval(() => {
      const isStuck = this.#o.lastPosition() > (this.#taken ?? 0) && performance.now() - this.#takenAtMs > STUCK_MS
      if (session.base() !== base || (isStuck && this.#ahead.length === 0)) stop()
    }, CHECK_MS)
    try {
      if (!signals.some((signal) => signal.aborted)) await this.#takeAll(messages, base, signals)
    } finally {
      clearInterval(check)
      for (const signal of signals) signal.removeEventListener('abort', stop)
      stop()
      if (!session.signal.aborted) await consumer.delete().catch(() => {})
    }
  }

  async #takeAll(messages: ConsumerMessages, base: number, signals: readonly AbortSignal[]): Promise<void> {
    for await (const message of messages) {
      const position = base + message.seq
      // After a reset the server may begin a little earlier.
      if (position <= (this.#taken ?? 0)) continue
      this.#taken = position
      this.#takenAtMs = performance.now()
      if (this.#o.session()?.base() === base) this.#o.onTaken(position)
      const buffer = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength)
      if (frameBytes(buffer, 0, buffer.length) !== buffer.length) {
        this.#o.log.error('journal.damaged', { position, bytes: buffer.length })
        continue
      }
      this.#ahead.push({ ...decodeRecord(buffer, 0), position })
      this.#arrivals.wakeAll()
      while (this.#ahead.length >= AHEAD_COUNT_MAX && !signals.some((signal) => signal.aborted))
        await this.#room.wait(RETRY_MS, signals)
    }
  }
}
