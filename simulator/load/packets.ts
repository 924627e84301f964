/** Packets of MQTT 3.1.1 as bytes, well formed unless a test asks for something else. */

/** Kinds of packets: the upper half of their first byte (MQTT 3.1.1, 2.2.1). */
export const PACKET = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  subscribe: 8,
  suback: 9,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
} as const

/** A string as MQTT writes it: its length and its bytes. */
export const text = (value: string | Buffer): Buffer => {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  return Buffer.concat([uint16(bytes.length), bytes])
}
export const uint16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])

/** The remaining length as MQTT writes it. */
export function lengthBytes(length: number): Buffer {
  const bytes: number[] = []
  let rest = length
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return Buffer.from(bytes)
}

/** A packet of any content, with a remaining length that is right. */
export const packet = (header: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([header]), lengthBytes(body.length), body])
}

export type ConnectBytes = {
  clientId?: string | Buffer
  username?: string | Buffer
  password?: string | Buffer
  will?: { topic: string | Buffer; payload: string; qos?: number; retain?: boolean }
  protocol?: string
  level?: number
  keepalive?: number
  clean?: boolean
}

export function connectPacket(o: ConnectBytes): Buffer {
  const { will } = o
  const flags =
    (o.username === undefined ? 0 : 0x80) |
    (o.password === undefined ? 0 : 0x40) |
    (will === undefined ? 0 : 0x04 | ((will.qos ?? 1) << 3) | (will.retain === true ? 0x20 : 0)) |
    ((o.clean ?? true) ? 0x02 : 0)
  return packet(
    0x10,
    text(o.protocol ?? 'MQTT'),
    Buffer.from([o.level ?? 4, flags]),
    uint16(o.keepalive ?? 60),
    ...(o.level === 5 ? [Buffer.from([0])] : []),
    text(o.clientId ?? 'raw'),
    ...(will === undefined ? [] : [text(will.topic), text(will.payload)]),
    ...(o.username === undefined ? [] : [text(o.username)]),
    ...(o.password === undefined ? [] : [text(o.password)]),
  )
}

export const publishPacket = (o: {
  topic: string | Buffer
  payload: string | Buffer
  qos?: number
  id?: number
  retain?: boolean
}): Buffer => {
  const qos = o.qos ?? 1
  return packet(
    0x30 | (qos << 1) | (o.retain === true ? 1 : 0),
    text(o.topic),
    ...(qos > 0 ? [uint16(o.id ?? 1)] : []),
    typeof o.payload === 'string' ? Buffer.from(o.payload) : o.payload,
  )
}

export const subscribePacket = (id: number, ...filters: (string | Buffer)[]): Buffer =>
  packet(0x82, uint16(id), ...filters.map((filter) => Buffer.concat([text(filter), Buffer.from([1])])))

export const connack = (code: number): Buffer => Buffer.from([0x20, 2, 0, code])
export const puback = (id: number): Buffer => Buffer.from([0x40, 2, id >> 8, id & 0xff])
export const PINGREQ = Buffer.from([0xc0, 0])
export const PINGRESP = Buffer.from([0xd0, 0])
export const DISCONNECT = Buffer.from([0xe0, 0])
