/**
 * A terminal: one lift, one buffer and one connection over a link that may be a bad one. It has no timer of its own: `tick` is
 * called when `dueAtMs` has come. Each connection is a fresh wire that never opens again by itself, so that what is resent, and
 * in which order, is decided here and nowhere else.
 */
import type { LiftId } from '#contract/ids'
import { heightMmAt, nearestLanding } from '../lift/lift-state.ts'
import { RandomStream, textWord } from '../random.ts'
import type { ScenarioName } from '../scenarios.ts'
import { BackOff } from './back-off.ts'
import type { SimulatedTerminal } from './credentials.ts'
import { Departures } from './departures.ts'
import type { Link } from './link.ts'
import { OutgoingQueue, type Taken } from './outgoing-queue.ts'
import type { Played, SimulatedLift, Spoken } from './simulated-lift.ts'
import type { TerminalFaultName } from './terminal-faults.ts'
import type { OpenWire, Wire } from './wire.ts'
import { within } from './within.ts'

/** A connection on which nothing was acknowledged for so long is given up. */
const SILENCE_MS_MAX = 60_000
/** A clock that jumps further than this slept, or was set: what happened in between is not told. */
const JUMP_MS_MAX = 5 * 60_000
/** How often a terminal without a connection looks whether it can try again. */
const ATTEMPT_MS = 25
/** How long a terminal that leaves goes on sending what is left. */
const DRAIN_MS = 2000

export type TerminalEvents = {
  readonly onConnected: (lift: LiftId) => void
  /** Also for an attempt that failed. */
  readonly onLost: (lift: LiftId, reason: string) => void
  /** A message leaves for the first time, Unix ms of the true clock. */
  readonly onSent?: ((lift: LiftId, spoken: Spoken, atMs: number) => void) | undefined
}

export class SimulatedTerminalDevice {
  readonly #openWire: OpenWire
  readonly #identity: SimulatedTerminal
  readonly #lift: SimulatedLift
  readonly #link: Link
  readonly #nowMs: () => number
  readonly #events: TerminalEvents
  readonly #backOff: BackOff
  readonly #queue: OutgoingQueue
  readonly #departures: Departures
  #wire: Wire | undefined
  /** A connection of which this end is gone. */
  #frozen: Wire | undefined
  #isConnected = false
  #isAway = false
  #attemptAtMs: number
  #heardAtMs = 0
  #tickedAtMs: number
  #stormAtMs: number
  /** The start of the terminal whose messages are in the queue. */
  #boot: number
  #isLeaving = false
  #onEmpty: (() => void) | undefined

  constructor(o: {
    openWire: OpenWire
    identity: SimulatedTerminal
    lift: SimulatedLift
    link: Link
    seed: number
    /** Messages that are kept while there is no connection. */
    keptMax?: number
    /** When to try to connect first. */
    connectAtMs: number
    nowMs: () => number
    events: TerminalEvents
  }) {
    this.#openWire = o.openWire
    this.#identity = o.identity
    this.#lift = o.lift
    this.#link = o.link
    this.#nowMs = o.nowMs
    this.#events = o.events
    this.#backOff = new BackOff(new RandomStream(o.seed, textWord(o.identity.serial), 9))
    this.#queue = new OutgoingQueue(o.keptMax === undefined ? {} : { keptMax: o.keptMax })
    this.#departures = new Departures(this.#queue, o.link)
    this.#attemptAtMs = o.connectAtMs
    this.#tickedAtMs = o.nowMs()
    this.#stormAtMs = o.link.nextStormAtMs(this.#tickedAtMs)
    this.#boot = o.lift.boot
  }

  get isConnected(): boolean {
    return this.#isConnected
  }
  get queue(): Readonly<OutgoingQueue> {
    return this.#queue
  }
  get lift(): SimulatedLift {
    return this.#lift
  }

