/**
 * Raw points and spans out of InfluxDB. The server orders the points of one millisecond by the offset in their
 * nanoseconds, we by boot and seq: where a page ends within a millisecond, that millisecond is read whole.
 */
import type { StateSpans } from '#contract/history'
import { toPoints, toPointsQuestion, toStateSamples, toStatesQuestion, type InfluxRows } from './influx-ql.ts'
import {
  TooManyPointsError,
  type PointPosition,
  type PointsQuery,
  type SpansQuestion,
  type TelemetryPoint,
} from './points.ts'
import { believedFromMs, newSpanFold } from './spans.ts'

type Ask = (question: string, signal?: AbortSignal) => Promise<InfluxRows[]>

/** Above 10 000 rows the server says that an answer is cut short even when it is not. */
const STATES_PAGE = 10_000
const POINTS_PAGE = 5_000
/** More points of one lift in one millisecond are refused: they would not be pages any more. */
const MILLISECOND_POINTS_MAX = 9_999

export async function readPoints(ask: Ask, query: PointsQuery, signal?: AbortSignal): Promise<TelemetryPoint[]> {
  const points: TelemetryPoint[] = []
  for (;;) {
    const limit = Math.min(query.limit - points.length, POINTS_PAGE)
    const last = points.at(-1)
    const page = await readPage(ask, { ...query, ...(last === undefined ? {} : { after: last }), limit }, signal)
    points.push(...page)
    if (page.length < limit || points.length >= query.limit) return points
  }
}

async function readPage(ask: Ask, query: PointsQuery, signal?: AbortSignal): Promise<TelemetryPoint[]> {
  const { after, limit, toMs } = query
  const millisecondOf = (atMs: number): PointsQuery => ({
    ...query,
    fromMs: atMs,
    toMs: Math.min(atMs + 1, toMs),
    limit: MILLISECOND_POINTS_MAX + 1,
  })
  const begun = after !== undefined && after.sampledAtMs >= query.fromMs ? [millisecondOf(after.sampledAtMs)] : []
  const fromMs = after === undefined ? query.fromMs : Math.max(query.fromMs, after.sampledAtMs + 1)
  const questions = [...begun, { ...query, fromMs, limit: limit + 1 }]
  const answers = await ask(questions.map(toPointsQuestion).join('; '), signal)
  const [rest = [], next = []] = [...(begun.length === 0 ? [[]] : []), ...answers].map((rows) =>
    toPoints(query, [rows]),
  )
  const head = refuseEndless(rest).filter((point) => after !== undefined && isBehind(point, after))
  if (head.length >= limit) return head.slice(0, limit)
  const points = [...head, ...next]
  const beyond = points[limit]
  if (beyond === undefined || next.length <= limit || points[limit - 1]?.sampledAtMs !== beyond.sampledAtMs)
    return points.slice(0, limit)
  const whole = toPoints(query, await ask(toPointsQuestion(millisecondOf(beyond.sampledAtMs)), signal))
  const before = points.filter((point) => point.sampledAtMs < beyond.sampledAtMs)
  return [...before, ...refuseEndless(whole)].slice(0, limit)
}

const isBehind = (point: PointPosition, after: PointPosition): boolean =>
  (point.sampledAtMs - after.sampledAtMs || point.boot - after.boot || point.seq - after.seq) > 0

function refuseEndless<Row>(rows: readonly Row[]): readonly Row[] {
  if (rows.length > MILLISECOND_POINTS_MAX) throw endless(MILLISECOND_POINTS_MAX)
  return rows
}

const endless = (count: number): TooManyPointsError =>
  new TooManyPointsError(`InfluxDB has more than ${count} points of one lift in one millisecond`)

export async function readSpans(ask: Ask, query: SpansQuestion, signal?: AbortSignal): Promise<StateSpans> {
  const fold = newSpanFold(query)
  for (let fromMs = believedFromMs(query); ;) {
    const [rows = []] = await ask(toStatesQuestion({ ...query, fromMs }, STATES_PAGE), signal)
    const samples = toStateSamples(query, rows)
    const isWhole = samples.length < STATES_PAGE
    const lastAtMs = samples.at(-1)?.atMs ?? fromMs
    // The last millisecond of a full page may go on behind it; the next page begins with it.
    for (const sample of samples) if ((isWhole || sample.atMs < lastAtMs) && !fold.take(sample)) return fold.end()
    if (isWhole) return fold.end()
    if (samples[0]?.atMs === lastAtMs) throw endless(STATES_PAGE)
    fromMs = lastAtMs
  }
}
