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

/** Pauses between tries: 0.2 s, then doubled up to 5 s. */
export const backOffMs = (tryCount: number): number => Math.min(5_000, 200 * 2 ** Math.min(tryCount, 10))

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
