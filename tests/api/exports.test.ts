import { request as httpRequest, type IncomingMessage } from 'node:http'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { csvCell, EXPORT_FORMATS } from '#api/export-formats'
import { MEASUREMENTS } from '#contract/history'
import { silentLog } from '#contract/log-events'
import {
  BATCH_POINTS_MAX,
  openTelemetryStore,
  TelemetryStoreError,
  type TelemetryPoint,
} from '#storage/telemetry/telemetry-store'
import { INFLUX_USER, startInflux } from '../servers/influx.ts'
import { liftId, openWorld, type Who, type World } from './world.ts'

const BEGIN_MS = Date.UTC(2026, 0, 5)
const COUNT = 12_000
const at = (offsetMs: number) => new Date(BEGIN_MS + offsetMs).toISOString()
const RANGE = `from=${at(0)}&to=${at(COUNT * 1_000)}`
const TEXTS = ['B1', '-1', '=1+1', '2.5', '三"', ',\n', '＝1']

const sampleOf = (n: number): TelemetryPoint => ({
  measurement: 'status',
  lift: liftId('lift-a1'),
  sampledAtMs: BEGIN_MS + n * 1_000,
  boot: 1,
  seq: n,
  receivedAtMs: BEGIN_MS + n * 1_000 + 50,
  fields: { speedMps: -0.5, positionMm: 6_820, doorClosed: n % 2 === 0, carPosition: TEXTS[n % TEXTS.length] ?? '' },
})

let world: World
beforeAll(async () => {
  world = await openWorld({ exportLimits: { pageSamples: 500 } })
  const points = Array.from({ length: COUNT }, (_, n) => sampleOf(n))
  for (let from = 0; from < COUNT; from += BATCH_POINTS_MAX)
    await world.telemetry.append(points.slice(from, from + BATCH_POINTS_MAX))
})
afterAll(() => world[Symbol.asyncDispose]())

type Received = { headers: IncomingMessage['headers']; status: number; bytes: Buffer; isComplete: boolean }
type Begun = { answer: IncomingMessage; received: Promise<Received>; leave(): void }

/** Asks for an export and tells, when its transfer is over, whether it came to its end. Unread until `received` is taken. */
async function begin(from: World, query: string, o: { as?: Who; gzip?: boolean } = {}): Promise<Begun> {
  const headers = { cookie: await from.signIn(o.as ?? 'alpha'), ...(o.gzip ? { 'accept-encoding': 'gzip' } : {}) }
  const url = new URL(`/api/v1/lifts/lift-a1/export?${query}`, from.api.url)
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest(url, { headers, agent: false }, resolve).on('error', reject).end()
  })
  return {
    answer,
    leave: () => answer.destroy(),
    get received() {
      return new Promise<Received>((resolve) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {})
        answer.on('close', () =>
          resolve({
            headers: answer.headers,
            status: answer.statusCode ?? 0,
            bytes: Buffer.concat(chunks),
            isComplete: answer.complete,
          }),
        )
      })
    },
  }
}
const whole = async (from: World, query: string, o: { as?: Who; gzip?: boolean } = {}) =>
  (await begin(from, query, o)).received

