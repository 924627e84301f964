/** What the questions to a telemetry store mean, said in the plainest way over points in memory: every adapter is compared with it. */
import { STATE_SILENCE_MS_MAX, type HistoryPoint, type StateSpan, type StateValue } from '#contract/history'
import type { RangeQuery, TelemetryPoint } from '#storage/telemetry/telemetry-store'

const SILENCE_MS = STATE_SILENCE_MS_MAX

/** The order of points in every answer. */
export const byPosition = (a: TelemetryPoint, b: TelemetryPoint): number =>
  a.sampledAtMs - b.sampledAtMs || a.boot - b.boot || a.seq - b.seq

/** Each sample once, whatever was sent again: of copies the first. */
export function eachOnce(points: readonly TelemetryPoint[]): TelemetryPoint[] {
  const first = new Map<string, TelemetryPoint>()
  for (const point of points) {
    const { measurement, lift, sampledAtMs, boot, seq } = point
    const name = [measurement, lift, sampledAtMs, boot, seq].join(' ')
    if (!first.has(name)) first.set(name, point)
  }
  return [...first.values()].sort(byPosition)
}

/** The points of a range, in order. */
export const pointsOf = (points: readonly TelemetryPoint[], query: RangeQuery): TelemetryPoint[] =>
  points
    .filter(
      ({ measurement, lift, sampledAtMs }) =>
        measurement === query.measurement &&
        lift === query.lift &&
        sampledAtMs >= query.fromMs &&
        sampledAtMs < query.toMs,
    )
    .sort(byPosition)

/** What history is, said in the plainest way. */
export function historyOf(
  points: readonly TelemetryPoint[],
  query: { fromMs: number; toMs: number; field: string; bucketMs: number },
): HistoryPoint[] {
  const byBucket = new Map<number, number[]>()
  const inOrder = points
    .filter((point) => point.sampledAtMs >= query.fromMs && point.sampledAtMs < query.toMs)
    .sort(byPosition)
  for (const point of inOrder) {
    const value = point.fields[query.field]
    if (value === undefined) continue
    const atMs = Math.floor(point.sampledAtMs / query.bucketMs) * query.bucketMs
    byBucket.set(atMs, [...(byBucket.get(atMs) ?? []), Number(value)])
  }
  return [...byBucket]
    .sort(([a], [b]) => a - b)
    .map(([atMs, values]) => ({
      atMs,
      min: Math.min(...values),
      max: Math.max(...values),
      mean: values.reduce((sum, value) => sum + value, 0) / values.length,
      last: values.at(-1) ?? Number.NaN,
      count: values.length,
    }))
}

/** Means are sums of fractions: two stores may add them in another order. */
export const rounded = (point: HistoryPoint): HistoryPoint => ({ ...point, mean: Math.round(point.mean * 1e9) / 1e9 })

/** Where a part ended in the middle of a state, the two halves belong together. */
export function joined(parts: readonly StateSpan[]): StateSpan[] {
  const whole: StateSpan[] = []
  for (const part of parts) {
    const last = whole.at(-1)
    if (last?.toMs !== part.fromMs || last.value !== part.value) whole.push(part)
    else whole[whole.length - 1] = { ...last, toMs: part.toMs, sampleCount: last.sampleCount + part.sampleCount }
  }
  return whole
}

/** What spans are, said in the plainest way: what is believed at each instant at which anything may change. */
export function spansOf(
  points: readonly TelemetryPoint[],
  { fromMs, toMs, field }: { fromMs: number; toMs: number; field: string },
): StateSpan[] {
  const saying = points.filter((point) => point.fields[field] !== undefined).sort(byPosition)
  const believedAt = (atMs: number): StateValue | undefined => {
    const newest = saying.filter(({ sampledAtMs }) => sampledAtMs <= atMs && atMs < sampledAtMs + SILENCE_MS).at(-1)
    return newest?.fields[field]
  }
  const instants = saying.flatMap(({ sampledAtMs }) => [sampledAtMs, sampledAtMs + SILENCE_MS])
  const inRange = [fromMs, ...instants.filter((atMs) => atMs > fromMs && atMs < toMs)]
  const edges = fromMs < toMs ? [...new Set(inRange)].sort((a, b) => a - b) : []
  const pieces = edges.flatMap((atMs, index) => {
    const value = believedAt(atMs)
    const endMs = edges[index + 1] ?? toMs
    const sampleCount = saying.filter(({ sampledAtMs }) => sampledAtMs >= atMs && sampledAtMs < endMs).length
    return value === undefined ? [] : [{ fromMs: atMs, toMs: endMs, value, sampleCount }]
  })
  return joined(pieces)
}

/** Fields without those that were not measured. */
export function measured(
  fields: Readonly<Record<string, number | boolean | string | undefined>>,
): TelemetryPoint['fields'] {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  )
}
