import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { generate, parser, type Packet } from 'mqtt-packet'
import type { LiftId, TerminalSerial } from '#contract/ids'
import { deviceTopic, type MessageKind } from '#contract/topics'
import type { Clock } from '#simulator/conformance/clock'
import { rideAt, ROUND_MS, type Saying } from './fake-ride.ts'

/** What can be wrong with a terminal. None of it = a terminal as the contract wants it. */
export type Flaws = {
  readonly will?: 'none' | 'payload' | 'topic' | 'retained'
  readonly hasNoBirth?: boolean
  /** Statistics go to another lift. */
  readonly foreignLift?: LiftId
  readonly isWrongSchema?: boolean
  readonly skipsNumbers?: boolean
  readonly restartsNumbers?: boolean
  readonly isQuietWhenBusy?: boolean
  readonly clockAheadMs?: number
  readonly stampsWhenSending?: boolean
  readonly losesWhenAway?: boolean
  readonly hammers?: boolean
  readonly forgetsUnacknowledged?: boolean
  readonly qos?: 0 | 1
  readonly countersFall?: boolean
  readonly subscribes?: boolean
  readonly keepsBoot?: boolean
  readonly changesIds?: boolean
  readonly teleports?: boolean
  /** No flaw: how long it waits before each try to connect, ms, one after the other; the last for all that follow. */
  readonly waitsMs?: readonly number[]
  /** No flaw: it connects with TLS. */
  readonly isTls?: boolean
}

type Entry = {
  readonly kind: MessageKind
  readonly seq: number
  readonly body: object
  payload?: string
  packetId?: number
}

const IN_FLIGHT_MAX = 20
const BACK_OFF_MS = { first: 1000, most: 16_000 } as const
const HAMMER_MS = 1000
const KEEPALIVE_S = 120

/** A terminal of a few lines, on sockets and packets, so that each of its faults can be switched on alone. */
export class FakeTerminal {
  readonly #port: number
  readonly #clock: Clock
  readonly #lift: LiftId
  readonly #serial: TerminalSerial
  readonly #flaws: Flaws
  readonly #stop = new AbortController()
  readonly #startAtMs: number
  #entries: Entry[] = []
  #boot = 7
  #seq = 0
  #saidCount = 0
  #packetId = 0
  #socket: Socket | undefined
  #isSignedIn = false
  #isOff = false
  /** Ends the connection for the terminal alone. */
  #leave: () => void = () => {}
  readonly #halfOpen: Socket[] = []

  constructor(o: { port: number; clock: Clock; lift: LiftId; serial: TerminalSerial; flaws: Flaws }) {
    this.#port = o.port
    this.#clock = o.clock
    this.#lift = o.lift
    this.#serial = o.serial
    this.#flaws = o.flaws
    this.#startAtMs = o.clock.nowMs()
  }

