/**
 * InfluxDB as the telemetry store: line protocol to `/write`, InfluxQL from `/query`, which 1.x, 2.x and 3.x share.
 */
import { HttpError } from '@influxdata/influxdb-client'
import type { Log } from '#contract/log-events'
import { newSender, toError, toStoreError, type SendToInflux } from './influx-connection.ts'
import { ensureDatabase } from './influx-database.ts'
import { toLine } from './influx-line.ts'
import {
  readAnswer,
  toCount,
  toCountQuestion,
  toHistory,
  toHistoryQuestion,
  toPoints,
  toPointsQuestion,
  type InfluxRows,
} from './influx-ql.ts'
import { readInfluxUrl, type InfluxAddress } from './influx-url.ts'
import { assertLimit, assertRange, refuseBadPoints, TelemetryStoreError, type TelemetryStore } from './points.ts'

/** Does not need the server to be there. Throws when the URL is not one. */
export function openInfluxStore(url: string, { log }: { log: Log }): TelemetryStore {
  const address = readInfluxUrl(url)
  const closed = new AbortController()
  const send = newSender(address, closed.signal)
  let databaseThere: Promise<void> | undefined

  /** Once per process, and again after the server said that the database is gone. */
  function ensureOnce(): Promise<void> {
    databaseThere ??= ensureDatabase(send, address, log).catch((error: unknown) => {
      databaseThere = undefined
      throw toStoreError(address, error)
    })
    return databaseThere
  }

  async function ask(question: string, signal?: AbortSignal): Promise<InfluxRows[]> {
    const parameters = new URLSearchParams({ db: address.bucket, epoch: 'ms', q: question })
    const headers = { accept: 'application/json' }
    const response = await send({ method: 'GET', path: `/query?${parameters.toString()}`, headers, signal }).catch(
      (error: unknown) => {
        throw signal?.aborted === true ? toError(signal.reason) : toStoreError(address, error)
      },
    )
    const { rows, error } = readAnswer(response.body)
    if (error === undefined) return rows
    if (!error.includes('database not found'))
      throw new TelemetryStoreError('away', `InfluxDB at ${address.host} does not answer: ${error}`)
    databaseThere = undefined
    return []
  }

  return {
    async append(points) {
      refuseBadPoints(points)
      if (points.length === 0) return
      await ensureOnce()
      try {
        await write(send, address, points.map(toLine).join('\n'))
      } catch (error) {
        if (error instanceof HttpError && error.statusCode === 404) databaseThere = undefined
        throw toStoreError(address, error)
      }
    },
    history: async ({ signal, ...query }) => toHistory(query, await ask(toHistoryQuestion(query), signal)),
    points: async ({ signal, ...query }) => {
      assertLimit(query)
      return toPoints(query, await ask(toPointsQuestion(query), signal))
    },
    count: async (query) => {
      assertRange(query)
      return toCount(await ask(toCountQuestion(query)))
    },
    async check() {
      await ensureOnce()
      await ask('SHOW MEASUREMENTS LIMIT 1')
      await databaseThere
    },
    async [Symbol.asyncDispose]() {
      closed.abort()
    },
  }
}

async function write(send: SendToInflux, address: InfluxAddress, body: string): Promise<void> {
  const parameters = new URLSearchParams({ db: address.bucket, precision: 'ns' })
  const headers = { 'content-type': 'text/plain; charset=utf-8' }
  const { status } = await send({ method: 'POST', path: `/write?${parameters.toString()}`, body, headers })
  // 204 alone means that every point is taken; 3.x says 201 when it took some.
  if (status === 201)
    throw new TelemetryStoreError('refused', `InfluxDB at ${address.host} took only some of the points`)
  if (status !== 204)
    throw new TelemetryStoreError('away', `InfluxDB at ${address.host} answered ${status} instead of 204`)
}
