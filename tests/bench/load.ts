/** Publishing as fast as acknowledgements come, or at a given rate, and how long they take. */
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { cpuSeconds } from './child-process.ts'
import { statusPacket } from './fleet.ts'
import { openConnections, openSubscriber, type ConnectQuestion } from './load-sockets.ts'

export type RunQuestion = {
  readonly do: 'run'
  /** Only the first so many connections publish; the others are idle. */
  readonly publishers: number
  readonly inFlight: number
  readonly warmUpMs: number
  readonly measureMs: number
  /** Publications per second in all; without it as many as are acknowledged. */
  readonly rate?: number
  /** Whose CPU is measured. */
  readonly serverPid: number
}
export type RunAnswer = {
  readonly acknowledgedCount: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly serverCpuS: number
  readonly loadCpuS: number
  /** Connections that ended during the run. */
  readonly lostCount: number
  /** What the subscriber has received so far. */
  readonly receivedCount: number
}

/** Latencies are counted in steps of this, ms. */
const STEP_MS = 0.05
const STEP_COUNT = 200_000

type Publisher = {
  readonly socket: Socket
  /** Prepared packets; the one at `index` has packet id `index + 1`. */
  readonly packets: readonly Buffer[]
  readonly sentAtMs: Float64Array
  readonly idle: number[]
  /** Bytes of an acknowledgement that came in two pieces. */
  rest: Buffer | undefined
}

export class Load {
  #sockets: Socket[] = []
  #subscriber: { socket: Socket; receivedCount: () => number } | undefined
  #steps = new Uint32Array(STEP_COUNT)
  #acknowledgedCount = 0
  #isMeasuring = false

  async connect(o: ConnectQuestion): Promise<{ connectedCount: number; ms: number }> {
    const startedAtMs = performance.now()
    this.#sockets.push(...(await openConnections(o)))
    return { connectedCount: this.#sockets.length, ms: performance.now() - startedAtMs }
  }

  async subscribe(o: { port: number; clean: boolean }): Promise<object> {
    this.#subscriber = await openSubscriber(o.port, o.clean)
    return {}
  }

  async run(o: RunQuestion): Promise<RunAnswer> {
    let lostCount = 0
    const publishers = this.#sockets
      .slice(0, o.publishers)
      .map((socket, number) => publisherOf(socket, number, o.inFlight))
    this.#steps.fill(0)
    this.#acknowledgedCount = 0
    for (const publisher of publishers) {
      publisher.socket.removeAllListeners('data')
      publisher.socket.on('data', (bytes: Buffer) => this.#acknowledge(publisher, bytes, o.rate === undefined))
      publisher.socket.once('close', () => (lostCount += 1))
    }
    const pace = o.rate === undefined ? undefined : startPace(publishers, o.rate)
    if (pace === undefined)
      for (const publisher of publishers) while (publisher.idle.length > 0) publish(publisher, performance.now())

    await pause(o.warmUpMs)
    const before = { server: cpuSeconds(o.serverPid), load: cpuSeconds(process.pid), atMs: performance.now() }
    this.#isMeasuring = true
    await pause(o.measureMs)
    this.#isMeasuring = false
    const seconds = (performance.now() - before.atMs) / 1000
    const serverCpuS = cpuSeconds(o.serverPid) - before.server
    const loadCpuS = cpuSeconds(process.pid) - before.load
    pace?.stop()
    for (const { socket } of publishers) {
      // What is on its way is answered and not sent again; the next run starts with nothing in flight.
      socket.removeAllListeners('data')
      socket.removeAllListeners('close')
      socket.on('data', () => {})
    }
    await pause(500)
    return {
      acknowledgedCount: this.#acknowledgedCount,
      seconds,
      ...this.#latencies(),
      serverCpuS,
      loadCpuS,
      lostCount,
      receivedCount: this.#subscriber?.receivedCount() ?? 0,
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#subscriber?.socket.destroy()
  }

  #acknowledge(publisher: Publisher, chunk: Buffer, sendsAgain: boolean): void {
    const bytes = publisher.rest === undefined ? chunk : Buffer.concat([publisher.rest, chunk])
    const nowMs = performance.now()
    let at = 0
    let again: Buffer[] | undefined
    for (; at + 4 <= bytes.length; at += 4) {
      const index = ((bytes[at + 2] ?? 0) << 8) + (bytes[at + 3] ?? 0) - 1
      if (this.#isMeasuring) {
        this.#acknowledgedCount += 1
        const step = Math.min(STEP_COUNT - 1, Math.floor((nowMs - (publisher.sentAtMs[index] ?? 0)) / STEP_MS))
        this.#steps[step] = (this.#steps[step] ?? 0) + 1
      }
      const packet = publisher.packets[index]
      if (bytes[at] !== 0x40 || packet === undefined)
        throw new Error(`not an acknowledgement: ${bytes.toString('hex')}`)
      if (sendsAgain) {
        publisher.sentAtMs[index] = nowMs
        if (bytes.length === 4) publisher.socket.write(packet)
        else (again ??= []).push(packet)
      } else publisher.idle.push(index)
    }
    publisher.rest = at === bytes.length ? undefined : bytes.subarray(at)
    if (again !== undefined) publisher.socket.write(Buffer.concat(again))
  }

  #latencies(): { p50Ms: number; p99Ms: number; maxMs: number } {
    const at = (share: number): number => {
      let left = this.#acknowledgedCount * share
      for (let step = 0; step < STEP_COUNT; step += 1) {
        left -= this.#steps[step] ?? 0
        if (left <= 0) return (step + 1) * STEP_MS
      }
      return NaN
    }
    return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
  }
}

function publisherOf(socket: Socket, number: number, inFlight: number): Publisher {
  const indexes = Array.from({ length: inFlight }, (_, index) => index)
  return {
    socket,
    packets: indexes.map((index) => statusPacket(number, index + 1)),
    sentAtMs: new Float64Array(inFlight),
    idle: indexes.reverse(),
    rest: undefined,
  }
}

function publish(publisher: Publisher, atMs: number): boolean {
  const index = publisher.idle.pop()
  const packet = index === undefined ? undefined : publisher.packets[index]
  if (index === undefined || packet === undefined) return false
  publisher.sentAtMs[index] = atMs
  publisher.socket.write(packet)
  return true
}

/** Publishes when it is time, one publisher after the other; the latency counts from that time, not from the write. */
function startPace(publishers: readonly Publisher[], rate: number): { stop: () => void } {
  let turn = 0
  let dueAtMs = performance.now()
  let isStopped = false
  const step = (): void => {
    if (isStopped) return
    for (const nowMs = performance.now(); dueAtMs <= nowMs; dueAtMs += 1000 / rate) {
      for (let tried = 0; tried < publishers.length; tried += 1) {
        turn = (turn + 1) % publishers.length
        const publisher = publishers[turn]
        if (publisher !== undefined && publish(publisher, dueAtMs)) break
      }
    }
    setTimeout(step, 1)
  }
  step()
  return { stop: () => void (isStopped = true) }
}
