/** The question what the hours of each lift add up to, and how its answer crosses from a store. */
import { FIGURES_LIMIT_MAX } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import { figuresQuestion, type FiguresQuery } from './hour-rows.ts'
import { ADDED, byCounter, COUNTERS, type HourSums } from './sum-figures.ts'

/** At most `FIGURES_LIFTS_MAX` lifts, or all; hours that begin in `[fromMs, toMs)`. */
export type SumsQuery = Omit<FiguresQuery, 'limit'>
/** The names of the figures, for the thread that does not know the contract. */
export type Summed = { readonly added: readonly string[]; readonly counters: readonly string[] }
export const SUMMED: Summed = { added: ADDED, counters: COUNTERS }

/** The question with times that a store can hold. Throws a `RangeError` when it is none: these are mistakes of the caller. */
export function sumsQuestion(query: SumsQuery): SumsQuery {
  const { limit: _, ...question } = figuresQuestion({ ...query, limit: FIGURES_LIMIT_MAX })
  return question
}

/**
 * The sums that a store has under these names: those of every row, each counter, and beside it `…CountedMs`. What is no
 * number there, or covers no time, is in no hour.
 */
export function toHourSums(row: Readonly<Record<string, unknown>>): HourSums {
  const read = (name: string): number | undefined => {
    const value = row[name]
    return typeof value === 'number' && !Number.isNaN(value) ? value : undefined
  }
  const added = Object.fromEntries(ADDED.map((name) => [name, read(name) ?? 0])) as Record<
    (typeof ADDED)[number],
    number
  >
  const worstVibrationMg = read('worstVibrationMg')
  return {
    lift: String(row['lift']) as LiftId, // only ids of lifts are stored
    hourCount: read('hourCount') ?? 0,
    ...added,
    counters: Object.fromEntries(
      COUNTERS.flatMap((name) => {
        const value = read(name)
        return value === undefined || (read(`${name}CountedMs`) ?? 0) === 0 ? [] : [[name, value]]
      }),
    ),
    countedMs: byCounter((name) => read(`${name}CountedMs`) ?? 0),
    ...(worstVibrationMg === undefined ? {} : { worstVibrationMg }),
  }
}
