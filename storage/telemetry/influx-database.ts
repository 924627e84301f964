/**
 * Makes the database (1.x) or the bucket (2.x) when it is missing, and gives it its retention; beside it one for hourly
 * figures, which are kept longer. Whoever runs the server may have made it already and given us no right to make or
 * change one, so a refusal here is no error: writing will tell, and what could not be set is told once.
 */
import { HttpError } from '@influxdata/influxdb-client'
import type { SendToInflux } from './influx-connection.ts'
import { readAnswer, toIdentifier, type InfluxRows } from './influx-ql.ts'
import type { InfluxAddress } from './influx-url.ts'
import { FIGURES_RETENTION_DAYS } from './retention.ts'

/** Retention policy (1.x) of the hourly figures. In 2.x it is a bucket of its own, mapped to the same two names. */
export const FIGURES_POLICY = 'figures'

/**
 * `days`: how long samples are kept; undefined leaves the retention of the server as it is. One day more is set than
 * asked for, so that a server whose clock is ahead of ours does not refuse samples that we still take.
 * `onRefused` is told why the server will not prepare it. Rejects when the server is not there or does not let us in.
 */
export async function ensureDatabase(
  send: SendToInflux,
  address: InfluxAddress,
  { days, onRefused }: { days: number | undefined; onRefused: (reason: string) => void },
): Promise<void> {
  const { version = '' } = await send({ method: 'GET', path: '/ping' })
  // 3.x makes a database at the first write, and its retention is given where it is started.
  if (/^v?3\./.test(version)) return
  const spare = { raw: days === undefined ? undefined : days + 1, figures: FIGURES_RETENTION_DAYS + 1 }
  try {
    if (/^v?2\./.test(version)) await ensureBuckets(send, address, spare)
    else await ensurePolicies(send, address, spare)
  } catch (error) {
    // 2.x says 401 to a token that may write but not make buckets; of one that is wrong, writing tells.
    const isAnswer = error instanceof NotDone || (error instanceof HttpError && error.statusCode < 429)
    if (!isAnswer) throw error
    onRefused(error.message)
  }
}

/** What whoever runs the server has to do when this user must not: a statement of 1.x, and a bucket of 2.x. */
export function figuresPolicyAdvice({ bucket }: InfluxAddress): string {
  const policy = `RETENTION POLICY ${toIdentifier(FIGURES_POLICY)} ON ${toIdentifier(bucket)}`
  const duration = toDuration(FIGURES_RETENTION_DAYS + 1, 84).replace(' SHARD', ' REPLICATION 1 SHARD')
  return `as an administrator run: CREATE ${policy} ${duration} (InfluxDB 2.x: make the bucket “${bucket}/${FIGURES_POLICY}” and map it to this database and policy)`
}

type RetentionDays = { readonly raw: number | undefined; readonly figures: number }

/** The server answered that it will not. */
class NotDone extends Error {}

/** InfluxDB 1.x: the default retention policy of the database, and the one of the figures. */
async function ensurePolicies(send: SendToInflux, { bucket }: InfluxAddress, days: RetentionDays): Promise<void> {
  const database = toIdentifier(bucket)
  await run(send, `CREATE DATABASE ${database}`)
  const policies = await run(send, `SHOW RETENTION POLICIES ON ${database}`)
  const raw = policies.find((policy) => policy['default'] === true)
  if (days.raw !== undefined && raw !== undefined && !lasts(raw, days.raw))
    await run(
      send,
      `ALTER RETENTION POLICY ${toIdentifier(String(raw['name']))} ON ${database} ${toDuration(days.raw, days.raw > 180 ? 7 : 1)}`,
    )
  const figures = policies.find((policy) => policy['name'] === FIGURES_POLICY)
  const wanted = `RETENTION POLICY ${toIdentifier(FIGURES_POLICY)} ON ${database} ${toDuration(days.figures, 84)}`
  if (figures === undefined) await run(send, `CREATE ${wanted.replace(' SHARD', ' REPLICATION 1 SHARD')}`)
  else if (!lasts(figures, days.figures)) await run(send, `ALTER ${wanted}`)
}

