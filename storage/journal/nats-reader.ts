/** Reads one share of the stream in order for one consumer. The server keeps nothing about it: it says itself where to go on. */
import {
  DeliverPolicy,
  type Consumer,
  type ConsumerMessages,
  type JetStreamClient,
  type JetStreamManager,
} from '@nats-io/jetstream'
import type { Log } from '#contract/log-events'
import type { JournalReader, JournalRecord } from './journal.ts'
import { positionBase, STREAM } from './nats-stream.ts'
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
/** The server tells when it kept a record once in nanoseconds, rounded, and once as a date. */
const CLOCK_GRAIN_MS = 2

export type NatsSession = {
  readonly client: JetStreamClient
  readonly manager: JetStreamManager
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
  /** What the consumer has committed, by whichever process. */
  readonly committed: (session: NatsSession) => Promise<number>
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
  /** When the stream kept the record at `#taken`, Unix ms by the server's clock: should another stand there, it tells. */
  #takenKeptAtMs: number | undefined
  #session: NatsSession | undefined
  /** What the server has for us besides what was taken, and when it was last asked. */
  #pending: { readonly count: number; readonly atMs: number } | undefined
  /** An answer that counts from a record which is still on its way to us. */
  #answer: { readonly count: number; readonly atMs: number; readonly position: number } | undefined
  readonly #arrivals = new Wakeups()
  readonly #room = new Wakeups()
  readonly #closing = new AbortController()
  readonly #loop: Promise<void>

  constructor(o: NatsReaderOptions) {
    this.#o = o
    this.#aheadCountMax = Math.min(AHEAD_COUNT_ONE_MAX, Math.max(AHEAD_COUNT_MIN, AHEAD_COUNT_MAX / o.shareCount))
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
    if (session !== this.#session) {
      // What came while the server was away is not known yet.
      this.#pending = undefined
      this.#taken = await this.#beginning(session, base)
      this.#session = session
    }
    const from = this.#taken ?? base
    this.#answer = undefined
    const consumer = await session.client.consumers.get(STREAM, {
      filter_subjects: this.#o.subject,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, from - base + 1),
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
      if (!signals.some((signal) => signal.aborted)) {
        checking = this.#ask(consumer, base).finally(() => (checking = undefined))
        await this.#takeAll(messages, base, signals)
      }
    } finally {
      clearInterval(check)
      for (const signal of signals) signal.removeEventListener('abort', stop)
      stop()
      if (!session.signal.aborted) await consumer.delete().catch(() => {})
    }
  }

  /**
   * After which position reading begins in this session. Servers that lost what they had acknowledged may have put new
   * records where others stood: then it begins after what the consumer has committed, of which the servers keep a count of
   * the same age.
   */
  async #beginning(session: NatsSession, base: number): Promise<number> {
    const info = await session.manager.streams.info(STREAM)
    if (positionBase(info) !== base) throw new Error('the journal stream was made anew')
    const end = base + info.state.last_seq
    const committed = await this.#o.committed(session)
    const position = this.#taken ?? Math.min(this.#o.after ?? committed, committed)
    const wanted = this.#taken ?? this.#o.after ?? committed
    if (wanted <= end && (await this.#stands(session, position - base))) return position
    this.#o.log.error('journal.damaged', { position: wanted, lastPosition: end, committed })
    this.#takenKeptAtMs = undefined
    return Math.min(position, committed, end)
  }

  /** Whether the record that was taken last still stands where it stood, or is no longer kept. */
  async #stands({ manager }: NatsSession, seq: number): Promise<boolean> {
    if (this.#takenKeptAtMs === undefined || seq < 1) return true
    const message = await manager.streams.getMessage(STREAM, { seq })
    return message === null || Math.abs(message.time.getTime() - this.#takenKeptAtMs) <= CLOCK_GRAIN_MS
  }

  /** Asks what is still to come. The answer counts from the newest record that the server has sent. */
  async #ask(consumer: Consumer, base: number): Promise<void> {
    if (this.#answer !== undefined) return
    const atMs = performance.now()
    try {
      const { num_pending: count, delivered } = await consumer.info()
      this.#answer = { count, atMs, position: delivered.consumer_seq === 0 ? 0 : base + delivered.stream_seq }
      this.#weigh()
    } catch {
      // It says so by itself when it cannot go on; until it answers nothing new is known.
    }
  }

  /** Takes the answer as soon as the record from which it counts is here; a later record knows better what is still to come. */
  #weigh(later?: number): void {
    const taken = this.#taken ?? 0
    if (this.#answer !== undefined && taken >= this.#answer.position) {
      const { count, atMs, position } = this.#answer
      const known = taken > position && position > 0 ? (later ?? this.#pending?.count) : undefined
      this.#pending = { count: known ?? count, atMs }
      this.#answer = undefined
    } else if (later !== undefined && this.#pending !== undefined)
      // When the server sent it is not known: what is known of the present does not become younger by it.
      this.#pending = { count: later, atMs: this.#pending.atMs }
  }

  async #takeAll(messages: ConsumerMessages, base: number, signals: readonly AbortSignal[]): Promise<void> {
    for await (const message of messages) {
      const position = base + message.seq
      // After a reset the server may begin a little earlier.
      if (position <= (this.#taken ?? 0)) continue
      this.#taken = position
      this.#takenAtMs = performance.now()
      this.#takenKeptAtMs = Math.floor(message.info.timestampNanos / 1e6)
      this.#weigh(message.info.pending)
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
