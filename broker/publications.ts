/**
 * The short way of a publication: from the bytes of the socket into the journal, and its PUBACK back, past the parser and
 * the handlers of Aedes. Nobody subscribes here, so there is nothing that they could do for it. Packets of all other kinds,
 * and publications that are to be refused, take the long way unchanged, in the order in which they came.
 *
 * It stands before the parser of Aedes' client and its guard, in the private field `_parser`, whose state says whether a
 * packet was read in part, and keeps the private `_keepaliveTimer` running; `GUARDED_AEDES_VERSION` pins the version.
 */
import type { AdmittedTerminal } from './admission.ts'
import { isUrgentKind, type Commits } from './commits.ts'
import type { Connection, HeldReason, TurnEnd } from './connection.ts'
import { GUARDED_AEDES_VERSION, type Guard } from './guard.ts'
import { refused } from './hook-context.ts'
import type { BrokerLimits } from './limits.ts'
import { readPublication, type OwnTopic } from './publication-frame.ts'
import type { Refusals } from './refusals.ts'

/** What is used of mqtt-packet's parser. Its state is the step that comes next: 0 header, 1 length, 2 content. */
type Parser = {
  readonly packet: { readonly length: number }
  readonly _list: { readonly length: number }
  readonly _stateCounter: number
  parse(bytes: Buffer | readonly Buffer[]): number
}
type AedesClient = {
  readonly _parser: Parser
  readonly _keepaliveTimer: NodeJS.Timeout | null
  waitForDrain(done: () => void): void
}
const CONTENT_STEP = 2
const isBetweenPackets = ({ _stateCounter: step, _list: list }: Parser): boolean => step === 0 && list.length === 0

/** Whether the client is inside as Aedes 1.2.0 makes it. */
export function isAedesClient(client: object): client is AedesClient {
  const parser: unknown = Reflect.get(client, '_parser')
  return (
    typeof Reflect.get(client, 'waitForDrain') === 'function' &&
    '_keepaliveTimer' in client &&
    typeof parser === 'object' &&
    parser !== null &&
    typeof Reflect.get(parser, 'parse') === 'function' &&
    typeof Reflect.get(parser, '_stateCounter') === 'number' &&
    typeof Reflect.get(parser, '_list') === 'object'
  )
}

export type ShortWayParts = {
  readonly commits: Pick<Commits, 'commit'>
  readonly limits: Pick<BrokerLimits, 'packetBytesMax'>
  /** Unix ms. */
  readonly nowMs: () => number
  /** A clock that never goes back, ms. */
  readonly elapsedMs: () => number
  readonly isStopping: () => boolean
  readonly refusals: Pick<Refusals, 'count'>
  readonly onHeld: (reason: HeldReason) => void
  readonly onFault: (fault: unknown) => void
}

/** Opens the short way for a client that was admitted. Throws when Aedes has changed inside. */
export function openShortWay(client: object, connection: Connection, parts: ShortWayParts): void {
  const { terminal, guard } = connection
  if (terminal === undefined || guard === undefined)
    throw new Error('the short way is for terminals that were admitted')
  if (!isAedesClient(client))
    throw new Error(`the short way knows Aedes ${GUARDED_AEDES_VERSION}; this one is different`)
  connection.onTurnEnd = new ShortWay(client, { ...parts, connection, terminal, guard })
}

type ShortWayOptions = ShortWayParts & {
  readonly connection: Connection
  readonly terminal: AdmittedTerminal
  readonly guard: Guard
}

class ShortWay implements TurnEnd {
  readonly #o: ShortWayOptions
  readonly #connection: Connection
  readonly #client: AedesClient
  readonly #parser: Parser
  readonly #parse: Parser['parse']
  readonly #own: OwnTopic[]
  /** The parser has nothing in part, and nothing waits in it for its turn. */
  #isBetweenPackets: boolean
  /** Read from the socket and not looked at yet: one chunk, and what was read while it was looked at. */
  #chunks: Buffer[] | undefined
  #isRunning = false
  /** Stands still until it is resumed. */
  #isHeld = false
  #rateTimer: NodeJS.Timeout | undefined

  constructor(client: AedesClient, o: ShortWayOptions) {
    this.#o = o
    this.#connection = o.connection
    this.#client = client
    const parser = client._parser
    this.#parser = parser
    this.#own = Array.from(o.terminal.kindByTopic, ([topic, kind]) => ({ topic, kind }))
    this.#parse = parser.parse.bind(parser)
    parser.parse = (bytes) => this.#take(bytes)
    this.#isBetweenPackets = isBetweenPackets(parser)
    this.#connection.conn.once('close', () => clearTimeout(this.#rateTimer))
    // What came on the heels of the CONNECT went the long way, and may have been too much already.
    this.#holdWhenFull(o.elapsedMs())
  }

