/** A TCP server in the place of a broker that answers only what a test tells it to. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { PacketReader } from '#simulator/load/packet-reader'

export type Heard = { readonly connection: number; readonly bytes: Buffer }

/** Bytes, pieces of bytes that are sent one after the other, the end of the connection, or nothing. */
export type Answer = Buffer | readonly Buffer[] | 'close' | undefined

export class RawBroker implements AsyncDisposable {
  /** Every packet that came, oldest first. */
  readonly heard: Heard[] = []
  /** How often a connection was opened. */
  connectionCount = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(answer: (heard: Heard) => Answer) {
    this.#server = createServer((socket) => {
      const connection = this.connectionCount
      this.connectionCount += 1
      const reader = new PacketReader()
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('data', (chunk: Buffer) =>
        reader.take(chunk, (all, at, _bodyAt, end) => {
          const one = { connection, bytes: Buffer.from(all.subarray(at, end)) }
          this.heard.push(one)
          const said = answer(one)
          if (said === 'close') socket.destroy()
          else if (said !== undefined) writePieces(socket, 'byteLength' in said ? [said] : said)
        }),
      )
    })
  }

  /** Listens on a free port. */
  static async start(answer: (heard: Heard) => Answer): Promise<RawBroker> {
    const broker = new RawBroker(answer)
    broker.#server.listen(0, '127.0.0.1')
    await once(broker.#server, 'listening')
    return broker
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port // a TCP server that listens has one
  }

  /** Packets of one kind, in the order in which they came. */
  ofKind(kind: number): Heard[] {
    return this.heard.filter(({ bytes }) => bytes.readUInt8(0) >> 4 === kind)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

function writePieces(socket: Socket, [first, ...others]: readonly Buffer[]): void {
  if (first === undefined) return
  socket.setNoDelay(true).write(first)
  if (others.length > 0) setTimeout(() => writePieces(socket, others), 2)
}