/** Rows of cells, as RFC 4180 says. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]]
  for (const [, quoted, plain, border] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1)?.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'))
    if (border === '\r\n') rows.push([])
  }
  return rows.filter((row) => row.length > 1)
}

describe('export as CSV', () => {
  it('has every sample of the range, a header with units, and what Excel needs to read it', async () => {
    const { status, headers, bytes, isComplete } = await whole(world, RANGE)
    expect([status, isComplete]).toEqual([200, true])
    expect(headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': 'attachment; filename="lift-a1-status-20260105T000000Z-20260105T032000Z.csv"',
      'x-total-count': String(COUNT),
      'cache-control': 'no-store',
    })
    expect([...bytes.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf])
    const [header = [], ...rows] = readCsv(bytes.subarray(3).toString())
    expect(header.slice(0, 7)).toEqual([
      ...['lift', 'sampledAt [UTC]', 'sampledAt [Asia/Shanghai]', 'boot', 'seq', 'receivedAt [UTC]', 'serviceMode'],
    ])
    expect(header).toEqual(expect.arrayContaining(['positionMm [mm]', 'speedMps [m/s]', 'carPosition']))
    expect(rows.length).toBe(COUNT)
    expect(new Set(rows.map((row) => row.length))).toEqual(new Set([header.length]))
    const cells = (row: number) => Object.fromEntries(header.map((name, column) => [name, rows[row]?.[column]]))
    expect(cells(2)).toMatchObject({
      lift: 'lift-a1',
      'sampledAt [UTC]': at(2_000),
      'sampledAt [Asia/Shanghai]': '2026-01-05 08:00:02.000',
      seq: '2',
      'speedMps [m/s]': '-0.5',
      doorClosed: 'true',
      carPosition: "'=1+1",
      'loadKg [kg]': '',
    })
    expect(rows.map((row) => row[header.indexOf('seq')])).toEqual(Array.from({ length: COUNT }, (_, n) => String(n)))
    expect([0, 1, 4, 5, 6].map((row) => cells(row)['carPosition'])).toEqual(['B1', '-1', '三"', ',\n', "'＝1"])
  })

  it('is compressed for those who take it, and is the same file', async () => {
    const plain = await whole(world, RANGE)
    const packed = await whole(world, RANGE, { gzip: true })
    expect(packed).toMatchObject({
      isComplete: true,
      headers: { 'content-encoding': 'gzip', 'x-total-count': '12000' },
    })
    expect(gunzipSync(packed.bytes).equals(plain.bytes)).toBe(true)
  })

  it('of a range without samples is a header alone', async () => {
    const { bytes, headers } = await whole(world, `from=${at(-5_000)}&to=${at(0)}&measurement=message`)
    expect(readCsv(bytes.toString().slice(1))).toHaveLength(1)
    expect(headers['x-total-count']).toBe('0')
  })

  it('makes a cell of any text, which comes back as it was and is never run', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(...TEXTS, '@a', '\t=1', '+1', '-1+2', '', ' x', ';='),
    )
    fc.assert(
      fc.property(fc.array(text, { minLength: 2, maxLength: 5 }), (texts) => {
        const [cells = []] = readCsv(`${texts.map(csvCell).join(',')}\r\n`)
        for (const [index, cell] of cells.entries()) {
          expect(cell).not.toMatch(/^[=@\t\r\n＝＋－＠]/)
          if (/^[+-]/.test(cell)) expect(Number.isFinite(Number(cell)), cell).toBe(true)
          const given = texts[index] ?? ''
          expect([given, `'${given}`]).toContain(cell)
        }
        expect(cells).toHaveLength(texts.length)
      }),
    )
    expect([undefined, 0, -1, true, false].map(csvCell)).toEqual(['', '0', '-1', 'true', 'false'])
  })
})

describe('export as line protocol', () => {
  it('becomes the same samples in an InfluxDB that it is written to', async () => {
    const { bytes, headers } = await whole(world, `${RANGE}&format=line-protocol`)
    expect(headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': expect.stringContaining('.lp"') as unknown,
    })
    await using server = await startInflux({ auth: true })
    await using copy = await openTelemetryStore(server.storeUrl('copy'), { log: silentLog })
    await copy.append([])
    await server.query('CREATE DATABASE copy')
    const authorization = `Basic ${Buffer.from(`${INFLUX_USER.name}:${INFLUX_USER.password}`).toString('base64')}`
    const written = await fetch(`${server.url}/write?db=copy`, {
      method: 'POST',
      body: new Uint8Array(bytes),
      headers: { authorization },
    })
    expect(written.status).toBe(204)
    const query = {
      ...({ lift: liftId('lift-a1'), measurement: 'status', limit: COUNT + 1 } as const),
      ...{ fromMs: BEGIN_MS, toMs: BEGIN_MS + COUNT * 1_000 },
    }
    expect(await copy.points(query)).toEqual(await world.telemetry.points(query))
  })

  it('has a name for every measurement', async () => {
    for (const measurement of Object.keys(MEASUREMENTS))
      for (const format of Object.keys(EXPORT_FORMATS)) {
        const answer = await whole(world, `from=${at(0)}&to=${at(9)}&measurement=${measurement}&format=${format}`)
        expect([answer.status, answer.headers['content-disposition']]).toEqual([
          200,
          expect.stringContaining(`lift-a1-${measurement}-`),
        ])
      }
  })
})

describe('an export', () => {
  it.each([
    ['a reversed range', `from=${at(1)}&to=${at(0)}`, 400, 'history.badRange'],
    ['a huge range', `from=2016-01-01T00:00:00Z&to=${at(0)}`, 400, 'history.badRange'],
    ['a range in the future', 'from=2199-01-01T00:00:00Z&to=2199-01-02T00:00:00Z', 400, 'history.badRange'],
    ['a format that there is not', `${RANGE}&format=parquet`, 400, 'request.invalid'],
    ['a measurement that there is not', `${RANGE}&measurement=secrets`, 400, 'request.invalid'],
    ['a limit', `${RANGE}&limit=5`, 400, 'request.invalid'],
  ])('refuses %s with a problem', async (_name, query, status, code) => {
    const answer = await world.ask(`/api/v1/lifts/lift-a1/export?${query}`, { as: 'alpha' })
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.json).toMatchObject({ status, code })
    expect(answer.headers['content-disposition']).toBeUndefined()
  })

  it('has no head, which would read the whole range for nothing', async () => {
    const answer = await world.ask(`/api/v1/lifts/lift-a1/export?${RANGE}`, { as: 'alpha', method: 'HEAD' })
    expect(answer.status).toBe(404)
  })

  it('reads no further than whoever asked reads, and stops when they leave', async () => {
    // 24 MB, of which only a part fits into the buffers on the way.
    const snapshot = 'x'.repeat(4_000)
    const messages = Array.from({ length: 6_000 }, (_, n): TelemetryPoint => {
      return { ...sampleOf(n), measurement: 'message', fields: { id: `m-${n}`, snapshot } }
    })
    for (const from of [0, 2_000, 4_000]) await world.telemetry.append(messages.slice(from, from + 2_000))
    let pageCount = 0
    const counting = withPoints((query) => {
      pageCount += 1
      return world.telemetry.points(query)
    })
    await using slow = await openWorld({ telemetry: counting, exportLimits: { pageSamples: 500 } }, world)
    const begun = await begin(slow, `${RANGE}&measurement=message`)
    const stoppedAt = await settled(() => pageCount)
    expect(stoppedAt).toBeLessThan(12)
    begun.leave()
    await until(async () => (await endingsOf(slow))['left'] === 1)
    expect(pageCount).toBe(stoppedAt)
    expect((await whole(slow, `${RANGE}&measurement=message`)).bytes.length).toBeGreaterThan(24_000_000)
    await until(async () => (await endingsOf(slow))['complete'] === 1)
  })

  it('that breaks off is never ended as if it were complete', async () => {
    for (const gzip of [false, true]) {
      let pageCount = 0
      const breaking = withPoints(async (query) => {
        pageCount += 1
        if (pageCount > 3) throw new TelemetryStoreError('away', 'connect ECONNREFUSED 10.1.2.3:8086')
        return world.telemetry.points(query)
      })
      await using broken = await openWorld({ telemetry: breaking, exportLimits: { pageSamples: 500 } }, world)
      const { status, isComplete, headers } = await whole(broken, RANGE, { gzip })
      expect([status, isComplete, headers['content-length']], `gzip ${gzip}`).toEqual([200, false, undefined])
      await until(async () => (await endingsOf(broken))['failed'] === 1)
      // Its place is free again, and what fails before the first byte is a problem with a code.
      const again = await broken.ask(`/api/v1/lifts/lift-a1/export?${RANGE}`, { as: 'alpha' })
      expect(again.json).toMatchObject({ status: 503, code: 'store.away' })
      expect(again.headers['content-disposition']).toBeUndefined()
      expect(again.text).not.toContain('10.1.2.3')
    }
  })

  it('waits for no place: beyond the bound it is refused, and taken again when one has ended', async () => {
    const limits = { exportsMax: 3, exportsOfOneMax: 2, pageSamples: 500 }
    await using busy = await openWorld({ telemetry: hanging(), exportLimits: limits }, world)
    const refusedTo = async (as: Who) => {
      const answer = await busy.ask(`/api/v1/lifts/lift-a1/export?${RANGE}`, { as })
      expect(answer.headers['retry-after']).toBe('30')
      return [answer.json['status'], answer.json['code']]
    }
    const mine = [await begin(busy, RANGE), await begin(busy, RANGE)]
    expect(await refusedTo('alpha')).toEqual([429, 'export.tooMany'])
    const other = await begin(busy, RANGE, { as: 'operator' })
    expect(await refusedTo('admin')).toEqual([429, 'export.tooMany'])
    // Charts are not in their way.
    const chart = await busy.ask(`/api/v1/lifts/lift-a1/history?field=speedMps&${RANGE}`, { as: 'alpha' })
    expect(chart.status).toBe(200)
    mine[0]?.leave()
    await until(async () => (await endingsOf(busy))['left'] === 1)
    const next = await begin(busy, RANGE, { as: 'admin' })
    expect(next.answer.statusCode).toBe(200)
    for (const begun of [...mine, other, next]) begun.leave()
    await until(async () => (await endingsOf(busy))['left'] === 4)
  })

  it('that takes too long is cut', async () => {
    await using slow = await openWorld(
      { telemetry: hanging(), exportLimits: { exportMsMax: 300, pageSamples: 500 } },
      world,
    )
    expect((await whole(slow, RANGE)).isComplete).toBe(false)
  })

  it('under way does not keep the server from stopping, and is seen to be incomplete', async () => {
    const stopping = await openWorld({ telemetry: hanging(), exportLimits: { pageSamples: 500 } }, world)
    const begun = await begin(stopping, RANGE)
    const received = begun.received
    await stopping[Symbol.asyncDispose]()
    expect((await received).isComplete).toBe(false)
  })
})

type Points = World['telemetry']['points']
/** The real store, but for its raw points. */
const withPoints = (points: Points) => ({ ...world.telemetry, points })
/** A store that gives its first page and then no other, which keeps exports open. */
const hanging = () =>
  withPoints((query) => (query.after === undefined ? world.telemetry.points(query) : new Promise(() => {})))

async function endingsOf(from: World): Promise<Record<string, number>> {
  const metric = await from.metrics.getSingleMetric('tiwang_api_exports_total')?.get()
  return Object.fromEntries((metric?.values ?? []).map(({ labels, value }) => [String(labels['ending']), value]))
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const untilMs = Date.now() + 10_000
  while (!(await holds())) {
    if (Date.now() > untilMs) throw new Error('it did not happen within 10 s')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The number, when it has not changed for half a second. */
async function settled(read: () => number): Promise<number> {
  for (let before = -1, sameCount = 0; ;) {
    sameCount = read() === before ? sameCount + 1 : 0
    before = read()
    if (sameCount === 25) return before
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
