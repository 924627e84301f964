/** `npm run simulate -- load`: runs a load, says every few seconds how it goes, and sums up at the end. */
import { setImmediate } from 'node:timers/promises'
import type { SimulatedTerminal } from '../terminal/credentials.ts'
import { WishError } from '../commands/options.ts'
import type { Tally } from './load-counts.ts'
import { SECONDS_PER_MESSAGE, type LoadWishes } from './load-command-line.ts'
import { SESSION_COUNT_MAX, startLoad, type LoadStatus } from './load.ts'

const PROGRESS_MS = 5_000
const WATCH_MS = 250

export type LoadCommandOptions = {
  readonly wishes: LoadWishes
  /** Those of the credentials file. */
  readonly terminals: readonly SimulatedTerminal[] | undefined
  /** Resolves when somebody wants it to stop, or its time is over. */
  readonly stopAsked: Promise<void>
  readonly print: (line: string) => void
  /** CPU of this process so far, s. */
  readonly cpuS: () => number
}

/** The exit code. */
export async function runLoad(o: LoadCommandOptions): Promise<number> {
  const { wishes, print } = o
  const sessions = sessionsOf(wishes, o.terminals)
  const sessionCount = typeof sessions === 'number' ? sessions : sessions.length
  const { brokerUrl, inFlight, connectRate, processCount, rate = sessionCount / SECONDS_PER_MESSAGE } = wishes
  if (processCount !== undefined && processCount > sessionCount)
    throw new WishError(`--processes ${processCount}: there are only ${sessionCount} sessions.`)
  const beganAtMs = performance.now()
  const ownCpuS = o.cpuS()
  const [started] = await Promise.allSettled([
    startLoad({
      ...{ brokerUrl, sessions, rate, inFlight, connectRate },
      ...(processCount === undefined ? {} : { processCount }),
    }),
  ])
  if (started.status === 'rejected') {
    // A signal from the keyboard also reaches processes that do not yet know what to do with it.
    const isStopAsked = await Promise.race([o.stopAsked.then(() => true), setImmediate(false)])
    print(isStopAsked ? 'stopped before the load processes had started' : `no load: ${reasonOf(started.reason)}`)
    return isStopAsked ? 0 : 1
  }
  const load = started.value
  const perSecond = rate === 'max' ? 'as fast as acknowledged' : `${rate} messages a second`
  print(`${sessionCount} sessions in ${load.pids.length} processes, broker ${brokerUrl}, ${perSecond}`)
  const watch = watchLoad(() => load.status(), print)
  let breakage: string | undefined
  try {
    await Promise.race([o.stopAsked, watch.allRefused, load.failed])
  } catch (error) {
    breakage = reasonOf(error)
  }
  watch.stop()
  const { heldCount } = await load.freshStatus()
  await load[Symbol.asyncDispose]()
  const status = load.status()
  const cpuS = status.cpuS + o.cpuS() - ownCpuS
  print(summary({ ...status, heldCount, cpuS }, (performance.now() - beganAtMs) / 1000))
  for (const [words, count] of Object.entries(status.refusals)) print(`refused ${count}: ${words}`)
  for (const [words, count] of Object.entries(status.losses)) print(`lost or not connected ${count}: ${words}`)
  if (breakage !== undefined) print(`${breakage}; what it did is counted up to its last quarter of a second`)
  const wasHeld = watch.wasHeld() || heldCount > 0 || status.acknowledgedCount > 0
  if (!wasHeld) print(`no session could sign in at ${brokerUrl}`)
  return wasHeld && breakage === undefined ? 0 : 1
}

function sessionsOf(
  { sessionCount, credentialsPath }: LoadWishes,
  terminals: readonly SimulatedTerminal[] | undefined,
): number | readonly SimulatedTerminal[] {
  if (terminals === undefined) return sessionCount ?? 1
  if (terminals.length < (sessionCount ?? 1))
    throw new WishError(`--sessions ${sessionCount ?? 1}: ${credentialsPath} has only ${terminals.length} terminals.`)
  return terminals.slice(0, sessionCount ?? SESSION_COUNT_MAX)
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Prints how it goes, and every kind of refusal once as soon as it is known. */
function watchLoad(status: () => LoadStatus, print: (line: string) => void) {
  let before = status()
  let beforeAtMs = performance.now()
  let wasHeld = false
  const toldRefusals = new Set<string>()
  let onAllRefused: () => void = () => {}
  const allRefused = new Promise<void>((resolve) => (onAllRefused = resolve))
  const tellRefusals = (refusals: Tally): void => {
    for (const [words, count] of Object.entries(refusals)) {
      if (toldRefusals.has(words)) continue
      toldRefusals.add(words)
      print(`refused so far ${count}: ${words}; they do not try again`)
    }
  }
  const progress = setInterval(() => {
    const now = status()
    const atMs = performance.now()
    print(progressLine(now, before, (atMs - beforeAtMs) / 1000))
    tellRefusals(now.refusals)
    before = now
    beforeAtMs = atMs
  }, PROGRESS_MS)
  const watch = setInterval(() => {
    const now = status()
    wasHeld ||= now.heldCount > 0
    if (now.refusedCount === now.sessionCount) onAllRefused()
  }, WATCH_MS)
  return {
    allRefused,
    wasHeld: () => wasHeld,
    stop: () => {
      clearInterval(progress)
      clearInterval(watch)
    },
  }
}

function progressLine(now: LoadStatus, before: LoadStatus, spanS: number): string {
  const acknowledged = now.acknowledgedCount - before.acknowledgedCount
  const latencies = now.latencies.since(before.latencies)
  return [
    `held ${now.heldCount}/${now.sessionCount}`,
    `sent ${now.sentCount}`,
    `acknowledged ${now.acknowledgedCount}`,
    `${(acknowledged / spanS).toFixed(1)} per second`,
    `p99 ${milliseconds(latencies.quantileMs(0.99))}`,
    `unacknowledged ${now.unacknowledgedCount}`,
    `lost ${now.lostCount}`,
    `reconnected ${now.reconnectedCount}`,
    ...(now.skippedCount > 0 ? [`skipped ${now.skippedCount}`] : []),
    ...(now.heldCount === 0 && now.failedCount > 0 ? ['broker is away, trying again'] : []),
  ].join(' · ')
}

function summary(status: LoadStatus, spanS: number): string {
  const { latencies, acknowledgedCount } = status
  const microseconds = acknowledgedCount === 0 ? '–' : ((status.cpuS * 1e6) / acknowledgedCount).toFixed(1)
  return [
    `after ${spanS.toFixed(1)} s: held ${status.heldCount}/${status.sessionCount}`,
    `sent ${status.sentCount}`,
    `acknowledged ${acknowledgedCount} (${(acknowledgedCount / spanS).toFixed(1)} per second)`,
    `unacknowledged ${status.unacknowledgedCount}`,
    `sent again ${status.resentCount}`,
    `skipped ${status.skippedCount}`,
    `acknowledged for nothing ${status.strayCount}`,
    `lost ${status.lostCount}`,
    `reconnected ${status.reconnectedCount}`,
    `p50 ${milliseconds(latencies.quantileMs(0.5))}, p99 ${milliseconds(latencies.quantileMs(0.99))}, max ${milliseconds(latencies.count === 0 ? NaN : latencies.maxMs)}`,
    `the load itself used ${status.cpuS.toFixed(1)} s of CPU, ${microseconds} µs per acknowledged message`,
  ].join(', ')
}

const milliseconds = (ms: number): string => (Number.isNaN(ms) ? '–' : `${ms.toFixed(ms < 10 ? 2 : 0)} ms`)
