/** The clock of the kit. Tests bring their own, so that minutes of a bench take seconds. */
import { setTimeout as sleep } from 'node:timers/promises'

export type Clock = {
  /** Unix ms. */
  readonly nowMs: () => number
  /** Resolves after so many ms, or as soon as the signal is aborted. Never rejects. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
}

/** Never goes back: a step of the PC's own clock in the middle of a run changes no span. */
export const wallClock: Clock = {
  nowMs: () => Math.round(performance.timeOrigin + performance.now()),
  wait: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
}
