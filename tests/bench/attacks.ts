/** What hostile devices do, each for a given time. Attackers own some terminals, or none. */
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { connectPacket, lengthBytes, packet, PINGREQ, publishPacket, subscribePacket } from '../broker/raw-terminal.ts'
import { SECRET, serialOf, statusPacket } from './fleet.ts'

export type AttackQuestion = {
  readonly name: AttackName
  readonly port: number
  readonly attackMs: number
  /** Number of the first terminal that the attackers own. */
  readonly first: number
}
type AttackOptions = Omit<AttackQuestion, 'name'>
export type AttackAnswer = {
  /** Connections that were opened. */
  readonly openedCount: number
  /** Of them, those that the broker has ended while the attack ran. */
  readonly endedCount: number
  readonly sentBytes: number
}
type Attack = { readonly what: string; readonly run: (o: AttackOptions) => Promise<AttackAnswer> }

const CHUNK = Buffer.alloc(64 * 1024, 'x')
const ATTACKER_ADDRESS = '127.0.0.66'

/** The attackers' sockets, counted. */
class Crowd {
  readonly #o: AttackOptions
  readonly #endAtMs: number
  openedCount = 0
  endedCount = 0
  sentBytes = 0
  readonly #open = new Set<Socket>()

  constructor(o: AttackOptions) {
    this.#o = o
    this.#endAtMs = performance.now() + o.attackMs
  }

  get isOver(): boolean {
    return performance.now() >= this.#endAtMs
  }

  get openCount(): number {
    return this.#open.size
  }

  async open(): Promise<Socket> {
    const socket = connect({ host: '127.0.0.1', port: this.#o.port, localAddress: ATTACKER_ADDRESS, noDelay: true })
    this.#open.add(socket)
    this.openedCount += 1
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#open.delete(socket)
      this.endedCount += 1
      this.sentBytes += socket.bytesWritten
    })
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()).once('close', () => resolve()))
    return socket
  }

  /** A connection of a terminal that the attackers own; it may have been refused. */
  async signIn(number: number, o: { keepalive?: number; secret?: string } = {}): Promise<Socket> {
    const socket = await this.open()
    const username = serialOf(this.#o.first + number)
    socket.write(connectPacket({ username, password: o.secret ?? SECRET, keepalive: o.keepalive ?? 60 }))
    await Promise.race([
      new Promise<void>((resolve) => socket.once('data', () => resolve()).once('close', () => resolve())),
      pause(5_000),
    ])
    return socket
  }

  /** Writes the same bytes for as long as the attack runs and the connection stands. */
  async pour(socket: Socket, bytes: Buffer): Promise<void> {
    while (!this.isOver && !socket.destroyed) {
      const isFree = socket.write(bytes)
      if (isFree) await new Promise((resolve) => setImmediate(resolve))
      else
        await Promise.race([
          new Promise<void>((resolve) => socket.once('drain', resolve).once('close', resolve)),
          pause(Math.max(1, this.#endAtMs - performance.now())),
        ])
    }
  }

  /** Runs so many of the same at once until the attack is over. */
  async lanes(count: number, lane: (index: number) => Promise<void>): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        while (!this.isOver) {
          await lane(index)
          await pause(1)
        }
      }),
    )
  }

  async end(): Promise<AttackAnswer> {
    const rest = Math.max(0, this.#endAtMs - performance.now())
    await pause(rest)
    const { openedCount, endedCount } = this
    for (const socket of this.#open) {
      this.sentBytes += socket.bytesWritten
      socket.removeAllListeners('close')
      socket.destroy()
    }
    return { openedCount, endedCount, sentBytes: this.sentBytes }
  }
}

const attack = (what: string, act: (crowd: Crowd, o: AttackOptions) => Promise<void>): Attack => ({
  what,
  run: async (o) => {
    const crowd = new Crowd(o)
    await act(crowd, o)
    return crowd.end()
  },
})

const repeated = (bytes: Buffer): Buffer =>
  Buffer.concat(Array.from({ length: Math.ceil(CHUNK.length / bytes.length) }, () => bytes))
const drop = (socket: Socket): void => void socket.on('data', () => {})

