/** A PUBLISH of a status that is written once and then only changed in place: a load has no time to write JSON. */
import type { Status } from '#contract/telemetry'
import { publishPacket } from './packets.ts'

/** A lift that stands at its lowest landing with nobody inside: however often it is said, nobody is alarmed. */
const FIELDS: Omit<Status, 'v' | 'boot' | 'seq' | 'sampledAtMs'> = {
  ...{ serviceMode: 1, carStatus: 0, carDirection: 0, doorZone: true, carPosition: '1', floorIndex: 0 },
  ...{ doorStatus: 2, doorClosed: true, passengerPresent: false, speedMps: 0, alarmButton: false, rssiDbm: -71 },
}
/** As long as those of terminals that measure about as much; spaces after a JSON text mean nothing. */
export const STATUS_BYTES = 250
const SEQ_DIGITS = 10
const TIME_DIGITS = 13
/** DUP, bit 3 of the first byte: the message may have been taken already [MQTT-3.3.1-1]. */
const DUP = 0x08
const ZERO = 0x30
const SPACE = 0x20

/** Spaces and digits in JSON where a number goes; spaces before a number mean nothing. */
const SEQ_PLACE = '?'.repeat(SEQ_DIGITS)
const TIME_PLACE = '!'.repeat(TIME_DIGITS)

export class StatusPacket {
  readonly bytes: Buffer
  readonly #idAt: number
  readonly #seqAt: number
  readonly #timeAt: number

  /** `boot` stays, everything else is filled in before each use. */
  constructor(topic: string, boot: number) {
    const fields = JSON.stringify(FIELDS).slice(1)
    const payload = `{"v":1,"boot":${boot},"seq":${SEQ_PLACE},"sampledAtMs":${TIME_PLACE},${fields}`
    this.bytes = publishPacket({ topic, payload: payload.padEnd(STATUS_BYTES, ' ') })
    const payloadAt = this.bytes.length - Math.max(payload.length, STATUS_BYTES)
    this.#idAt = payloadAt - 2
    this.#seqAt = this.bytes.indexOf(SEQ_PLACE, payloadAt)
    this.#timeAt = this.bytes.indexOf(TIME_PLACE, payloadAt)
  }

  /** Makes it a new message, sampled at `atMs` (Unix ms). The bytes of the one before must no longer be needed. */
  fill(packetId: number, seq: number, atMs: number): this {
    const { bytes } = this
    bytes[0] = (bytes[0] ?? 0) & ~DUP
    bytes[this.#idAt] = packetId >> 8
    bytes[this.#idAt + 1] = packetId & 0xff
    writeDigits(bytes, this.#seqAt, SEQ_DIGITS, seq)
    writeDigits(bytes, this.#timeAt, TIME_DIGITS, Math.floor(atMs))
    return this
  }

  /** The same message once more: only the mark of a repetition is added. */
  again(): this {
    this.bytes[0] = (this.bytes[0] ?? 0) | DUP
    return this
  }
}

/** Writes a whole number that ends at the end of its place, spaces before it. */
function writeDigits(bytes: Buffer, at: number, digitCount: number, value: number): void {
  let left = value
  let index = at + digitCount - 1
  do {
    const rest = Math.floor(left / 10)
    bytes[index] = ZERO + (left - rest * 10)
    left = rest
    index -= 1
  } while (left > 0 && index >= at)
  for (; index >= at; index -= 1) bytes[index] = SPACE
}
