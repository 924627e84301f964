/** Readers that wait until there is something to read. */
export class Wakeups {
  readonly #waiting = new Set<() => void>()

  /** Resolves at the next `wakeAll`, after `waitMs`, or when a signal aborts. */
  async wait(waitMs: number, signals: readonly AbortSignal[]): Promise<void> {
    if (signals.some((signal) => signal.aborted)) return
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        for (const signal of signals) signal.removeEventListener('abort', wake)
        resolve()
      }
      const timer = setTimeout(wake, waitMs)
      this.#waiting.add(wake)
      for (const signal of signals) signal.addEventListener('abort', wake)
    })
  }

  wakeAll(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}
