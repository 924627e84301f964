import type { Clock } from '#simulator/conformance/clock'

/**
 * A clock that goes on by a step at each turn of the event loop. Sockets get their turns between two steps, and a machine that
 * is slow makes the clock slow: minutes take seconds, and nothing hangs on speed.
 */
export class LoopClock implements Clock, Disposable {
  #nowMs: number
  readonly #waits = new Set<{ untilMs: number; wake: () => void }>()
  readonly #timer: NodeJS.Timeout

  constructor(o: { startAtMs: number; stepMs: number }) {
    this.#nowMs = o.startAtMs
    this.#timer = setInterval(() => {
      this.#nowMs += o.stepMs
      for (const wait of this.#waits) if (wait.untilMs <= this.#nowMs) wait.wake()
    }, 1)
  }

  readonly nowMs = (): number => this.#nowMs

  readonly wait = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const wait = {
        untilMs: this.#nowMs + ms,
        wake: () => {
          this.#waits.delete(wait)
          signal.removeEventListener('abort', wait.wake)
          resolve()
        },
      }
      if (signal.aborted) return resolve()
      this.#waits.add(wait)
      signal.addEventListener('abort', wait.wake)
    });

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    for (const { wake } of this.#waits) wake()
  }
}
