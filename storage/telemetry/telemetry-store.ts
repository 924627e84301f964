/**
 * The telemetry store (时序库): what was measured, by sample time. `append` is durable when it resolves, and the same
 * sample written twice is one point. Times are Unix ms.
 */
import type { FieldType } from '#contract/history'
import type { Log } from '#contract/log-events'
import { openFileStore } from './file-store.ts'
import { openInfluxStore } from './influx-store.ts'
import type { TelemetryStore } from './points.ts'
import { leavingOutTheExpired, type Retention } from './retention.ts'

// The words of the interface live in a file of their own, because the adapters need them too and imports go one way.
export { BATCH_POINTS_MAX, HEADER_FIELDS, TelemetryStoreError, TooManyPointsError } from './points.ts'
export type { FiguresQuery } from './hour-rows.ts'
export type { SumsQuery } from './hour-sums.ts'
export type {
  HistoryQuery,
  PointPosition,
  PointsQuery,
  RangeQuery,
  SpansQuery,
  TelemetryPoint,
  TelemetryStore,
} from './points.ts'
export type { LiftCount, StretchPoints, StretchQuery } from './stretch-questions.ts'
export type { FieldType }

/**
 * Opens the store that the URL names: `file:/path/of/folder`, or
 * `influx+http://[user:password@]host:port/bucket[?org=…&token=…]` for InfluxDB 1.x (user and password) and 2.x (token).
 * Opening InfluxDB does not need the server to be there: `check` tells.
 *
 * With `retentionDays` (whole, at least 1) samples that are older are removed, and not taken any more; never younger
 * ones. Without it everything stays, and of an InfluxDB the retention that it has.
 */
export async function openTelemetryStore(
  url: string,
  { log, retentionDays, nowMs = Date.now }: { log: Log; retentionDays?: number; nowMs?: () => number },
): Promise<TelemetryStore> {
  const retention = retentionDays === undefined ? undefined : { days: retentionDays, nowMs }
  const store = await openByUrl(url, { log, retention })
  return retention === undefined ? store : leavingOutTheExpired(store, retention, log)
}

async function openByUrl(
  url: string,
  options: { log: Log; retention: Retention | undefined },
): Promise<TelemetryStore> {
  if (url.startsWith('file:')) return openFileStore(url.slice('file:'.length).replace(/^\/\//, ''), options)
  if (url.startsWith('influx+http://') || url.startsWith('influx+https://')) return openInfluxStore(url, options)
  throw new Error(
    `TELEMETRY_URL: there is no telemetry store for “${url.split(':')[0] ?? ''}:”; use file: or influx+http:`,
  )
}
