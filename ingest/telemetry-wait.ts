/** How long ingest waits for the telemetry store: for an answer, and between two tries. */
import { TelemetryStoreError } from '#storage/telemetry/telemetry-store'
import { backOffMs, LAST_ANSWER_MS_MAX } from './wait.ts'

/** A store that gives no answer for longer than this counts as away. */
const ANSWER_MS_MAX = 30_000
/** A store that asks for more time than this is tried again all the same. */
const RETRY_AFTER_MS_MAX = 60_000

/**
 * The answer of the store. Rejects with a `TelemetryStoreError` of kind `away` when there is none in time, and hardly waits
 * any longer once the signal aborts. What the store does then is not known: the caller must not take it for done, or undone.
 */
export async function answerOfStore<Answer>(answer: Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined
  let stop = (): void => {}
  const tooLong = new Promise<never>((_, reject) => {
    const giveUp = (reason: string): void => reject(new TelemetryStoreError('away', reason))
    timer = setTimeout(() => giveUp(`no answer within ${ANSWER_MS_MAX / 1000} s`), ANSWER_MS_MAX)
    stop = () => {
      clearTimeout(timer)
      timer = setTimeout(() => giveUp('the work was ended'), LAST_ANSWER_MS_MAX)
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([answer, tooLong])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

/** The pause before the next try: not before the time that the store asks for, within reason. */
export const storePauseMs = (tryCount: number, retryAfterMs: number): number =>
  Math.max(backOffMs(tryCount), Math.min(retryAfterMs, RETRY_AFTER_MS_MAX))

/** The same between two rounds of hourly figures, which nobody waits for: 0.2 s, then doubled up to a minute. */
export const figuresPauseMs = (tryCount: number, retryAfterMs: number): number =>
  Math.max(Math.min(RETRY_AFTER_MS_MAX, 200 * 2 ** Math.min(tryCount, 10)), Math.min(retryAfterMs, RETRY_AFTER_MS_MAX))
