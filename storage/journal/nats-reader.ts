/** Reads one share of the stream in order for one consumer. The server keeps nothing about it: it says itself where to go on. */
import { DeliverPolicy, type Consumer, type ConsumerMessages, type JetStreamClient } from '@nats-io/jetstream'
import type { Log } from '#contract/log-events'
import type { JournalReader, JournalRecord } from './journal.ts'
import { STREAM } from './nats-stream.ts'
import { decodeRecord, frameBytes } from './record-codec.ts'
import { Wakeups } from './wakeups.ts'

/** Read ahead of the consumer, by the readers of all shares together and by each one at least. */
const AHEAD_COUNT_MAX = 4_000
const AHEAD_COUNT_MIN = 250
const AHEAD_COUNT_ONE_MAX = 1_000
/** The server shows a sign of life at half of this; twice without one and reading starts again. */
const PULL_MS = 5_000
/** How often the server is asked what there is still to read, when nothing comes. */
const CHECK_MS = 1_000
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
  /** Subject of the share that is read. */
  readonly subject: string
  readonly shareCount: number
  readonly log: Log
  readonly session: () => NatsSession | undefined
  readonly sessions: Wakeups
  readonly committed: () => number
  /** Tells the newest position that was read: another process may have appended it a moment ago. */
  readonly onTaken: (position: number) => void
  readonly commit: (position: number) => Promise<void>
  readonly onClosed: (reader: NatsReader) => void
}

export class NatsReader implements JournalReader {
  readonly #o: NatsReaderOptions
  readonly #aheadCountMax: number
  #ahead: JournalRecord[] = []
  /** Position up to which records were taken from the stream. */
  #taken: number | undefined
  #takenAtMs = 0
  /** What the server had for us besides what it had sent, and when it said so. */
  #pending: { readonly count: number; readonly atMs: number } | undefined
  readonly #arrivals = new Wakeups()
  readonly #room = new Wakeups()
  readonly #closing = new AbortController()
  readonly #loop: Promise<void>

  constructor(o: NatsReaderOptions) {
    this.#o = o
    this.#aheadCountMax = Math.min(AHEAD_COUNT_ONE_MAX, Math.max(AHEAD_COUNT_MIN, AHEAD_COUNT_MAX / o.shareCount))
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

  unread(): { count: number; atMs: number } | undefined {
    if (this.#pending === undefined) return undefined
    return { count: this.#pending.count + this.#ahead.length, atMs: this.#pending.atMs }
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
      filter_subjects: this.#o.subject,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, this.#taken - base + 1),
    })
    const messages = await consumer.consume({ max_messages: this.#aheadCountMax, expires: PULL_MS })
    const stop = () => messages.stop()
    const signals = [session.signal, this.#closing.signal]
    for (const signal of signals) signal.addEventListener('abort', stop)
    this.#takenAtMs = performance.now()
    let checking: Promise<void> | undefined
    const check = setInterval(() => {
      const isStuck = (this.#pending?.count ?? 0) > 0 && performance.now() - this.#takenAtMs > STUCK_MS
      if (session.base() !== base || (isStuck && this.#ahead.length === 0)) return stop()
      checking ??= this.#ask(consumer, base).finally(() => (checking = undefined))
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

  /** Asks what is still to come, unless a record has just told it. What is on its way to us will tell by itself. */
  async #ask(consumer: Consumer, base: number): Promise<void> {
    const atMs = performance.now()
    if (atMs - (this.#pending?.atMs ?? -Infinity) < CHECK_MS) return
    try {
      const { num_pending: count, delivered } = await consumer.info()
      const isHere = base + delivered.stream_seq <= (this.#taken ?? 0) || delivered.consumer_seq === 0
      if (isHere && (this.#pending?.atMs ?? -Infinity) < atMs) this.#pending = { count, atMs }
    } catch {
      // It says so by itself when it cannot go on; until it answers nothing new is known.
    }
  }

  async #takeAll(messages: ConsumerMessages, base: number, signals: readonly AbortSignal[]): Promise<void> {
    for await (const message of messages) {
      const position = base + message.seq
      // After a reset the server may begin a little earlier.
      if (position <= (this.#taken ?? 0)) continue
      this.#taken = position
      this.#takenAtMs = performance.now()
      this.#pending = { count: message.info.pending, atMs: this.#takenAtMs }
      if (this.#o.session()?.base() === base) this.#o.onTaken(position)
      const buffer = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength)
      if (frameBytes(buffer, 0, buffer.length) !== buffer.length) {
        this.#o.log.error('journal.damaged', { position, bytes: buffer.length })
        continue
      }
      this.#ahead.push({ ...decodeRecord(buffer, 0), position })
      this.#arrivals.wakeAll()
      while (this.#ahead.length >= this.#aheadCountMax && !signals.some((signal) => signal.aborted))
        await this.#room.wait(RETRY_MS, signals)
    }
  }
}
