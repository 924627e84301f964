/**
 * What a device may say, byte for byte: the rules of MQTT 3.1.1 that the parser of Aedes leaves open, and the bounds. Pure.
 * Whatever frames packets asks here, in this order: the fixed header's first byte, the remaining length, the whole packet.
 */
import { isUtf8 } from 'node:buffer'
import type { AdmissionRefusal } from '#contract/errors'
import { CONNACK_CODES, hasForbiddenCharacter } from './admission.ts'
import type { BrokerLimits } from './limits.ts'

export type PacketLimits = Pick<
  BrokerLimits,
  'connectBytesMax' | 'packetBytesMax' | 'topicBytesMax' | 'topicLevelsMax' | 'filtersPerSubscribeMax'
>

/** Why a packet is refused; `returnCode` goes into a CONNACK before the connection is closed. */
export type PacketFault = { readonly code: AdmissionRefusal; readonly detail: string; readonly returnCode?: number }

/** The packet types that a device may send, by the high half of the first byte. */
export const CONNECT = 1
export const PUBLISH = 3
export const SUBSCRIBE = 8
export const UNSUBSCRIBE = 10
export const PINGREQ = 12
export const DISCONNECT = 14

/** The low half of the first byte of each [MQTT-2.2.2-1]; that of PUBLISH says something. */
const FLAGS: Readonly<Record<number, number>> = {
  [CONNECT]: 0,
  [SUBSCRIBE]: 2,
  [UNSUBSCRIBE]: 2,
  [PINGREQ]: 0,
  [DISCONNECT]: 0,
}

const protocol = (detail: string): PacketFault => ({ code: 'admission.protocol', detail })
/** A CONNECT that is answered before the connection is closed. */
const answered = (code: AdmissionRefusal, detail: string): PacketFault => {
  const returnCode = CONNACK_CODES[code]
  return returnCode === undefined ? { code, detail } : { code, detail, returnCode }
}

/** Judges the first byte of a packet. `isFirst` = nothing was said before it on this connection. */
export function judgeHeader(header: number, isFirst: boolean): PacketFault | undefined {
  const type = header >> 4
  if (isFirst !== (type === CONNECT))
    return protocol(isFirst ? `first packet of type ${type} [MQTT-3.1.0-1]` : 'second CONNECT [MQTT-3.1.0-2]')
  if (type === PUBLISH) return judgePublishFlags(header)
  const flags = FLAGS[type]
  // Nothing is ever published to a device, so there is nothing that it could acknowledge: types 4 to 7 are refused too.
  if (flags === undefined) return protocol(`packet type ${type} is not for a device to send [MQTT-4.8.0-1]`)
  return (header & 0x0f) === flags ? undefined : protocol(`flags ${header & 0x0f} of type ${type} [MQTT-2.2.2-2]`)
}

function judgePublishFlags(header: number): PacketFault | undefined {
  const qos = (header >> 1) & 3
  if (qos === 3) return protocol('both QoS bits [MQTT-3.3.1-4]')
  if (qos === 2) return { code: 'admission.qos', detail: 'QoS 2' }
  return qos === 0 && (header & 8) !== 0 ? protocol('DUP with QoS 0 [MQTT-3.3.1-2]') : undefined
}

/** Judges the announced length, before anything of the content is collected. */
export function judgeLength(header: number, length: number, limits: PacketLimits): PacketFault | undefined {
  const type = header >> 4
  if ((type === PINGREQ || type === DISCONNECT) && length !== 0) return protocol(`type ${type} with content`)
  const bytesMax = type === PUBLISH ? limits.packetBytesMax : limits.connectBytesMax
  return length <= bytesMax ? undefined : { code: 'admission.tooLarge', detail: `packet of ${length} bytes` }
}

/** Judges the content of a whole packet whose header and length were taken. `body` is everything after the fixed header. */
export function judgeBody(header: number, body: Buffer, limits: PacketLimits): PacketFault | undefined {
  switch (header >> 4) {
    case CONNECT:
      return judgeConnectBody(body, limits)
    case PUBLISH:
      return judgePublishBody(header, body, limits)
    case SUBSCRIBE:
      return judgeFilters(body, limits, true)
    case UNSUBSCRIBE:
      return judgeFilters(body, limits, false)
    default:
      return undefined
  }
}

