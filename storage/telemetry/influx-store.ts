/**
 * InfluxDB as the telemetry store: line protocol to `/write`, InfluxQL from `/query`, which 1.x, 2.x and 3.x share.
 */
import type { Log } from '#contract/log-events'
import { newSender, toError, toStoreError, type SendToInflux } from './influx-connection.ts'
import { FIGURES_POLICY } from './influx-database.ts'
import {
  fleetQuestion,
  lastQuestion,
  toFleetHours,
  toFleetQuestion,
  toLastQuestion,
  toLastValues,
} from './fleet-questions.ts'
import { rowsToPut, figuresQuestion } from './hour-rows.ts'
import { sumsQuestion } from './hour-sums.ts'
import { readHours, toHourLine } from './influx-hours.ts'
import { readSums } from './influx-sums.ts'
import { toLine } from './influx-line.ts'
import { readAnswer, toCount, toCountQuestion, toHistory, toHistoryQuestion, type InfluxRows } from './influx-ql.ts'
import { readPoints, readSpans } from './influx-pages.ts'
import { InfluxPlaces } from './influx-places.ts'
import { readInfluxUrl, type InfluxAddress } from './influx-url.ts'
import {
  assertLimit,
  assertRange,
  refuseBadPoints,
  toSpansQuestion,
  TelemetryStoreError,
  type TelemetryPoint,
  type TelemetryStore,
} from './points.ts'
import type { Retention } from './retention.ts'
import { askOldest, askStretch, askTally, stretchQuestion } from './stretch-questions.ts'

/** Parts of one batch that are under way at one time. */
const REQUESTS_MAX = 4
const REQUEST_POINTS_MIN = 500

/** Does not need the server to be there. Throws when the URL is not one. */
export function openInfluxStore(
  url: string,
  { log, retention }: { log: Log; retention: Retention | undefined },
): TelemetryStore {
  const address = readInfluxUrl(url)
  const closed = new AbortController()
  const send = newSender(address, closed.signal)
  const places = new InfluxPlaces(send, address, { days: retention?.days, log })

  const ask = newAsk(send, address, places)
  return {
    async append(points) {
      refuseBadPoints(points)
      if (points.length === 0) return
      await places.ensureDatabase()
      const bodies = divideByLift(points, REQUESTS_MAX).map((part) => part.map(toLine).join('\n'))
      // All are waited for: after a failure nothing of the batch is still on its way.
      const written = await Promise.allSettled(bodies.map((body) => write(send, address, body)))
      const worst = worstOf(
        written.flatMap((each) => (each.status === 'rejected' ? [places.toWriteError(each.reason)] : [])),
      )
      if (worst !== undefined) throw worst
    },
    history: async ({ signal, ...query }) => toHistory(query, await ask(toHistoryQuestion(query), signal)),
    spans: async ({ signal, ...query }) => readSpans(ask, toSpansQuestion(query), signal),
    points: async ({ signal, ...query }) => {
      assertLimit(query)
      return readPoints(ask, query, signal)
    },
    count: async (query) => {
      assertRange(query)
      return toCount(await ask(toCountQuestion(query)))
    },
    async putFigures(rows) {
      const checked = rowsToPut(rows)
      if (checked.length === 0) return
      await places.ensurePolicy()
      await write(send, address, checked.map(toHourLine).join('\n'), FIGURES_POLICY).catch((error: unknown) => {
        throw places.toFiguresError(error)
      })
    },
    figures: async ({ signal, ...query }) => readHours((question) => ask(question, signal), figuresQuestion(query)),
    sums: async ({ signal, ...query }) => readSums((question) => ask(question, signal), sumsQuestion(query)),
    last: async ({ signal, ...query }) => toLastValues(await ask(toLastQuestion(lastQuestion(query).query), signal)),
    fleet: async ({ signal, ...query }) => toFleetHours(await ask(toFleetQuestion(fleetQuestion(query)), signal)),
    oldest: async (query) => askOldest(ask, stretchQuestion(query)),
    tally: async (query) => askTally(ask, stretchQuestion(query)),
    stretch: async (query) => askStretch(ask, stretchQuestion(query)),
    retained: () => ({ leftOutCount: 0, removedCount: 0 }),
    async check() {
      await places.ensureDatabase()
      await ask('SHOW MEASUREMENTS LIMIT 1')
      await places.ensureDatabase()
    },
    async [Symbol.asyncDispose]() {
      closed.abort()
    },
  }
}

type Ask = (question: string, signal?: AbortSignal) => Promise<InfluxRows[]>

/** Questions in InfluxQL; what is asked of a place that is not there has no rows. */
function newAsk(send: SendToInflux, address: InfluxAddress, places: InfluxPlaces): Ask {
  return async (question, signal) => {
    const parameters = new URLSearchParams({ db: address.bucket, epoch: 'ms', q: question })
    const headers = { accept: 'application/json' }
    const response = await send({ method: 'GET', path: `/query?${parameters.toString()}`, headers, signal }).catch(
      (error: unknown) => {
        throw signal?.aborted === true ? toError(signal.reason) : toStoreError(address, error)
      },
    )
    const { rows, error } = readAnswer(response.body)
    if (error === undefined) return rows
    if (!places.isMissing(error))
      throw new TelemetryStoreError('away', `InfluxDB at ${address.host} does not answer: ${error}`)
    return []
  }
}

/**
 * At most `partsMax` parts, each lift in one of them, none so small that it is not worth a request. While the server
 * takes one part apart, the next is made and sent.
 */
function divideByLift(points: readonly TelemetryPoint[], partsMax: number): readonly (readonly TelemetryPoint[])[] {
  const count = Math.min(partsMax, Math.floor(points.length / REQUEST_POINTS_MIN))
  if (count < 2) return [points]
  const parts = Array.from({ length: count }, (): TelemetryPoint[] => [])
  const partOf = new Map<string, TelemetryPoint[] | undefined>()
  for (const point of points) {
    if (!partOf.has(point.lift)) partOf.set(point.lift, parts[partOf.size % count])
    partOf.get(point.lift)?.push(point)
  }
  return parts.filter((part) => part.length > 0)
}

/** An outage before a refusal: while the server is away nothing can be said against the points. The longest wait of all. */
function worstOf(errors: readonly TelemetryStoreError[]): TelemetryStoreError | undefined {
  const worst = errors.find(({ kind }) => kind === 'away') ?? errors[0]
  const retryAfterMs = Math.max(0, ...errors.map((error) => error.retryAfterMs))
  if (worst === undefined || worst.retryAfterMs === retryAfterMs) return worst
  return new TelemetryStoreError(worst.kind, worst.message, { cause: worst, retryAfterMs })
}

/** Into the named retention policy, or into the one that the database has for samples. */
async function write(send: SendToInflux, address: InfluxAddress, body: string, policy?: string): Promise<void> {
  const parameters = new URLSearchParams({ db: address.bucket, precision: 'ns', ...(policy ? { rp: policy } : {}) })
  const headers = { 'content-type': 'text/plain; charset=utf-8' }
  const { status } = await send({ method: 'POST', path: `/write?${parameters.toString()}`, body, headers })
  // 204 alone means that every point is taken; 3.x says 201 when it took some.
  if (status === 201)
    throw new TelemetryStoreError('refused', `InfluxDB at ${address.host} took only some of the points`)
  if (status !== 204)
    throw new TelemetryStoreError('away', `InfluxDB at ${address.host} answered ${status} instead of 204`)
}
