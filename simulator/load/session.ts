/** One MQTT session of the load: signs in, says statuses under its own lift, knows which of them are not acknowledged. */
import { deviceTopic } from '#contract/topics'
import type { SimulatedTerminal } from '../terminal/credentials.ts'
import { openLink, type BrokerAddress, type Link } from './link.ts'
import { PacketError, PacketReader } from './packet-reader.ts'
import { connectPacket, DISCONNECT, PACKET, PINGREQ } from './packets.ts'
import { StatusPacket } from './status-packet.ts'

export const KEEPALIVE_S = 120
/** CONNACK return code 3: the only refusal that passes by itself (MQTT 3.1.1 table 3.1). */
const UNAVAILABLE = 3
const PACKET_ID_MAX = 65_535

/** Time of day for what is said, Unix ms, and a clock that never jumps for how long things take, ms. */
export type Clock = { readonly nowMs: () => number; readonly elapsedMs: () => number }

/** Room for one message under way. */
export class Slot {
  readonly session: Session
  readonly packet: StatusPacket
  packetId: number
  seq = 0
  /** When it was to be said, on the clock that never jumps; the latency counts from there. */
  dueAtMs = 0
  /** Said and not acknowledged. */
  isWaiting = false
  /** Place in the line of those that are free. */
  isInLine = false
  next: Slot | undefined

  constructor(session: Session, packet: StatusPacket, packetId: number) {
    this.session = session
    this.packet = packet
    this.packetId = packetId
  }
}

export type SessionEvents = {
  readonly onHeld: (session: Session) => void
  /** Of a connection that was held, and of a try that failed. */
  readonly onLost: (session: Session, wasHeld: boolean, reason: string) => void
  /** The broker does not want it; it does not try again. */
  readonly onRefused: (session: Session, returnCode: number) => void
  /** The slot is free again. */
  readonly onAcknowledged: (slot: Slot, atMs: number) => void
  /** An acknowledgement of nothing that is under way. */
  readonly onStray: () => void
  readonly onSentAgain: (count: number) => void
}

export type SessionPlan = {
  readonly broker: BrokerAddress
  /** Unique in the whole run. */
  readonly number: number
  readonly terminal: SimulatedTerminalOrGuest
  readonly boot: number
  readonly inFlight: number
}
/** Without a secret it signs in by its serial alone. */
export type SimulatedTerminalOrGuest = Omit<SimulatedTerminal, 'secret'> & { readonly secret: string | undefined }

export type SessionState = 'away' | 'connecting' | 'held' | 'refused' | 'left'

export class Session {
  readonly number: number
  state: SessionState = 'away'
  /** Tries that failed since it was last held. */
  failureCount = 0
  /** When to try again, ms. */
  attemptAtMs = 0
  /** When the present try began, ms. */
  triedAtMs = 0
  /** Messages that are said and not acknowledged. */
  waitingCount = 0
  readonly #plan: SessionPlan
  readonly #events: SessionEvents
  readonly #clock: Clock
  #link: Link | undefined
  #reader = new PacketReader()
  #slots: Slot[] | undefined
  #seq = 0
  #spokeAtMs = 0
  #heardAtMs = 0
  /** Since when something is to be answered, ms; undefined when nothing is. */
  #askedAtMs: number | undefined
  #isReading = false
  #outgoing: Buffer[] = []

  constructor(plan: SessionPlan, events: SessionEvents, clock: Clock) {
    this.number = plan.number
    this.#plan = plan
    this.#events = events
    this.#clock = clock
  }

