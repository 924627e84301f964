/** Starts the broker with its real bounds and looks at it from outside. */
import { readdirSync } from 'node:fs'
import { tempFolder } from '../servers/temp-folder.ts'
import { residentBytes, SERVER_CORE, startPinned, type BenchProcess } from './child-process.ts'

export type BrokerState = {
  readonly port: number
  readonly connectedCount: number
  readonly refusals: Readonly<Record<string, number>>
  /** Errors that the broker reported of itself. */
  readonly faultCount: number
  readonly heapBytes: number
  /** 99 % of what was due since the last question was done no later than this, ms. */
  readonly lateP99Ms: number
}
export type RecordsAnswer = {
  readonly position: number
  readonly records: readonly (readonly [string, string, string])[]
}

const SAMPLE_MS = 50

export type GuardedBroker = AsyncDisposable & {
  readonly process: BenchProcess
  state(): Promise<BrokerState>
  /** The same after a collection of garbage. */
  collected(): Promise<BrokerState>
  records(after: number): Promise<RecordsAnswer>
  /** Open sockets and files. */
  descriptorCount(): number
}

export async function startGuardedBroker(o: { terminalCount: number; isFuzz: boolean }): Promise<GuardedBroker> {
  const folder = await tempFolder('bench-guarded')
  const args = [folder.path, String(o.terminalCount), o.isFuzz ? 'yes' : 'no']
  const broker = startPinned('./guarded-broker-process.ts', { core: SERVER_CORE, args })
  return {
    process: broker,
    state: () => broker.ask<BrokerState>({ do: 'state' }),
    collected: () => broker.ask<BrokerState>({ do: 'collect' }),
    records: (after) => broker.ask<RecordsAnswer>({ do: 'records', after }),
    descriptorCount: () => readdirSync(`/proc/${broker.pid}/fd`).length,
    [Symbol.asyncDispose]: async () => {
      await broker[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** Watches the memory of a process until it is asked for the most it has seen, bytes. */
export function watchMemory(pid: number): { maxBytes: () => number; stop: () => void } {
  let max = 0
  const sample = (): void => {
    max = Math.max(max, residentBytes(pid))
  }
  sample()
  const timer = setInterval(sample, SAMPLE_MS)
  return {
    maxBytes: () => {
      sample()
      return max
    },
    stop: () => clearInterval(timer),
  }
}

export const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)