  endTurn(isDrained: boolean): void {
    if (!isDrained) this.#client.waitForDrain(() => this.#resume())
    else if (this.#isHeld && !this.#holdWhenFull(this.#o.elapsedMs())) this.#resume()
  }

  refuse(fate: Error | 'withheld'): void {
    if (fate === 'withheld') return
    const { conn } = this.#connection
    conn.destroy(refused(this.#o, this.#connection, 'admission.storeAway', fate.message))
  }

  #take(bytes: Buffer | readonly Buffer[]): number {
    if (!Buffer.isBuffer(bytes)) {
      const left = this.#parse(bytes)
      this.#isBetweenPackets = isBetweenPackets(this.#parser)
      return left
    }
    if (this.#isRunning || this.#chunks !== undefined) (this.#chunks ??= []).push(bytes)
    else this.#run(bytes)
    return 0
  }

  /** Total, and never inside itself: Aedes may read on while it handles a packet. */
  #run(first: Buffer | undefined): void {
    if (this.#isRunning) return
    const { conn } = this.#connection
    this.#isRunning = true
    try {
      for (let chunk = first ?? this.#nextChunk(); chunk !== undefined && !conn.destroyed; chunk = this.#nextChunk()) {
        const at = this.#read(chunk)
        if (at === chunk.length) continue
        ;(this.#chunks ??= []).unshift(chunk.subarray(at))
        return
      }
      this.#holdWhenFull(this.#o.elapsedMs())
    } catch (fault) {
      this.#o.onFault(fault)
      conn.destroy()
    } finally {
      this.#isRunning = false
    }
  }

  #nextChunk(): Buffer | undefined {
    const chunk = this.#chunks?.shift()
    if (this.#chunks?.length === 0) this.#chunks = undefined
    return chunk
  }

  /** Takes what it may of one chunk, packet by packet, and says how far it came. */
  #read(chunk: Buffer): number {
    const connection = this.#connection
    const { terminal, limits, commits, isStopping } = this.#o
    const receivedAtMs = this.#o.nowMs()
    const elapsedMs = this.#o.elapsedMs()
    let at = 0
    let isHeard = false
    while (at < chunk.length && !connection.conn.destroyed && !isStopping()) {
      if (this.#holdWhenFull(elapsedMs)) break
      const found = this.#isBetweenPackets ? readPublication(chunk, at, this.#own, limits.packetBytesMax) : undefined
      if (found === undefined) {
        at = this.#goLongWay(chunk, at)
        continue
      }
      const { kind, topic, qos, packetId, payloadAt, end } = found
      connection.countPublication(elapsedMs)
      commits.commit(connection, {
        topic,
        terminal: terminal.serial,
        receivedAtMs,
        payload: chunk.subarray(payloadAt, end),
        isUrgent: isUrgentKind(kind),
        kind,
        qos,
        packetId,
        isWill: false,
      })
      at = end
      isHeard = true
    }
    // [MQTT-3.1.2-24]: each packet is a sign of life.
    if (isHeard) this.#client._keepaliveTimer?.refresh()
    // What comes while the broker stops is not taken, and so not acknowledged.
    return isStopping() ? chunk.length : at
  }

  /** Gives the parser the packet that begins at `at`, or the rest of the one that it has in part. Says where that ends. */
  #goLongWay(chunk: Buffer, at: number): number {
    const missing = this.#missingBytes(chunk, at)
    const end = Math.min(chunk.length, at + missing)
    this.#parse(chunk.subarray(at, end))
    this.#isBetweenPackets = isBetweenPackets(this.#parser)
    return end
  }

  #missingBytes(chunk: Buffer, at: number): number {
    const { _stateCounter: step, _list: list, packet } = this.#parser
    if (step === CONTENT_STEP) return packet.length - list.length
    // What waits in the parser for its turn keeps its place before this chunk.
    if (list.length > 0) return Infinity
    if (step !== 0) return 1
    let length = 0
    for (let index = 1; index <= 4; index += 1) {
      const byte = chunk[at + index]
      if (byte === undefined) return Infinity
      length += (byte & 0x7f) * 128 ** (index - 1)
      if (byte < 0x80) return 1 + index + length
    }
    return Infinity
  }

  /** True when nothing more may be taken for now: then it stands still until the end of a turn, or until the timer. */
  #holdWhenFull(nowMs: number): boolean {
    const reason = this.#connection.heldBy(nowMs)
    if (reason === undefined) return false
    if (!this.#isHeld) {
      this.#isHeld = true
      this.#o.onHeld(reason)
    }
    if (reason === 'rate' && this.#rateTimer === undefined)
      this.#rateTimer = setTimeout(this.#onRateTimer, Math.max(1, Math.ceil(this.#connection.rateWaitMs(nowMs))))
    return true
  }

  readonly #onRateTimer = (): void => {
    this.#rateTimer = undefined
    if (!this.#holdWhenFull(this.#o.elapsedMs())) this.#resume()
  }

  #resume(): void {
    const { conn } = this.#connection
    this.#isHeld = false
    this.#run(undefined)
    if (this.#isHeld || conn.destroyed) return
    this.#o.guard.resume()
    // Aedes reads when it hears this; the socket said it while nothing was taken from it.
    conn.emit('readable')
  }
}
