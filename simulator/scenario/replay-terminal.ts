/**
 * One terminal of a replay: it says what it is given, in that order, over a connection that may break. What was not
 * acknowledged is sent again on the next one, marked as such, before everything else.
 */
import type { MessageKind } from '#contract/topics'
import { RandomStream, textWord } from '../random.ts'
import { BackOff } from '../terminal/back-off.ts'
import type { SimulatedTerminal } from '../terminal/credentials.ts'
import { Line } from '../terminal/line.ts'
import type { OpenWire, Wire } from '../terminal/wire.ts'

/** Unacknowledged messages of one terminal. */
const IN_FLIGHT_MAX = 20
/** A connection on which nothing was acknowledged for so long is given up. */
const SILENCE_MS_MAX = 60_000
/** What the broker says to somebody whom it will not let in later either [MQTT-3.2.2-4]. */
const IS_FINAL = /^Connection refused: (Identifier rejected|Bad username or password|Not authorized)/i

type Item = { readonly kind: MessageKind; readonly payload: string; isRedelivered: boolean; wasSent: boolean }

export type ReplayCounts = {
  /** Each message once, however often it was sent. */
  readonly sentCount: number
  readonly acknowledgedCount: number
  /** Sent once more after a lost connection. */
  readonly resentCount: number
}

export class ReplayTerminal {
  readonly #identity: SimulatedTerminal
  readonly #openWire: OpenWire
  readonly #nowMs: () => number
  readonly #onChange: (sizeChange: number) => void
  readonly #backOff: BackOff
  readonly #waiting = new Line<Item>()
  readonly #inFlight = new Map<number, Item>()
  #wire: Wire | undefined
  #state: 'away' | 'connected' | 'refused' | 'left' = 'away'
  #timer: NodeJS.Timeout | undefined
  #ticket = 0
  #heardAtMs = 0
  #sentCount = 0
  #acknowledgedCount = 0
  #resentCount = 0
  #reason = ''

  constructor(o: {
    identity: SimulatedTerminal
    openWire: OpenWire
    nowMs: () => number
    /** Something was acknowledged, or the connection has changed; by how much `size` has changed with it. */
    onChange: (sizeChange: number) => void
  }) {
    this.#identity = o.identity
    this.#openWire = o.openWire
    this.#nowMs = o.nowMs
    this.#onChange = o.onChange
    this.#backOff = new BackOff(new RandomStream(textWord(o.identity.serial), 60))
  }

  get serial(): string {
    return this.#identity.serial
  }
  get isConnected(): boolean {
    return this.#state === 'connected'
  }
  /** The broker does not know it, or not with this secret: it does not try again. */
  get isRefused(): boolean {
    return this.#state === 'refused'
  }
  /** Why there was no connection last time. */
  get reason(): string {
    return this.#reason
  }
  /** Messages that are not acknowledged yet. */
  get size(): number {
    return this.#waiting.length + this.#inFlight.size
  }
  get counts(): ReplayCounts {
    const [sentCount, acknowledgedCount, resentCount] = [this.#sentCount, this.#acknowledgedCount, this.#resentCount]
    return { sentCount, acknowledgedCount, resentCount }
  }

  connectIn(waitMs: number): void {
    this.#timer = setTimeout(() => this.#connect(), waitMs)
  }

  /** False when nobody will ever send it, because the terminal was refused or has left. */
  put(item: { kind: MessageKind; payload: string; isRedelivered: boolean }): boolean {
    if (this.#state === 'refused' || this.#state === 'left') return false
    this.#waiting.push({ ...item, wasSent: false })
    this.#send()
    return true
  }

  /** To be called every second or so: gives up a connection that is silent. */
  check(): void {
    if (this.#state !== 'connected' || this.#inFlight.size === 0) return
    if (this.#nowMs() >= this.#heardAtMs + SILENCE_MS_MAX) this.#lose('no acknowledgement')
  }

  /** Says goodbye and closes; what is not acknowledged by then is not sent any more. */
  async leave(): Promise<void> {
    const [wire, wasConnected] = [this.#wire, this.#state === 'connected']
    if (this.#state !== 'refused') this.#state = 'left'
    clearTimeout(this.#timer)
    this.#wire = undefined
    if (wasConnected) await wire?.leave()
    wire?.cut()
  }

  #connect(): void {
    const wire = this.#openWire(this.#identity, {
      onOpen: () => {
        if (this.#wire !== wire) return
        this.#state = 'connected'
        this.#backOff.reset()
        this.#onChange(0)
        this.#send()
      },
      onClosed: (reason) => {
        if (this.#wire === wire) this.#lose(reason)
      },
    })
    this.#wire = wire
  }

  #lose(reason: string): void {
    const wire = this.#wire
    this.#wire = undefined
    this.#reason = reason
    wire?.cut()
    const { size } = this
    if (IS_FINAL.test(reason)) {
      this.#state = 'refused'
      this.#inFlight.clear()
      this.#waiting.clear()
    } else {
      this.#state = 'away'
      this.#takeBack()
      this.connectIn(this.#backOff.next())
    }
    this.#onChange(this.size - size)
  }

  /** What was under way goes before what has not been sent, in its old order. */
  #takeBack(): void {
    for (const item of [...this.#inFlight.values()].reverse()) {
      item.isRedelivered = true
      this.#waiting.insert(item, () => true)
    }
    this.#inFlight.clear()
  }

  #send(): void {
    const wire = this.#wire
    if (this.#inFlight.size === 0) this.#heardAtMs = this.#nowMs()
    while (this.#state === 'connected' && wire !== undefined && this.#inFlight.size < IN_FLIGHT_MAX) {
      const item = this.#waiting.shift()
      if (item === undefined) return
      this.#ticket += 1
      this.#publish(wire, this.#ticket, item)
    }
  }

  #publish(wire: Wire, ticket: number, item: Item): void {
    this.#inFlight.set(ticket, item)
    if (item.wasSent) this.#resentCount += 1
    else this.#sentCount += 1
    item.wasSent = true
    wire.publish(item, () => {
      if (this.#wire !== wire || !this.#inFlight.delete(ticket)) return
      this.#acknowledgedCount += 1
      this.#heardAtMs = this.#nowMs()
      this.#send()
      this.#onChange(-1)
    })
  }
}
