/** Terminals that keep what is not acknowledged, come back when their link breaks, and then send it again. */
import { connect, type Socket } from 'node:net'
import { PacketReader } from '#simulator/load/packet-reader'
import { PACKET } from '#simulator/load/packets'
import { connectBytes, serialOf, statusPacket } from './fleet.ts'

export type BackAnswer = {
  readonly backCount: number
  /** From the first try until every terminal had what it kept acknowledged. */
  readonly backS: number
  readonly triedCount: number
  readonly sentAgainCount: number
}

const EVERY_MS = 5_000
const RETRY_MS = 1_000
const GIVE_UP_MS = 150_000

/** One publication after the other: the next is said when its time has come and the last one is acknowledged. */
class Terminal {
  readonly number: number
  readonly acknowledged: number[] = []
  socket: Socket | undefined
  seq = 1
  isAcknowledged = true
  isBack = false
  reader = new PacketReader()
  constructor(number: number) {
    this.number = number
  }
}

export class ReturningTerminals {
  #terminals: Terminal[] = []
  #port = 0
  #isStopped = false
  #triedCount = 0
  #sentAgainCount = 0
  #onBack: () => void = () => {}
  #speaking: NodeJS.Timeout | undefined

  async comeBack(port: number, count: number): Promise<BackAnswer> {
    this.#port = port
    while (this.#terminals.length < count) this.#terminals.push(new Terminal(this.#terminals.length))
    this.#triedCount = 0
    this.#sentAgainCount = 0
    const beganAtMs = performance.now()
    for (const terminal of this.#terminals) {
      terminal.isBack = false
      // Everybody has something to say at once.
      if (terminal.isAcknowledged) this.#prepare(terminal)
    }
    for (const terminal of this.#terminals) this.#connect(terminal)
    const deadlineMs = beganAtMs + GIVE_UP_MS
    while (this.#terminals.some(({ isBack }) => !isBack) && performance.now() < deadlineMs)
      await new Promise<void>((resolve) => {
        this.#onBack = resolve
        setTimeout(resolve, 100)
      })
    const backS = (performance.now() - beganAtMs) / 1000
    this.#speak()
    await new Promise((wake) => setTimeout(wake, 2 * EVERY_MS))
    const backCount = this.#terminals.filter(({ isBack }) => isBack).length
    return { backCount, backS, triedCount: this.#triedCount, sentAgainCount: this.#sentAgainCount }
  }

  /** All links at one instant, in the middle of what is said. */
  async breakLinks(): Promise<void> {
    for (const terminal of this.#terminals) this.#say(terminal)
    const { promise, resolve } = waiting()
    setImmediate(resolve)
    await promise
    for (const terminal of this.#terminals) {
      const { socket } = terminal
      terminal.socket = undefined
      socket?.resetAndDestroy()
    }
  }

  /** Everything that was acknowledged, as `serial seq`. */
  async finish(): Promise<string[]> {
    this.#isStopped = true
    clearInterval(this.#speaking)
    for (const { socket } of this.#terminals) socket?.destroy()
    return this.#terminals.flatMap(({ number, acknowledged }) =>
      acknowledged.map((seq) => `${serialOf(number)} ${seq}`),
    )
  }

  /** A part of the terminals every tenth of the time. */
  #speak(): void {
    let turn = 0
    this.#speaking ??= setInterval(() => {
      turn = (turn + 1) % 10
      for (let index = turn; index < this.#terminals.length; index += 10) {
        const terminal = this.#terminals[index]
        if (terminal !== undefined) this.#say(terminal)
      }
    }, EVERY_MS / 10)
  }

  #prepare(terminal: Terminal): void {
    terminal.seq += 1
    terminal.isAcknowledged = false
  }

  #say(terminal: Terminal): void {
    if (!terminal.isAcknowledged || !terminal.isBack || terminal.socket === undefined) return
    this.#prepare(terminal)
    this.#send(terminal)
  }

  #send(terminal: Terminal): void {
    const { number, seq } = terminal
    terminal.socket?.write(statusPacket(number, 1 + (seq % 65_535), seq))
  }

  #connect(terminal: Terminal): void {
    if (this.#isStopped) return
    this.#triedCount += 1
    const socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true })
    terminal.socket = socket
    terminal.reader = new PacketReader()
    socket.on('error', () => {})
    socket.once('connect', () => socket.write(connectBytes(terminal.number)))
    socket.on('data', (bytes: Buffer) => this.#read(terminal, bytes))
    socket.once('close', () => {
      if (terminal.socket !== socket) return
      terminal.socket = undefined
      terminal.isBack = false
      setTimeout(() => terminal.socket ?? this.#connect(terminal), RETRY_MS * (0.5 + Math.random()))
    })
  }

  #read(terminal: Terminal, chunk: Buffer): void {
    terminal.reader.take(chunk, (bytes, at, bodyAt) => {
      const kind = bytes.readUInt8(at) >> 4
      if (kind === PACKET.connack && bytes[bodyAt + 1] === 0 && !terminal.isAcknowledged) {
        this.#sentAgainCount += 1
        this.#send(terminal)
      } else if (
        kind === PACKET.puback &&
        !terminal.isAcknowledged &&
        bytes.readUInt16BE(bodyAt) === 1 + (terminal.seq % 65_535)
      ) {
        terminal.acknowledged.push(terminal.seq)
        terminal.isAcknowledged = true
        terminal.isBack = true
        this.#onBack()
      }
    })
  }
}

function waiting(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {}
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}