const lasts = (policy: InfluxRows[number], days: number): boolean => policy['duration'] === `${days * 24}h0m0s`
const toDuration = (days: number, shardDays: number): string => `DURATION ${days}d SHARD DURATION ${shardDays}d`

async function run(send: SendToInflux, statement: string): Promise<InfluxRows> {
  const parameters = new URLSearchParams({ q: statement })
  const headers = { accept: 'application/json' }
  const { body } = await send({ method: 'POST', path: `/query?${parameters.toString()}`, headers })
  const { rows, error } = readAnswer(body)
  if (error !== undefined) throw new NotDone(`${statement}: ${error}`)
  return rows[0] ?? []
}

/** Through the API of 2.x, with the mappings by which InfluxQL knows the buckets. Not tried on a real 2.x. */
async function ensureBuckets(send: SendToInflux, address: InfluxAddress, days: RetentionDays): Promise<void> {
  const { bucket, org } = address
  const organisation = new URLSearchParams(org === undefined ? {} : { org })
  const { orgs = [] } = await readJson<{ orgs?: readonly { id: string }[] }>(
    send,
    `/api/v2/orgs?${organisation.toString()}`,
  )
  const orgID = orgs[0]?.id
  if (orgID === undefined) throw new NotDone(`there is no organisation ${JSON.stringify(org)} for this token`)
  const rawId = await ensureBucket(send, { orgID, name: bucket, days: days.raw })
  const figuresId = await ensureBucket(send, { orgID, name: `${bucket}/${FIGURES_POLICY}`, days: days.figures })

  const mappings = new URLSearchParams({ orgID, db: bucket })
  const { content = [] } = await readJson<{ content?: readonly { retention_policy?: string }[] }>(
    send,
    `/api/v2/dbrps?${mappings.toString()}`,
  )
  const map = (bucketID: string | undefined, retention_policy: string, isDefault: boolean) =>
    post(send, '/api/v2/dbrps', { orgID, bucketID, database: bucket, retention_policy, default: isDefault })
  const others = content.filter((mapping) => mapping.retention_policy !== FIGURES_POLICY)
  if (others.length === 0) await map(rawId, 'autogen', true)
  if (others.length === content.length) await map(figuresId, FIGURES_POLICY, false)
}

type Bucket = { readonly id: string; readonly retentionRules?: readonly { readonly everySeconds?: number }[] }

async function ensureBucket(
  send: SendToInflux,
  { orgID, name, days }: { orgID: string; name: string; days: number | undefined },
): Promise<string | undefined> {
  const retentionRules = days === undefined ? [] : [{ type: 'expire', everySeconds: days * 86_400 }]
  const named = new URLSearchParams({ orgID, name })
  const { buckets = [] } = await readJson<{ buckets?: readonly Bucket[] }>(send, `/api/v2/buckets?${named.toString()}`)
  const found = buckets[0]
  if (found === undefined) return (await post<Bucket>(send, '/api/v2/buckets', { orgID, name, retentionRules })).id
  if (days !== undefined && found.retentionRules?.[0]?.everySeconds !== days * 86_400)
    await post(send, `/api/v2/buckets/${encodeURIComponent(found.id)}`, { retentionRules }, 'PATCH')
  return found.id
}

const JSON_HEADERS = { accept: 'application/json', 'content-type': 'application/json' }

// The shapes are those of the published API; whatever is missing is taken as not there.
const readJson = async <T>(send: SendToInflux, path: string): Promise<T> =>
  ((await send({ method: 'GET', path, headers: JSON_HEADERS })).body ?? {}) as T
const post = async <T>(send: SendToInflux, path: string, body: object, method: 'POST' | 'PATCH' = 'POST'): Promise<T> =>
  (await send({ method, path, headers: JSON_HEADERS, body: JSON.stringify(body) })).body as T
