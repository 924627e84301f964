/**
 * The figures of one lift and one hour, computed from its samples. Pure: the same samples give the same figures, in
 * whatever order and however often they come.
 *
 * What the figures say is that of the device's sample times. The state is known from a status up to the next one, at most
 * `STATE_SILENCE_MS_MAX`; the rest of the hour is unknown. How counters are read says `counter-readings.ts`.
 */
import { HOUR_MS, hourStartMs, isInCalendar } from '#contract/calendar'
import {
  READING_GAP_MS_MAX,
  SERVICE_OF_MODE,
  VIBRATION_MG_MAX,
  type HourFigures,
  type ServiceSpan,
} from '#contract/figures'
import { STATE_SILENCE_MS_MAX } from '#contract/history'
import type { LiftId } from '#contract/ids'
import { increasesWithin } from './counter-readings.ts'
import type { TelemetryPoint } from './points.ts'

type Sampled = 'status' | 'statistics'
/** From `fromMs` up to, not including, `toMs`. */
type Range = { readonly fromMs: number; readonly toMs: number }

/** The samples that the figures of an hour depend on, by sample time: what is to be read before they are computed. */
export function samplesOfHour(hourAtMs: number): Readonly<Record<Sampled, Range>> {
  assertHour(hourAtMs)
  const endMs = hourAtMs + HOUR_MS
  return {
    status: { fromMs: hourAtMs - STATE_SILENCE_MS_MAX, toMs: endMs },
    statistics: { fromMs: hourAtMs - READING_GAP_MS_MAX, toMs: endMs + READING_GAP_MS_MAX },
  }
}

/** The hours whose figures a sample takes part in, oldest first: what is to be computed again when it comes late. */
export function hoursOfSample(measurement: Sampled, sampledAtMs: number): number[] {
  const ownMs = hourStartMs(sampledAtMs)
  return [ownMs - HOUR_MS, ownMs, ownMs + HOUR_MS].filter(
    (hourAtMs) => isInCalendar(hourAtMs) && isWithin(samplesOfHour(hourAtMs)[measurement], sampledAtMs),
  )
}

/**
 * The figures of the hour that begins at `hourAtMs`. Of `points` only those count that are status or statistics of this
 * lift within `samplesOfHour`; the others may be there. Of an hour that is not over, what has not happened is unknown,
 * but for the silence that the last sample is believed for. Throws a `RangeError` when that is no hour of the calendar.
 *
 * With `untilMs`, an instant within the hour, the figures are those of the time before it: the spans sum up to that time
 * and not to an hour, so that no store takes them.
 */
export function hourFiguresOf({
  lift,
  hourAtMs,
  untilMs = hourAtMs + HOUR_MS,
  points,
}: {
  readonly lift: LiftId
  readonly hourAtMs: number
  readonly untilMs?: number
  readonly points: readonly TelemetryPoint[]
}): HourFigures {
  const ranges = samplesOfHour(hourAtMs)
  const hour = { fromMs: hourAtMs, toMs: untilMs }
  assertWithin(hour)
  const samplesOf = (measurement: Sampled): TelemetryPoint[] =>
    eachOnceInOrder(
      points.filter(
        (point) =>
          point.measurement === measurement && point.lift === lift && isWithin(ranges[measurement], point.sampledAtMs),
      ),
    )
  const statuses = samplesOf('status')
  const statistics = samplesOf('statistics')
  const statusesWithin = statuses.filter((point) => isWithin(hour, point.sampledAtMs))
  const worstVibrationMg = worstVibrationOf(statusesWithin)
  return {
    lift,
    hourAtMs,
    sampleCount: statusesWithin.length,
    ...increasesWithin(statistics, hour.fromMs, hour.toMs),
    ...(worstVibrationMg === undefined ? {} : { worstVibrationMg }),
    ...serviceWithin(statuses, hour),
    onlineMs: onlineWithin([...statuses, ...statistics], hour),
  }
}

