/** Reads the samples that the figures of an hour depend on: all of them, page by page. */
import type { LiftId } from '#contract/ids'
import { samplesOfHour } from './hour-figures.ts'
import { TooManyPointsError, type PointPosition, type PointsQuery, type TelemetryPoint } from './points.ts'

export type HourSamplesLimits = {
  /** Of one measurement, in the one to three hours that an hour depends on. */
  readonly samplesMax: number
  /** Samples that are asked for at once. */
  readonly pageSamples: number
}
/** No lift says so much in an hour; all samples of it are in memory at once. */
export const HOUR_SAMPLES_LIMITS: HourSamplesLimits = { samplesMax: 50_000, pageSamples: 5_000 }

/**
 * The status and statistics samples of `samplesOfHour`. Undefined when one of the two has more than `samplesMax`, or more in
 * one millisecond than the store can tell: figures of a part of them would be wrong. Throws a `RangeError` when there is no
 * such hour, and rejects as `ask` does.
 */
export async function readSamplesOfHour(
  hour: { readonly lift: LiftId; readonly hourAtMs: number },
  ask: (query: PointsQuery) => Promise<readonly TelemetryPoint[]>,
  limits: HourSamplesLimits = HOUR_SAMPLES_LIMITS,
): Promise<TelemetryPoint[] | undefined> {
  try {
    return await readAll(hour, ask, limits)
  } catch (error) {
    if (error instanceof TooManyPointsError) return undefined
    throw error
  }
}

async function readAll(
  { lift, hourAtMs }: { readonly lift: LiftId; readonly hourAtMs: number },
  ask: (query: PointsQuery) => Promise<readonly TelemetryPoint[]>,
  { samplesMax, pageSamples }: HourSamplesLimits,
): Promise<TelemetryPoint[] | undefined> {
  const ranges = samplesOfHour(hourAtMs)
  const points: TelemetryPoint[] = []
  for (const measurement of ['status', 'statistics'] as const) {
    let after: PointPosition | undefined
    let count = 0
    do {
      const behind = after === undefined ? {} : { after }
      const page = await ask({ lift, measurement, ...ranges[measurement], ...behind, limit: pageSamples })
      count += page.length
      if (count > samplesMax) return undefined
      points.push(...page)
      after = page.length < pageSamples ? undefined : page.at(-1)
    } while (after !== undefined)
  }
  return points
}
