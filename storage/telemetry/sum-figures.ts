/** Hours of one lift together: a day, a month. Pure. */
import { HOUR_MS, hourStartMs } from '#contract/calendar'
import {
  availabilityOf,
  COUNTER_FIGURES,
  type CounterFigure,
  type HourFigures,
  type SumFigures,
} from '#contract/figures'
import type { LiftId } from '#contract/ids'
import { tidy } from './counter-readings.ts'

const COUNTERS = Object.keys(COUNTER_FIGURES) as CounterFigure[]
const SPANS = ['inServiceMs', 'outOfServiceMs', 'maintenanceMs', 'unknownMs', 'onlineMs'] as const

/**
 * The figures of `[fromMs, toMs)`, both begins of hours, from the hours that there are, in any order. Hours that are not
 * there are unknown time. Throws a `RangeError` when an hour is of another lift, outside, or there twice: then the sum
 * would be that of something else.
 */
export function sumFigures(
  hours: readonly HourFigures[],
  { lift, fromMs, toMs }: { readonly lift: LiftId; readonly fromMs: number; readonly toMs: number },
): SumFigures {
  assertHours(hours, lift, fromMs, toMs)
  const spanMs = toMs - fromMs
  const sumOf = (name: keyof HourFigures): number => hours.reduce((sum, hour) => sum + Number(hour[name] ?? 0), 0)
  const spans = Object.fromEntries(SPANS.map((name) => [name, sumOf(name)])) as Record<(typeof SPANS)[number], number>
  const unknownMs = spans.unknownMs + spanMs - hours.length * HOUR_MS
  const availability = availabilityOf(spans)
  const vibrations = hours.flatMap((hour) => hour.worstVibrationMg ?? [])
  return {
    lift,
    fromAtMs: fromMs,
    toAtMs: toMs,
    hourCount: hours.length,
    sampleCount: sumOf('sampleCount'),
    ...countersOf(hours),
    ...(vibrations.length === 0 ? {} : { worstVibrationMg: Math.max(...vibrations) }),
    ...spans,
    unknownMs,
    ...(availability === undefined ? {} : { availability }),
    unknownShare: unknownMs / spanMs,
    onlineShare: spans.onlineMs / spanMs,
  }
}

/** Each counter, and the time of those hours in which it is known. */
function countersOf(hours: readonly HourFigures[]): Pick<SumFigures, CounterFigure | 'countedMs'> {
  const sums: Partial<Record<CounterFigure, number>> = {}
  const countedMs = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<CounterFigure, number>
  for (const hour of hours) {
    for (const name of COUNTERS) {
      const value = hour[name]
      if (value === undefined) continue
      sums[name] = tidy((sums[name] ?? 0) + value)
      countedMs[name] += hour.countedMs
    }
  }
  return { ...sums, countedMs }
}

function assertHours(hours: readonly HourFigures[], lift: LiftId, fromMs: number, toMs: number): void {
  if (hourStartMs(fromMs) !== fromMs || hourStartMs(toMs) !== toMs || toMs <= fromMs)
    throw new RangeError(`hours cannot be summed from ${fromMs} to ${toMs}`)
  const seen = new Set<number>()
  for (const { lift: ofLift, hourAtMs } of hours) {
    if (ofLift !== lift || hourAtMs < fromMs || hourAtMs >= toMs || seen.has(hourAtMs))
      throw new RangeError(
        `hour ${hourAtMs} of lift ${ofLift} is not one of the hours that are summed, or is there twice`,
      )
    seen.add(hourAtMs)
  }
}