  /** Runs until `stop`. */
  async run(): Promise<void> {
    await Promise.all([this.#sample(), this.#link()])
  }

  stop(): void {
    this.#stop.abort()
    for (const socket of this.#halfOpen) socket.destroy()
    this.#socket?.destroy()
  }

  /**
   * Power off and on: the boot grows, and what was not sent is gone. `silentMs` = it stays off for so long, and its connection
   * stays half-open: nobody says goodbye.
   */
  restart(silentMs?: number): void {
    this.#entries = []
    this.#seq = 0
    if (this.#flaws.keepsBoot !== true) this.#boot += 1
    if (silentMs === undefined) return void this.#socket?.destroy()
    this.#isOff = true
    this.#leave()
    void this.#clock.wait(silentMs, this.#stop.signal).then(() => (this.#isOff = false))
  }

  async #sample(): Promise<void> {
    for (let round = 0; !this.#stop.signal.aborted; round += 1) {
      for (const saying of rideAt(round)) {
        const atMs = this.#startAtMs + round * ROUND_MS + saying.atMs
        await this.#clock.wait(atMs - this.#clock.nowMs(), this.#stop.signal)
        if (this.#stop.signal.aborted) return
        if (!this.#isOff) this.#say(saying, atMs)
      }
    }
  }

  #say(saying: Saying, atMs: number): void {
    const { flaws } = this.#broken(saying)
    if (flaws.isSilent) return
    const time = atMs + (this.#flaws.clockAheadMs ?? 0)
    this.#put(saying.kind, flaws.fields, saying.kind === 'message' ? 'occurredAtMs' : 'sampledAtMs', time)
    this.#send()
  }

  /** The saying with the faults of what is said. */
  #broken({ kind, isBusyBeat, isMoving, fields }: Saying): {
    flaws: { isSilent: boolean; fields: Record<string, unknown> }
  } {
    const { isQuietWhenBusy, isWrongSchema, countersFall, changesIds, teleports } = this.#flaws
    const isSilent = (isQuietWhenBusy === true && isBusyBeat === true) || (teleports === true && isMoving === true)
    const wrong: Record<string, unknown> = {}
    if (isWrongSchema === true && isBusyBeat === true) wrong['doorStatus'] = 'open'
    if (countersFall === true && kind === 'statistics' && this.#saidCount > 20) wrong['runCount'] = 3
    if (changesIds === true && fields['raised'] === false) wrong['id'] = `other-${this.#seq}`
    return { flaws: { isSilent, fields: { ...fields, ...wrong } } }
  }

  #put(kind: MessageKind, fields: object, timeName: string, atMs: number): void {
    this.#saidCount += 1
    this.#seq += this.#flaws.skipsNumbers === true && this.#saidCount % 7 === 0 ? 2 : 1
    if (this.#flaws.losesWhenAway === true && !this.#isSignedIn) return
    const body = { v: 1, boot: this.#boot, seq: this.#seq, [timeName]: atMs, ...fields }
    const entry: Entry = { kind, seq: this.#seq, body }
    // Numbers that begin anew: what is new goes out first.
    if (kind === 'connection' && this.#flaws.restartsNumbers === true) this.#entries.unshift(entry)
    else this.#entries.push(entry)
  }

  async #link(): Promise<void> {
    let failureCount = 0
    for (let index = 0; !this.#stop.signal.aborted; index += 1) {
      const wasSignedIn = await this.#connection()
      failureCount = wasSignedIn ? 1 : failureCount + 1
      const backOffMs = Math.min(BACK_OFF_MS.most, BACK_OFF_MS.first * 2 ** (failureCount - 1))
      const { hammers, waitsMs } = this.#flaws
      const waitMs = hammers === true ? HAMMER_MS : (waitsMs?.[index] ?? waitsMs?.at(-1) ?? backOffMs)
      await this.#clock.wait(waitMs, this.#stop.signal)
      while (this.#isOff && !this.#stop.signal.aborted) await this.#clock.wait(1000, this.#stop.signal)
    }
  }

  /** One connection from its beginning to its end; whether it was accepted. */
  #connection(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket =
        this.#flaws.isTls === true
          ? connectTls({ port: this.#port, host: '127.0.0.1', rejectUnauthorized: false })
          : connect(this.#port, '127.0.0.1')
      this.#socket = socket
      let wasSignedIn = false
      const packets = parser()
      packets.on('packet', (packet) => {
        if (packet.cmd === 'connack' && packet.returnCode === 0) {
          wasSignedIn = true
          this.#greet()
        } else if (packet.cmd === 'connack') socket.destroy()
        else if (packet.cmd === 'puback') this.#acknowledge(packet.messageId)
      })
      socket.setNoDelay(true)
      socket.on('data', (chunk: Buffer) => packets.parse(chunk))
      socket.on(this.#flaws.isTls === true ? 'secureConnect' : 'connect', () =>
        socket.write(generate(this.#connectPacket())),
      )
      socket.on('error', () => {})
      const onClose = (): void => {
        this.#isSignedIn = false
        if (this.#flaws.forgetsUnacknowledged === true)
          this.#entries = this.#entries.filter(({ packetId }) => packetId === undefined)
        for (const entry of this.#entries) delete entry.packetId
        resolve(wasSignedIn)
      }
      socket.on('close', onClose)
      this.#leave = () => {
        socket.removeAllListeners('data').removeAllListeners('close')
        this.#halfOpen.push(socket)
        onClose()
      }
    })
  }

  #connectPacket(): Packet {
    const { will = 'good' } = this.#flaws
    const offline = { v: 1, state: will === 'payload' ? 'gone' : 'offline', terminal: this.#serial }
    return {
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      keepalive: KEEPALIVE_S,
      clientId: this.#serial,
      username: this.#serial,
      password: Buffer.from('secret'),
      ...(will === 'none'
        ? {}
        : {
            will: {
              topic: will === 'topic' ? 'lifts/offline' : deviceTopic(this.#lift, 'connection'),
              payload: JSON.stringify(offline),
              qos: 1,
              retain: will === 'retained',
            },
          }),
    }
  }

  #greet(): void {
    this.#isSignedIn = true
    if (this.#flaws.restartsNumbers === true) this.#seq = 0
    if (this.#flaws.subscribes === true)
      this.#socket?.write(
        generate({
          cmd: 'subscribe',
          messageId: 9,
          subscriptions: [{ topic: `lifts/v1/${this.#lift}/commands`, qos: 1 }],
        }),
      )
    const online = { state: 'online', terminal: this.#serial, firmware: '1.4.2' }
    const atMs = this.#clock.nowMs() + (this.#flaws.clockAheadMs ?? 0)
    if (this.#flaws.hasNoBirth !== true) this.#put('connection', online, 'atMs', atMs)
    this.#send()
  }

  #acknowledge(packetId: number | undefined): void {
    this.#entries = this.#entries.filter((entry) => entry.packetId !== packetId)
    this.#send()
  }

  #send(): void {
    if (!this.#isSignedIn) return
    const { qos = 1 } = this.#flaws
    for (const entry of this.#entries.slice(0, IN_FLIGHT_MAX)) {
      if (entry.packetId !== undefined) continue
      this.#packetId = (this.#packetId % 60_000) + 1
      entry.packetId = this.#packetId
      entry.payload ??= this.#payloadOf(entry)
      const lift = entry.kind === 'statistics' ? (this.#flaws.foreignLift ?? this.#lift) : this.#lift
      this.#socket?.write(
        generate({
          cmd: 'publish',
          topic: deviceTopic(lift, entry.kind),
          payload: entry.payload,
          qos,
          dup: false,
          retain: false,
          messageId: entry.packetId,
        }),
      )
    }
    if (qos === 0) this.#entries = this.#entries.filter(({ packetId }) => packetId === undefined)
  }

  #payloadOf({ kind, body }: Entry): string {
    const isStamped = this.#flaws.stampsWhenSending === true && kind !== 'connection' && kind !== 'message'
    return JSON.stringify(isStamped ? { ...body, sampledAtMs: this.#clock.nowMs() } : body)
  }
}
