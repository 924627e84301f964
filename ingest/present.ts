/** Whether everything that was said has been read: only then may time pass for the rules by the clock. */
import type { JournalReader } from '#storage/journal/journal'

/** A turn takes a fraction of a second; after one that took longer this process was asleep and does not know the present. */
const ASLEEP_MS = 2_000
/**
 * How long it counts that everything was read, when the journal cannot be asked any more. Longer than any condition of a car
 * takes to become an alarm: what was pending when the journal went away still becomes due by the clock. Nothing that is not
 * pending can become due later without being read.
 */
export const PRESENT_MS_MAX = 30_000

/**
 * To be asked once in each turn. A process that was frozen wakes with an old idea of the present; until the journal has
 * confirmed it anew, what came meanwhile may be unread. `elapsedMs` is the monotonic clock of `unread`.
 */
export function presentOf(reader: Pick<JournalReader, 'unread'>, elapsedMs: () => number): () => boolean {
  let turnedAtMs = elapsedMs()
  let wokenAtMs = -Infinity
  return () => {
    const nowMs = elapsedMs()
    if (nowMs - turnedAtMs > ASLEEP_MS) wokenAtMs = nowMs
    turnedAtMs = nowMs
    const unread = reader.unread()
    if (unread === undefined || unread.count > 0) return false
    return unread.atMs >= wokenAtMs && nowMs - unread.atMs <= PRESENT_MS_MAX
  }
}
