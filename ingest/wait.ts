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
const LAST_ANSWER_MS_MAX = 1_000

/**
 * The answer; rejects when it has not come a second after the signal aborted, and after `msMax` when that is told. What
 * becomes of the question is not known then.
 */
export async function beforeTheEnd<Answer>(
  answer: Promise<Answer>,
  signal: AbortSignal,
  {
    msMax = Infinity,
    toError = (reason) => new Error(reason),
  }: { msMax?: number; toError?: (reason: string) => Error } = {},
): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined
  let stop = (): void => {}
  const tooLong = new Promise<never>((_, reject) => {
    const giveUpAfter = (ms: number, reason: string): void => {
      clearTimeout(timer)
      timer = setTimeout(() => reject(toError(reason)), ms)
    }
    if (msMax < Infinity) giveUpAfter(msMax, `no answer within ${msMax / 1000} s`)
    stop = () => giveUpAfter(LAST_ANSWER_MS_MAX, 'the work was ended')
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

/** Pauses between tries: 0.2 s, then doubled up to `msMax`. */
export const backOffMs = (tryCount: number, msMax = 5_000): number => Math.min(msMax, 200 * 2 ** Math.min(tryCount, 10))

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
