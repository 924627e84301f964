/** The questions for the figures that are stored of some hours: few, and none with a long answer. */
import { HOUR_MS } from '#contract/calendar'
import { FIGURES_LIFTS_MAX } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import type { LiftHour } from '#storage/register/register'
import type { FiguresQuery } from '#storage/telemetry/telemetry-store'

/** A question may be answered by rows of other hours of its lifts: by so many in all. */
const ROWS_MAX = 2_000

/** Each hour is within the answer of one of them. */
export function storedQuestions(hours: readonly LiftHour[]): FiguresQuery[] {
  const questions: FiguresQuery[] = []
  let lifts = new Set<LiftId>()
  let [fromMs, toMs] = [0, 0]
  const end = (): void => {
    // One more than there can be, so that the store need not look whether more are there.
    const limit = lifts.size * rowsOf(fromMs, toMs) + 1
    if (lifts.size > 0) questions.push({ lifts: [...lifts], fromMs, toMs, limit })
  }
  for (const { lift, hourAtMs } of [...hours].sort((a, b) => a.hourAtMs - b.hourAtMs)) {
    const liftCount = lifts.has(lift) ? lifts.size : lifts.size + 1
    const isFull = liftCount > FIGURES_LIFTS_MAX || liftCount * rowsOf(fromMs, hourAtMs + HOUR_MS) > ROWS_MAX
    if (lifts.size === 0 || isFull) {
      end()
      lifts = new Set()
      fromMs = hourAtMs
    }
    lifts.add(lift)
    toMs = hourAtMs + HOUR_MS
  }
  end()
  return questions
}

const rowsOf = (fromMs: number, toMs: number): number => (toMs - fromMs) / HOUR_MS
