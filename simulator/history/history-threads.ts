/**
 * Histories of many lifts, made in threads beside the one that takes messages. Each thread is one lift ahead of whoever
 * takes them and no more, so a slow consumer is waited for and memory stays bounded.
 */
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { TerminalSerial } from '#contract/ids'
import type { Lift } from '#contract/register'
import type { HistorySpan, LiftHistory } from './lift-history.ts'

export type { HistorySpan, LiftHistory } from './lift-history.ts'

const THREADS_MAX = 4
/** A lift takes some tenths of a second; a thread that is silent for so long has come to grief. */
const LIFT_MS_MAX = 120_000
/** Nearly all that a lift's past needs in memory is forgotten at once: with room for it, little is copied about. */
const YOUNG_MB = 8

type Identity = { readonly lift: Lift; readonly serial: TerminalSerial }
export type HistoryWorkerData = { readonly identities: readonly Identity[]; readonly span: HistorySpan }
export type FromHistoryWorker = LiftHistory

export interface Histories extends AsyncDisposable {
  readonly liftCount: number
  /** To be gone through once. Rejects when a thread failed, and with the reason of the signal when that aborts. */
  [Symbol.asyncIterator](): AsyncIterator<LiftHistory>
}

/** Starts the threads; disposing of it ends them, whatever they are at. The order of the lifts is not promised. */
export function openHistories(o: {
  readonly identities: readonly Identity[]
  readonly span: HistorySpan
  readonly signal: AbortSignal
}): Histories {
  const { identities, span, signal } = o
  const threadCount = Math.max(1, Math.min(THREADS_MAX, availableParallelism(), identities.length))
  const threads = Array.from({ length: threadCount }, (_, thread) => {
    const own = identities.filter((_identity, index) => index % threadCount === thread)
    return { worker: newWorker({ identities: own, span }), left: own.length }
  })
  async function* histories(): AsyncGenerator<LiftHistory> {
    const made = new Map(threads.map((thread) => [thread, askFor(thread.worker, signal)]))
    while (made.size > 0) {
      const next = await Promise.race([...made].map(async ([thread, history]) => ({ thread, history: await history })))
      next.thread.left -= 1
      if (next.thread.left > 0) made.set(next.thread, askFor(next.thread.worker, signal))
      else made.delete(next.thread)
      yield next.history
    }
  }
  return {
    liftCount: identities.length,
    [Symbol.asyncIterator]: histories,
    async [Symbol.asyncDispose]() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()))
    },
  }
}

/** The next history of a thread that has one left to make. */
function askFor(worker: Worker, signal: AbortSignal): Promise<LiftHistory> {
  const tooLong = AbortSignal.timeout(LIFT_MS_MAX)
  worker.postMessage(null)
  const made = once(worker, 'message', { signal: AbortSignal.any([signal, tooLong]) }).then(
    ([history]) => history as LiftHistory, // the worker says nothing else
  )
  made.catch(() => {}) // told to whoever waits for it; after a failure of another thread nobody does
  return made
}

/** Built code has a worker of JavaScript; source (tsx, tests) has one of TypeScript that needs its loader first. */
function newWorker(workerData: HistoryWorkerData): Worker {
  const file = import.meta.url.endsWith('.ts') ? './history-worker-source.mjs' : './history-worker.js'
  const worker = new Worker(new URL(file, import.meta.url), {
    workerData,
    name: 'history',
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  })
  worker.on('error', () => {}) // `once` tells it to whoever waits; between two waits nothing is asked
  return worker
}
