/** Packets that are nearly right, the same for the same seed, and what of them a broker may rightly take. */
import { chanceOf } from '../chance.ts'
import {
  connectPacket,
  DISCONNECT,
  packet,
  PINGREQ,
  puback,
  publishPacket,
  subscribePacket,
  text,
  uint16,
} from './raw-terminal.ts'

export type FuzzTerminal = { readonly serial: string; readonly secret: string; readonly topics: readonly string[] }
export type FuzzCase = {
  /** Whether the bytes come after a valid CONNECT that was answered. */
  readonly isAdmitted: boolean
  /** What is sent, in the pieces in which it is sent. */
  readonly chunks: readonly Buffer[]
}

const ADMITTED_SHARE = 0.65
const PACKETS_PER_CASE_MAX = 4
const MUTATIONS_MAX = 4
const CHUNKS_MAX = 5
const TELLING_BYTES = [0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff, 0x10, 0x30, 0x32, 0x3a, 0x82, 0xc0, 0xe0]

export class MutatedPackets {
  readonly #chance: () => number
  #caseCount = 0

  constructor(seed: number) {
    this.#chance = chanceOf(seed)
  }

  next(terminal: FuzzTerminal): FuzzCase {
    this.#caseCount += 1
    const isAdmitted = this.#chance() < ADMITTED_SHARE
    const packets = Array.from({ length: 1 + this.#below(PACKETS_PER_CASE_MAX) }, (_, index) =>
      this.#packet(terminal, !isAdmitted && (index === 0 || this.#chance() < 0.2)),
    )
    let bytes: Buffer = Buffer.concat(packets)
    const mutationCount = this.#below(MUTATIONS_MAX + 1)
    for (let index = 0; index < mutationCount; index += 1) bytes = this.#mutate(bytes)
    return { isAdmitted, chunks: this.#cut(bytes) }
  }

  #below(count: number): number {
    return Math.floor(this.#chance() * count)
  }

  #oneOf<T>(items: readonly T[]): T {
    const item = items[this.#below(items.length)]
    if (item === undefined) throw new Error('nothing to choose from')
    return item
  }

  #packet(terminal: FuzzTerminal, isConnect: boolean): Buffer {
    if (isConnect) return this.#connect(terminal)
    const topic =
      this.#chance() < 0.85 ? this.#oneOf(terminal.topics) : this.#oneOf(['a/b', '$SYS/x', '#', '', 'lifts/v1'])
    const id = this.#chance() < 0.9 ? 1 + this.#below(65_535) : 0
    switch (this.#below(12)) {
      case 0:
        return subscribePacket(
          id,
          ...Array.from({ length: this.#below(5) }, () => this.#oneOf(['#', 'a/+', topic, 'a#'])),
        )
      case 1:
        return packet(0xa2, uint16(id), text(topic))
      case 2:
        return PINGREQ
      case 3:
        return this.#chance() < 0.3 ? DISCONNECT : PINGREQ
      case 4:
        return puback(id)
      case 5:
        return packet(this.#below(256), uint16(id))
      default:
        return publishPacket({
          topic,
          id,
          qos: this.#oneOf([0, 1, 1, 1, 1, 2, 3]),
          retain: this.#chance() < 0.1,
          payload: `case ${this.#caseCount} ${'x'.repeat(this.#chance() < 0.02 ? this.#below(70_000) : this.#below(60))}`,
        })
    }
  }

  #connect({ serial, secret, topics }: FuzzTerminal): Buffer {
    const topic = topics.find((own) => own.endsWith('/connection')) ?? ''
    return connectPacket({
      username: serial,
      password: secret,
      keepalive: this.#below(100),
      clean: this.#chance() < 0.8,
      level: this.#chance() < 0.9 ? 4 : this.#below(256),
      ...(this.#chance() < 0.5 ? { will: { topic, payload: `will ${this.#caseCount}`, qos: this.#below(4) } } : {}),
    })
  }

  #mutate(bytes: Buffer): Buffer {
    if (bytes.length === 0) return Buffer.from([this.#below(256)])
    const at = this.#below(bytes.length)
    const to = at + this.#below(Math.min(bytes.length - at, 40) + 1)
    const changed = Buffer.from(bytes)
    switch (this.#below(9)) {
      case 0: // one bit
        changed[at] = (changed[at] ?? 0) ^ (1 << this.#below(8))
        return changed
      case 1: // one byte
        changed[at] = this.#below(256)
        return changed
      case 2: // a byte that means something
        changed[at] = this.#oneOf(TELLING_BYTES)
        return changed
      case 3: // the first remaining length
        changed[1] = this.#oneOf(TELLING_BYTES)
        return changed
      case 4: // bytes left out
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)])
      case 5: // bytes twice
        return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)])
      case 6: // bytes put in
        return Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(Array.from({ length: 1 + this.#below(8) }, () => this.#below(256))),
          bytes.subarray(at),
        ])
      case 7: // the end cut off
        return bytes.subarray(0, at)
      default: // a length that is not so
        return Buffer.concat([
          Buffer.from([bytes[0] ?? 0, ...this.#lengthBytes()]),
          bytes.subarray(Math.min(2, bytes.length)),
        ])
    }
  }

  #lengthBytes(): number[] {
    return Array.from(
      { length: 1 + this.#below(5) },
      (_, index) => (index < 4 && this.#chance() < 0.7 ? 0x80 : 0) | this.#below(128),
    )
  }

  #cut(bytes: Buffer): Buffer[] {
    const chunks: Buffer[] = []
    let rest = bytes
    for (let index = 1; index < 1 + this.#below(CHUNKS_MAX) && rest.length > 1; index += 1) {
      const at = 1 + this.#below(rest.length - 1)
      chunks.push(rest.subarray(0, at))
      rest = rest.subarray(at)
    }
    return [...chunks, rest]
  }
}

/** `topic`, a space and the payload in hex: how a record of the journal is compared with what was offered. */
export const keyOf = (topic: string, payload: Uint8Array): string => `${topic} ${Buffer.from(payload).toString('hex')}`

/**
 * What of these bytes a broker may take, at most: every PUBLISH that is framed right, in its own topic, with QoS 0 or 1, up
 * to the first packet that is not framed; and the will of every CONNECT that can be read. A broker takes less when an
 * earlier packet broke a rule. Written without anything of the broker.
 */
export function offeredBy(bytes: Buffer, terminal: FuzzTerminal): string[] {
  const offered: string[] = []
  let at = 0
  while (at < bytes.length) {
    const framed = frameAt(bytes, at)
    if (framed === undefined) break
    const { header, body, end } = framed
    const key =
      header >> 4 === 3 ? publicationIn(header, body, terminal) : header === 0x10 ? willIn(body, terminal) : undefined
    if (key !== undefined) offered.push(key)
    at = end
  }
  return offered
}

function frameAt(bytes: Buffer, at: number): { header: number; body: Buffer; end: number } | undefined {
  let length = 0
  for (let index = 0; index < 4; index += 1) {
    const byte = bytes[at + 1 + index]
    if (byte === undefined) return undefined
    length += (byte % 128) * 128 ** index
    if (byte >= 128) continue
    const start = at + 2 + index
    return start + length > bytes.length
      ? undefined
      : { header: bytes[at] ?? 0, body: bytes.subarray(start, start + length), end: start + length }
  }
  return undefined
}

/** The field of a length and as many bytes that begins at `at`. */
function fieldAt(body: Buffer, at: number): Buffer | undefined {
  if (at + 2 > body.length) return undefined
  const end = at + 2 + body.readUInt16BE(at)
  return end > body.length ? undefined : body.subarray(at + 2, end)
}

function publicationIn(header: number, body: Buffer, { topics }: FuzzTerminal): string | undefined {
  const qos = (header & 6) / 2
  const topic = fieldAt(body, 0)?.toString('latin1')
  if (topic === undefined || !topics.includes(topic) || qos > 1 || (qos === 0 && (header & 8) !== 0)) return undefined
  const rest = body.subarray(2 + topic.length)
  if (qos === 0) return keyOf(topic, rest)
  return rest.length >= 2 && rest.readUInt16BE(0) > 0 ? keyOf(topic, rest.subarray(2)) : undefined
}

function willIn(body: Buffer, { topics }: FuzzTerminal): string | undefined {
  const clientId = fieldAt(body, 10)
  const topic = clientId && fieldAt(body, 12 + clientId.length)
  const payload = clientId && topic && fieldAt(body, 14 + clientId.length + topic.length)
  if (payload === undefined || topic === undefined) return undefined
  return topics.includes(topic.toString('latin1')) ? keyOf(topic.toString('latin1'), payload) : undefined
}

/** What was offered and not taken yet; a record that nobody offered, or not so often, is one too many. */
export class Offers {
  readonly #counts = new Map<string, number>()
  add(keys: readonly string[]): void {
    for (const key of keys) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }
  /** False when nobody offered this. */
  take(key: string): boolean {
    const count = this.#counts.get(key) ?? 0
    if (count === 0) return false
    this.#counts.set(key, count - 1)
    return true
  }
}
