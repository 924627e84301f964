/** A user of InfluxDB who may read and write a database, and make or change nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Log } from '#contract/log-events'
import { hourFiguresOf } from '#storage/telemetry/hour-figures'
import { FIGURES_RETENTION_DAYS } from '#storage/telemetry/retention'
import { openTelemetryStore } from '#storage/telemetry/telemetry-store'
import { HOUR_MS } from '#contract/calendar'
import { startAnswering } from '../servers/answering.ts'
import { startInflux, type InfluxServer } from '../servers/influx.ts'
import { LIFT, statusPoint, T0 } from './telemetry-points.ts'

const ALL = { lift: LIFT, measurement: 'status', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER } as const
const EVERYTHING = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 100 } as const
const H = Math.floor(T0 / HOUR_MS) * HOUR_MS
const ROW = hourFiguresOf({ lift: LIFT, hourAtMs: H, points: [statusPoint({ atMs: H })] })

describe('InfluxDB 1.x with a user who may only read and write', () => {
  let server: InfluxServer
  let told: string[]
  const note = (event: string): void => void told.push(event)
  const log: Log = { debug: note, info: note, warn: note, error: note }
  const asSmall = (database: string) => server.storeUrl(database).replace(/\/\/[^@]*@/, '//small:small@')
  beforeAll(async () => {
    server = await startInflux({ auth: true })
    await server.query(`CREATE USER small WITH PASSWORD 'small'`)
  })
  afterAll(() => server[Symbol.asyncDispose]())
  const give = async (database: string): Promise<void> => {
    told = []
    await server.query(`CREATE DATABASE ${database}`)
    await server.query(`GRANT ALL ON ${database} TO small`)
  }

  it('keeps samples while figures have no place, tells once, and keeps figures when somebody has made it', async () => {
    await give('noplace')
    await using store = await openTelemetryStore(asSmall('noplace'), { log })
    for (let seq = 0; seq < 3; seq += 1) {
      await store.append([statusPoint({ atMs: H + seq, seq })])
      expect(await store.figures(EVERYTHING)).toEqual([])
      await expect(store.putFigures([ROW])).rejects.toMatchObject({
        kind: 'away',
        message: expect.stringContaining(
          `as an administrator run: CREATE RETENTION POLICY "figures" ON "noplace" DURATION ${FIGURES_RETENTION_DAYS + 1}d REPLICATION 1 SHARD DURATION 84d`,
        ) as unknown,
      })
    }
    expect(await store.count(ALL)).toBe(3)
    expect(told).toEqual(['telemetry.notPrepared'])
    const advice = await store.putFigures([ROW]).catch((error: Error) => error.message)
    const statement = /run: (CREATE .*?) \(InfluxDB 2/.exec(advice ?? '')?.[1] ?? ''
    expect(await server.query(statement)).toEqual({ results: [{ statement_id: 0 }] })
    await store.putFigures([ROW])
    expect(await store.figures(EVERYTHING)).toEqual([ROW])
    expect(told).toEqual(['telemetry.notPrepared'])
  })

  it('makes the place itself again where it may, after somebody dropped it', async () => {
    await give('droppedplace')
    await using store = await openTelemetryStore(server.storeUrl('droppedplace'), { log })
    await store.putFigures([ROW])
    await server.query('DROP RETENTION POLICY figures ON droppedplace')
    await store.append([statusPoint({ atMs: H })])
    expect(await store.figures(EVERYTHING)).toEqual([])
    await store.putFigures([ROW])
    expect(await store.figures(EVERYTHING)).toEqual([ROW])
    expect(told).toEqual([])
  })
})

describe('an InfluxDB that has no place for figures', () => {
  it('is asked nothing more before samples because of that', async () => {
    const missing = { status: 200, body: { results: [{ error: 'retention policy not found: figures' }] } }
    await using server = await startAnswering(({ url = '' }) => (/hour/.test(url) ? missing : { status: 204 }))
    await using store = await openTelemetryStore(server.storeUrl, {
      log: { debug() {}, info() {}, warn() {}, error() {} },
    })
    await store.append([statusPoint({ seq: 1 })])
    const before = server.asked.length
    for (let seq = 2; seq < 5; seq += 1) {
      expect(await store.figures(EVERYTHING)).toEqual([])
      await store.append([statusPoint({ seq })])
    }
    const paths = server.asked.slice(before).map(({ line }) => line.split('?')[0])
    expect(paths).toEqual(Array.from({ length: 3 }, () => ['GET /query', 'POST /write']).flat())
  })
})