  connect(): void {
    const { broker, number, terminal } = this.#plan
    const { serial, secret } = terminal
    this.state = 'connecting'
    this.triedAtMs = this.#clock.elapsedMs()
    this.#reader = new PacketReader()
    this.#askedAtMs = undefined
    const sign = { clientId: serial, username: serial, ...(secret === undefined ? {} : { password: secret }) }
    const link: Link = openLink(broker, number, {
      onOpen: () => {
        if (this.#link === link) link.write(connectPacket({ ...sign, keepalive: KEEPALIVE_S }))
      },
      onBytes: (bytes, length) => {
        if (this.#link === link) this.#take(bytes, length)
      },
      onClosed: (reason) => {
        if (this.#link === link) this.lose(reason)
      },
    })
    this.#link = link
  }

  /** The slots that have nothing to wait for and stand in no line. */
  get freeSlots(): Slot[] {
    this.#slots ??= this.#newSlots()
    return this.#slots.filter(({ isWaiting, isInLine }) => !isWaiting && !isInLine)
  }

  /** Says the next message. `dueAtMs` is when it was to be said, `atMs` is now, both on the clock that never jumps. */
  say(slot: Slot, dueAtMs: number, atMs: number): void {
    // Another packet id each time: an acknowledgement that comes twice is told from that of the next message.
    const { inFlight } = this.#plan
    slot.packetId += inFlight
    if (slot.packetId > PACKET_ID_MAX) slot.packetId = ((slot.packetId - 1) % inFlight) + 1
    this.#seq += 1
    slot.seq = this.#seq
    slot.dueAtMs = dueAtMs
    slot.isWaiting = true
    this.waitingCount += 1
    this.#askedAtMs ??= atMs
    this.#spokeAtMs = atMs
    slot.packet.fill(slot.packetId, slot.seq, this.#clock.nowMs())
    this.#write(slot.packet.bytes)
  }

  /** To be called about every second: keeps a quiet connection alive, and gives up one that no longer answers. */
  watch(atMs: number, o: { connectMsMax: number; silenceMsMax: number }): void {
    if (this.state === 'connecting') {
      if (atMs - this.triedAtMs > o.connectMsMax) this.lose(`no CONNACK within ${o.connectMsMax / 1000} s`)
      return
    }
    if (this.state !== 'held') return
    if (this.#askedAtMs !== undefined && atMs - Math.max(this.#askedAtMs, this.#heardAtMs) > o.silenceMsMax)
      return this.lose(`the broker said nothing for ${o.silenceMsMax / 1000} s`)
    if (atMs - this.#spokeAtMs < (KEEPALIVE_S * 1000) / 2) return
    this.#spokeAtMs = atMs
    this.#askedAtMs ??= atMs
    this.#write(PINGREQ)
  }

  /** Gives the connection up. What is not acknowledged is sent again on the next one. */
  lose(reason: string): void {
    const wasHeld = this.state === 'held'
    this.#drop()
    if (this.state === 'left') return
    this.state = 'away'
    this.failureCount += 1
    this.#events.onLost(this, wasHeld, reason)
  }

  /** Says goodbye. Resolves when the other side has it; `cut` is for when it takes too long. */
  leave(): Promise<void> {
    const link = this.#link
    const wasHeld = this.state === 'held'
    this.state = 'left'
    if (link === undefined) return Promise.resolve()
    if (!wasHeld) {
      this.#drop()
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      this.#onLeft = resolve
      link.end(DISCONNECT)
    })
  }
  #onLeft: (() => void) | undefined

  cut(): void {
    this.#drop()
  }

  #drop(): void {
    const link = this.#link
    this.#link = undefined
    link?.cut()
    this.#outgoing = []
    this.#onLeft?.()
  }

  #newSlots(): Slot[] {
    const { terminal, boot, inFlight } = this.#plan
    const topic = deviceTopic(terminal.lift, 'status')
    return Array.from({ length: inFlight }, (_, index) => new Slot(this, new StatusPacket(topic, boot), index + 1))
  }

  #take(bytes: Buffer, length: number): void {
    const atMs = this.#clock.elapsedMs()
    this.#heardAtMs = atMs
    this.#isReading = true
    const link = this.#link
    try {
      this.#reader.take(
        bytes,
        (all, at, bodyAt) => {
          if (this.#link === link) this.#hear(all, at, bodyAt, atMs)
        },
        length,
      )
    } catch (error) {
      if (!(error instanceof PacketError)) throw error
      this.lose(`the broker ${error.message}`)
    } finally {
      this.#isReading = false
    }
    this.#flush()
  }

  #hear(bytes: Buffer, at: number, bodyAt: number, atMs: number): void {
    const kind = (bytes[at] ?? 0) >> 4
    const isSignedIn = this.state === 'held' || this.state === 'left'
    if (kind === PACKET.puback && isSignedIn)
      return this.#acknowledge((bytes[bodyAt] ?? 0) * 256 + (bytes[bodyAt + 1] ?? 0), atMs)
    if (kind === PACKET.pingresp && isSignedIn) {
      if (this.waitingCount === 0) this.#askedAtMs = undefined
      return
    }
    if (kind === PACKET.connack && this.state === 'connecting') return this.#answered(bytes[bodyAt + 1] ?? 0)
    this.lose(`the broker sent a packet of kind ${kind}, which is no answer to anything`)
  }

  #acknowledge(packetId: number, atMs: number): void {
    const slot = this.#slots?.[(packetId - 1) % this.#plan.inFlight]
    if (slot === undefined || !slot.isWaiting || slot.packetId !== packetId) return this.#events.onStray()
    slot.isWaiting = false
    this.waitingCount -= 1
    if (this.waitingCount === 0) this.#askedAtMs = undefined
    this.#events.onAcknowledged(slot, atMs)
  }

  #answered(returnCode: number): void {
    if (returnCode === UNAVAILABLE) return this.lose('the broker is not ready (CONNACK 3)')
    if (returnCode !== 0) {
      this.#drop()
      this.state = 'refused'
      return this.#events.onRefused(this, returnCode)
    }
    this.state = 'held'
    this.failureCount = 0
    this.#spokeAtMs = this.#heardAtMs
    // In the order in which they were said, before anything new.
    const waiting = (this.#slots ?? []).filter(({ isWaiting }) => isWaiting).sort((a, b) => a.seq - b.seq)
    for (const { packet } of waiting) this.#write(packet.again().bytes)
    if (waiting.length > 0) {
      this.#askedAtMs = this.#heardAtMs
      this.#events.onSentAgain(waiting.length)
    }
    this.#events.onHeld(this)
  }

  /** What is said while the broker is being heard goes out together: one system call instead of many. */
  #write(bytes: Buffer): void {
    if (this.#isReading) this.#outgoing.push(bytes)
    else this.#link?.write(bytes)
  }

  #flush(): void {
    const [first] = this.#outgoing
    if (first === undefined) return
    this.#link?.write(this.#outgoing.length === 1 ? first : Buffer.concat(this.#outgoing))
    this.#outgoing.length = 0
  }
}
