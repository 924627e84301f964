import { wait } from './wait.ts'

/**
 * One after the other, with a pause after each that is as long as it took: whatever is done in turns keeps a store busy for
 * half of the time at most, and leaves the other half to people's questions.
 */
export class Turns {
  #last: Promise<void> = Promise.resolve()

  /** Rejects with the reason of the signal when that aborts before it is this one's turn. `act` has to end by itself. */
  async take<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#last
    let leave = (): void => {}
    this.#last = new Promise((resolve) => (leave = resolve))
    if (!(await isFirst(before, signal))) {
      void before.then(leave)
      throw toError(signal.reason)
    }
    const begunMs = performance.now()
    try {
      return await act()
    } finally {
      void wait(performance.now() - begunMs, signal).then(leave)
    }
  }
}

/** False when the signal aborts before the turn comes. */
async function isFirst(turn: Promise<void>, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  let stop = (): void => {}
  const aborted = new Promise<void>((resolve) => {
    stop = () => resolve()
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    await Promise.race([turn, aborted])
    return !signal.aborted
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

const toError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)))
