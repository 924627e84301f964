/**
 * Replay (回放): a recording, or the arrivals of a scenario, once more through a real broker. One connection for each terminal,
 * QoS 1. Payloads keep everything but their times, which are all shifted by one constant, their start, which is a new one, so
 * that nobody takes a second replay for a repetition, and in `connection` their terminal.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { SimulatedTerminal } from '../terminal/credentials.ts'
import { bootAt } from '../terminal/pen.ts'
import type { OpenWire } from '../terminal/wire.ts'
import { within } from '../terminal/within.ts'
import { newBoots, rewritten, shiftOf, type ReplaySpeed } from './replay-payload.ts'
import { scanSource, type ReplayScan, type ReplaySource } from './replay-source.ts'
import { ReplayTerminal } from './replay-terminal.ts'

/** A broker must check every secret, and that costs. */
const CONNECT_PACE_MS = 20
/** Unacknowledged messages of all terminals together, and of one; beyond it the recording is read no further. */
const WAITING_MAX = 20_000
const WAITING_OF_ONE_MAX = 1_000
const CHECK_MS = 1_000
/** How long what is under way is waited for when somebody stops the replay. */
const DRAIN_MS = 5_000
const LEAVING_MAX = 200
/** setTimeout takes 24.8 days at most. */
const PAUSE_MS_MAX = 3600_000

export type ReplayStatus = {
  /** `connecting`: nothing was sent yet. */
  readonly phase: 'connecting' | 'playing' | 'ended'
  readonly terminalCount: number
  readonly connectedCount: number
  /** Terminals that the broker does not let in. */
  readonly refusedCount: number
  readonly messageCount: number
  readonly sentCount: number
  readonly acknowledgedCount: number
  readonly resentCount: number
  /** Recorded payloads that are no JSON objects: they cannot be said at another time. */
  readonly leftOutCount: number
  /** Messages that are not acknowledged: waiting or under way, and at the end those that never were. */
  readonly unacknowledgedCount: number
  /** Part of the time of the recording that has been played, 0 to 1. */
  readonly played: number
  /** Why a terminal has no connection; empty when all have one. */
  readonly reason: string
}

export type Replay = {
  readonly status: () => ReplayStatus
  /** Resolves when everything is acknowledged, or the stop is done. Rejects when the source breaks. */
  readonly done: Promise<void>
}

export type ReplayOptions = {
  readonly source: ReplaySource
  /** Who plays the terminals of the recording, in the same order. */
  readonly terminals: readonly SimulatedTerminal[]
  readonly openWire: OpenWire
  /** How many times as fast as recorded; `max`: as fast as acknowledged. */
  readonly speed: ReplaySpeed
  readonly stop: AbortSignal
  readonly nowMs: () => number
}

/** Begins when the recording has been read once, and every terminal has signed in or was refused. */
export async function startReplay(o: ReplayOptions): Promise<Replay> {
  const player = new Player(o, await scanSource(o.source))
  return { status: () => player.status(), done: player.run() }
}

class Player {
  readonly #o: ReplayOptions
  readonly #scan: ReplayScan
  readonly #terminals: readonly ReplayTerminal[]
  #phase: ReplayStatus['phase'] = 'connecting'
  #leftOutCount = 0
  #played = 0
  /** Unacknowledged messages of all terminals. */
  #waitingCount = 0
  #onChange: () => void = () => {}

  constructor(o: ReplayOptions, scan: ReplayScan) {
    const { openWire, nowMs } = o
    this.#o = o
    this.#scan = scan
    const onChange = (sizeChange: number): void => {
      this.#waitingCount += sizeChange
      this.#onChange()
    }
    this.#terminals = o.terminals.map((identity) => new ReplayTerminal({ identity, openWire, nowMs, onChange }))
  }

