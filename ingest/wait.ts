/** Waits `ms`, or until the signal aborts: then it resolves at once. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}

/** An answer once the work is to end has so long to come. */
export const LAST_ANSWER_MS_MAX = 1_000

/** The answer; rejects when it has not come a second after the signal aborted. What becomes of the question is not known then. */
export async function beforeTheEnd<Answer>(answer: Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined
  let stop = (): void => {}
  const ended = new Promise<never>((_, reject) => {
    stop = () => (timer = setTimeout(() => reject(new Error('the work was ended')), LAST_ANSWER_MS_MAX))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([answer, ended])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

/** Pauses between tries: 0.2 s, then doubled up to 5 s. */
export const backOffMs = (tryCount: number): number => Math.min(5_000, 200 * 2 ** Math.min(tryCount, 10))

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
