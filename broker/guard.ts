/**
 * The guard before Aedes: nothing reaches its handlers that the rules of `packet-rules.ts` refuse, and nothing is collected
 * beyond the bounds. Aedes 1.2.0 has no option for the largest packet, its parser (mqtt-packet 9.0.2) collects whatever
 * length a device announces, and it handles all packets of one read at once. The guard reaches into the private fields
 * `_parser` and `_nextBatch` of Aedes' client: the version is pinned, and a test fails when they or the parser's steps change.
 */
import type { Duplex } from 'node:stream'
import { AdmissionError } from './admission.ts'
import type { BrokerLimits } from './limits.ts'
import {
  DISCONNECT,
  judgeBody,
  judgeHeader,
  judgeLength,
  PUBLISH,
  type PacketFault,
  type PacketLimits,
} from './packet-rules.ts'

/** The version of Aedes whose private fields are used. */
export const GUARDED_AEDES_VERSION = '1.2.0'
/** Bytes that a terminal may send after its CONNECT without waiting for the CONNACK [MQTT-3.1.4-5]. */
export const EARLY_BYTES_MAX = 16 * 1024
/**
 * Packets of one connection that Aedes has at one time. Publications go past it by the short way; the others are rare, and
 * each costs as much as several publications: what comes in one chunk is taken in small turns, so that nobody waits for it.
 */
export const TURN_PACKETS_MAX = 8
const MINUTE_MS = 60_000

/** What the guard uses of mqtt-packet's parser. A step that gives false waits for more bytes. */
type Parser = {
  readonly packet: { readonly length: number; readonly subscriptions?: { topic: string }[] }
  readonly _list: {
    readonly length: number
    readUInt8(at: number): number
    slice(start: number, end: number): Buffer
    append(bytes: Buffer): void
  }
  parse: (this: Parser, bytes: Buffer | readonly Buffer[]) => number
  _parseHeader: (this: Parser) => boolean | undefined
  _parseLength: (this: Parser) => boolean
  _parsePayload: (this: Parser) => boolean
  _newPacket: (this: Parser) => boolean
  _emitError: (this: Parser, error: Error) => void
}
const STEPS = ['parse', '_parseHeader', '_parseLength', '_parsePayload', '_newPacket', '_emitError']

const isParser = (value: unknown): value is Parser =>
  typeof value === 'object' &&
  value !== null &&
  typeof Reflect.get(value, '_list') === 'object' &&
  STEPS.every((step) => typeof Reflect.get(value, step) === 'function')

export type GuardOptions = {
  readonly conn: Duplex
  readonly limits: PacketLimits & Pick<BrokerLimits, 'controlPacketsPerMinuteMax'>
  /** Whether something else asks for a pause, such as publications that wait for the journal. */
  readonly isHeld: () => boolean
  /** A clock that never goes back, ms. */
  readonly elapsedMs: () => number
  /** The CONNECT was read. */
  readonly onConnect: () => void
  /** Hears of each refusal before the connection is closed. */
  readonly onRefused: (error: AdmissionError) => void
  readonly onFault: (fault: unknown) => void
}

export type Guard = {
  /** While true, nothing is taken from the connection: neither from its socket nor from what was read already. */
  isHeld(): boolean
  /** Goes on with what was read already; to be called when a pause that others asked for is over. */
  resume(): void
}

/**
 * Puts the guard on one client of Aedes, before it has read anything. Throws when Aedes has changed inside: a broker
 * without its guard must not start.
 */
export function guardClient(client: object, o: GuardOptions): Guard {
  const parser: unknown = Reflect.get(client, '_parser')
  const nextBatch: unknown = Reflect.get(client, '_nextBatch')
  const once: unknown = Reflect.get(client, 'once')
  if (!isParser(parser) || typeof nextBatch !== 'function' || typeof once !== 'function')
    throw new Error(`the guard knows Aedes ${GUARDED_AEDES_VERSION}; this one is different inside`)
  const guard = new ParserGuard(parser, o)
  // Aedes calls this when it is done with a packet, and once more after the CONNACK; it then reads on.
  Reflect.set(client, '_nextBatch', (error?: unknown) => {
    guard.packetDone()
    Reflect.apply(nextBatch, client, [error])
  })
  // Aedes says so after the CONNACK.
  Reflect.apply(once, client, ['connected', () => guard.admit()])
  return guard
}

class ParserGuard implements Guard {
  readonly #o: GuardOptions
  readonly #parser: Parser
  /** silent: nothing came yet; asked: the CONNECT waits for its answer; over: what still comes is dropped. */
  #phase: 'silent' | 'asked' | 'admitted' | 'over' = 'silent'
  /** First byte of the packet that is being read. */
  #header = 0
  #isParsing = false
  /** Packets that Aedes has and is not done with. */
  #openCount = 0
  #minuteStartMs = -Infinity
  #controlPacketCount = 0