  status(): ReplayStatus {
    const terminals = this.#terminals
    const counts = terminals.map((terminal) => terminal.counts)
    const acknowledgedCount = counts.reduce((sum, each) => sum + each.acknowledgedCount, 0)
    const { messageCount } = this.#scan
    return {
      phase: this.#phase,
      terminalCount: terminals.length,
      connectedCount: terminals.filter(({ isConnected }) => isConnected).length,
      refusedCount: terminals.filter(({ isRefused }) => isRefused).length,
      messageCount,
      sentCount: counts.reduce((sum, each) => sum + each.sentCount, 0),
      acknowledgedCount,
      resentCount: counts.reduce((sum, each) => sum + each.resentCount, 0),
      leftOutCount: this.#leftOutCount,
      unacknowledgedCount: messageCount - acknowledgedCount - this.#leftOutCount,
      played: this.#played,
      reason: terminals.find(({ isConnected, reason }) => !isConnected && reason !== '')?.reason ?? '',
    }
  }

  async run(): Promise<void> {
    const { stop } = this.#o
    const checks = setInterval(() => this.#terminals.forEach((terminal) => terminal.check()), CHECK_MS)
    try {
      this.#terminals.forEach((terminal, index) => terminal.connectIn(index * CONNECT_PACE_MS))
      await this.#until(() => this.#terminals.every(({ isConnected, isRefused }) => isConnected || isRefused))
      if (!stop.aborted) await this.#play()
      const isEmpty = (): boolean => this.#waitingCount === 0
      await this.#until(isEmpty)
      if (stop.aborted) await within(DRAIN_MS, this.#until(isEmpty, null))
    } finally {
      clearInterval(checks)
      const leaving = [...this.#terminals]
      while (leaving.length > 0) await Promise.all(leaving.splice(0, LEAVING_MAX).map((terminal) => terminal.leave()))
      this.#phase = 'ended'
    }
  }

  async #play(): Promise<void> {
    const { source, speed, nowMs, stop } = this.#o
    const { fromMs, toMs } = source.head
    const beginAtMs = nowMs()
    const shiftMs = shiftOf({ fromMs, toMs, beginAtMs, speed })
    const newBoot = this.#scan.boots.map((boots) => newBoots(boots, bootAt(beginAtMs)))
    this.#phase = 'playing'
    for await (const { atMs, terminal: index, kind, payload, isAgain } of source.messages()) {
      if (speed !== 'max') await this.#pauseUntil(beginAtMs + (atMs - fromMs) / speed)
      const [terminal, renumber] = [this.#terminals[index], newBoot[index]]
      if (stop.aborted || terminal === undefined || renumber === undefined) return
      this.#played = toMs === fromMs ? 1 : (atMs - fromMs) / (toMs - fromMs)
      const said = rewritten(payload, { kind, shiftMs, newBoot: renumber, serial: terminal.serial })
      if (said === undefined) {
        this.#leftOutCount += 1
        continue
      }
      await this.#until(() => this.#waitingCount < WAITING_MAX && terminal.size < WAITING_OF_ONE_MAX)
      if (stop.aborted) return
      // Before it is put: an acknowledgement may come within.
      this.#waitingCount += 1
      if (!terminal.put({ kind, payload: said, isRedelivered: isAgain ?? false })) this.#waitingCount -= 1
    }
    this.#played = 1
  }

  /** Looks whenever something was acknowledged or a connection has changed. Also ends when the replay is stopped. */
  #until(isTrue: () => boolean, stop: AbortSignal | null = this.#o.stop): Promise<void> {
    if (isTrue() || stop?.aborted === true) return Promise.resolve()
    return new Promise((resolve) => {
      const settle = (): void => {
        stop?.removeEventListener('abort', settle)
        this.#onChange = () => {}
        resolve()
      }
      stop?.addEventListener('abort', settle)
      this.#onChange = () => {
        if (isTrue()) settle()
      }
    })
  }

  async #pauseUntil(atMs: number): Promise<void> {
    const { nowMs, stop } = this.#o
    for (let leftMs = atMs - nowMs(); leftMs > 0 && !stop.aborted; leftMs = atMs - nowMs())
      await pause(Math.min(leftMs, PAUSE_MS_MAX), undefined, { signal: stop }).catch(() => {}) // stopped: seen above
  }
}
