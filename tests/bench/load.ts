/** The load of a benchmark: the sessions of `npm run simulate -- load` in one process, asked for figures of a span of time. */
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Latencies } from '#simulator/load/latencies'
import type { LoadReport } from '#simulator/load/load-counts'
import { Sessions } from '#simulator/load/sessions'
import { RandomStream } from '#simulator/random'
import { cpuSeconds } from './child-process.ts'
import { BOOT, terminalsOf } from './fleet.ts'
import { openSubscriber } from './subscriber.ts'

export type ConnectQuestion = {
  readonly do: 'connect'
  readonly port: number
  /** Numbers of the terminals: `first` and the `count - 1` that follow. */
  readonly first: number
  readonly count: number
  readonly atOnce: number
  /** Messages that each may have unacknowledged. */
  readonly inFlight: number
}
export type RunQuestion = {
  readonly do: 'run'
  /** Only the first so many connections publish; the others are idle. */
  readonly publishers: number
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

const CONNECT_MS_MAX = 120_000
/** What is on its way after a run is answered, so that the next one starts with nothing in flight. */
const SETTLE_MS = 500

export class Load {
  #sessions: Sessions | undefined
  #subscriber: { socket: Socket; receivedCount: () => number } | undefined

  /** Rejects when one of them is not let in. */
  async connect(o: ConnectQuestion): Promise<{ connectedCount: number; ms: number }> {
    if (this.#sessions !== undefined) throw new Error('the load is connected already')
    const startedAtMs = performance.now()
    this.#sessions = new Sessions({
      broker: { isTls: false, host: '127.0.0.1', port: o.port },
      terminals: terminalsOf(o.first, o.count),
      first: o.first,
      boot: BOOT,
      inFlight: o.inFlight,
      connectRate: Infinity,
      connectingMax: o.atOnce,
      random: new RandomStream(o.first),
      clock: { nowMs: Date.now, elapsedMs: () => performance.now() },
      cpuS: () => cpuSeconds(process.pid),
    })
    for (;;) {
      const { counts, refusals, losses } = this.#sessions.report()
      if (counts.heldCount === o.count) return { connectedCount: o.count, ms: performance.now() - startedAtMs }
      if (counts.refusedCount + counts.failedCount + counts.lostCount > 0)
        throw new Error(`not everybody was let in: ${JSON.stringify({ ...refusals, ...losses })}`)
      if (performance.now() - startedAtMs > CONNECT_MS_MAX) throw new Error(`only ${counts.heldCount} are connected`)
      await pause(10)
    }
  }

  async subscribe(o: { port: number; clean: boolean }): Promise<object> {
    this.#subscriber = await openSubscriber(o.port, o.clean)
    return {}
  }

  async run(o: RunQuestion): Promise<RunAnswer> {
    const sessions = this.#sessions
    if (sessions === undefined) throw new Error('the load is not connected')
    const { lostCount } = sessions.report().counts
    sessions.speak(o.rate ?? 'max', o.publishers)
    await pause(o.warmUpMs)
    const before = { report: sessions.report(), serverCpuS: cpuSeconds(o.serverPid), atMs: performance.now() }
    await pause(o.measureMs)
    const after = { report: sessions.report(), serverCpuS: cpuSeconds(o.serverPid), atMs: performance.now() }
    sessions.hush()
    await pause(SETTLE_MS)
    return {
      ...figuresBetween(before.report, after.report),
      seconds: (after.atMs - before.atMs) / 1000,
      serverCpuS: after.serverCpuS - before.serverCpuS,
      lostCount: after.report.counts.lostCount - lostCount,
      receivedCount: this.#subscriber?.receivedCount() ?? 0,
    }
  }

  async close(): Promise<void> {
    this.#sessions?.cut()
    this.#subscriber?.socket.destroy()
  }
}

function figuresBetween(before: LoadReport, after: LoadReport) {
  const latencies = new Latencies(after.latencies).since(new Latencies(before.latencies))
  return {
    acknowledgedCount: after.counts.acknowledgedCount - before.counts.acknowledgedCount,
    loadCpuS: after.counts.cpuS - before.counts.cpuS,
    p50Ms: latencies.quantileMs(0.5),
    p99Ms: latencies.quantileMs(0.99),
    maxMs: latencies.maxMs,
  }
}
