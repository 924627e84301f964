/** The MQTT topics (contract version 1) as pairs: make one, read one. Admission, ingest, simulator and AsyncAPI read the same table. */
import { isLiftId, type LiftId } from './ids.ts'

export const MESSAGE_KINDS = ['status', 'statistics', 'message', 'connection'] as const
/** What a device message is about: the last level of its topic. */
export type MessageKind = (typeof MESSAGE_KINDS)[number]

/** Longest payload a device may send, bytes. A longer one is acknowledged and goes to quarantine: refusing it would make the device send it for ever. */
export const PAYLOAD_BYTES_MAX = 16 * 1024
/** Longest payload that is taken at all, bytes. Beyond it the connection is closed before the payload is read. */
export const PAYLOAD_BYTES_TAKEN_MAX = 64 * 1024
/** Longest topic taken at the door, bytes of UTF-8. */
export const TOPIC_BYTES_MAX = 256

const kinds: ReadonlySet<string> = new Set(MESSAGE_KINDS)
const isMessageKind = (text: string): text is MessageKind => kinds.has(text)

/** `lifts/v1/{lift}/{kind}`. */
export const deviceTopic = (lift: LiftId, kind: MessageKind): string => `lifts/v1/${lift}/${kind}`

/** The inverse of `deviceTopic`: undefined for anything else. Total: never throws. */
export function readDeviceTopic(topic: string): { lift: LiftId; kind: MessageKind } | undefined {
  if (topic.length > TOPIC_BYTES_MAX) return undefined
  const [root, version, lift, kind, ...rest] = topic.split('/')
  if (root !== 'lifts' || version !== 'v1' || lift === undefined || kind === undefined || rest.length > 0)
    return undefined
  return isLiftId(lift) && isMessageKind(kind) ? { lift, kind } : undefined
}

/** What the broker itself writes into the journal every 20 s, so that its absence is not taken for the silence of terminals. No device may publish it. */
export const PLATFORM_TOPIC = '$platform/broker'
export const PLATFORM_MARK_MS = 20_000
