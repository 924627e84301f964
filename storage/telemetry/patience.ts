/** Asks a store again while it is away: with growing waits, a bound on them all, and an end when it is asked to stop. */
import { setTimeout as pause } from 'node:timers/promises'
import { TelemetryStoreError } from './points.ts'

const WAIT_MS_MIN = 500
const WAIT_MS_MAX = 30_000

export type Patience = {
  /** A store that is away for so long is given up. */
  readonly awayMsMax: number
  /** Ends every wait; its reason is thrown. */
  readonly signal: AbortSignal
  /** Told before each wait. */
  readonly onAway: (reason: string, waitMs: number) => void
}

/** Resolves to what the attempt resolves to. Rejects with its error when that is no outage, or lasts too long. */
export async function withPatience<T>(attempt: () => Promise<T>, patience: Patience): Promise<T> {
  const beganAtMs = performance.now()
  for (let waitMs = WAIT_MS_MIN; ; waitMs = Math.min(waitMs * 2, WAIT_MS_MAX)) {
    patience.signal.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof TelemetryStoreError) || error.kind !== 'away') throw error
      const leftMs = patience.awayMsMax - (performance.now() - beganAtMs)
      if (leftMs <= 0) throw error
      const thisMs = Math.min(Math.max(waitMs, error.retryAfterMs), leftMs)
      patience.onAway(error.message, thisMs)
      await pause(thisMs, undefined, { signal: patience.signal }).catch(() => {})
    }
  }
}