  constructor(parser: Parser, o: GuardOptions) {
    this.#o = o
    this.#parser = parser
    const { parse, _parseHeader, _parseLength, _parsePayload, _newPacket } = parser
    parser.parse = (bytes) => this.#parse(parse, bytes)
    parser._parseHeader = () => this.#mayBegin() && _parseHeader.call(parser)
    parser._parseLength = () =>
      _parseLength.call(parser) && this.#isFine(judgeLength(this.#header, parser.packet.length, o.limits))
    parser._parsePayload = () => this.#isWholeAndFine() && _parsePayload.call(parser) && nameFiltersApart(parser)
    parser._newPacket = () => {
      this.#openCount += 1
      if (this.#phase === 'silent') {
        this.#phase = 'asked'
        o.onConnect()
      }
      // What a device says after its farewell is not heard [MQTT-3.14.4-2].
      if (this.#header >> 4 === DISCONNECT) this.#phase = 'over'
      return _newPacket.call(parser)
    }
  }

  isHeld(): boolean {
    const { conn } = this.#o
    if (this.#phase === 'asked' || this.#phase === 'over') return true
    // A device that does not read its answers gets no new ones: what is written waits for it in the socket's buffer.
    return this.#openCount >= TURN_PACKETS_MAX || conn.writableNeedDrain || this.#o.isHeld()
  }

  resume(): void {
    if (!this.#isParsing && this.#parser._list.length > 0 && !this.isHeld()) this.#parser.parse([])
  }

  admit(): void {
    if (this.#phase !== 'asked') return
    this.#phase = 'admitted'
    this.resume()
  }

  packetDone(): void {
    this.#openCount = Math.max(0, this.#openCount - 1)
    this.resume()
  }

  /** Never throws, and never runs inside itself: Aedes may read on while it handles a packet. */
  #parse(parse: Parser['parse'], bytes: Buffer | readonly Buffer[]): number {
    if (this.#phase === 'over') return 0
    if (this.#isParsing) {
      for (const chunk of Buffer.isBuffer(bytes) ? [bytes] : bytes) this.#parser._list.append(chunk)
      return 0
    }
    this.#isParsing = true
    try {
      return parse.call(this.#parser, bytes)
    } catch (fault) {
      this.#o.onFault(fault)
      this.#refuse({ code: 'admission.protocol', detail: 'the parser failed' })
      return 0
    } finally {
      this.#isParsing = false
    }
  }

  /** Whether the next packet may begin; its first byte is there. */
  #mayBegin(): boolean {
    const { _list: list } = this.#parser
    if (this.#phase === 'asked' && list.length > EARLY_BYTES_MAX)
      return this.#isFine({ code: 'admission.tooLarge', detail: `${list.length} bytes before the CONNACK` })
    if (this.isHeld()) return false
    this.#header = list.readUInt8(0)
    return this.#isFine(judgeHeader(this.#header, this.#phase === 'silent') ?? this.#judgeFlood())
  }

  /** PUBLISH has a rate of its own; everything else that comes after the CONNECT is rare. */
  #judgeFlood(): PacketFault | undefined {
    if (this.#phase !== 'admitted' || this.#header >> 4 === PUBLISH) return undefined
    const nowMs = this.#o.elapsedMs()
    if (nowMs - this.#minuteStartMs >= MINUTE_MS) {
      this.#minuteStartMs = nowMs
      this.#controlPacketCount = 0
    }
    this.#controlPacketCount += 1
    return this.#controlPacketCount <= this.#o.limits.controlPacketsPerMinuteMax
      ? undefined
      : { code: 'admission.flood', detail: `more than ${this.#o.limits.controlPacketsPerMinuteMax} in a minute` }
  }

  #isWholeAndFine(): boolean {
    const { packet, _list: list } = this.#parser
    if (list.length < packet.length) return false
    return this.#isFine(judgeBody(this.#header, list.slice(0, packet.length), this.#o.limits))
  }

  #isFine(fault: PacketFault | undefined): boolean {
    if (fault !== undefined) this.#refuse(fault)
    return fault === undefined
  }

  #refuse({ code, detail, returnCode }: PacketFault): void {
    this.#phase = 'over'
    const error = new AdmissionError(code, detail)
    this.#o.onRefused(error)
    if (returnCode === undefined) return this.#parser._emitError(error)
    // Aedes never saw this CONNECT; four bytes answer it [MQTT-3.1.2-2, MQTT-3.1.3-8].
    this.#o.conn.write(Buffer.from([0x20, 2, 0, returnCode]), () => this.#parser._emitError(error))
  }
}

/**
 * Aedes answers a filter that one SUBSCRIBE names twice only once, against [MQTT-3.8.4-5]. No filter is granted here, so
 * those that come again may go by another name.
 */
function nameFiltersApart(parser: Parser): true {
  const { subscriptions = [] } = parser.packet
  const topics = new Set<string>()
  subscriptions.forEach((subscription, index) => {
    if (topics.has(subscription.topic)) subscription.topic = `repeated filter ${index + 1}`
    topics.add(subscription.topic)
  })
  return true
}
