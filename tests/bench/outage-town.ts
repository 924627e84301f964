/** The two ends of the outage: the terminals that speak all the while, and a viewer who watches them. */
import { setTimeout as pause } from 'node:timers/promises'
import type { MqttClient } from 'mqtt'
import { io, type Socket } from 'socket.io-client'
import type { LiveDelta } from '#contract/live'
import { connectTerminal, statusOf, type Credentials } from '../platform/terminals.ts'

/** Each terminal says its status so often: ten times what a moving lift does. */
export const EVERY_MS = 100
export const PHASES = ['before', 'away', 'catching up'] as const
export type Phase = (typeof PHASES)[number]

/** All terminals, each sending one status after the other whether the broker has answered or not. */
export class Publishers implements AsyncDisposable {
  readonly acknowledged = new Map<string, number>()
  readonly #clients: readonly (readonly [MqttClient, Credentials])[]
  #seq = 0
  #sentCount = 0
  #timer: NodeJS.Timeout | undefined
  #nextAtMs = performance.now()

  private constructor(clients: readonly (readonly [MqttClient, Credentials])[]) {
    this.#clients = clients
  }

  static async connect(mqttUrl: string, terminals: readonly Credentials[]): Promise<Publishers> {
    const clients = await Promise.all(
      terminals.map(async (each) => [await connectTerminal(mqttUrl, each), each] as const),
    )
    return new Publishers(clients)
  }

  get sentCount(): number {
    return this.#sentCount
  }

  get acknowledgedCount(): number {
    return [...this.acknowledged.values()].reduce((sum, count) => sum + count, 0)
  }

  /** The pace is kept: what a busy moment held up is sent after it. */
  start(): void {
    this.#nextAtMs = performance.now()
    this.#timer = setInterval(() => {
      for (; this.#nextAtMs <= performance.now(); this.#nextAtMs += EVERY_MS) this.#publish()
    }, EVERY_MS / 4)
  }

  #publish(): void {
    this.#seq += 1
    for (const [client, { lift }] of this.#clients) {
      const status = statusOf(1, this.#seq, Date.now(), { positionMm: this.#seq % 15_000 })
      this.#sentCount += 1
      client.publish(`lifts/v1/${lift}/status`, JSON.stringify(status), { qos: 1 }, (error) => {
        if (!error) this.acknowledged.set(lift, (this.acknowledged.get(lift) ?? 0) + 1)
      })
    }
  }

  /** Sends nothing more; resolves when everything is answered. Throws when that takes too long. */
  async settle(): Promise<void> {
    clearInterval(this.#timer)
    for (const endAtMs = Date.now() + 30_000; this.acknowledgedCount < this.#sentCount; await pause(100))
      if (Date.now() > endAtMs)
        throw new Error(`${this.#sentCount - this.acknowledgedCount} publications were never acknowledged`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#clients.map(([client]) => client.endAsync(true)))
  }
}

/**
 * What a viewer sees, by phase: how old the oldest row of each message is when it comes, and how long nothing came at all,
 * ms. A viewer that is behind gets a snapshot instead of changes; that counts as well.
 */
export class LiveWatch implements Disposable {
  readonly agesMs: Record<Phase, number[]> = { before: [], away: [], 'catching up': [] }
  readonly stillMs: Record<Phase, number> = { before: 0, away: 0, 'catching up': 0 }
  readonly #socket: Socket
  #phase: Phase = 'before'
  #cameAtMs = performance.now()
  #lost: string | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    const take = ({ rows }: Pick<LiveDelta, 'rows'>): void => {
      this.#count()
      this.#cameAtMs = performance.now()
      const oldest = Math.min(...rows.map(({ status }) => status?.sampledAtMs ?? Infinity))
      if (Number.isFinite(oldest)) this.agesMs[this.#phase].push(Date.now() - oldest)
    }
    socket.on('delta', take)
    socket.on('snapshot', take)
    socket.on('disconnect', (reason) => (this.#lost ??= reason))
  }

  static async open(apiUrl: string, cookie: string): Promise<LiveWatch> {
    const socket = io(`${apiUrl}/live`, {
      transports: ['websocket'],
      reconnection: false,
      extraHeaders: { cookie },
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve())
      socket.once('connect_error', reject)
    })
    const watch = new LiveWatch(socket)
    socket.emit('hello', {})
    return watch
  }

  /** Throws when the viewer was cut off: what it would have seen since is not known. */
  begin(phase: Phase): void {
    this.end()
    this.#phase = phase
  }

  end(): void {
    this.#count()
    if (this.#lost !== undefined) throw new Error(`the viewer was cut off: ${this.#lost}`)
  }

  #count(): void {
    this.stillMs[this.#phase] = Math.max(this.stillMs[this.#phase], performance.now() - this.#cameAtMs)
  }

  [Symbol.dispose](): void {
    this.#socket.disconnect()
  }
}
