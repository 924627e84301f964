/**
 * A terminal: one lift and one real MQTT connection. It has no timer of its own: `tick` is called when `dueAtMs` has come.
 * Each connection is a fresh client of mqtt.js, so that what is resent, and in which order, is decided here and nowhere else.
 */
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import type { LiftId } from '#contract/ids'
import type { ConnectionOffline } from '#contract/telemetry'
import type { Static } from 'typebox'
import { deviceTopic } from '#contract/topics'
import type { SimulatedTerminal } from './credentials.ts'
import { OutgoingQueue } from './outgoing-queue.ts'
import { RandomStream, textWord } from './random.ts'
import type { SimulatedLift } from './simulated-lift.ts'
import type { ScenarioName } from './scenarios.ts'

/** Unacknowledged messages that one terminal has under way. */
const IN_FLIGHT_MAX = 20
const KEEPALIVE_S = 60
const CONNECT_MS_MAX = 15_000
/** A connection on which nothing was acknowledged for so long is given up. */
const SILENCE_MS_MAX = 60_000
const BACK_OFF_MS = { first: 1000, most: 30_000 } as const
/** A clock that jumps further than this slept, or was set: what happened in between is not told. */
const JUMP_MS_MAX = 5 * 60_000
const GOODBYE_MS = { drain: 2000, offline: 1000, end: 1000 } as const

export type TerminalEvents = {
  readonly onConnected: (lift: LiftId) => void
  /** Also for an attempt that failed. */
  readonly onLost: (lift: LiftId, reason: string) => void
}

export class SimulatedTerminalDevice {
  readonly #brokerUrl: string
  readonly #identity: SimulatedTerminal
  readonly #lift: SimulatedLift
  readonly #nowMs: () => number
  readonly #events: TerminalEvents
  readonly #random: RandomStream
  readonly #queue = new OutgoingQueue()
  #client: MqttClient | undefined
  #isConnected = false
  #attemptAtMs: number
  #failureCount = 0
  #heardAtMs = 0
  #tickedAtMs: number
  /** Dead until then; undefined while it lives. */
  #deadUntilMs: number | undefined
  #isLeaving = false
  #onEmpty: (() => void) | undefined

  constructor(o: {
    brokerUrl: string
    identity: SimulatedTerminal
    lift: SimulatedLift
    seed: number
    /** When to try to connect first. */
    connectAtMs: number
    nowMs: () => number
    events: TerminalEvents
  }) {
    this.#brokerUrl = o.brokerUrl
    this.#identity = o.identity
    this.#lift = o.lift
    this.#nowMs = o.nowMs
    this.#events = o.events
    this.#random = new RandomStream(o.seed, textWord(o.identity.serial), 9)
    this.#attemptAtMs = o.connectAtMs
    this.#tickedAtMs = o.nowMs()
  }

  get isConnected(): boolean {
    return this.#isConnected && this.#deadUntilMs === undefined
  }
  get queue(): Readonly<OutgoingQueue> {
    return this.#queue
  }

