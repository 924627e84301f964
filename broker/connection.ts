/** One connection of a device, from the socket to its end, and how it is held back. */
import type { Duplex } from 'node:stream'
import type { Result } from '#contract/errors'
import type { AdmittedTerminal, Claim } from './admission.ts'
import type { ShownCertificate } from './certificates.ts'
import type { Place } from '#contract/places'
import type { Guard } from './guard.ts'
import type { BrokerLimits } from './limits.ts'

/** Why nothing more is read of a connection: it says too much in a second, or too much of it waits for the journal. */
export type HeldReason = 'rate' | 'waiting'
type ConnectionLimits = Pick<BrokerLimits, 'inFlightMax' | 'publicationsPerSecondMax' | 'publicationBurstMax'>

/** The clock has fractions: sums of them are off by less than this, which is no reason to hold anybody. */
const ROUNDING_MS = 0.001

/** Who has to hear when the journal has settled publications of a connection. */
export type TurnEnd = {
  /** The journal has settled something, and its acknowledgements were written; false when the device does not read them. */
  endTurn(isDrained: boolean): void
  /** A publication is not durable. */
  refuse(fate: Error | 'withheld'): void
}

/** One connection: who it is, what it waits for, and what may be read of it. */
export class Connection {
  readonly conn: Duplex
  readonly address: string
  readonly place: Place
  /** What the terminal has shown in the TLS handshake; undefined = no certificate, or no TLS. */
  readonly certificate: Result<ShownCertificate, string> | undefined
  claim: Claim | undefined
  terminal: AdmittedTerminal | undefined
  /** The stored hash that its secret was proved against. */
  secretHash: string | null | undefined
  /** True from the CONNACK on. */
  isReady = false
  /** Publications that wait for the journal. */
  waitingCount = 0
  /** When the journal last took something of it, ms of the clock that never goes back. */
  takenAtMs = -Infinity
  /** When it last had a part of the room that is kept for urgent publications. */
  drewAtMs = -Infinity
  readonly #limits: ConnectionLimits
  /** When as much may be said at once as ever, ms of the clock that never goes back. */
  #restedAtMs = -Infinity
  // Most turns bring one acknowledgement: the first packet id stands alone, 0 = none.
  #firstId = 0
  #nextIds: number[] | undefined
  /** False when the device did not read what was written to it in this turn. */
  #isDrained = true
  /** True while the journal has settled something for it in this turn. */
  isTouched = false
  guard: Guard | undefined
  /** Who reads its publications, once it is admitted. */
  onTurnEnd: TurnEnd | undefined
  /** Runs from the CONNECT until it is answered. */
  answerTimer: NodeJS.Timeout | undefined
  /**
   * True when its will is not to be told: its terminal speaks on a newer connection, or has lost the lift that the will is
   * about.
   */
  isWillVoid = false
  /** Why it ended, for the log. */
  endReason = 'closed'

  constructor(o: {
    conn: Duplex
    address: string
    place: Place
    certificate?: Result<ShownCertificate, string> | undefined
    limits: ConnectionLimits
  }) {
    this.conn = o.conn
    this.address = o.address
    this.place = o.place
    this.certificate = o.certificate
    this.#limits = o.limits
  }

  /** Counts one publication, also when it is one too many: what was read already is not thrown away. */
  countPublication(elapsedMs: number): void {
    this.#restedAtMs = Math.max(this.#restedAtMs, elapsedMs) + 1000 / this.#limits.publicationsPerSecondMax
  }

  /** How long until one more may be said, ms; 0 or less when it may. */
  rateWaitMs(elapsedMs: number): number {
    const { publicationsPerSecondMax, publicationBurstMax } = this.#limits
    return this.#restedAtMs - elapsedMs - ((publicationBurstMax - 1) * 1000) / publicationsPerSecondMax
  }

  /** Why nothing more may be read of it, at a time of the clock that never goes back, ms. */
  heldBy(elapsedMs: number): HeldReason | undefined {
    if (this.waitingCount >= this.#limits.inFlightMax) return 'waiting'
    return this.#restedAtMs > elapsedMs && this.rateWaitMs(elapsedMs) > ROUNDING_MS ? 'rate' : undefined
  }

  /** A publication is durable: its PUBACK goes out at the end of the turn, in order [MQTT-4.6.0-2]. */
  acknowledge(packetId: number): void {
    if (this.#firstId === 0) this.#firstId = packetId
    else (this.#nextIds ??= []).push(packetId)
  }

  /** Writes what may be acknowledged, in one piece. */
  writeAcknowledgements(): void {
    if (this.#firstId === 0) return
    const bytes = pubacks(this.#firstId, this.#nextIds)
    this.#firstId = 0
    this.#nextIds = undefined
    if (this.conn.writable && !this.conn.write(bytes)) this.#isDrained = false
  }

  /** The journal has settled all that it had at once. */
  endTurn(): void {
    this.writeAcknowledgements()
    const isDrained = this.#isDrained
    this.#isDrained = true
    this.onTurnEnd?.endTurn(isDrained)
  }

  /** What to call it in the log, before and after it proved who it is. */
  get terminalName(): string | undefined {
    return this.terminal?.serial ?? this.claim?.serial
  }

  clearAnswerTimer(): void {
    clearTimeout(this.answerTimer)
    this.answerTimer = undefined
  }
}

const PUBACK_BYTES = 4

function pubacks(firstId: number, nextIds: readonly number[] = []): Buffer {
  const bytes = Buffer.allocUnsafe(PUBACK_BYTES * (1 + nextIds.length))
  writePuback(bytes, 0, firstId)
  for (let index = 0; index < nextIds.length; index += 1)
    writePuback(bytes, PUBACK_BYTES * (1 + index), nextIds[index] ?? 0)
  return bytes
}

function writePuback(bytes: Buffer, at: number, id: number): void {
  bytes[at] = 0x40
  bytes[at + 1] = 2
  bytes[at + 2] = id >> 8
  bytes[at + 3] = id & 0xff
}

/**
 * While the guard holds it, reads give nothing: the socket's buffer fills up and TCP holds the device back. Whoever reads
 * must try again after what it waits for is done; Aedes does, after each packet.
 */
export function holdReading(conn: Duplex, guard: Pick<Guard, 'isHeld'>): void {
  const read = conn.read.bind(conn)
  // read(0) only asks the stream to go on filling its buffer, which is bounded.
  conn.read = (bytes?: number): unknown => (bytes !== 0 && guard.isHeld() ? null : (read(bytes) as unknown))
}
