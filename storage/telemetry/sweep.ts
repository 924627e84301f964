/** Removes what is past its retention from the embedded store: in bounded steps between the batches, so that writing goes on. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '#contract/log-events'
import type { Expiry } from './tables-expiry.ts'

const SWEEP_EVERY_MS = 3_600_000
/** Rows removed in one transaction: some 30 ms, in which a batch waits. */
const STEP_ROWS_MAX = 50_000
/** Between two steps, for the batches that wait. */
const STEP_PAUSE_MS = 100

export type Sweeper = Disposable & { removedCount(): number }

type Options = {
  /** What is past its retention at this moment. */
  readonly expiries: () => readonly Expiry[]
  /** Removes at most `rowsMax` rows and resolves to how many they were. */
  readonly remove: (expiry: Expiry, rowsMax: number) => Promise<number>
  readonly log: Log
}

/** Sweeps at once and then every hour. A sweep that fails is told and goes on an hour later. */
export function startSweeping({ expiries, remove, log }: Options): Sweeper {
  const stopping = new AbortController()
  let removedCount = 0
  let isSweeping = false

  async function sweep(): Promise<void> {
    const beganAtMs = performance.now()
    for (const expiry of expiries()) {
      let tableCount = 0
      for (let count = STEP_ROWS_MAX; count === STEP_ROWS_MAX;) {
        count = await remove(expiry, STEP_ROWS_MAX)
        tableCount += count
        removedCount += count
        await pause(STEP_PAUSE_MS, undefined, { signal: stopping.signal })
      }
      if (tableCount > 0)
        log.info('telemetry.expired', {
          table: expiry.table,
          count: tableCount,
          before: new Date(expiry.beforeMs).toISOString(),
          durationMs: Math.round(performance.now() - beganAtMs),
        })
    }
  }

  function sweepUnlessSweeping(): void {
    if (isSweeping) return
    isSweeping = true
    sweep()
      .catch((error: unknown) => {
        if (!stopping.signal.aborted)
          log.warn('telemetry.notExpired', { reason: error instanceof Error ? error.message : String(error) })
      })
      .finally(() => (isSweeping = false))
  }

  const timer = setInterval(sweepUnlessSweeping, SWEEP_EVERY_MS)
  timer.unref()
  sweepUnlessSweeping()
  return {
    removedCount: () => removedCount,
    [Symbol.dispose]() {
      clearInterval(timer)
      stopping.abort()
    },
  }
}
