/** How long ingest waits for the telemetry store: for an answer, and between two tries. */
import { TelemetryStoreError } from '#storage/telemetry/telemetry-store'
import { backOffMs, beforeTheEnd } from './wait.ts'

/** A store that gives no answer for longer than this counts as away. */
const ANSWER_MS_MAX = 30_000
/** A store that asks for more time than this is tried again all the same. */
const RETRY_AFTER_MS_MAX = 60_000

/**
 * The answer of the store. Rejects with a `TelemetryStoreError` of kind `away` when there is none in time, and hardly waits
 * any longer once the signal aborts. What the store does then is not known: the caller must not take it for done, or undone.
 */
export const answerOfStore = <Answer>(answer: Promise<Answer>, signal: AbortSignal): Promise<Answer> =>
  beforeTheEnd(answer, signal, { msMax: ANSWER_MS_MAX, toError: (reason) => new TelemetryStoreError('away', reason) })

/** The pause before the next try: not before the time that the store asks for, within reason. */
export const storePauseMs = (tryCount: number, retryAfterMs: number): number =>
  Math.max(backOffMs(tryCount), Math.min(retryAfterMs, RETRY_AFTER_MS_MAX))

/** The same between two rounds of hourly figures, which nobody waits for: 0.2 s, then doubled up to a minute. */
export const figuresPauseMs = (tryCount: number, retryAfterMs: number): number =>
  Math.max(backOffMs(tryCount, RETRY_AFTER_MS_MAX), Math.min(retryAfterMs, RETRY_AFTER_MS_MAX))
