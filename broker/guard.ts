/**
 * Size before content: Aedes 1.2.0 has no option for the largest packet, and its parser (mqtt-packet 9.0.2) collects
 * whatever length a device announces. This guard looks at the announced length before the content is read, and refuses
 * packet id 0. It reaches into the private field `_parser` of Aedes' client: the version is pinned, and a test fails
 * when the field or the two parser steps change.
 */
import { PAYLOAD_BYTES_TAKEN_MAX, TOPIC_BYTES_MAX } from '#contract/topics'
import { AdmissionError } from './admission.ts'

/** The version of Aedes whose private field is used. */
export const GUARDED_AEDES_VERSION = '1.2.0'
/** Largest packet before the CONNACK, bytes after the fixed header: a CONNECT with its will. */
export const CONNECT_BYTES_MAX = 4 * 1024
/** Largest packet after the CONNACK: payload, topic, two bytes for its length, two for the packet id. */
export const PACKET_BYTES_MAX = PAYLOAD_BYTES_TAKEN_MAX + TOPIC_BYTES_MAX + 4

/** What the guard uses of mqtt-packet's parser. */
type Parser = {
  readonly packet: { readonly length: number; readonly messageId?: number }
  _parseLength(): boolean
  _parseMessageId(): boolean
  _emitError(error: Error): void
}

const isParser = (value: unknown): value is Parser =>
  typeof value === 'object' &&
  value !== null &&
  ['_parseLength', '_parseMessageId', '_emitError'].every((step) => typeof Reflect.get(value, step) === 'function')

/**
 * Puts the guard on one client of Aedes. `isAdmitted` tells whether the terminal proved who it is; `onRefused` hears of each
 * refusal before the connection is closed. Throws when Aedes has changed inside: a broker without its guard must not start.
 */
export function guardParser(
  client: object,
  o: { isAdmitted: () => boolean; onRefused: (error: AdmissionError) => void },
): void {
  const parser: unknown = Reflect.get(client, '_parser')
  if (!isParser(parser))
    throw new Error(`the parser guard knows Aedes ${GUARDED_AEDES_VERSION}; this one is different inside`)
  const refuse = (error: AdmissionError): false => {
    o.onRefused(error)
    parser._emitError(error)
    return false
  }

  const parseLength = parser._parseLength.bind(parser)
  parser._parseLength = () => {
    if (!parseLength()) return false
    const bytesMax = o.isAdmitted() ? PACKET_BYTES_MAX : CONNECT_BYTES_MAX
    if (parser.packet.length <= bytesMax) return true
    return refuse(new AdmissionError('admission.tooLarge', `packet of ${parser.packet.length} bytes`))
  }

  const parseMessageId = parser._parseMessageId.bind(parser)
  parser._parseMessageId = () => {
    if (!parseMessageId()) return false
    // [MQTT-2.3.1-1]: a packet id is never 0; -1 is what the parser gives when there is none.
    if ((parser.packet.messageId ?? 0) > 0) return true
    return refuse(new AdmissionError('admission.protocol', 'packet id 0 or missing'))
  }
}
