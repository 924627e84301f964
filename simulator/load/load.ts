/**
 * Holds thousands of MQTT sessions and publishes statuses under their lifts, with far less work per message than the broker
 * has. The sessions are spread over processes, because one process has only so many file descriptors.
 */
import { availableParallelism } from 'node:os'
import type { LiftId, TerminalSerial } from '#contract/ids'
import type { SimulatedTerminal } from '../terminal/credentials.ts'
import { bootAt } from '../terminal/simulated-lift.ts'
import { Latencies } from './latencies.ts'
import { readBrokerUrl } from './link.ts'
import { LoadChild } from './load-child.ts'
import { addReports, NOTHING, type LoadCounts, type Tally } from './load-counts.ts'
import type { SimulatedTerminalOrGuest } from './session.ts'
import type { Rate } from './sessions.ts'

export const SESSION_COUNT_MAX = 20_000
export const PROCESS_COUNT_MAX = 64
/** A process may have 20 000 descriptors on many machines, and needs some for itself. */
const SESSIONS_PER_PROCESS_MAX = 15_000
/** Below this another process costs more than it brings. */
const SESSIONS_PER_PROCESS = 5_000
/** How long messages under way are waited for at the end. */
const DRAIN_MS_MAX = 5_000

export type LoadStatus = LoadCounts & {
  /** Why sessions were refused, in words, and how many of them. */
  readonly refusals: Tally
  /** Why connections were lost or not opened. */
  readonly losses: Tally
  /** From when a message was due to its acknowledgement. */
  readonly latencies: Latencies
}

export interface Load extends AsyncDisposable {
  /** The sum of what the processes told last, a quarter of a second ago at most; exact after the end. */
  status(): LoadStatus
  /** The same as of this moment. */
  freshStatus(): Promise<LoadStatus>
  /** Messages per second in all from here on; 0 for silence, `max` for as fast as they are acknowledged. */
  speak(rate: Rate): void
  /** The load processes. */
  readonly pids: readonly number[]
  /** Rejects when a load process breaks. A broker that is away is no such thing: the sessions keep trying. */
  readonly failed: Promise<never>
}

export type LoadOptions = {
  /** `mqtt://` or `mqtts://`. */
  readonly brokerUrl: string
  /** Who signs in: so many guests without a secret, or terminals. */
  readonly sessions: number | readonly SimulatedTerminal[]
  readonly rate: Rate
  readonly inFlight?: number
  readonly connectRate?: number
  readonly processCount?: number
  readonly seed?: number
  readonly nowMs?: () => number
}

export const DEFAULT_CONNECT_RATE = 200

/** As many processes as are of use: by sessions and cores, and never more sessions in one than it has descriptors for. */
export function processCountOf(sessionCount: number, coreCount: number): number {
  const useful = Math.min(Math.ceil(sessionCount / SESSIONS_PER_PROCESS), coreCount)
  return Math.max(1, useful, Math.ceil(sessionCount / SESSIONS_PER_PROCESS_MAX))
}

/** Sessions of a load that has no credentials, for brokers that let everybody in. */
export const guests = (count: number): SimulatedTerminalOrGuest[] =>
  Array.from({ length: count }, (_, index) => {
    const number = String(index + 1).padStart(5, '0')
    // The patterns of both are kept.
    return { serial: `LOAD-${number}` as TerminalSerial, lift: `load-${number}` as LiftId, secret: undefined }
  })

/** Resolves when the processes run; the sessions connect one after the other, and again whenever they are lost. */
export async function startLoad(o: LoadOptions): Promise<Load> {
  const terminals = typeof o.sessions === 'number' ? guests(o.sessions) : o.sessions
  const broker = readBrokerUrl(o.brokerUrl)
  if (broker === undefined) throw new RangeError(`${o.brokerUrl} is no address of an MQTT broker`)
  if (terminals.length < 1 || terminals.length > SESSION_COUNT_MAX)
    throw new RangeError(`${terminals.length} sessions: from 1 to ${SESSION_COUNT_MAX} can be held`)
  const processCount = Math.min(
    o.processCount ?? processCountOf(terminals.length, availableParallelism()),
    terminals.length,
  )
  const { inFlight = 1, connectRate = DEFAULT_CONNECT_RATE, seed = 1, nowMs = Date.now } = o
  const boot = bootAt(nowMs())
  const parts = partsOf(terminals, processCount)
  const shareOf = (part: Part) => part.terminals.length / terminals.length
  const rateOf = (rate: Rate, part: Part): Rate => (rate === 'max' ? 'max' : rate * shareOf(part))
  const starting = await Promise.allSettled(
    parts.map((part) =>
      LoadChild.start({
        ...{ ...part, broker, boot, inFlight, seed },
        connectRate: connectRate * shareOf(part),
        rate: rateOf(o.rate, part),
      }),
    ),
  )
  const children = starting.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
  const leave = async (): Promise<void> => void (await Promise.all(children.map((child) => child.leave(DRAIN_MS_MAX))))
  const failure = starting.find((start) => start.status === 'rejected')
  if (failure !== undefined) {
    await leave()
    throw failure.reason
  }
  const failed = Promise.race(children.map((child) => child.failed))
  failed.catch(() => {}) // whoever cares awaits it; nobody must
  const status = (): LoadStatus => {
    const { counts, latencies, ...tallies } = children.map(({ report }) => report).reduce(addReports, NOTHING)
    return { ...counts, ...tallies, latencies: new Latencies(latencies) }
  }
  return {
    failed,
    pids: children.map(({ pid }) => pid),
    speak: (rate) => {
      for (const [index, child] of children.entries()) {
        const part = parts[index]
        if (part !== undefined) child.speak(rateOf(rate, part))
      }
    },
    status,
    freshStatus: async () => {
      await Promise.all(children.map((child) => child.tell()))
      return status()
    },
    [Symbol.asyncDispose]: leave,
  }
}

type Part = { readonly terminals: readonly SimulatedTerminalOrGuest[]; readonly first: number }

/** As equal as can be. */
function partsOf(terminals: readonly SimulatedTerminalOrGuest[], count: number): Part[] {
  return Array.from({ length: count }, (_, index) => {
    const first = Math.floor((terminals.length * index) / count)
    return { first, terminals: terminals.slice(first, Math.floor((terminals.length * (index + 1)) / count)) }
  })
}