  /** When `tick` is due next, Unix ms. */
  get dueAtMs(): number {
    if (this.#deadUntilMs !== undefined) return this.#deadUntilMs
    const attemptAtMs = this.#client === undefined ? this.#attemptAtMs : Infinity
    const silentAtMs = this.#queue.inFlightCount > 0 ? this.#heardAtMs + SILENCE_MS_MAX : Infinity
    return Math.min(this.#lift.dueAtMs, attemptAtMs, silentAtMs)
  }

  tick(nowMs: number): void {
    if (this.#isLeaving) return
    if (this.#deadUntilMs !== undefined) {
      if (nowMs >= this.#deadUntilMs) this.#revive(nowMs)
      return
    }
    if (nowMs - this.#tickedAtMs > JUMP_MS_MAX) this.#lift.advanceUnheard(nowMs)
    this.#tickedAtMs = nowMs
    if (this.#queue.inFlightCount > 0 && nowMs >= this.#heardAtMs + SILENCE_MS_MAX) this.#lose('no acknowledgement')
    if (this.#client === undefined && nowMs >= this.#attemptAtMs) this.#connect()
    this.#queue.put(this.#lift.advance(nowMs))
    this.#send()
  }

  /** Makes something go wrong with the lift, or with this terminal itself. False when something is wrong already. */
  play(name: ScenarioName, durationMs: number, nowMs: number): boolean {
    if (this.#deadUntilMs !== undefined || this.#isLeaving) return false
    if (name === 'terminal-dies') {
      this.#die(nowMs, durationMs)
      return true
    }
    const { played, spoken } = this.#lift.play(name, durationMs, nowMs)
    this.#queue.put(spoken)
    this.#send()
    return played
  }

  /** Sends what is left, says goodbye and closes. Never takes longer than a few seconds. */
  async leave(): Promise<void> {
    this.#isLeaving = true
    const client = this.#client
    if (client !== undefined && this.#isConnected && this.#deadUntilMs === undefined) {
      await within(
        GOODBYE_MS.drain,
        new Promise<void>((resolve) => (this.#queue.size === 0 ? resolve() : (this.#onEmpty = resolve))),
      )
      const farewell = client.publishAsync(this.#topic('connection'), JSON.stringify(this.#offline()), { qos: 1 })
      await within(GOODBYE_MS.offline, farewell)
      await within(GOODBYE_MS.end, client.endAsync())
    }
    this.#client = undefined
    this.#isConnected = false
    client?.end(true)
  }

  #connect(): void {
    const client = connect(this.#brokerUrl, this.#options())
    this.#client = client
    this.#heardAtMs = this.#nowMs()
    let reason = 'connection closed'
    client.on('connect', () => {
      if (this.#client === client) this.#connected()
    })
    client.on('error', (error) => {
      reason = error.message || (error as NodeJS.ErrnoException).code || 'error'
      // A refused CONNECT leaves the socket to the broker; without this it would stay half open until the broker cuts it.
      if (this.#client === client && !this.#isConnected) client.end(true)
    })
    client.on('close', () => {
      if (this.#client === client) this.#lose(reason)
    })
  }

  #options(): IClientOptions {
    const { serial, secret } = this.#identity
    return {
      clientId: serial,
      username: serial,
      ...(secret === '' ? {} : { password: secret }),
      protocolVersion: 4,
      clean: true,
      keepalive: KEEPALIVE_S,
      connectTimeout: CONNECT_MS_MAX,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      will: {
        topic: this.#topic('connection'),
        payload: Buffer.from(JSON.stringify(this.#offline())),
        qos: 1,
        retain: false,
      },
    }
  }

  #offline(): Static<typeof ConnectionOffline> {
    return { v: 1, state: 'offline', terminal: this.#identity.serial }
  }

  #topic(kind: Parameters<typeof deviceTopic>[1]): string {
    return deviceTopic(this.#identity.lift, kind)
  }

  #connected(): void {
    this.#isConnected = true
    this.#failureCount = 0
    this.#heardAtMs = this.#nowMs()
    this.#events.onConnected(this.#identity.lift)
    this.#queue.put(this.#lift.greet(this.#nowMs()))
    this.#send()
  }

  #lose(reason: string): void {
    const client = this.#client
    this.#client = undefined
    this.#isConnected = false
    this.#queue.takeBack()
    this.#failureCount += 1
    const ceilingMs = Math.min(BACK_OFF_MS.most, BACK_OFF_MS.first * 2 ** Math.min(10, this.#failureCount - 1))
    // Half fixed, half chance: a hundred terminals that lost one broker must not all come back in the same moment.
    this.#attemptAtMs = this.#nowMs() + ceilingMs / 2 + (this.#random.next() * ceilingMs) / 2
    client?.end(true)
    this.#events.onLost(this.#identity.lift, reason)
  }

  #send(): void {
    const client = this.#client
    if (client === undefined || !this.#isConnected || this.#deadUntilMs !== undefined) return
    while (this.#queue.inFlightCount < IN_FLIGHT_MAX) {
      // Silence is counted from the first message that waits for an answer.
      if (this.#queue.inFlightCount === 0) this.#heardAtMs = this.#nowMs()
      const next = this.#queue.take()
      if (next === undefined) return
      client.publish(this.#topic(next.spoken.kind), next.spoken.payload, { qos: 1 }, (error) => {
        if (this.#client !== client || error) return
        this.#heardAtMs = this.#nowMs()
        this.#queue.acknowledge(next.ticket)
        this.#send()
        if (this.#queue.size === 0) this.#onEmpty?.()
      })
    }
  }

  /** Power gone: not a byte more, no goodbye. The socket stays open, as with a dead radio; the broker finds out by itself. */
  #die(nowMs: number, durationMs: number): void {
    this.#deadUntilMs = nowMs + durationMs
    const stream = this.#client?.stream
    stream?.cork()
    stream?.pause()
  }

  #revive(nowMs: number): void {
    const client = this.#client
    this.#client = undefined
    this.#isConnected = false
    this.#deadUntilMs = undefined
    this.#failureCount = 0
    this.#attemptAtMs = nowMs
    this.#tickedAtMs = nowMs
    this.#queue.forget()
    this.#lift.reboot(nowMs)
    client?.end(true)
  }
}

/** Waits for a promise, but no longer than `limitMs`; how it ends is of no interest. */
async function within(limitMs: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)))
  await Promise.race([
    promise.then(
      () => {},
      () => {},
    ),
    limit,
  ])
  clearTimeout(timer)
}
