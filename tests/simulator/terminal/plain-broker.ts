/** A real Aedes broker with nothing of ours in it, that keeps what it acknowledged and can be stopped and started again. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { Aedes } from 'aedes'

export type Taken = {
  readonly topic: string
  readonly payload: string
  readonly client: string | undefined
  /** DUP was set. */
  readonly isDup: boolean
}

export class PlainBroker implements AsyncDisposable {
  /** What was acknowledged. */
  readonly taken: Taken[] = []
  /** Takes messages in and never answers: what a broker does that dies before its answer is out. */
  isMute = false
  muteCount = 0
  readonly signIns: { username: string | undefined; password: string | undefined; isAdmitted: boolean }[] = []
  /** undefined = everybody may come in. */
  secrets: ReadonlyMap<string, string> | undefined
  #port = 0
  #stop: (() => Promise<void>) | undefined

  get url(): string {
    return `mqtt://127.0.0.1:${this.#port}`
  }

  /** On a free port the first time, then on the same one. */
  async start(): Promise<void> {
    const aedes = await Aedes.createBroker({
      authenticate: (_client, username, password, done) => {
        const isAdmitted = this.secrets === undefined || this.secrets.get(username ?? '') === password?.toString()
        this.signIns.push({ username, password: password?.toString(), isAdmitted })
        done(null, isAdmitted)
      },
      authorizePublish: (client, packet, done) => {
        if (this.isMute) {
          this.muteCount += 1
          return
        }
        const topic = packet.topic
        const isDup = 'dup' in packet && packet.dup === true
        this.taken.push({ topic, payload: packet.payload.toString(), client: client?.id, isDup })
        done(null)
      },
    })
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      aedes.handle(socket)
    })
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    this.#stop = async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => aedes.close(() => resolve()))
      await closed
    }
  }

  /** Like a crash: every connection is cut. */
  async stop(): Promise<void> {
    await this.#stop?.()
    this.#stop = undefined
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** Waits until something is true; fails with its name after `limitMs`. */
export async function until(what: string, isTrue: () => boolean, limitMs = 15_000): Promise<void> {
  const limitAtMs = Date.now() + limitMs
  while (!isTrue()) {
    if (Date.now() > limitAtMs) throw new Error(`it did not come to this: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
