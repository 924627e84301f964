/** Reads the samples of an hour, all of them, and computes its figures. */
import type { HourFigures } from '#contract/figures'
import type { LiftHour } from '#storage/register/register'
import { hourFiguresOf } from '#storage/telemetry/hour-figures'
import { HOUR_SAMPLES_LIMITS, readSamplesOfHour } from '#storage/telemetry/hour-samples'
import type { TelemetryStore } from '#storage/telemetry/telemetry-store'
import type { Pace } from './pace.ts'

export class TooManySamplesError extends Error {
  override readonly name = 'TooManySamplesError'
}

type Options = {
  readonly telemetry: Pick<TelemetryStore, 'points'>
  readonly pace: Pace
  readonly signal: AbortSignal
}

/** Rejects with `TooManySamplesError`, with a `RangeError` when there is no such hour, and as the store does. */
export async function figuresOf(o: Options, { lift, hourAtMs }: LiftHour): Promise<HourFigures> {
  const { telemetry, pace, signal } = o
  const points = await readSamplesOfHour({ lift, hourAtMs }, (query) =>
    pace.work(() => telemetry.points({ ...query, signal })),
  )
  if (points === undefined)
    throw new TooManySamplesError(
      `more samples than ${HOUR_SAMPLES_LIMITS.samplesMax} of one measurement, or than the store can tell`,
    )
  return hourFiguresOf({ lift, hourAtMs, points })
}
