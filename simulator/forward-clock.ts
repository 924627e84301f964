/**
 * The clock that a whole simulator lives by: it runs with the machine's and never goes back. When the machine's clock is set
 * back, everything that is due comes when it would have come: heartbeats, reconnects, faults, and the file of counters.
 *
 * The times that terminals show go on as well, so they stay ahead of a clock that was set back until the simulator is started
 * anew: a lift cannot live through the same hour twice. A clock that is set on is followed.
 */

/** Less than this is taken up by standing still for a moment. */
const BACK_MS_MAX = 1000

/** Tells Unix ms as `nowMs` does, but never less than before. */
export function forwardClock(nowMs: () => number): () => number {
  let toldMs = -Infinity
  let aheadMs = 0
  return () => {
    const atMs = nowMs() + aheadMs
    if (atMs < toldMs - BACK_MS_MAX) aheadMs += toldMs - atMs
    else toldMs = Math.max(toldMs, atMs)
    return toldMs
  }
}
