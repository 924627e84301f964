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

/** Everything that subscribers may hear of begins with this. */
const ALARMS_ROOT = 'alarms/v1/'
/** Longest filter of a subscriber, UTF-16 units. */
const ALARM_FILTER_LENGTH_MAX = 200

// What a level of a topic cannot hold: separators, wildcards, and what MQTT 3.1.1 forbids in any string (1.5.3).
const UNFIT_FOR_LEVEL = /[/+#\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\uFFFD]/gu

/** The name of a town (街镇) as one level of a topic: what cannot stand in it becomes a hyphen. */
const townLevel = (town: string): string => town.replaceAll(UNFIT_FOR_LEVEL, '-') || '-'

/** `alarms/v1/{town}/{lift}`, where the platform tells subscribers of changed alarms. An empty town is a hyphen. */
export const alarmTopic = (town: string, lift: LiftId): string => `${ALARMS_ROOT}${townLevel(town)}/${lift}`

/** Whether a subscriber may ask for it: a well-formed filter below `alarms/v1/`, wildcards only there [MQTT-4.7.1-2, -3]. */
export function isAlarmFilter(filter: string): boolean {
  if (!filter.startsWith(ALARMS_ROOT) || filter.length > ALARM_FILTER_LENGTH_MAX) return false
  const levels = filter.slice(ALARMS_ROOT.length).split('/')
  return levels.every((level, index) => {
    if (level === '#') return index === levels.length - 1
    return level === '+' || !level.match(UNFIT_FOR_LEVEL)
  })
}

/** Whether a filter that `isAlarmFilter` took matches a topic of `alarmTopic` (MQTT 3.1.1, 4.7). */
export function alarmFilterMatches(filter: string, topic: string): boolean {
  const wanted = filter.split('/')
  const levels = topic.split('/')
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true // it also stands for the level above, which no topic of ours ends with
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false
  }
  return wanted.length === levels.length
}

/** What the broker itself writes into the journal every 20 s, so that its absence is not taken for the silence of terminals. No device may publish it. */
export const PLATFORM_TOPIC = '$platform/broker'
export const PLATFORM_MARK_MS = 20_000
