/** A terminal made of bytes: it can say what no MQTT library would, and sees every byte that comes back. */
import { connect, type Socket } from 'node:net'

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

export const pubackPacket = (id: number): Buffer => packet(0x40, uint16(id))
export const PINGREQ = Buffer.from([0xc0, 0])
export const DISCONNECT = Buffer.from([0xe0, 0])

/** Packets from the broker, whole, oldest first. */
function splitPackets(bytes: Buffer): { packets: Buffer[]; rest: Buffer } {
  const packets: Buffer[] = []
  let rest = bytes
  while (rest.length >= 2) {
    const end = 2 + rest.readUInt8(1) // Everything the broker says to a device is shorter than 128 bytes.
    if (rest.length < end) break
    packets.push(rest.subarray(0, end))
    rest = rest.subarray(end)
  }
  return { packets, rest }
}

export class RawTerminal implements AsyncDisposable {
  readonly socket: Socket
  readonly packets: Buffer[] = []
  /** Resolves when the connection is gone, from whichever side. */
  readonly closed: Promise<void>
  #rest: Buffer = Buffer.alloc(0)
  #isClosed = false
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => {
      const { packets, rest } = splitPackets(Buffer.concat([this.#rest, bytes]))
      this.#rest = rest
      this.packets.push(...packets)
      this.#wake()
    })
    socket.on('error', () => {})
    this.closed = new Promise((resolve) =>
      socket.once('close', () => {
        this.#isClosed = true
        resolve()
        this.#wake()
      }),
    )
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(...packets: Buffer[]): void {
    this.socket.write(Buffer.concat(packets))
  }

  /** The next packet from the broker; undefined when the connection closes first. */
  async next(waitMs = 8_000): Promise<Buffer | undefined> {
    const until = Date.now() + waitMs
    for (;;) {
      const first = this.packets.shift()
      if (first !== undefined) return first
      if (this.#isClosed) return undefined
      if (Date.now() >= until) throw new Error(`the broker said nothing for ${waitMs} ms`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, until - Date.now()))
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy()
    await this.closed
  }
}

export async function openRaw(mqttUrl: string): Promise<RawTerminal> {
  const { hostname, port } = new URL(mqttUrl)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  const raw = new RawTerminal(socket)
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return raw
}

export const connack = (code: number): Buffer => Buffer.from([0x20, 2, 0, code])
export const puback = (id: number): Buffer => Buffer.from([0x40, 2, id >> 8, id & 0xff])
