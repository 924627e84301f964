/** Reads the samples of an hour, all of them, and computes its figures. */
import type { HourFigures } from '#contract/figures'
import type { LiftHour } from '#storage/register/register'
import { hourFiguresOf, samplesOfHour } from '#storage/telemetry/hour-figures'
import type { PointPosition, TelemetryPoint, TelemetryStore } from '#storage/telemetry/telemetry-store'
import type { Turns } from './turns.ts'

const PAGE_COUNT = 5_000
/** Of one measurement, in the one to three hours that an hour depends on. No lift says so much; all of them are in memory at once. */
const SAMPLES_MAX = 100_000

export class TooManySamplesError extends Error {
  override readonly name = 'TooManySamplesError'
}

type Options = {
  readonly telemetry: Pick<TelemetryStore, 'points'>
  readonly turns: Turns
  readonly signal: AbortSignal
}

/** Rejects with `TooManySamplesError`, with a `RangeError` when there is no such hour, and as the store does. */
export async function figuresOf(o: Options, { lift, hourAtMs }: LiftHour): Promise<HourFigures> {
  const ranges = samplesOfHour(hourAtMs)
  const points: TelemetryPoint[] = []
  for (const measurement of ['status', 'statistics'] as const) {
    let after: PointPosition | undefined
    for (let count = 0; ;) {
      const question = { lift, measurement, ...ranges[measurement], limit: PAGE_COUNT, ...(after ? { after } : {}) }
      const page = await o.turns.take(() => o.telemetry.points({ ...question, signal: o.signal }), o.signal)
      count += page.length
      if (count > SAMPLES_MAX) throw new TooManySamplesError(`more than ${SAMPLES_MAX} samples of ${measurement}`)
      points.push(...page)
      after = page.at(-1)
      if (page.length < PAGE_COUNT) break
    }
  }
  return hourFiguresOf({ lift, hourAtMs, points })
}
