/**
 * Makes the database (1.x) or the bucket (2.x) when it is missing. Whoever runs the server may have made it already
 * and given us no right to make one, so a refusal here is no error: writing will tell.
 */
import { HttpError } from '@influxdata/influxdb-client'
import type { Log } from '#contract/log-events'
import type { SendToInflux } from './influx-connection.ts'
import { toIdentifier } from './influx-ql.ts'
import type { InfluxAddress } from './influx-url.ts'

/** Rejects when the server is not there or does not let us in. */
export async function ensureDatabase(send: SendToInflux, address: InfluxAddress, log: Log): Promise<void> {
  const { version = '' } = await send({ method: 'GET', path: '/ping' })
  try {
    if (/^v?2\./.test(version)) await ensureBucket(send, address)
    // 3.x makes a database at the first write.
    else if (!/^v?3\./.test(version)) await createDatabase(send, address)
  } catch (error) {
    if (!(error instanceof HttpError) || error.statusCode === 401 || error.statusCode >= 429) throw error
    log.debug('telemetry.away', { reason: `the database could not be made: ${error.message}` })
  }
}

async function createDatabase(send: SendToInflux, { bucket }: InfluxAddress): Promise<void> {
  const parameters = new URLSearchParams({ q: `CREATE DATABASE ${toIdentifier(bucket)}` })
  await send({ method: 'POST', path: `/query?${parameters.toString()}`, headers: { accept: 'application/json' } })
}

/** Through the API of 2.x, with the mapping by which InfluxQL knows the bucket as a database. Not tried on a real 2.x. */
async function ensureBucket(send: SendToInflux, { bucket, org }: InfluxAddress): Promise<void> {
  const organisation = new URLSearchParams(org === undefined ? {} : { org })
  const { orgs = [] } = await readJson<{ orgs?: readonly { id: string }[] }>(
    send,
    `/api/v2/orgs?${organisation.toString()}`,
  )
  const orgID = orgs[0]?.id
  if (orgID === undefined) return
  const buckets = new URLSearchParams({ orgID, name: bucket })
  let found = await readJson<{ buckets?: readonly { id: string }[] }>(send, `/api/v2/buckets?${buckets.toString()}`)
  if (found.buckets?.[0] === undefined) {
    const made = await post<{ id: string }>(send, '/api/v2/buckets', { orgID, name: bucket, retentionRules: [] })
    found = { buckets: [made] }
  }
  const mappings = new URLSearchParams({ orgID, db: bucket })
  const { content = [] } = await readJson<{ content?: readonly unknown[] }>(
    send,
    `/api/v2/dbrps?${mappings.toString()}`,
  )
  if (content.length > 0) return
  const bucketID = found.buckets?.[0]?.id
  await post(send, '/api/v2/dbrps', { orgID, bucketID, database: bucket, retention_policy: 'autogen', default: true })
}

const JSON_HEADERS = { accept: 'application/json', 'content-type': 'application/json' }

// The shapes are those of the published API; whatever is missing is taken as not there.
const readJson = async <T>(send: SendToInflux, path: string): Promise<T> =>
  ((await send({ method: 'GET', path, headers: JSON_HEADERS })).body ?? {}) as T
const post = async <T>(send: SendToInflux, path: string, body: object): Promise<T> =>
  (await send({ method: 'POST', path, headers: JSON_HEADERS, body: JSON.stringify(body) })).body as T
