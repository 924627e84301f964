/** Sockets of the load, opened a bounded number at a time. */
import { connect, type Socket } from 'node:net'
import { connectPacket, puback, subscribePacket } from '../broker/raw-terminal.ts'
import { connectBytes } from './fleet.ts'

export type ConnectQuestion = {
  readonly do: 'connect'
  readonly port: number
  /** Numbers of the terminals: `first` and the `count - 1` that follow. */
  readonly first: number
  readonly count: number
  readonly atOnce: number
}

const CONNECT_MS_MAX = 20_000
/** One address of loopback has only so many ports; others are as good. */
const PORTS_PER_ADDRESS = 20_000

/** An admitted connection: the CONNACK is taken off. */
export async function openConnection(port: number, number: number): Promise<Socket> {
  const localAddress = `127.0.0.${2 + Math.floor(number / PORTS_PER_ADDRESS)}`
  const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true })
  const answer = await new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no CONNACK in time')), CONNECT_MS_MAX)
    socket.once('data', resolve)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed before the CONNACK')))
    socket.once('connect', () => socket.write(connectBytes(number)))
    socket.once('close', () => clearTimeout(timer))
    socket.once('data', () => clearTimeout(timer))
  })
  socket.removeAllListeners()
  socket.on('error', () => {})
  if (answer[0] !== 0x20 || answer[3] !== 0) {
    socket.destroy()
    throw new Error(`CONNACK ${answer.toString('hex')}`)
  }
  return socket
}

export async function openConnections(o: ConnectQuestion): Promise<Socket[]> {
  const sockets: Socket[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < o.count) {
      const index = next
      next += 1
      sockets[index] = await openConnection(o.port, o.first + index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(o.atOnce, o.count) }, lane))
  return sockets
}

/** Subscribes to everything with QoS 1 and acknowledges it. `receivedCount` counts. */
export async function openSubscriber(
  port: number,
  clean: boolean,
): Promise<{ socket: Socket; receivedCount: () => number }> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  let receivedCount = 0
  let rest: Buffer = Buffer.alloc(0)
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => socket.write(connectPacket({ clientId: 'reader', keepalive: 0, clean })))
    socket.on('data', (chunk: Buffer) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      const acknowledgements: Buffer[] = []
      let at = 0
      for (let packet = readPacket(bytes, at); packet !== undefined; packet = readPacket(bytes, at)) {
        const kind = bytes.readUInt8(at) >> 4
        if (kind === 2) socket.write(subscribePacket(1, 'lifts/#'))
        else if (kind === 9) resolve()
        else if (kind === 3) {
          receivedCount += 1
          const topicBytes = bytes.readUInt16BE(packet.bodyAt)
          const isQos1 = (bytes.readUInt8(at) & 6) === 2
          if (isQos1) acknowledgements.push(puback(bytes.readUInt16BE(packet.bodyAt + 2 + topicBytes)))
        }
        at = packet.end
      }
      rest = bytes.subarray(at)
      if (acknowledgements.length > 0) socket.write(Buffer.concat(acknowledgements))
    })
  })
  socket.on('error', () => {})
  return { socket, receivedCount: () => receivedCount }
}

/** Where the packet at `at` has its body and its end; undefined when it is not whole. */
function readPacket(bytes: Buffer, at: number): { bodyAt: number; end: number } | undefined {
  let length = 0
  for (let index = 1; index <= 4 && at + index < bytes.length; index += 1) {
    const byte = bytes.readUInt8(at + index)
    length += (byte & 0x7f) * 128 ** (index - 1)
    if (byte >= 0x80) continue
    const bodyAt = at + index + 1
    return bodyAt + length <= bytes.length ? { bodyAt, end: bodyAt + length } : undefined
  }
  return undefined
}
