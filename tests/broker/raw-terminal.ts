/** A terminal made of bytes: it can say what no MQTT library would, and sees every byte that comes back. */
import { connect, type Socket } from 'node:net'
import { PacketReader } from '#simulator/load/packet-reader'

export * from '#simulator/load/packets'

export class RawTerminal implements AsyncDisposable {
  readonly socket: Socket
  readonly packets: Buffer[] = []
  /** Resolves when the connection is gone, from whichever side. */
  readonly closed: Promise<void>
  readonly #reader = new PacketReader()
  #isClosed = false
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => {
      this.#reader.take(bytes, (all, at, _bodyAt, end) => this.packets.push(Buffer.from(all.subarray(at, end))))
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