export const ATTACKS = {
  halfOpen: attack('8 000 sockets without a CONNECT, opened again when they are cut', async (crowd) => {
    await crowd.lanes(64, async () => {
      if (crowd.openCount < 8_000) await crowd.open()
      else await pause(20)
    })
  }),
  giantLength: attack('100 sockets announce 256 MiB and send it', async (crowd) => {
    const announced = Buffer.concat([Buffer.from([0x10]), lengthBytes(268_435_455)])
    await crowd.lanes(100, async () => {
      const socket = await crowd.open()
      socket.write(announced)
      await crowd.pour(socket, CHUNK)
    })
  }),
  giantPublish: attack('20 terminals announce a PUBLISH of 256 MiB and send it', async (crowd) => {
    const announced = Buffer.concat([Buffer.from([0x32]), lengthBytes(268_435_455)])
    await crowd.lanes(20, async (index) => {
      const socket = await crowd.signIn(index)
      socket.write(announced)
      await crowd.pour(socket, CHUNK)
    })
  }),
  topics: attack('50 terminals publish to a million foreign topics, each time anew', async (crowd) => {
    let topicCount = 0
    await crowd.lanes(50, async (index) => {
      const socket = await crowd.signIn(index)
      socket.write(publishPacket({ topic: `lifts/v1/lift-${(topicCount += 1)}/status`, payload: '{}' }))
      await Promise.race([new Promise<void>((resolve) => socket.once('close', resolve)), pause(1_000)])
    })
  }),
  wildcards: attack('20 terminals subscribe to # and $SYS/# again and again', async (crowd) => {
    await crowd.lanes(20, async (index) => {
      const socket = await crowd.signIn(index)
      drop(socket)
      await crowd.pour(socket, repeated(subscribePacket(1, '#', '$SYS/#', '+/+')))
    })
  }),
  filters: attack('20 terminals subscribe to thousands of filters in one packet', async (crowd) => {
    const filters = Array.from({ length: 8_000 }, (_, index) => `f/${index}`)
    await crowd.lanes(20, async (index) => {
      const socket = await crowd.signIn(index)
      await crowd.pour(socket, subscribePacket(1, ...filters))
    })
  }),
  sysPublish: attack('20 terminals publish to $SYS', async (crowd) => {
    await crowd.lanes(20, async (index) => {
      const socket = await crowd.signIn(index)
      socket.write(publishPacket({ topic: '$SYS/broker/clients', payload: 'x' }))
      await Promise.race([new Promise<void>((resolve) => socket.once('close', resolve)), pause(1_000)])
    })
  }),
  slowReader: attack('50 terminals publish without a pause and read no acknowledgement', async (crowd, { first }) => {
    await crowd.lanes(50, async (index) => {
      const socket = await crowd.signIn(index)
      socket.pause()
      await crowd.pour(socket, repeated(statusPacket(first + index, 1)))
    })
  }),
  tinyPackets: attack('50 terminals publish empty payloads as fast as they can', async (crowd, { first }) => {
    await crowd.lanes(50, async (index) => {
      const socket = await crowd.signIn(index)
      drop(socket)
      const tiny = publishPacket({ topic: `lifts/v1/lift-${100_000 + first + index}/status`, payload: '', id: 1 })
      await crowd.pour(socket, repeated(tiny))
    })
  }),
  pings: attack('50 terminals send PINGREQ without a pause, and read nothing', async (crowd) => {
    await crowd.lanes(50, async (index) => {
      const socket = await crowd.signIn(index)
      socket.pause()
      await crowd.pour(socket, repeated(PINGREQ))
    })
  }),
  unknownTypes: attack('50 sockets send packets of types that do not exist', async (crowd) => {
    await crowd.lanes(50, async () => {
      const socket = await crowd.open()
      await crowd.pour(socket, repeated(packet(0xf0, Buffer.from([0, 1]))))
    })
  }),
  keepalive0: attack('500 terminals ask for no keep alive and say nothing more', async (crowd) => {
    for (let index = 0; index < 500; index += 1) await crowd.signIn(index, { keepalive: 0 })
  }),
  takeover: attack('20 connections of one terminal take over from each other without a pause', async (crowd) => {
    await crowd.lanes(20, async () => void drop(await crowd.signIn(0)))
  }),
  wrongSecrets: attack('50 sockets guess secrets of 5 000 terminals, a new one each time', async (crowd) => {
    let guessCount = 0
    await crowd.lanes(50, async () => {
      guessCount += 1
      drop(await crowd.signIn(guessCount % 5_000, { secret: `guess-${guessCount}-of-a-secret` }))
    })
  }),
} as const satisfies Record<string, Attack>
export type AttackName = keyof typeof ATTACKS
