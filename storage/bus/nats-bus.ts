/** The bus between processes: NATS core, at most once. Messages are JSON on `tiwang.bus.<subject>`. */
import type { NatsConnection } from '@nats-io/transport-node'
import { BUS_SUBJECTS, type BusMessages, type BusSubject } from '#contract/bus'
import type { Log } from '#contract/log-events'
import { NatsLink } from '#storage/nats/nats-link'
import type { Bus } from './bus.ts'
import { Listeners } from './listeners.ts'

const PREFIX = 'tiwang.bus.'
/** Sent and not yet known to have reached the server; beyond it messages are dropped. */
const UNSENT_BYTES_MAX = 16 * 1024 * 1024
const FLUSH_MS_MAX = 5_000
/** How long opening and subscribing wait for the server. Afterwards they take effect when it is there. */
const READY_MS_MAX = 3_000
/** Lifts in one message: a town of ten thousand does not fit into the 1 MiB that NATS takes. */
const LIVE_ROWS_MAX = 500

class NatsBus implements Bus {
  readonly #log: Log
  readonly #listeners: Listeners
  readonly #link: NatsLink
  #droppedCount = 0
  #unsentBytes = 0
  #isFlushing = false
  #isAway = false
  #wasUp = false
  #hasWaited = false
  #whenUp: Promise<void>
  #isUp: () => void = () => {}

  constructor(url: string, log: Log) {
    this.#log = log
    this.#listeners = new Listeners(log)
    this.#whenUp = new Promise((resolve) => (this.#isUp = resolve))
    this.#link = new NatsLink(url, {
      name: 'tiwang-bus',
      onUp: (connection) => this.#onUp(connection),
      onDown: (reason) => this.#onDown(reason),
    })
  }

  publish<Subject extends BusSubject>(subject: Subject, message: BusMessages[Subject]): void {
    for (const piece of piecesOf(subject, message)) this.#send(subject, piece)
  }

  async subscribe<Subject extends BusSubject>(
    subject: Subject,
    listener: (message: BusMessages[Subject]) => void,
  ): Promise<AsyncDisposable> {
    const subscription = this.#listeners.add(subject, listener)
    // Every subject is subscribed on every connection, so being connected is being subscribed.
    await this.ready()
    return subscription
  }

  status(): { droppedCount: number; degraded: string | undefined } {
    return { droppedCount: this.#droppedCount, degraded: this.#link.downReason }
  }

  /** Resolves when the server is there, or after a few seconds. */
  async ready(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    if (this.#hasWaited) return
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, READY_MS_MAX)))
    await Promise.race([this.#whenUp, late])
    clearTimeout(timer)
    // Once for each time that the server is away, not once for each subscription.
    this.#hasWaited = !this.#wasUp
  }

  /** Sends what was published, then leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear()
    const { connection } = this.#link
    if (connection !== undefined) await flush(connection).catch(() => {})
    await this.#link[Symbol.asyncDispose]()
  }

  async #onUp(connection: NatsConnection): Promise<void> {
    for (const subject of BUS_SUBJECTS)
      connection.subscribe(PREFIX + subject, {
        callback: (error, message) => {
          if (error === null) this.#receive(subject, message.data)
        },
      })
    await flush(connection)
    this.#unsentBytes = 0
    if (this.#isAway) this.#log.info('bus.back')
    this.#isAway = false
    this.#wasUp = true
    this.#hasWaited = false
    // The link says that it is up only after this function; whoever waits must find it so.
    setImmediate(this.#isUp)
  }

  #onDown(reason: string): void {
    if (!this.#isAway) this.#log.warn('bus.away', { reason })
    this.#isAway = true
    if (!this.#wasUp) return
    this.#wasUp = false
    this.#whenUp = new Promise((resolve) => (this.#isUp = resolve))
  }

  #receive<Subject extends BusSubject>(subject: Subject, data: Uint8Array): void {
    if (!this.#listeners.has(subject)) return
    let message: unknown
    try {
      message = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8'))
    } catch {
      message = undefined
    }
    if (typeof message !== 'object' || message === null) this.#droppedCount += 1
    // Only our own processes speak on these subjects, in the types of the contract.
    else this.#listeners.tell(subject, message as BusMessages[Subject])
  }

  #send(subject: BusSubject, message: object): void {
    const { connection } = this.#link
    try {
      const data = Buffer.from(JSON.stringify(message))
      const isTooMuch = this.#unsentBytes + data.length > UNSENT_BYTES_MAX
      if (connection === undefined || isTooMuch || data.length > (connection.info?.max_payload ?? 0)) {
        this.#droppedCount += 1
        return
      }
      connection.publish(PREFIX + subject, data)
      this.#unsentBytes += data.length
      void this.#noteSent(connection)
    } catch {
      this.#droppedCount += 1
    }
  }

  /** A server that has answered a ping has read everything before it. */
  async #noteSent(connection: NatsConnection): Promise<void> {
    if (this.#isFlushing) return
    this.#isFlushing = true
    while (this.#unsentBytes > 0 && this.#link.connection === connection) {
      const bytes = this.#unsentBytes
      try {
        await flush(connection)
        this.#unsentBytes -= bytes
      } catch {
        // It is stuck or gone; the link finds out which by its own pings. Until then the bound holds.
        await new Promise((resolve) => setTimeout(resolve, 250))
      }
    }
    this.#isFlushing = false
  }
}

async function flush(connection: NatsConnection): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the server does not answer')), FLUSH_MS_MAX)
  })
  try {
    await Promise.race([connection.flush(), late])
  } finally {
    clearTimeout(timer)
  }
}

function piecesOf<Subject extends BusSubject>(subject: Subject, message: BusMessages[Subject]): object[] {
  if (subject !== 'live') return [message]
  // The subject says which message it is; the compiler does not follow that.
  const { atMs, states } = message as BusMessages['live']
  if (states.length <= LIVE_ROWS_MAX) return [message]
  const pieces: BusMessages['live'][] = []
  for (let from = 0; from < states.length; from += LIVE_ROWS_MAX)
    pieces.push({ atMs, states: states.slice(from, from + LIVE_ROWS_MAX) })
  return pieces
}

/** Resolves when the server is there, or after a few seconds without it: then `status` says so and it goes on trying. */
export async function openNatsBus(url: string, { log }: { log: Log }): Promise<Bus> {
  const bus = new NatsBus(url, log)
  await bus.ready()
  return bus
}
