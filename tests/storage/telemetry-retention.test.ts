import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hourStartMs } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import { silentLog, type Log } from '#contract/log-events'
import { openTelemetryStore, type TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { chanceOf } from '../chance.ts'
import { startAnswering, type Answer } from '../servers/answering.ts'
import { startInflux, type InfluxServer } from '../servers/influx.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { PLACES } from './telemetry-places.ts'
import { LIFT, statusPoint } from './telemetry-points.ts'

const DAY_MS = 86_400_000
const ALL = { lift: LIFT, measurement: 'status', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER } as const
/** InfluxDB removes by its own clock, so the tests live in the present. */
const NOW_MS = Date.now()
const nowMs = (): number => NOW_MS
const KEPT_FROM_MS = NOW_MS - 396 * DAY_MS

function noting(): { log: Log; told: { event: string; fields: Readonly<Record<string, unknown>> }[] } {
  const told: { event: string; fields: Readonly<Record<string, unknown>> }[] = []
  const note = (event: string, fields = {}): void => void told.push({ event, fields })
  return { log: { debug: note, info: note, warn: note, error: note }, told }
}

describe.each(PLACES)('retention of telemetry: $name', (kind) => {
  let place: Awaited<ReturnType<typeof kind.prepare>>
  beforeAll(async () => {
    place = await kind.prepare()
  })
  afterAll(() => place[Symbol.asyncDispose]())

  it('removes what is older and nothing that is younger', async () => {
    const url = place.newUrl('removes')
    // InfluxDB removes by the week: what is to go is well past the edge.
    const old = Array.from({ length: 20 }, (_, n) => statusPoint({ atMs: NOW_MS - (600 + n) * DAY_MS, seq: n }))
    const young = [KEPT_FROM_MS, KEPT_FROM_MS + 1, NOW_MS - DAY_MS, NOW_MS].map((atMs, n) =>
      statusPoint({ atMs, seq: 100 + n }),
    )
    {
      await using store = await openTelemetryStore(url, { log: silentLog })
      await store.append([...old, ...young])
      expect(await store.count(ALL)).toBe(24)
    }
    await using store = await openTelemetryStore(url, { log: silentLog, retentionDays: 396, nowMs })
    await store.check()
    await expect.poll(() => store.count({ ...ALL, toMs: KEPT_FROM_MS }), { timeout: 20_000 }).toBe(0)
    expect(await store.points({ ...ALL, limit: 99 })).toEqual(young)
  })

  it('keeps everything when no retention is given', async () => {
    await using store = await openTelemetryStore(place.newUrl('everything'), { log: silentLog })
    await store.append([statusPoint({ atMs: 1_000 }), statusPoint({ atMs: NOW_MS })])
    await store.check()
    expect(await store.count(ALL)).toBe(2)
    expect(store.retained()).toEqual({ leftOutCount: 0, removedCount: 0 })
  })

  it('takes the sample at the very edge, leaves the one before it out, and counts and tells it', async () => {
    const { log, told } = noting()
    await using store = await openTelemetryStore(place.newUrl('edge'), { log, retentionDays: 396, nowMs })
    const edge = statusPoint({ atMs: KEPT_FROM_MS, seq: 2 })
    await store.append([statusPoint({ atMs: KEPT_FROM_MS - 1, seq: 1 }), edge, statusPoint({ atMs: NOW_MS, seq: 3 })])
    await store.append([statusPoint({ atMs: 0, seq: 4 })])
    await store.append([{ ...edge, measurement: 'message', fields: {} }])
    expect((await store.points({ ...ALL, limit: 9 })).map(({ seq }) => seq)).toEqual([2, 3])
    expect(store.retained().leftOutCount).toBe(2)
    expect(told.filter(({ event }) => event === 'telemetry.tooOld').map(({ fields }) => fields['count'])).toEqual([1])
    await expect(store.append([{ ...edge, sampledAtMs: Number.NaN }])).rejects.toMatchObject({
      kind: 'refused',
    })
  })
})

describe('retention of the embedded store', () => {
  it('is swept in steps while batches are written, counted, told, and its room is used again', async () => {
    await using folder = await tempFolder('retention')
    const path = join(folder.path, 'store')
    await mkdir(path)
    const url = `file:${path}`
    // Values that cannot be packed, so that what is removed is room.
    const chance = chanceOf(396)
    const fields = () => ({ speedMps: chance(), loadKg: Math.floor(chance() * 1e9), temperatureC: chance() })
    const batchOf = (fromMs: number, batch: number): TelemetryPoint[] =>
      Array.from({ length: 5_000 }, (_, n) =>
        statusPoint({ atMs: fromMs + batch * 5_000 + n, seq: batch * 5_000 + n, fields: fields() }),
      )
    const oldFromMs = KEPT_FROM_MS - DAY_MS
    {
      await using store = await openTelemetryStore(url, { log: silentLog })
      for (let batch = 0; batch < 24; batch += 1) await store.append(batchOf(oldFromMs, batch))
    }
    const usedBefore = await usedBlocks(path)
    const { log, told } = noting()
    {
      await using store = await openTelemetryStore(url, { log, retentionDays: 396, nowMs })
      for (let batch = 0; batch < 4; batch += 1) await store.append(batchOf(NOW_MS - DAY_MS, batch))
      await expect.poll(() => store.retained().removedCount, { timeout: 30_000 }).toBe(120_000)
      await expect.poll(() => told.map(({ event }) => event), { timeout: 5_000 }).toEqual(['telemetry.expired'])
      expect(told[0]?.fields).toMatchObject({ table: 'status', count: 120_000 })
      expect(await store.count(ALL)).toBe(20_000)
      // What was removed is not known any more: the same samples would be new.
      expect(await store.count({ ...ALL, toMs: NOW_MS - DAY_MS })).toBe(0)
    }
    expect(await usedBlocks(path)).toBeLessThan(usedBefore / 2)
  })

  it('keeps hourly figures for five years, longer than the samples that they were made of', async () => {
    await using folder = await tempFolder('retention')
    const hour = (hourAtMs: number): HourFigures => ({
      lift: LIFT,
      hourAtMs,
      sampleCount: 0,
      countedMs: 0,
      inServiceMs: 0,
      outOfServiceMs: 0,
      maintenanceMs: 0,
      unknownMs: 3_600_000,
      onlineMs: 0,
    })
    const nowHourMs = hourStartMs(NOW_MS)
    const edgeMs = nowHourMs - 5 * 366 * DAY_MS
    const hours = [edgeMs - 3_600_000, edgeMs, nowHourMs - 2 * 396 * DAY_MS, nowHourMs].map(hour)
    {
      await using store = await openTelemetryStore(`file:${folder.path}`, { log: silentLog })
      await store.putFigures(hours)
    }
    await using store = await openTelemetryStore(`file:${folder.path}`, {
      log: silentLog,
      retentionDays: 396,
      nowMs: () => nowHourMs,
    })
    await expect.poll(() => store.retained().removedCount, { timeout: 20_000 }).toBe(1)
    expect(await store.figures({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 9 })).toEqual(hours.slice(1))
  })

  it('ends soon in the middle of a sweep, and the next opening goes on with it', async () => {
    await using folder = await tempFolder('retention')
    const url = `file:${folder.path}`
    const points = Array.from({ length: 5_000 }, (_, n) => statusPoint({ atMs: n, seq: n }))
    {
      await using store = await openTelemetryStore(url, { log: silentLog })
      await store.append(points)
    }
    const { log, told } = noting()
    await (await openTelemetryStore(url, { log, retentionDays: 1, nowMs }))[Symbol.asyncDispose]()
    expect(told.map(({ event }) => event)).not.toContain('telemetry.notExpired')
    await using store = await openTelemetryStore(url, { log: silentLog, retentionDays: 1, nowMs })
    await expect.poll(() => store.count(ALL), { timeout: 20_000 }).toBe(0)
  })
})

async function usedBlocks(path: string): Promise<number> {
  const instance = await DuckDBInstance.create(join(path, 'telemetry.duckdb'))
  const connection = await instance.connect()
  await connection.run('CHECKPOINT')
  const result = await connection.runAndReadAll('SELECT used_blocks FROM pragma_database_size()')
  connection.closeSync()
  instance.closeSync()
  return Number(result.value(0, 0))
}

describe('retention policies of InfluxDB 1.x', () => {
  let server: InfluxServer
  beforeAll(async () => {
    server = await startInflux({ auth: true })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const open = (database: string, retentionDays?: number, log = silentLog) =>
    openTelemetryStore(server.storeUrl(database), { log, ...(retentionDays === undefined ? {} : { retentionDays }) })
  async function policiesOf(database: string): Promise<Record<string, unknown>> {
    const answer = await server.query(`SHOW RETENTION POLICIES ON "${database}"`)
    const { results } = answer as { results: [{ series: [{ values: [string, string, string, number, boolean][] }] }] }
    return Object.fromEntries(
      results[0].series[0].values.map(([name, duration, shard, , isDefault]) => [name, { duration, shard, isDefault }]),
    )
  }
  const figures = { duration: `${1_831 * 24}h0m0s`, shard: `${84 * 24}h0m0s`, isDefault: false }

  it('are made with the database: the samples for the setting and a day to spare, the figures for 5 years', async () => {
    await using store = await open('made', 396)
    await store.check()
    expect(await policiesOf('made')).toEqual({
      autogen: { duration: `${397 * 24}h0m0s`, shard: '168h0m0s', isDefault: true },
      figures,
    })
  })

  it('follow the setting, whatever the default policy is called, and stay as they are without it', async () => {
    await server.query('CREATE DATABASE given WITH DURATION 9000d NAME theirs')
    {
      await using store = await open('given')
      await store.check()
      expect(await policiesOf('given')).toMatchObject({ theirs: { duration: `${9_000 * 24}h0m0s` }, figures })
    }
    for (const [days, shard] of [
      [396, '168h0m0s'],
      [1, '24h0m0s'],
      [30, '24h0m0s'],
    ] as const) {
      await using store = await open('given', days)
      await store.check()
      expect(await policiesOf('given')).toEqual({
        theirs: { duration: `${(days + 1) * 24}h0m0s`, shard, isDefault: true },
        figures,
      })
    }
  })

  it('are left to whoever runs the server when the user has no right, which is told, and writing goes on', async () => {
    for (const question of [
      'CREATE DATABASE theirs',
      `CREATE USER clerk WITH PASSWORD 'clerk'`,
      'GRANT ALL ON theirs TO clerk',
    ])
      await server.query(question)
    const { log, told } = noting()
    const url = server.storeUrl('theirs').replace(/\/\/[^@]*@/, '//clerk:clerk@')
    await using store = await openTelemetryStore(url, { log, retentionDays: 396 })
    await store.append([statusPoint({ atMs: NOW_MS })])
    expect(await store.count(ALL)).toBe(1)
    expect(told.map(({ event }) => event)).toEqual(['telemetry.notPrepared'])
    expect(JSON.stringify(told)).not.toContain('clerk:clerk')
  })
})

describe('retention of buckets of InfluxDB 2.x', () => {
  /** Keeps buckets as the published API says. */
  async function startBuckets(there: Record<string, number>, refusal?: Answer) {
    const changed: string[] = []
    const server = await startAnswering(({ method = '', url = '' }) => {
      const asked = new URL(url, 'http://host')
      const name = asked.searchParams.get('name') ?? ''
      if (asked.pathname === '/ping') return { status: 204, headers: { 'x-influxdb-version': 'v2.7.1' } }
      if (asked.pathname === '/api/v2/orgs') return { status: 200, body: { orgs: [{ id: 'org-1' }] } }
      if (method !== 'GET' && asked.pathname.startsWith('/api/v2/')) {
        changed.push(`${method} ${asked.pathname}`)
        return refusal ?? { status: 201, body: { id: 'new' } }
      }
      if (asked.pathname === '/api/v2/buckets') {
        const everySeconds = there[name]
        const buckets = everySeconds === undefined ? [] : [{ id: `id-${name}`, retentionRules: [{ everySeconds }] }]
        return { status: 200, body: { buckets } }
      }
      if (asked.pathname === '/api/v2/dbrps')
        return {
          status: 200,
          body: { content: [{ retention_policy: 'autogen' }, { retention_policy: 'figures' }] },
        }
      return { status: 204 }
    })
    return { changed, server }
  }
  const open = (url: string, log = silentLog) =>
    openTelemetryStore(`${url}?org=town&token=secret`, { log, retentionDays: 396, nowMs })

  it('is given to new buckets, changed where it differs, and left alone where it is right', async () => {
    const right = { lifts: 397 * 86_400, 'lifts/figures': 1_831 * 86_400 }
    for (const [there, expected] of [
      [{}, ['POST /api/v2/buckets', 'POST /api/v2/buckets']],
      [{ ...right, lifts: 0 }, ['PATCH /api/v2/buckets/id-lifts']],
      [{ ...right, 'lifts/figures': 3_600 }, ['PATCH /api/v2/buckets/id-lifts%2Ffigures']],
      [right, []],
    ] as const) {
      const { changed, server } = await startBuckets(there)
      await using _ = server
      await using store = await open(server.storeUrl)
      await store.append([statusPoint({ atMs: NOW_MS })])
      expect(changed).toEqual(expected)
    }
  })

  it('does not keep a token from writing that may not make buckets', async () => {
    const refusal = { status: 401, body: { code: 'unauthorized', message: 'write:orgs/1/buckets is unauthorized' } }
    const { server } = await startBuckets({}, refusal)
    await using _ = server
    const { log, told } = noting()
    await using store = await open(server.storeUrl, log)
    await store.append([statusPoint({ atMs: NOW_MS })])
    expect(told).toMatchObject([{ event: 'telemetry.notPrepared', fields: { reason: refusal.body.message } }])
  })
})
