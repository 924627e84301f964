/** The arithmetic of the history chart: ranges, buckets, axes and gaps. */
import type { HistoryPoint } from '#contract/history'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export const CHART_RANGES_MS = { '1h': HOUR, '6h': 6 * HOUR, '24h': DAY, '7d': 7 * DAY, '30d': 30 * DAY } as const
export type ChartRange = keyof typeof CHART_RANGES_MS
export const CHART_RANGES = Object.keys(CHART_RANGES_MS) as ChartRange[]

/** Status fields that a chart offers, in this order. */
export const CHART_FIELDS = [
  'positionMm',
  'speedMps',
  'passengerCount',
  'loadKg',
  'doorClosed',
  'temperatureC',
  'vibrationMg',
  'rssiDbm',
  'batteryPct',
] as const
export type ChartField = (typeof CHART_FIELDS)[number]

const BUCKETS_MS = [
  10_000,
  15_000,
  30_000,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  3 * HOUR,
]
const POINTS_WANTED = 260

/** A bucket that gives about as many points as the chart has room for. */
export const bucketFor = (rangeMs: number): number =>
  BUCKETS_MS.find((bucketMs) => rangeMs / bucketMs <= POINTS_WANTED) ?? 3 * HOUR

/** An idle terminal speaks once a minute: twice that without a word is a gap, however fine the buckets are. */
export const GAP_MS_MIN = 2.5 * MINUTE

/** The points in runs without a gap. */
export function runsOf(points: readonly HistoryPoint[], bucketMs: number): HistoryPoint[][] {
  const gapMs = Math.max(GAP_MS_MIN, 1.5 * bucketMs)
  const runs: HistoryPoint[][] = []
  let run: HistoryPoint[] = []
  for (const point of points) {
    const last = run.at(-1)
    if (last !== undefined && point.atMs - last.atMs > gapMs) {
      runs.push(run)
      run = []
    }
    run.push(point)
  }
  if (run.length > 0) runs.push(run)
  return runs
}

/** A round step: 1, 2 or 5 times a power of ten. */
function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  const share = rough / power
  return (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10) * power
}

/** Round values from at or below `min` to at or above `max`, about `count` of them. */
export function valueTicks(min: number, max: number, count: number): number[] {
  const span = max - min
  const step = roundStep((span === 0 ? Math.max(1, Math.abs(max)) : span) / Math.max(1, count - 1))
  const first = Math.floor(min / step) * step
  const last = span === 0 ? first + step : Math.ceil(max / step) * step
  const ticks: number[] = []
  for (let index = 0; first + index * step <= last + step / 1e6 && index < 20; index += 1)
    ticks.push(Number((first + index * step).toPrecision(12)))
  return ticks
}

const TIME_STEPS_MS = [
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  2 * DAY,
  5 * DAY,
  10 * DAY,
]
/** Asia/Shanghai is eight hours ahead of UTC all the year. */
const ZONE_MS = 8 * HOUR

/** Round local times inside the range, at most `count`. */
export function timeTicks(fromMs: number, toMs: number, count: number): number[] {
  const stepMs = TIME_STEPS_MS.find((step) => (toMs - fromMs) / step <= count) ?? 10 * DAY
  const ticks: number[] = []
  for (let atMs = Math.ceil((fromMs + ZONE_MS) / stepMs) * stepMs - ZONE_MS; atMs <= toMs; atMs += stepMs)
    ticks.push(atMs)
  return ticks
}

/** A number for people: no more digits than its size deserves. */
export function valueWords(value: number): string {
  const size = Math.abs(value)
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2
  return value.toFixed(digits).replace('-', '−')
}
