/** The journal as a stream of NATS JetStream, for several processes and machines. See README.md for what its disk promises. */
import { setMaxListeners } from 'node:events'
import {
  jetstream,
  jetstreamManager,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Log } from '#contract/log-events'
import { SHARE_COUNT, shareOfTopic } from '#contract/shares'
import { PLATFORM_TOPIC, readDeviceTopic } from '#contract/topics'
import { NatsLink } from '#storage/nats/nats-link'
import { Appends } from './appends.ts'
import type { Done } from './batch.ts'
import { JOURNAL_CONSUMERS, type JournalConsumer } from './consumers.ts'
import type { Journal, JournalEntry, JournalOptions, JournalReader, JournalStatus } from './journal.ts'
import { Lanes } from './lanes.ts'
import { NatsDropping } from './nats-dropping.ts'
import { NatsPositions } from './nats-positions.ts'
import { NatsReader } from './nats-reader.ts'
import { copiesOf, ensureStreams, positionBase, recordSubject, replicasFor, STREAM } from './nats-stream.ts'
import { encodeRecord, recordBytes } from './record-codec.ts'
import { Wakeups } from './wakeups.ts'

const BYTES_MAX = 8 * 1024 * 1024 * 1024
const WAITING_BYTES_MAX = 64 * 1024 * 1024
const WAITING_COUNT_MAX = 8_192
const ACK_MS_MAX = 5_000
const CLOSE_MS_MAX = 6_000
const READY_MS_MAX = 3_000
const POLL_MS = 1_000
/** An answer of a cluster that has just chosen another leader may be old: it is asked again before it is believed. */
const ASK_AGAIN_MS = 500
const ASK_AGAIN_COUNT = 2
/** A full stream is full until it is down to this part of its size, so that it does not change its mind with every record. */
const ROOM_AGAIN = 0.95

type Session = {
  readonly client: JetStreamClient
  readonly manager: JetStreamManager
  readonly abort: AbortController
  readonly signal: AbortSignal
  readonly base: () => number
  /** Copies that the streams are to have. */
  readonly replicas: number
}

class NatsJournal implements Journal {
  readonly shareCount: number
  readonly failed: Promise<never> = new Promise<never>(() => {})
  readonly #log: Log
  readonly #bytesMax: number
  readonly #link: NatsLink
  readonly #sessions = new Wakeups()
  readonly #closing = new AbortController()
  readonly #readers = new Set<NatsReader>()
  readonly #appends: Appends
  readonly #lanes = new Lanes()
  #session: Session | undefined
  #base = 0
  #stream = { bytes: 0, firstSeq: 0, lastSeq: 0 }
  readonly #positions: NatsPositions
  readonly #dropping: NatsDropping
  /** First record of the stream when it was last told that some before it are missing. */
  #holeToldSeq = 0
  /** What the stream last refused with, until it is seen to be well again. */
  #refusal: { readonly reason: string; readonly isFull: boolean } | undefined
  #isAway = false
  #wasOpened = false
  readonly #polling: Promise<void>

