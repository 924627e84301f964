/**
 * Hours together: a day, a month, a fleet. Pure. A store adds its hours up into `Sums`; here is what hours add up to, and
 * what the figures of a span are, so that they are the same whoever added.
 *
 * Figures of hours have at most six places (`counter-readings.ts`), so that the order of adding leaves no trace in a sum
 * of six places.
 */
import { hourStartMs } from '#contract/calendar'
import {
  availabilityOf,
  COUNTER_FIGURES,
  type CounterFigure,
  type HourFigures,
  type SumFigures,
} from '#contract/figures'
import type { LiftId } from '#contract/ids'
import { tidy } from './counter-readings.ts'

export const COUNTERS = Object.keys(COUNTER_FIGURES) as CounterFigure[]
/** What every hour has, and is added. Unknown time is not: it is what is left of the span. */
export const ADDED = ['sampleCount', 'inServiceMs', 'outOfServiceMs', 'maintenanceMs', 'onlineMs'] as const
type Added = (typeof ADDED)[number]

/** What hours add up to. */
export type Sums = { readonly [Name in Added | 'hourCount']: number } & {
  /** Only counters that are in an hour. */
  readonly counters: { readonly [Name in CounterFigure]?: number }
  /** Of those hours in which the counter is; 0 when it is in none. */
  readonly countedMs: Readonly<Record<CounterFigure, number>>
  readonly worstVibrationMg?: number
}
export type HourSums = Sums & { readonly lift: LiftId }
/** From `fromMs` up to, not including, `toMs`, of which the time before `untilMs` is told; all of it unless said. */
export type Span = { readonly fromMs: number; readonly toMs: number; readonly untilMs?: number }
/** The figures of a span, of one lift or of many. */
export type SpanFigures = Omit<SumFigures, 'lift'>

/**
 * The figures of `[fromMs, toMs)`, both begins of hours, from the hours that there are, in any order. Hours that are not
 * there are unknown time. An hour that is running may be there when it was computed up to `untilMs`. Throws a
 * `RangeError` when an hour is of another lift, outside, or there twice: then the sum would be that of something else.
 */
export function sumFigures(
  hours: readonly HourFigures[],
  { lift, ...span }: Span & { readonly lift: LiftId },
): SumFigures {
  assertHours(hours, lift, span)
  return { lift, ...figuresOf(sumsOf(hours), span) }
}

/** What these hours add up to. */
export const sumsOf = (hours: readonly HourFigures[]): Sums =>
  together(
    hours.map((hour) => {
      // What was counted in no time tells nothing.
      const known =
        hour.countedMs === 0
          ? []
          : COUNTERS.flatMap((name) => (hour[name] === undefined ? [] : [[name, hour[name]] as const]))
      return {
        ...hour,
        hourCount: 1,
        counters: Object.fromEntries(known),
        countedMs: byCounter((name) => (hour[name] === undefined ? 0 : hour.countedMs)),
      }
    }),
  )

/** Sums of different hours, or of different lifts, as one. */
export function together(all: readonly Sums[]): Sums {
  const sum = (read: (sums: Sums) => number): number => all.reduce((total, one) => total + read(one), 0)
  const added = Object.fromEntries(ADDED.map((name) => [name, sum((one) => one[name])])) as Record<Added, number>
  const known = COUNTERS.filter((name) => all.some(({ counters }) => counters[name] !== undefined))
  return {
    ...added,
    hourCount: sum(({ hourCount }) => hourCount),
    counters: Object.fromEntries(known.map((name) => [name, sum(({ counters }) => counters[name] ?? 0)])),
    countedMs: byCounter((name) => sum(({ countedMs }) => countedMs[name])),
    ...worstOf(all),
  }
}

/**
 * The figures of a span from the sums of its hours, of so many lifts. Throws a `RangeError` when it is no span of whole
 * hours, or when more time is told than there is.
 */
export function figuresOf(sums: Sums, { fromMs, toMs, untilMs = toMs }: Span, liftCount = 1): SpanFigures {
  assertSpan({ fromMs, toMs, untilMs })
  const { hourCount, sampleCount, inServiceMs, outOfServiceMs, maintenanceMs, onlineMs, counters, countedMs } = sums
  const spanMs = (untilMs - fromMs) * liftCount
  const unknownMs = spanMs - inServiceMs - outOfServiceMs - maintenanceMs
  if (unknownMs < 0 || onlineMs > spanMs)
    throw new RangeError(`more time is told than there is between ${fromMs} and ${untilMs}`)
  const availability = availabilityOf({ inServiceMs, outOfServiceMs })
  return {
    ...{ fromAtMs: fromMs, toAtMs: toMs, untilAtMs: untilMs, hourCount, sampleCount },
    ...Object.fromEntries(Object.entries(counters).map(([name, value]) => [name, tidy(value)])),
    countedMs,
    ...worstOf([sums]),
    ...{ inServiceMs, outOfServiceMs, maintenanceMs, unknownMs, onlineMs },
    ...(availability === undefined ? {} : { availability }),
    ...(spanMs === 0 ? {} : { unknownShare: unknownMs / spanMs, onlineShare: onlineMs / spanMs }),
  }
}

export const byCounter = (read: (name: CounterFigure) => number): Record<CounterFigure, number> =>
  Object.fromEntries(COUNTERS.map((name) => [name, read(name)])) as Record<CounterFigure, number>

function worstOf(rows: readonly { readonly worstVibrationMg?: number }[]): { worstVibrationMg?: number } {
  let worstVibrationMg: number | undefined
  for (const { worstVibrationMg: mg } of rows)
    if (mg !== undefined && (worstVibrationMg === undefined || mg > worstVibrationMg)) worstVibrationMg = mg
  return worstVibrationMg === undefined ? {} : { worstVibrationMg }
}

function assertSpan({ fromMs, toMs, untilMs }: Required<Span>): void {
  if (hourStartMs(fromMs) !== fromMs || hourStartMs(toMs) !== toMs || toMs <= fromMs)
    throw new RangeError(`hours cannot be summed from ${fromMs} to ${toMs}`)
  if (!Number.isSafeInteger(untilMs) || untilMs < fromMs || untilMs > toMs)
    throw new RangeError(`${untilMs} is not between ${fromMs} and ${toMs}`)
}

function assertHours(hours: readonly HourFigures[], lift: LiftId, { fromMs, toMs, untilMs = toMs }: Span): void {
  assertSpan({ fromMs, toMs, untilMs })
  const seen = new Set<number>()
  for (const { lift: ofLift, hourAtMs } of hours) {
    if (ofLift !== lift || hourAtMs < fromMs || hourAtMs >= untilMs || seen.has(hourAtMs))
      throw new RangeError(
        `hour ${hourAtMs} of lift ${ofLift} is not one of the hours that are summed, or is there twice`,
      )
    seen.add(hourAtMs)
  }
}
