import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '#contract/log-events'
import { toLine, toNanoseconds } from '#storage/telemetry/influx-line'
import { openTelemetryStore, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { startAnswering } from '../servers/answering.ts'
import { freePort } from '../servers/free-port.ts'
import { startInflux, type InfluxServer } from '../servers/influx.ts'
import { LIFT, statusPoint, T0 } from './telemetry-points.ts'

const ALL = { lift: LIFT, measurement: 'status', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER } as const
const open = (url: string): Promise<TelemetryStore> => openTelemetryStore(url, { log: silentLog })

describe('InfluxDB 1.x as telemetry store', () => {
  let server: InfluxServer
  beforeAll(async () => {
    server = await startInflux({ auth: true })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it('opens without a server, says that it is away, and works once the server is there', async () => {
    const port = await freePort()
    await using store = await open(`influx+http://127.0.0.1:${port}/lifts`)
    const message = `InfluxDB at 127.0.0.1:${port} cannot be used: nothing listens there (connection refused)`
    await expect(store.append([statusPoint({})])).rejects.toMatchObject({ kind: 'away', message })
    await expect(store.check()).rejects.toMatchObject({ kind: 'away', message })
    await expect(store.count(ALL)).rejects.toMatchObject({ kind: 'away', message })
  })

  it('is away while the server is stopped, and has everything that was acknowledged when it is back', async () => {
    await using store = await open(server.storeUrl('outage'))
    await store.append([statusPoint({ seq: 1 })])
    await server.stop('SIGKILL')
    try {
      await expect(store.append([statusPoint({ atMs: T0 + 1, seq: 2 })])).rejects.toMatchObject({ kind: 'away' })
      await expect(store.check()).rejects.toMatchObject({ kind: 'away' })
    } finally {
      await server.start()
    }
    await store.check()
    await store.append([statusPoint({ seq: 1 }), statusPoint({ atMs: T0 + 1, seq: 2 })])
    expect((await store.points({ ...ALL, limit: 9 })).map((point) => point.seq)).toEqual([1, 2])
  })

  it('makes its database again after somebody dropped it', async () => {
    await using store = await open(server.storeUrl('dropped'))
    await store.append([statusPoint({ seq: 1 })])
    await server.query('DROP DATABASE dropped')
    await expect(store.append([statusPoint({ seq: 2 })])).rejects.toMatchObject({ kind: 'away' })
    await store.append([statusPoint({ seq: 2 })])
    expect(await store.count(ALL)).toBe(1)
    await server.query('DROP DATABASE dropped')
    expect(await store.count(ALL)).toBe(0)
    await store.check()
  })

  it('keeps the name of the database, however odd', async () => {
    await using store = await open(server.storeUrl(`电梯 "1" x's`))
    await store.append([statusPoint({})])
    expect(await store.count(ALL)).toBe(1)
    expect(JSON.stringify(await server.query('SHOW DATABASES'))).toContain(JSON.stringify(`电梯 "1" x's`))
  })

  it('is away with a hint when the password is wrong, and never shows it', async () => {
    const url = server.storeUrl('lifts').replace(/:[^:@]*@/, ':not-the-password@')
    await using store = await open(url)
    for (const ask of [() => store.check(), () => store.append([statusPoint({})]), () => store.count(ALL)]) {
      const error = await ask().then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toMatchObject({
        kind: 'away',
        message: expect.stringMatching(
          /does not let us in \(check the user, password or token in TELEMETRY_URL\): 401/,
        ) as unknown,
      })
      expect(JSON.stringify(error)).not.toContain('not-the-password')
    }
  })

  it('writes where a user may write who has no right to make databases', async () => {
    for (const question of [
      'CREATE DATABASE given',
      `CREATE USER small WITH PASSWORD 'small'`,
      'GRANT ALL ON given TO small',
    ])
      await server.query(question)
    await using store = await open(server.storeUrl('given').replace(/\/\/[^@]*@/, '//small:small@'))
    await store.check()
    await store.append([statusPoint({})])
    expect(await store.count(ALL)).toBe(1)
    await using elsewhere = await open(server.storeUrl('notgiven').replace(/\/\/[^@]*@/, '//small:small@'))
    await expect(elsewhere.append([statusPoint({})])).rejects.toMatchObject({ kind: 'away' })
  })

  it('refuses points whose field has another type in the database', async () => {
    await using store = await open(server.storeUrl('conflict'))
    await store.check()
    const { name, password } = (await import('../servers/influx.ts')).INFLUX_USER
    const authorization = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
    const body = `status,lift=${LIFT} speedMps="fast" ${T0}000000`
    const written = await fetch(`${server.url}/write?db=conflict`, { method: 'POST', body, headers: { authorization } })
    expect(written.status).toBe(204)
    await expect(store.append([statusPoint({})])).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('field type conflict') as unknown,
    })
    await store.append([statusPoint({ fields: { doorClosed: true } })])
  })

  it('keeps the types that people see: booleans, floats, integers, one tag', async () => {
    await using store = await open(server.storeUrl('types'))
    await store.append([statusPoint({ fields: { speedMps: 1, floorIndex: 2, doorClosed: true, carPosition: '3' } })])
    const fields = JSON.stringify(await server.query('SHOW FIELD KEYS', 'types'))
    for (const pair of [
      '["speedMps","float"]',
      '["floorIndex","integer"]',
      '["doorClosed","boolean"]',
      '["carPosition","string"]',
      '["seq","integer"]',
    ]) {
      expect(fields).toContain(pair)
    }
    expect(await server.query('SHOW TAG KEYS', 'types')).toMatchObject({
      results: [{ series: [{ values: [['lift']] }] }],
    })
  })
})

describe('what an answer of InfluxDB means', () => {
  it.each([
    [204, 'taken'],
    [200, 'away'],
    [201, 'refused'],
    [302, 'away'],
    [400, 'refused'],
    [401, 'away'],
    [403, 'away'],
    [404, 'away'],
    [413, 'refused'],
    [422, 'refused'],
    [429, 'away'],
    [500, 'away'],
    [503, 'away'],
  ])('%i to a write: the points are %s', async (status, meaning) => {
    await using server = await startAnswering(({ url }) => ({
      status: url?.startsWith('/write') === true ? status : 204,
    }))
    await using store = await open(server.storeUrl)
    const outcome = await store.append([statusPoint({})]).then(
      () => 'taken',
      (error: { kind: string }) => error.kind,
    )
    expect(outcome).toBe(meaning)
  })

  it('is away after 10 s without an answer', async () => {
    await using server = await startAnswering(({ url }) =>
      url?.startsWith('/ping') === true ? { status: 204 } : undefined,
    )
    await using store = await open(server.storeUrl)
    const beganAt = performance.now()
    await expect(store.count(ALL)).rejects.toMatchObject({
      kind: 'away',
      message: expect.stringMatching(/no answer within 10000 ms/) as unknown,
    })
    expect(performance.now() - beganAt).toBeLessThan(12_000)
  })

  it('makes bucket and mapping of a 2.x server with the token, once', async () => {
    await using server = await startAnswering(({ method, url = '' }) => {
      if (url.startsWith('/ping')) return { status: 204, headers: { 'x-influxdb-version': 'v2.7.1' } }
      if (url.startsWith('/api/v2/orgs')) return { status: 200, body: { orgs: [{ id: 'org-1' }] } }
      if (url.startsWith('/api/v2/') && method === 'GET') return { status: 200, body: {} }
      return url.startsWith('/api/v2/') ? { status: 201, body: { id: 'bucket-1' } } : { status: 204 }
    })
    await using store = await open(`${server.storeUrl}?org=town&token=secret`)
    await store.append([statusPoint({})])
    await store.append([statusPoint({ seq: 2 })])
    expect(server.asked.map(({ line }) => line.replace(/&precision=ns/, ''))).toEqual([
      'GET /ping',
      'GET /api/v2/orgs?org=town',
      'GET /api/v2/buckets?orgID=org-1&name=lifts',
      'POST /api/v2/buckets',
      'GET /api/v2/buckets?orgID=org-1&name=lifts%2Ffigures',
      'POST /api/v2/buckets',
      'GET /api/v2/dbrps?orgID=org-1&db=lifts',
      'POST /api/v2/dbrps',
      'POST /api/v2/dbrps',
      'POST /write?db=lifts',
      'POST /write?db=lifts',
    ])
    expect(new Set(server.asked.map(({ authorization }) => authorization))).toEqual(new Set(['Token secret']))
  })
})

describe('address and line', () => {
  it.each([
    ['influx+http://', /TELEMETRY_URL has to look like/],
    ['influx+http://host:8086', /name of one database/],
    ['influx+http://host:8086/a/b', /name of one database/],
    ['influx+http://user:se%zzcret@host:port/lifts', /this is not a URL/],
  ])('%s is refused with a sentence', async (url, sentence) => {
    await expect(open(url)).rejects.toThrow(sentence)
    await expect(open(url)).rejects.not.toThrow(/cret/)
  })

  it('gives the same sample the same nanosecond within its millisecond, and different samples of a boot different ones', () => {
    const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9_223_372_036_853 }),
        uint32,
        uint32,
        fc.integer({ min: 1, max: 999_999 }),
        (sampledAtMs, boot, seq, step) => {
          const time = BigInt(toNanoseconds({ sampledAtMs, boot, seq }))
          expect(time / 1_000_000n).toBe(BigInt(sampledAtMs))
          expect(time).toBe(BigInt(toNanoseconds({ sampledAtMs, boot, seq })))
          expect(time).not.toBe(BigInt(toNanoseconds({ sampledAtMs, boot, seq: seq + step })))
          expect(time).not.toBe(BigInt(toNanoseconds({ sampledAtMs, boot: boot + 1, seq })))
        },
      ),
    )
  })

  it('writes one sample as one line', () => {
    const point = statusPoint({
      seq: 5,
      fields: { speedMps: 1, floorIndex: 2, doorClosed: false, carPosition: 'a"\\b' },
    })
    expect(toLine(point)).toBe(
      `status,lift=meilin-03-2 boot=17i,seq=5i,receivedAtMs=${T0 + 40}i` +
        `,carPosition="a\\"\\\\b",floorIndex=2i,doorClosed=false,speedMps=1 ${T0}134628`,
    )
  })
})