/**
 * Each sample says the state from its time on, until the next one or until the silence is too long: the same as the spans
 * of `serviceMode`. A sample that does not say (no code, NaN) ends nothing; a code that is none of ours is unknown.
 */
function serviceWithin(statuses: readonly TelemetryPoint[], hour: Range): Record<ServiceSpan, number> {
  const states = statuses.flatMap(({ sampledAtMs, fields: { serviceMode } }) =>
    typeof serviceMode === 'number' && !Number.isNaN(serviceMode) ? [{ sampledAtMs, serviceMode }] : [],
  )
  const spans = { inServiceMs: 0, outOfServiceMs: 0, maintenanceMs: 0, unknownMs: 0 }
  let toldMs = 0
  for (const [index, { sampledAtMs, serviceMode }] of states.entries()) {
    const nextAtMs = states[index + 1]?.sampledAtMs ?? Infinity
    const untilMs = Math.min(nextAtMs, sampledAtMs + STATE_SILENCE_MS_MAX, hour.toMs)
    const spanMs = Math.max(0, untilMs - Math.max(sampledAtMs, hour.fromMs))
    spans[SERVICE_OF_MODE[serviceMode] ?? 'unknownMs'] += spanMs
    toldMs += spanMs
  }
  spans.unknownMs += hour.toMs - hour.fromMs - toldMs
  return spans
}

/** How long the platform had a sample that was not older than the silence allows. One that came later tells of the lift, not of the link. */
function onlineWithin(samples: readonly TelemetryPoint[], hour: Range): number {
  let onlineMs = 0
  let coveredUntilMs = hour.fromMs
  const inTime = samples.filter((point) => point.receivedAtMs - point.sampledAtMs <= STATE_SILENCE_MS_MAX)
  for (const { sampledAtMs } of inTime.sort((a, b) => a.sampledAtMs - b.sampledAtMs)) {
    const untilMs = Math.min(sampledAtMs + STATE_SILENCE_MS_MAX, hour.toMs)
    const fromMs = Math.max(sampledAtMs, coveredUntilMs)
    if (untilMs <= fromMs) continue
    onlineMs += untilMs - fromMs
    coveredUntilMs = untilMs
  }
  return onlineMs
}

/** Undefined when no sample has a value; one that is no vibration (NaN, below 0) is none. */
function worstVibrationOf(statuses: readonly TelemetryPoint[]): number | undefined {
  let worstMg: number | undefined
  for (const { fields } of statuses) {
    const value = fields['vibrationMg']
    if (typeof value === 'number' && value >= 0 && value <= VIBRATION_MG_MAX && !(value <= (worstMg ?? -1)))
      worstMg = value
  }
  return worstMg
}

/** By sample time, boot and seq. Of copies of one sample stays the one that was received first. */
function eachOnceInOrder(points: readonly TelemetryPoint[]): TelemetryPoint[] {
  const sorted = [...points].sort(
    (a, b) => a.sampledAtMs - b.sampledAtMs || a.boot - b.boot || a.seq - b.seq || a.receivedAtMs - b.receivedAtMs,
  )
  return sorted.filter((point, index) => {
    const before = sorted[index - 1]
    return (
      before === undefined ||
      before.sampledAtMs !== point.sampledAtMs ||
      before.boot !== point.boot ||
      before.seq !== point.seq
    )
  })
}

const isWithin = ({ fromMs, toMs }: Range, atMs: number): boolean => atMs >= fromMs && atMs < toMs

function assertWithin({ fromMs, toMs }: Range): void {
  if (!Number.isSafeInteger(toMs) || toMs < fromMs || toMs > fromMs + HOUR_MS)
    throw new RangeError(`${toMs} is not within the hour that begins at ${fromMs}`)
}

function assertHour(hourAtMs: number): void {
  if (hourStartMs(hourAtMs) !== hourAtMs) throw new RangeError(`no hour begins at ${hourAtMs}`)
}
