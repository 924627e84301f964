/**
 * A PUBLISH read straight from the bytes of a socket. Only what a terminal says all day is read here: QoS 0 or 1, to one of
 * its own topics, within the bounds, whole. Everything else, also whatever is to be refused, is left to the parser and its
 * guard, so that there is one place for refusals.
 */
import { PAYLOAD_BYTES_TAKEN_MAX, type MessageKind } from '#contract/topics'

export type OwnTopic = { readonly topic: string; readonly kind: MessageKind }
export type PublicationFrame = {
  readonly kind: MessageKind
  readonly topic: string
  readonly qos: 0 | 1
  /** 0 with QoS 0. */
  readonly packetId: number
  readonly payloadAt: number
  /** Where the next packet begins. */
  readonly end: number
}

/** Publications are at most this long in their length field [MQTT-2.2.3]; a longer one is beyond every bound. */
const LENGTH_BYTES_MAX = 3

/** The publication that begins at `at`, or undefined when the parser has to look at what is there. */
export function readPublication(
  bytes: Uint8Array,
  at: number,
  own: OwnTopic[],
  packetBytesMax: number,
): PublicationFrame | undefined {
  const qos = qosOf(bytes[at] ?? 0)
  if (qos === undefined) return undefined
  let length = 0
  let bodyAt = at + 1
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[bodyAt]
    if (byte === undefined || bodyAt - at > LENGTH_BYTES_MAX) return undefined
    length += (byte & 0x7f) * factor
    bodyAt += 1
    if (byte < 0x80) break
  }
  const end = bodyAt + length
  if (length > packetBytesMax || end > bytes.length) return undefined
  const topicAt = bodyAt + 2
  const topicLength = uint16(bytes, bodyAt)
  const topicEnd = topicAt + topicLength
  const payloadAt = topicEnd + 2 * qos
  if (payloadAt > end || end - payloadAt > PAYLOAD_BYTES_TAKEN_MAX) return undefined
  const packetId = qos === 0 ? 0 : uint16(bytes, topicEnd)
  if (qos === 1 && packetId === 0) return undefined
  const found = ownTopic(bytes, topicAt, topicLength, own)
  return found && { kind: found.kind, topic: found.topic, qos, packetId, payloadAt, end }
}

/** The QoS of a PUBLISH header that is taken here. A retain flag is ignored; a repeated QoS 0 is no good PUBLISH [MQTT-3.3.1-2]. */
function qosOf(header: number): 0 | 1 | undefined {
  if (header === 0x30 || header === 0x31) return 0
  return (header & 0xf6) === 0x32 ? 1 : undefined
}

const uint16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)

/**
 * Topics of terminals are ASCII: one byte per character. They differ at their end, so that is compared first. What was found
 * moves to the front, because a terminal mostly says the same kind again.
 */
function ownTopic(bytes: Uint8Array, at: number, length: number, own: OwnTopic[]): OwnTopic | undefined {
  for (let place = 0; place < own.length; place += 1) {
    const candidate = own[place]
    if (candidate === undefined || candidate.topic.length !== length) continue
    const { topic } = candidate
    let index = length - 1
    while (index >= 0 && bytes[at + index] === topic.charCodeAt(index)) index -= 1
    if (index >= 0) continue
    if (place > 0) own.unshift(...own.splice(place, 1))
    return candidate
  }
  return undefined
}
