/**
 * Bounds on what a subscriber sends, before it is read whole. Aedes 1.2.0 has no option for the largest packet, so this
 * reaches into the private field `_parser` of its client (mqtt-packet 9.0.2). It throws when Aedes has changed inside: a
 * listener without its bounds must not take connections.
 */

/** The version of Aedes whose private field is used. */
export const BOUNDED_AEDES_VERSION = '1.2.0'

type Parser = {
  readonly packet: { readonly cmd: unknown; readonly length: number }
  _parseLength(): boolean
  _emitError(error: Error): void
  prependListener(event: 'packet', listener: (packet: unknown) => void): unknown
}

const isParser = (value: unknown): value is Parser =>
  typeof value === 'object' &&
  value !== null &&
  ['_parseLength', '_emitError', 'prependListener'].every((name) => typeof Reflect.get(value, name) === 'function')

/**
 * `bytesMax` gives the largest packet at the moment, bytes after the fixed header; a larger one is told to `onTooLarge` and
 * ends the connection. QoS 2 in a SUBSCRIBE becomes 1, which is then what the SUBACK grants [MQTT-3.8.4-6]. Each PINGREQ,
 * SUBSCRIBE and UNSUBSCRIBE asks `mayControl`; when it says no, the connection ends and nothing more of it is read.
 */
export function boundParser(
  client: object,
  o: { bytesMax: () => number; onTooLarge: (bytes: number) => void; mayControl: () => boolean },
): void {
  const parser: unknown = Reflect.get(client, '_parser')
  if (!isParser(parser)) throw new Error(`this knows Aedes ${BOUNDED_AEDES_VERSION}; this one is different inside`)
  const parseLength = parser._parseLength.bind(parser)
  parser._parseLength = () => {
    if (!parseLength()) return false
    const { cmd, length } = parser.packet
    if (length > o.bytesMax()) {
      o.onTooLarge(length)
      parser._emitError(new Error(`packet of ${length} bytes`))
      return false
    }
    if (!isControl(cmd) || o.mayControl()) return true
    parser._emitError(new Error('packet of a flood'))
    return false
  }
  parser.prependListener('packet', lowerQos)
}

const isControl = (cmd: unknown): boolean => cmd === 'pingreq' || cmd === 'subscribe' || cmd === 'unsubscribe'

function lowerQos(packet: unknown): void {
  if (typeof packet !== 'object' || packet === null || !('subscriptions' in packet)) return
  if (!Array.isArray(packet.subscriptions)) return
  for (const subscription of packet.subscriptions as { qos?: unknown }[])
    if (subscription.qos === 2) subscription.qos = 1
}
