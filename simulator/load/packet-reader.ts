/** Takes a stream of MQTT bytes apart into packets, however it was chopped, without copying what came whole. */
import { PACKET } from './packets.ts'

/**
 * One packet: its first byte is `bytes[at]`, its body goes from `bodyAt` up to `end`. The bytes are good only during the call:
 * the next read may overwrite them.
 */
export type OnPacket = (bytes: Buffer, at: number, bodyAt: number, end: number) => void

/** The other side sent what is no MQTT 3.1.1; the message says what, as the end of a sentence that begins with who sent it. */
export class PacketError extends Error {
  override readonly name = 'PacketError'
}

/** What a broker says to a device has a few bytes; more than this is garbage that looks like a length. */
export const BODY_BYTES_MAX = 64 * 1024
const LENGTH_BYTES_MAX = 4
/** Flags of PUBREL, SUBSCRIBE and UNSUBSCRIBE; of all others but PUBLISH they are 0 (MQTT 3.1.1 table 2.2). */
const FLAGS: Readonly<Record<number, number>> = { 6: 2, 8: 2, 10: 2 }
const EXACT_BODY_BYTES: Readonly<Record<number, number>> = {
  [PACKET.connack]: 2,
  [PACKET.puback]: 2,
  [PACKET.pingreq]: 0,
  [PACKET.pingresp]: 0,
  [PACKET.disconnect]: 0,
}

export class PacketReader {
  readonly #bodyBytesMax: number
  /** The beginning of a packet that is not whole yet; a copy. */
  #rest: Buffer | undefined
  #error: PacketError | undefined

  constructor(bodyBytesMax: number = BODY_BYTES_MAX) {
    this.#bodyBytesMax = bodyBytesMax
  }

  /**
   * Tells of every packet that is whole with the first `length` bytes of this chunk, oldest first. Throws `PacketError` at the
   * first byte that cannot be right, after the packets before it were told; from then on it throws the same error again.
   */
  take(chunk: Buffer, onPacket: OnPacket, length: number = chunk.length): void {
    if (this.#error !== undefined) throw this.#error
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk.subarray(0, length)])
    const bytesEnd = this.#rest === undefined ? length : bytes.length
    let at = 0
    while (at < bytesEnd) {
      const bodyAt = this.#bodyAt(bytes, at, bytesEnd)
      if (bodyAt === undefined) break
      const end = bodyAt + this.#bodyBytes
      if (end > bytesEnd) break
      onPacket(bytes, at, bodyAt, end)
      at = end
    }
    this.#rest = at === bytesEnd ? undefined : Buffer.from(bytes.subarray(at, bytesEnd))
  }

  /** Set by `#bodyAt`; a field, because a result with two numbers would cost an object for each packet. */
  #bodyBytes = 0

  /** Where the body of the packet at `at` begins; undefined as long as its length is not whole. */
  #bodyAt(bytes: Buffer, at: number, bytesEnd: number): number | undefined {
    const header = bytes[at] ?? 0
    const kind = header >> 4
    if (kind === 0 || kind === 15) this.#fail(`sent a packet of kind ${kind}, which there is none of`)
    const flags = header & 15
    if (kind === PACKET.publish ? (flags & 6) === 6 : flags !== (FLAGS[kind] ?? 0))
      this.#fail(`sent a packet of kind ${kind} with flags ${flags}, which it cannot have`)
    let bodyBytes = 0
    for (let index = 1, factor = 1; index <= LENGTH_BYTES_MAX; index += 1, factor *= 128) {
      if (at + index >= bytesEnd) return undefined
      const byte = bytes[at + index] ?? 0
      bodyBytes += (byte & 0x7f) * factor
      if (byte >= 0x80) continue
      const exact = EXACT_BODY_BYTES[kind]
      if (exact !== undefined && bodyBytes !== exact)
        this.#fail(`sent a packet of kind ${kind} with ${bodyBytes} bytes instead of ${exact}`)
      if (bodyBytes > this.#bodyBytesMax)
        this.#fail(`announced a packet of ${bodyBytes} bytes; ${this.#bodyBytesMax} are taken at most`)
      this.#bodyBytes = bodyBytes
      return at + index + 1
    }
    return this.#fail('sent a packet whose length has more than four bytes')
  }

  #fail(what: string): never {
    this.#error = new PacketError(what)
    this.#rest = undefined
    throw this.#error
  }
}