  /** When `tick` is due next, Unix ms. */
  get dueAtMs(): number {
    const lifeAtMs = Math.min(this.#lift.dueAtMs, this.#link.nextChangeAtMs(this.#tickedAtMs))
    if (this.#lift.isDown || this.#isAway) return lifeAtMs
    if (this.#wire === undefined) return Math.min(lifeAtMs, Math.max(this.#attemptAtMs, this.#tickedAtMs + ATTEMPT_MS))
    const silentAtMs = this.#queue.inFlightCount > 0 ? this.#heardAtMs + SILENCE_MS_MAX : Infinity
    const departsAtMs = this.#isConnected ? this.#departures.dueAtMs(this.#tickedAtMs) : Infinity
    return Math.min(lifeAtMs, silentAtMs, this.#stormAtMs, departsAtMs)
  }

  tick(nowMs: number): void {
    if (this.#isLeaving) return
    if (nowMs - this.#tickedAtMs > JUMP_MS_MAX) this.#lift.advanceUnheard(nowMs)
    this.#tickedAtMs = nowMs
    this.#hear(this.#lift.advance(nowMs), nowMs)
    if (this.#lift.isDown) return
    this.#feelLink(nowMs)
    if (this.#isAway) return
    if (this.#queue.inFlightCount > 0 && nowMs >= this.#heardAtMs + SILENCE_MS_MAX) this.#giveUp(nowMs)
    if (this.#wire === undefined && nowMs >= this.#attemptAtMs && !this.#isStalled) this.#connect()
    this.#send()
  }

  /** Makes something go wrong with the lift, or with this terminal itself. False when that is refused. */
  play(name: ScenarioName | TerminalFaultName, durationMs: number, nowMs: number): boolean {
    return this.act((lift) => lift.play(name, durationMs, nowMs), nowMs)
  }

  /** Does something to the lift or to this terminal. False when that is refused. */
  act(deed: (lift: SimulatedLift) => Played, nowMs: number): boolean {
    if (this.#isLeaving) return false
    const { played, spoken } = deed(this.#lift)
    this.#hear(spoken, nowMs)
    this.#send()
    return played
  }

  /** Sends what is left, says goodbye and closes. Never takes longer than a few seconds. */
  async leave(): Promise<void> {
    this.#isLeaving = true
    const wire = this.#wire
    if (wire !== undefined && this.#isConnected) {
      const emptied = new Promise<void>((resolve) => (this.#onEmpty = resolve))
      this.#send()
      if (this.#queue.size > 0) await within(DRAIN_MS, emptied)
      await wire.leave()
    }
    this.#wire = undefined
    this.#isConnected = false
    wire?.cut()
    this.#thaw()
  }

  /** Takes what the lift's terminal said, and notices that it went down or started again. */
  #hear(spoken: readonly Spoken[], nowMs: number): void {
    if (this.#lift.boot !== this.#boot) {
      this.#boot = this.#lift.boot
      this.#freeze()
      this.#thaw()
      this.#queue.forget()
      this.#backOff.reset()
      this.#attemptAtMs = nowMs
    }
    this.#queue.put(spoken)
    if (this.#lift.isDown) this.#freeze()
  }

  /** Outages and storms. */
  #feelLink(nowMs: number): void {
    const isAway = this.#link.stateAt(nowMs, 0) === 'away'
    if (isAway && !this.#isAway && this.#wire !== undefined) {
      this.#freeze()
      this.#events.onLost(this.#identity.lift, 'no signal')
    }
    if (!isAway && this.#isAway) {
      this.#thaw()
      this.#attemptAtMs = nowMs + this.#backOff.next()
    }
    this.#isAway = isAway
    if (nowMs < this.#stormAtMs) return
    this.#stormAtMs = this.#link.nextStormAtMs(nowMs)
    if (this.#wire !== undefined) this.#lose('the network went away')
  }

  #connect(): void {
    const wire = this.#openWire(this.#identity, {
      onOpen: () => {
        if (this.#wire === wire) this.#connected()
      },
      onClosed: (reason) => {
        if (this.#wire === wire) this.#lose(reason)
      },
    })
    this.#thaw()
    this.#wire = wire
    this.#heardAtMs = this.#nowMs()
  }

  #connected(): void {
    this.#isConnected = true
    this.#backOff.reset()
    const nowMs = this.#nowMs()
    this.#heardAtMs = nowMs
    this.#queue.reconnected(this.#link.sendsLiveFirst())
    this.#events.onConnected(this.#identity.lift)
    this.#hear(this.#lift.greet(nowMs), nowMs)
    this.#send()
  }

  /** Nothing was acknowledged for too long. Where nothing gets through, the broker does not hear of it either. */
  #giveUp(nowMs: number): void {
    if (!this.#isStalled) {
      this.#lose('no acknowledgement')
      return
    }
    this.#freeze()
    this.#attemptAtMs = nowMs + this.#backOff.next()
    this.#events.onLost(this.#identity.lift, 'no signal')
  }

  #lose(reason: string): void {
    const wire = this.#wire
    this.#disconnected()
    this.#attemptAtMs = this.#nowMs() + this.#backOff.next()
    wire?.cut()
    this.#events.onLost(this.#identity.lift, reason)
  }

  #disconnected(): void {
    this.#wire = undefined
    this.#isConnected = false
    this.#departures.clear()
    this.#queue.takeBack()
  }

  /** Not a byte more, no goodbye. */
  #freeze(): void {
    const wire = this.#wire
    if (wire === undefined) return
    this.#disconnected()
    this.#thaw()
    this.#frozen = wire
    wire.freeze()
  }

  #thaw(): void {
    this.#frozen?.cut()
    this.#frozen = undefined
  }

  get #isStalled(): boolean {
    const { plan, state } = this.#lift
    const landing = nearestLanding(plan.heightsMm, heightMmAt(state, this.#tickedAtMs))
    return this.#link.stateAt(this.#tickedAtMs, landing) !== 'open'
  }

  #send(): void {
    const wire = this.#wire
    if (wire === undefined || !this.#isConnected) return
    const nowMs = this.#nowMs()
    // Silence is counted from the first message that waits for an answer.
    if (this.#queue.inFlightCount === 0) this.#heardAtMs = nowMs
    this.#departures.fill(nowMs, this.#isLeaving)
    if (this.#departures.isEmpty || (!this.#isLeaving && this.#isStalled)) return
    while (this.#wire === wire) {
      const next = this.#departures.next(this.#isLeaving ? Infinity : nowMs)
      if (next === undefined) return
      this.#publish(wire, next)
    }
  }

  #publish(wire: Wire, { ticket, spoken, isRedelivered, isFirst }: Taken): void {
    const breaks = this.#link.breaks()
    if (breaks === 'before') {
      this.#lose('the connection broke')
      return
    }
    this.#queue.sent(ticket)
    if (isFirst) this.#events.onSent?.(this.#identity.lift, spoken, this.#nowMs())
    const { kind, payload } = spoken
    wire.publish({ kind, payload, isRedelivered }, () => {
      if (this.#wire !== wire) return
      // The broker has it, and its answer is lost.
      if (breaks === 'after' && !this.#isLeaving) this.#lose('the connection broke')
      else this.#acknowledged(ticket)
    })
  }

  #acknowledged(ticket: number): void {
    this.#heardAtMs = this.#nowMs()
    if (this.#link.overlooks() && !this.#isLeaving) this.#queue.overlook(ticket)
    else this.#queue.acknowledge(ticket)
    this.#send()
    if (this.#queue.size === 0) this.#onEmpty?.()
  }
}
