/**
 * Requests to one InfluxDB, each with an end, and what their failures mean.
 *
 * The official client is the transport. Its own write buffer is not used: it sends full batches without waiting for
 * the answer, takes the `201` of a half-taken batch as success, and cannot be given a deadline.
 */
import { HttpError, InfluxDB, setLogger } from '@influxdata/influxdb-client'
import type { InfluxAddress } from './influx-url.ts'
import { TelemetryStoreError } from './points.ts'

/** No request takes longer, whatever the server does. */
const REQUEST_MS_MAX = 10_000
/** A server that asks for more time than this is asked again all the same. */
const RETRY_AFTER_MS_MAX = 60_000
/** Bodies above this are sent compressed. */
const GZIP_BYTES_MIN = 1_000
/** The server read the points and says that it will not take them. */
const REFUSED_STATUSES: ReadonlySet<number> = new Set([400, 413, 422])

export type InfluxRequest = {
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly path: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}
export type InfluxResponse = { readonly status: number; readonly body: unknown; readonly version: string | undefined }
/** Rejects with `HttpError` for a status of 300 and above, with `TelemetryStoreError` away when there is no answer. */
export type SendToInflux = (request: InfluxRequest) => Promise<InfluxResponse>

export function newSender(address: InfluxAddress, closed: AbortSignal): SendToInflux {
  // The client writes to the console otherwise; every error reaches our caller anyway.
  setLogger({ error: () => {}, warn: () => {} })
  const { transport } = new InfluxDB({
    url: address.url,
    headers: address.authorization === undefined ? {} : { authorization: address.authorization },
    // The client's own limit is one of silence and leaves the request open, so ours comes first.
    timeout: REQUEST_MS_MAX + 1_000,
  })
  return async ({ method, path, body = '', headers = {}, signal }) => {
    const request = newEnd(REQUEST_MS_MAX, [closed, ...(signal ? [signal] : [])])
    let status = 0
    let version: string | undefined
    try {
      const answer: unknown = await transport.request(
        path,
        body,
        {
          method,
          headers,
          gzipThreshold: GZIP_BYTES_MIN,
          signal: request.signal,
        },
        (responseHeaders, statusCode = 0) => {
          status = statusCode
          version = String(responseHeaders['x-influxdb-version'] ?? '')
        },
      )
      return { status, body: answer, version }
    } catch (cause) {
      if (request.isLate())
        throw new TelemetryStoreError(
          'away',
          `InfluxDB at ${address.host} gave no answer within ${REQUEST_MS_MAX} ms`,
          { cause },
        )
      if (closed.aborted) throw new TelemetryStoreError('away', 'the telemetry store is closed', { cause })
      throw cause
    } finally {
      request.release()
    }
  }
}

/**
 * A signal that aborts after a time, or with one of others. Not `AbortSignal.any`: the client listens to its signal and
 * never stops, and Node keeps such a signal, with the body of the request, for as long as the others live; the timeout in
 * it may even be collected before it is over. Must be released when the request has ended.
 */
function newEnd(msMax: number, others: readonly AbortSignal[]) {
  const ending = new AbortController()
  let isLate = false
  const abort = (): void => ending.abort()
  const timer = setTimeout(() => {
    isLate = true
    abort()
  }, msMax)
  for (const other of others) {
    if (other.aborted) abort()
    else other.addEventListener('abort', abort, { once: true })
  }
  return {
    signal: ending.signal,
    isLate: () => isLate,
    release(): void {
      clearTimeout(timer)
      for (const other of others) other.removeEventListener('abort', abort)
    },
  }
}

/** `Retry-After` as RFC 9110 10.2.3 says: seconds, or a date. The client's own reading takes seconds for milliseconds. */
export function retryAfterMsOf(header: unknown, nowMs: number): number {
  if (typeof header !== 'string') return 0
  const text = header.trim()
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs
  return ms > 0 ? Math.min(ms, RETRY_AFTER_MS_MAX) : 0
}

/** What the server or the network said, as one of the two things a caller can act upon. */
export function toStoreError(address: InfluxAddress, cause: unknown): TelemetryStoreError {
  if (cause instanceof TelemetryStoreError) return cause
  const reason = reasonOf(cause)
  if (cause instanceof HttpError && REFUSED_STATUSES.has(cause.statusCode)) {
    return new TelemetryStoreError('refused', `InfluxDB refuses points: ${reason}`, { cause })
  }
  if (cause instanceof HttpError && (cause.statusCode === 401 || cause.statusCode === 403)) {
    return new TelemetryStoreError(
      'away',
      `InfluxDB at ${address.host} does not let us in (check the user, password or token in TELEMETRY_URL): ${reason}`,
      { cause },
    )
  }
  const retryAfterMs = cause instanceof HttpError ? retryAfterMsOf(cause.headers?.['retry-after'], Date.now()) : 0
  return new TelemetryStoreError('away', `InfluxDB at ${address.host} cannot be used: ${reason}`, {
    cause,
    retryAfterMs,
  })
}

function reasonOf(cause: unknown): string {
  if (cause instanceof HttpError) {
    const body = cause.json as { error?: unknown; message?: unknown } | undefined
    const said = body?.error ?? body?.message ?? cause.body ?? cause.statusMessage
    return `${cause.statusCode} ${typeof said === 'string' ? said.trim() : ''}`.trim()
  }
  const { code, message } = toError(cause) as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return 'nothing listens there (connection refused)'
  return message === '' ? (code ?? 'unknown reason') : message
}

export function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