/** Reads a body field by field; the first thing that is wrong stays in `fault`. */
class Fields {
  readonly #bytes: Buffer
  #at = 0
  fault: PacketFault | undefined

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(what: string): number {
    if (this.#at + 1 > this.#bytes.length) return this.#short(what)
    return this.#bytes.readUInt8(this.#at++)
  }

  number(what: string): number {
    if (this.#at + 2 > this.#bytes.length) return this.#short(what)
    this.#at += 2
    return this.#bytes.readUInt16BE(this.#at - 2)
  }

  /** A length and as many bytes. */
  binary(what: string): Buffer {
    const length = this.number(what)
    if (this.#at + length > this.#bytes.length) this.#short(what)
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** A string as [MQTT-1.5.3-1, MQTT-1.5.3-2] ask for it, without control characters and non-characters. */
  string(what: string): string {
    const bytes = this.binary(what)
    const text = bytes.toString('utf8')
    if (!isUtf8(bytes) || hasForbiddenCharacter(text)) this.fault ??= { code: 'admission.badString', detail: what }
    return text
  }

  #short(what: string): number {
    this.fault ??= protocol(`ends within ${what}`)
    return 0
  }
}

function judgeConnectBody(body: Buffer, limits: PacketLimits): PacketFault | undefined {
  const fields = new Fields(body)
  const name = fields.string('protocol name')
  const level = fields.byte('protocol level')
  if (fields.fault) return fields.fault
  if (name !== 'MQTT' && name !== 'MQIsdp') return protocol(`protocol name ${name} [MQTT-3.1.2-1]`)
  // Later levels write the rest in another way: nothing more is read of them [MQTT-3.1.2-2].
  if (name !== 'MQTT' || level !== 4) return answered('admission.version', `${name} level ${level}`)

  const flags = fields.byte('connect flags')
  const [hasUser, hasSecret, hasWill] = [flags & 0x80, flags & 0x40, flags & 0x04].map((bit) => bit !== 0)
  const [willQos, willRetain] = [(flags >> 3) & 3, flags & 0x20]
  if ((flags & 1) !== 0) return protocol('reserved connect flag [MQTT-3.1.2-3]')
  if (hasWill !== true && (willQos !== 0 || willRetain !== 0)) return protocol('will flags [MQTT-3.1.2-11]')
  if (willQos === 3) return protocol('will QoS 3 [MQTT-3.1.2-14]')
  if (hasSecret === true && hasUser !== true) return protocol('password without user name [MQTT-3.1.2-22]')

  fields.number('keep alive')
  const clientId = fields.string('client id')
  const willTopic = hasWill === true ? fields.string('will topic') : undefined
  if (hasWill === true) fields.binary('will message')
  if (hasUser === true) fields.string('user name')
  if (hasSecret === true) fields.binary('password')
  if (fields.fault) return fields.fault
  if (!fields.isAtEnd) return protocol('bytes after the CONNECT')
  if (clientId === '' && (flags & 2) === 0)
    return answered('admission.badClientId', 'empty without clean session [MQTT-3.1.3-8]')
  return willTopic === undefined ? undefined : judgeTopic(willTopic, limits)
}

function judgePublishBody(header: number, body: Buffer, limits: PacketLimits): PacketFault | undefined {
  const fields = new Fields(body)
  const topic = fields.string('topic')
  const hasId = ((header >> 1) & 3) > 0
  if (hasId && fields.number('packet id') === 0) fields.fault ??= protocol('packet id 0 [MQTT-2.3.1-1]')
  return fields.fault ?? judgeTopic(topic, limits)
}

/** A topic name: to publish to, so without wildcards [MQTT-3.3.2-2, MQTT-4.7.3-1]. */
function judgeTopic(topic: string, limits: PacketLimits): PacketFault | undefined {
  if (topic === '' || topic.includes('#') || topic.includes('+'))
    return { code: 'admission.foreignTopic', detail: topic === '' ? 'empty topic' : topic }
  return judgeSize(topic, limits)
}

function judgeSize(topic: string, limits: PacketLimits): PacketFault | undefined {
  const bytes = Buffer.byteLength(topic)
  if (bytes > limits.topicBytesMax) return { code: 'admission.tooLarge', detail: `topic of ${bytes} bytes` }
  const levels = topic.split('/').length
  return levels > limits.topicLevelsMax ? { code: 'admission.foreignTopic', detail: `${levels} levels` } : undefined
}

function judgeFilters(body: Buffer, limits: PacketLimits, hasQos: boolean): PacketFault | undefined {
  const fields = new Fields(body)
  if (fields.number('packet id') === 0) fields.fault ??= protocol('packet id 0 [MQTT-2.3.1-1]')
  if (fields.isAtEnd) fields.fault ??= protocol('no filter [MQTT-3.8.3-3, MQTT-3.10.3-2]')
  for (let count = 1; !fields.isAtEnd && fields.fault === undefined; count += 1) {
    if (count > limits.filtersPerSubscribeMax)
      return { code: 'admission.tooManyFilters', detail: `more than ${limits.filtersPerSubscribeMax}` }
    const filter = fields.string('filter')
    if (hasQos && fields.byte('requested QoS') > 2) fields.fault ??= protocol('requested QoS [MQTT-3.8.3-4]')
    fields.fault ??= judgeFilter(filter, limits)
  }
  return fields.fault
}

/** Wildcards stand alone in their level, and `#` is the last [MQTT-4.7.1-2, MQTT-4.7.1-3]. */
function judgeFilter(filter: string, limits: PacketLimits): PacketFault | undefined {
  if (filter === '') return protocol('empty filter [MQTT-4.7.3-1]')
  const levels = filter.split('/')
  const isWellFormed = levels.every(
    (level, index) => level === '+' || (level === '#' ? index === levels.length - 1 : !/[+#]/.test(level)),
  )
  return isWellFormed ? judgeSize(filter, limits) : protocol(`filter ${filter} [MQTT-4.7.1-2, MQTT-4.7.1-3]`)
}
