import { wait } from './wait.ts'

/**
 * Rests as long as was worked: whatever is done so keeps a store busy for half of the time at most, and leaves the other
 * half to people's questions. When to rest says the caller, for there are things that may not be interrupted for long.
 */
export class Pace {
  #owedMs = 0

  /** The time that this takes is rested later. */
  async work<T>(act: () => Promise<T>): Promise<T> {
    const begunMs = performance.now()
    try {
      return await act()
    } finally {
      this.#owedMs += performance.now() - begunMs
    }
  }

  /** Rests as long as was worked since the last rest, or until the signal aborts. */
  async rest(signal: AbortSignal): Promise<void> {
    const owedMs = this.#owedMs
    this.#owedMs = 0
    await wait(owedMs, signal)
  }
}
