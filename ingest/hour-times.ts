/**
 * The times by which hourly figures come about, and why no sample is missed.
 *
 * Whoever stores samples marks in the register the hours that they take part in (`HourMarks`); whoever computes asks for
 * marked hours, reads their samples, stores the figures, and clears exactly the mark that it was given (`computeHours`).
 *
 * 1. The order is: store the samples, mark, commit the position in the journal. A crash anywhere repeats what is missing.
 * 2. A mark that is made stands until somebody asked for due hours after it was made, and read the samples after that. What
 *    was stored before the mark is therefore in what was read. A mark that comes later than the question is another mark,
 *    and is not cleared.
 * 3. Not every sample makes a mark of its own. It may rely on one that this process made before, in two cases:
 *    - the hour has not ended by our clock, which is looked at after the sample was stored. Nobody computes an hour before
 *      `ENDED_MS` have passed since its end by his clock. So the mark stands, and the sample is there before it is computed,
 *      as long as the clocks of two machines do not differ by `ENDED_MS`;
 *    - the mark was begun less than `MARK_AGAIN_MS` ago. The hour is not due before `QUIET_MS` have passed since that mark
 *      by the register's clock, the same that stamped it: the sample was there half a minute before.
 *    Both hold only if both of our clocks tell of the time since the mark the same, within `STEP_MS_MAX`. After a machine
 *    was asleep, or its clock was set, the hour is marked again.
 *    A process that was frozen does no harm: the clocks are looked at after the sample was stored, not before. One whose
 *    share was taken meanwhile has not committed, so its successor stores and marks the same samples anew.
 * 4. Two may compute the same hour when a share changes hands. Of the same samples they make the same figures. Of different
 *    samples the one that has fewer must not write last. He began to read the hour before the sample was stored, so before
 *    it was marked; the other one finds that mark due no sooner than `QUIET_MS` after it was made. So whoever has not begun
 *    to write within `WRITE_WITHIN_MS` of the moment when he began to read the hour throws away what he has of it. How long
 *    ago he asked which hours are due does not matter: the mark that he was given only says what he may clear. Who was
 *    frozen just then and writes late finds his mark gone, or another one, and marks the hour again.
 * 5. Besides, figures are not replaced by figures of fewer status samples: samples never become fewer while they are kept,
 *    and a sample is one point however often it was stored. Nothing of 1 to 4 rests on this. It saves figures where samples
 *    are gone otherwise than by the retention that this process knows: it was made longer, or the store has lost data.
 *
 * What remains:
 * - a process that is frozen for most of a minute just between looking at its clock and writing, whose lift sends a late
 *   sample for that hour at this very time, and that is killed after it wrote and before it marked again;
 * - a register that is restored from a backup, or whose successor lacks the last commits: marks that were made are gone;
 * - the register's clock stepping forward by half a minute or more between a mark and a sample that relies on it: the hour
 *   may be computed before the sample is there;
 * - lifts that are registered later than their samples were stored: marks of lifts that are not registered are left out, and
 *   only hours of which a sample comes half a minute after a mark that was left out are marked again.
 */
import { HOUR_MS, isInCalendar } from '#contract/calendar'
import { samplesOfHour } from '#storage/telemetry/hour-figures'

/** An hour is computed when it ended so long ago: what is on its way has arrived then, and clocks may differ. */
export const ENDED_MS = 120_000
/** An hour is computed when nothing came for so long that takes part in it. */
export const QUIET_MS = 60_000
/** A mark of an hour that is over is not made again within this time. */
export const MARK_AGAIN_MS = 30_000
/** Figures that are not on their way so long after the first sample of their hour was asked for are thrown away, and computed again later. */
export const WRITE_WITHIN_MS = 20_000
/** What the wall clock and the monotonic clock may differ by since a mark: a clock that is being slewed, but not one that was set. */
export const STEP_MS_MAX = 10_000
const DAY_MS = 24 * HOUR_MS

/** One moment by both clocks of this process: `nowMs` as people tell time, `elapsedMs` monotonic, from anywhere. */
export type Moment = { readonly nowMs: number; readonly elapsedMs: number }

/** The longest time that may have passed: whichever clock tells more. A machine that was asleep shows on one of them. */
export const longestMsBetween = (before: Moment, after: Moment): number =>
  Math.max(after.nowMs - before.nowMs, after.elapsedMs - before.elapsedMs)

/** Whether no clock was set and no machine was asleep between the two. */
export const isSteadyBetween = (before: Moment, after: Moment): boolean =>
  Math.abs(after.nowMs - before.nowMs - (after.elapsedMs - before.elapsedMs)) <= STEP_MS_MAX

/**
 * Whether samples of the hour may have been removed, so that computing it again would replace figures that were made of all
 * of them by figures of a few. With a margin of a day, or of an eighth of a short retention: hours are waiting for some time.
 */
export function isExpired(
  hourAtMs: number,
  { nowMs, retentionDays }: { nowMs: number; retentionDays: number },
): boolean {
  if (!isInCalendar(hourAtMs) || hourAtMs % HOUR_MS !== 0) return false // no hour, and not because of its age
  const retentionMs = retentionDays * DAY_MS
  const { status, statistics } = samplesOfHour(hourAtMs)
  const neededFromMs = Math.min(status.fromMs, statistics.fromMs)
  return neededFromMs < nowMs - retentionMs + Math.min(DAY_MS, retentionMs / 8)
}