  constructor(url: string, options: JournalOptions) {
    this.#log = options.log
    this.shareCount = options.shareCount ?? SHARE_COUNT
    this.#positions = new NatsPositions(this.shareCount)
    this.#appends = new Appends(options.log)
    this.#bytesMax = options.bytesMax ?? BYTES_MAX
    this.#dropping = new NatsDropping(this.#bytesMax)
    this.#link = new NatsLink(url, {
      name: 'tiwang-journal',
      onUp: (connection) => this.#onUp(connection),
      onDown: (reason) => this.#onDown(reason),
    })
    this.#polling = this.#poll()
  }

  append(entry: JournalEntry, done: Done): void {
    const bytes = recordBytes(entry)
    const reason = bytes === undefined ? 'the message is too large for the journal' : this.#refuseReason(bytes)
    const session = this.#session
    if (reason !== undefined || bytes === undefined || session === undefined) {
      this.#appends.refuse(done, new Error(reason ?? 'the journal is away'))
      return
    }
    const buffer = Buffer.allocUnsafe(bytes)
    encodeRecord(buffer, 0, entry, 0)
    if (entry.topic === PLATFORM_TOPIC) this.#appends.add(done, bytes, this.#publishToAll(session, buffer))
    else {
      const share = shareOfTopic(entry.topic, this.shareCount)
      const name = readDeviceTopic(entry.topic)?.lift ?? entry.topic
      this.#appends.add(
        done,
        bytes,
        this.#lanes.run(name, () => this.#publish(session, share, buffer)),
      )
    }
  }

  /** What the platform itself says concerns every lift: whoever reads a share finds it there. */
  #publishToAll(session: Session, buffer: Buffer): Promise<number | Error> {
    const answers = Array.from({ length: this.shareCount }, (_, share) => this.#publish(session, share, buffer))
    return Promise.all(answers).then(
      (positions) => Math.max(...positions),
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    )
  }

  /** The position under which the stream has kept it; rejects with what it said instead. */
  async #publish(session: Session, share: number, buffer: Buffer): Promise<number> {
    const base = this.#base
    const sentAfterSeq = this.#stream.lastSeq
    const subject = recordSubject(this.shareCount, share)
    const options = { timeout: ACK_MS_MAX, retries: 1, expect: { streamName: STREAM } }
    const { seq } = await session.client.publish(subject, buffer, options).catch((error: unknown) => {
      throw this.#noteRefusal(error)
    })
    // A stream that was made anew, or that lost its end, counts from further back; positions are known after the next look.
    if (base !== this.#base || seq <= sentAfterSeq) throw new Error('the journal stream is not the one that it was')
    this.#noteSeq(seq)
    return base + seq
  }

  async reader(consumer: JournalConsumer, o?: { after?: number; share?: number }): Promise<JournalReader> {
    if (this.#closing.signal.aborted) throw new Error('the journal is closed')
    const share = o?.share ?? 0
    const reader = new NatsReader({
      after: o?.after,
      subject: recordSubject(this.shareCount, share),
      shareCount: this.shareCount,
      log: this.#log,
      session: () => this.#session,
      sessions: this.#sessions,
      committed: ({ manager }) => this.#positions.lookUp(manager, consumer, share),
      onTaken: (position) => this.#noteSeq(position - this.#base),
      commit: (position) => this.#commit(consumer, share, position),
      onClosed: (closed) => this.#readers.delete(closed),
    })
    this.#readers.add(reader)
    return reader
  }

  status(): JournalStatus {
    const degraded =
      this.#session === undefined ? (this.#link.downReason ?? 'not connected to NATS yet') : this.#refusal?.reason
    return {
      bytes: this.#stream.bytes,
      firstPosition: this.#base + this.#stream.firstSeq,
      lastPosition: this.#lastPosition(),
      committed: this.#positions.lowest(),
      refusedCount: this.#appends.refusedCount,
      takes: degraded === undefined ? 'all' : 'nothing',
      degraded,
      oldestNeededAtMs: undefined,
    }
  }

  /** Resolves when the stream is there, or after a few seconds. */
  async ready(): Promise<void> {
    const deadlineMs = performance.now() + READY_MS_MAX
    while (this.#session === undefined && performance.now() < deadlineMs)
      await this.#sessions.wait(deadlineMs - performance.now(), [this.#closing.signal])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    for (const reader of [...this.#readers]) await reader[Symbol.asyncDispose]()
    const deadlineMs = performance.now() + CLOSE_MS_MAX
    while (this.#appends.count > 0 && performance.now() < deadlineMs)
      await new Promise((resolve) => setTimeout(resolve, 10))
    await this.#link[Symbol.asyncDispose]()
    this.#session?.abort.abort()
    this.#session = undefined
    await this.#polling
  }

  #noteSeq(seq: number): void {
    this.#stream.lastSeq = Math.max(this.#stream.lastSeq, seq)
  }

  #lastPosition(): number {
    return this.#stream.lastSeq === 0 ? 0 : this.#base + this.#stream.lastSeq
  }

  #refuseReason(bytes: number): string | undefined {
    if (this.#closing.signal.aborted) return 'the journal is closed'
    if (this.#session === undefined) return this.#link.downReason ?? 'the journal is away'
    if (this.#appends.count >= WAITING_COUNT_MAX || this.#appends.bytes + bytes > WAITING_BYTES_MAX)
      return 'too much waits for the journal stream'
    return undefined
  }

  #noteRefusal(cause: unknown): Error {
    const text = cause instanceof Error ? cause.message : String(cause)
    const isFull = cause instanceof JetStreamApiError && text.includes('maximum bytes exceeded')
    const reason = isFull
      ? `the journal is full (${this.#bytesMax} bytes): its consumers are behind`
      : `the journal stream does not take messages: ${text}`
    if (this.#refusal === undefined && this.#session !== undefined) this.#log.error('journal.degraded', { reason })
    this.#refusal = { reason, isFull }
    return new Error(reason, { cause })
  }

  async #onUp(connection: NatsConnection): Promise<void> {
    const manager = await jetstreamManager(connection, { timeout: ACK_MS_MAX, checkAPI: false })
    const client = jetstream(connection, { timeout: ACK_MS_MAX })
    const replicas = replicasFor({
      serverCount: this.#link.serverCount,
      cluster: connection.info?.cluster,
      clusterServerCount: connection.info?.connect_urls?.length ?? 0,
    })
    await this.#refresh({ client, manager, replicas, isNew: true })
    this.#begin({ client, manager, replicas })
    this.#refusal = undefined
    const { degraded: _, ...status } = this.status()
    if (this.#wasOpened) this.#log.info('journal.recovered', status)
    else this.#log.info('journal.opened', status)
    this.#wasOpened = true
    this.#isAway = false
  }

  /** A session: one connection, and on it one unbroken stream. */
  #begin(o: Pick<Session, 'client' | 'manager' | 'replicas'>): void {
    this.#session?.abort.abort()
    const abort = new AbortController()
    setMaxListeners(2 * JOURNAL_CONSUMERS.length * this.shareCount, abort.signal) // each reader listens
    this.#session = { ...o, abort, signal: abort.signal, base: () => this.#base }
    this.#sessions.wakeAll()
  }

  #onDown(reason: string): void {
    this.#session?.abort.abort()
    this.#session = undefined
    if (!this.#isAway) this.#log.warn('journal.degraded', { reason })
    this.#isAway = true
  }

  /** Looks at the stream anew; false when it has lost its end since the last look. */
  async #refresh(o: Pick<Session, 'client' | 'manager' | 'replicas'> & { isNew: boolean }): Promise<boolean> {
    const { manager, replicas, isNew } = o
    const knownSeq = this.#stream.lastSeq // an answer may be older than an acknowledgement that comes meanwhile
    const form = { bytesMax: this.#bytesMax, shareCount: this.shareCount, replicas }
    let info = await ensureStreams(manager, form, { isNew, log: this.#log })
    // The stream after the positions: what somebody was done with was in it before.
    if (await this.#positions.look(manager, isNew)) info = await manager.streams.info(STREAM)
    const base = positionBase(info)
    const neededSeq = Math.max(base === this.#base ? knownSeq : 0, this.#positions.highest() - base)
    for (let count = 0; count < ASK_AGAIN_COUNT && info.state.last_seq < neededSeq; count += 1) {
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
      info = await manager.streams.info(STREAM)
    }
    const { bytes, first_seq: firstSeq, last_seq: lastSeq } = info.state
    const isBroken = positionBase(info) === base && lastSeq < neededSeq
    if (isBroken) {
      // Before anything is taken again: a position beyond the end would hide what will stand there.
      await this.#positions.lower(o.client, base + lastSeq)
      this.#log.error('journal.damaged', { lastPosition: base + lastSeq, lostCount: neededSeq - lastSeq })
    }
    // A stream that was made anew counts from its own beginning.
    this.#dropping.note({ bytes, copies: copiesOf(info) }, performance.now())
    const isOn = positionBase(info) === this.#base && !isBroken
    this.#base = positionBase(info)
    this.#stream = { bytes, firstSeq, lastSeq: isOn ? Math.max(lastSeq, this.#stream.lastSeq) : lastSeq }
    await this.#tellHole(manager)
    return !isBroken
  }

  /** The servers may have lost records that a consumer still needs although newer ones are there. Told once. */
  async #tellHole(manager: JetStreamManager): Promise<void> {
    const base = this.#base
    const { firstSeq } = this.#stream
    const lowest = () => Math.min(...Object.values(this.#positions.lowest())) - base
    if (firstSeq <= this.#holeToldSeq || lowest() <= 0 || lowest() >= firstSeq - 1) return
    // Another process may have committed and dropped since the last look: the commits are read behind the stream.
    await this.#positions.lookNow(manager)
    const lostCount = firstSeq - 1 - lowest()
    if (base !== this.#base || lostCount <= 0) return
    this.#holeToldSeq = firstSeq
    this.#log.error('journal.damaged', { position: base + lowest(), firstPosition: base + firstSeq, lostCount })
  }

  /** Once a second: sizes and positions, which other processes change too; drops what every consumer is done with. */
  async #poll(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await new Wakeups().wait(POLL_MS, [this.#closing.signal])
      const session = this.#session
      if (session === undefined) continue
      try {
        const isWhole = await this.#refresh({ ...session, isNew: false })
        if (!isWhole && session === this.#session) this.#begin(session)
        await this.#drop(session.manager)
        this.#noteWell()
      } catch (error) {
        if (session === this.#session && !this.#closing.signal.aborted) this.#noteRefusal(error)
      }
    }
  }

  #noteWell(): void {
    if (this.#refusal === undefined) return
    if (this.#refusal.isFull && this.#stream.bytes > this.#bytesMax * ROOM_AGAIN) return
    this.#refusal = undefined
    this.#log.info('journal.recovered', { bytes: this.#stream.bytes })
  }

  async #drop(manager: JetStreamManager): Promise<void> {
    const through = Math.min(...Object.values(this.#positions.lowest()), this.#lastPosition())
    if (through <= this.#base || !this.#dropping.isDue(through, performance.now())) return
    await manager.streams.purge(STREAM, { seq: through - this.#base + 1 })
    this.#dropping.done(through, performance.now())
    const { state } = await manager.streams.info(STREAM)
    this.#stream = {
      bytes: state.bytes,
      firstSeq: state.first_seq,
      lastSeq: Math.max(state.last_seq, this.#stream.lastSeq),
    }
  }

  async #commit(consumer: JournalConsumer, share: number, position: number): Promise<void> {
    if (!Number.isSafeInteger(position)) throw new Error(`${position} is no position`)
    // Nobody is done with what is not there yet, whatever he remembers of an earlier stream.
    const kept = Math.min(position, this.#lastPosition())
    if (kept <= this.#positions.of(consumer, share)) return
    if (this.#session === undefined) throw new Error(this.#link.downReason ?? 'the journal is away')
    await this.#positions.keep(this.#session, consumer, share, kept)
  }
}

/** Resolves when the stream is there, or after a few seconds without it: then `status` says so and it goes on trying. */
export async function openNatsJournal(url: string, options: JournalOptions): Promise<Journal> {
  const journal = new NatsJournal(url, options)
  await journal.ready()
  return journal
}
