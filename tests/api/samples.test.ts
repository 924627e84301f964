import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cursorOf, readSamplesRange } from '#api/sample-cursor'
import { HISTORY_POINTS_MAX, STATE_SILENCE_MS_MAX } from '#contract/history'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { liftId, openWorld, type Json, type World } from './world.ts'

const BEGIN_MS = Date.UTC(2026, 0, 5)
const at = (offsetMs: number) => new Date(BEGIN_MS + offsetMs).toISOString()

let world: World
beforeAll(async () => {
  world = await openWorld()
  await world.telemetry.append(Array.from({ length: 120 }, (_, n) => sampleOf(n)))
})
afterAll(() => world[Symbol.asyncDispose]())

const sampleOf = (n: number, o: Partial<TelemetryPoint> = {}): TelemetryPoint => ({
  measurement: 'status',
  lift: liftId('lift-a1'),
  sampledAtMs: BEGIN_MS + n * 1_000,
  boot: 1,
  seq: n,
  receivedAtMs: BEGIN_MS + n * 1_000 + 50,
  fields: { speedMps: n % 60, doorClosed: n % 60 < 30, carPosition: '2', serviceMode: 1 },
  ...o,
})
const ask = (path: string) => world.ask(`/api/v1/lifts/lift-a1/${path}`, { as: 'alpha' })
const seqsOf = (json: Json): number[] => [...(json['items'] ?? [])].map((item) => Number(item['seq']))

describe('samples', () => {
  const range = `from=${at(0)}&to=${at(180_000)}`

  it('are as they were taken, oldest first, and name the next page', async () => {
    const { status, json } = await ask(`samples?${range}&limit=2`)
    expect(status).toBe(200)
    expect(json).toEqual({
      measurement: 'status',
      from: at(0),
      to: at(180_000),
      next: expect.stringMatching(/^[\w-]+$/) as unknown,
      items: [
        {
          sampledAt: at(0),
          boot: 1,
          seq: 0,
          receivedAt: at(50),
          fields: { speedMps: 0, doorClosed: true, carPosition: '2', serviceMode: 1 },
        },
        {
          sampledAt: at(1_000),
          boot: 1,
          seq: 1,
          receivedAt: at(1_050),
          fields: { speedMps: 1, doorClosed: true, carPosition: '2', serviceMode: 1 },
        },
      ],
    })
    expect((await ask(`samples?${range}`)).json).toMatchObject({ items: { length: 120 }, next: null })
    expect((await ask(`samples?${range}&limit=120`)).json).toMatchObject({ items: { length: 120 }, next: null })
  })

  it('come once each over all pages, while others arrive', async () => {
    const read: number[] = []
    let next: string | null = null
    do {
      const page = await ask(`samples?${next === null ? `${range}&limit=50` : `limit=50&after=${next}`}`)
      expect(page.json).toMatchObject({ from: at(0), to: at(180_000) })
      read.push(...seqsOf(page.json))
      next = page.json['next'] === null ? null : String(page.json['next'])
      // One before what was read, one behind the range, and one in the part that is still to be read.
      const later = 119_500 + read.length
      for (const [seq, atMs] of [
        [1_000, 500],
        [1_001, 200_000],
        [2_000, later],
      ] as const)
        await world.telemetry.append([
          sampleOf(0, { sampledAtMs: BEGIN_MS + atMs, seq: seq + read.length, boot: 2, fields: {} }),
        ])
    } while (next !== null)
    expect(read.filter((seq) => seq < 1_000)).toEqual(Array.from({ length: 120 }, (_, n) => n))
    expect(read.filter((seq) => seq >= 1_000)).toEqual([2_050, 2_100])
  })

  it('without a range keep that of their first page, whatever the clock does meanwhile', async () => {
    const shifted = await openWorld({}, world)
    await using _ = shifted
    shifted.clock.shiftMs = BEGIN_MS + 60_000 - Date.now()
    const first = await shifted.ask('/api/v1/lifts/lift-a1/samples?limit=5', { as: 'alpha' })
    shifted.clock.shiftMs += 7_200_000
    const second = await shifted.ask(`/api/v1/lifts/lift-a1/samples?limit=5&after=${String(first.json['next'])}`, {
      as: 'alpha',
    })
    expect([second.json['from'], second.json['to']]).toEqual([first.json['from'], first.json['to']])
    const both = [first, second].flatMap(({ json }) => seqsOf(json)).filter((seq) => seq < 1_000)
    expect(both.length).toBeGreaterThan(5)
    expect(both).toEqual(both.map((_seq, n) => n))
  })

  it.each([
    'limit=0',
    'limit=5001',
    'limit=NaN',
    'limit=1.5',
    'limit=',
    'measurement=secrets',
    `from=${at(5)}&to=${at(5)}`,
    `from=${at(5)}&to=${at(0)}`,
    'from=2199-01-01T00:00:00Z&to=2199-01-02T00:00:00Z',
    `from=2016-01-01T00:00:00Z&to=${at(0)}`,
    'after=',
    'after=bm90IG91cnM',
  ])('refuse %s with a problem', async (query) => {
    const { status, headers, json } = await ask(`samples?${query}`)
    expect([status, headers['content-type']]).toEqual([400, 'application/problem+json; charset=utf-8'])
    expect(['request.invalid', 'history.badRange', 'history.badCursor']).toContain(json['code'])
  })

  it('refuse the cursor of another lift, measurement or range, which would leave some out in silence', async () => {
    const next = String((await ask(`samples?${range}&limit=2`)).json['next'])
    for (const query of [
      `after=${next}&measurement=statistics`,
      `after=${next}&from=${at(1_000)}`,
      `after=${next}&to=${at(1_000)}`,
      `after=${next.slice(0, -9)}`,
    ])
      expect((await ask(`samples?${query}`)).json, query).toMatchObject({ status: 400, code: 'history.badCursor' })
    const other = await world.ask(`/api/v1/lifts/lift-a2/samples?after=${next}`, { as: 'alpha' })
    expect(other.json).toMatchObject({ status: 400, code: 'history.badCursor' })
    expect((await ask(`samples?after=${next}&${range}&measurement=status`)).status).toBe(200)
  })

  it('know no cursor but their own', () => {
    const given = { lift: 'lift-a1', measurement: undefined, from: undefined, to: undefined, nowMs: BEGIN_MS + 9_000 }
    const good: unknown[] = ['lift-a1', 'status', BEGIN_MS, BEGIN_MS + 9_000, BEGIN_MS + 1, 1, 2]
    const read = (parts: unknown) =>
      readSamplesRange({ ...given, after: Buffer.from(JSON.stringify(parts)).toString('base64url') })
    expect(read(good)).toMatchObject({ ok: true, value: { after: { sampledAtMs: BEGIN_MS + 1, boot: 1, seq: 2 } } })
    const bad: unknown[] = [-1, 1.5, null, '1', 2 ** 60, [], {}, true]
    for (const [index] of good.entries())
      for (const part of bad)
        expect(read(good.with(index, part)), `${index} ${String(part)}`).toMatchObject({ ok: false })
    for (const parts of [
      null,
      {},
      [],
      good.slice(1),
      [...good, 1],
      good.with(4, BEGIN_MS - 1),
      good.with(4, BEGIN_MS + 9_000),
    ])
      expect(read(parts)).toMatchObject({ ok: false, code: 'history.badCursor' })
    fc.assert(
      fc.property(fc.string(), (text) => !readSamplesRange({ ...given, after: text }).ok),
      { numRuns: 500 },
    )
    const whole = { lift: 'lift-a1', measurement: 'message', fromMs: BEGIN_MS, toMs: BEGIN_MS + 9 } as const
    const after = { sampledAtMs: BEGIN_MS + 3, boot: 7, seq: 8 }
    expect(readSamplesRange({ ...given, after: cursorOf(whole, after) })).toEqual({
      ok: true,
      value: { ...whole, after },
    })
  })
})

describe('state spans', () => {
  it('say from when until when a state was what it was, and how long a sample is believed', async () => {
    const { status, json } = await ask(`spans?field=doorClosed&from=${at(10_000)}&to=${at(600_000)}`)
    expect(status).toBe(200)
    expect(json).toEqual({
      field: 'doorClosed',
      measurement: 'status',
      silenceMs: STATE_SILENCE_MS_MAX,
      from: at(10_000),
      to: at(600_000),
      isWhole: true,
      until: at(600_000),
      spans: [
        { from: at(10_000), to: at(30_000), value: true, sampleCount: 20 },
        { from: at(30_000), to: at(60_000), value: false, sampleCount: 30 },
        { from: at(60_000), to: at(90_000), value: true, sampleCount: 30 },
        { from: at(90_000), to: at(119_000 + STATE_SILENCE_MS_MAX), value: false, sampleCount: 30 },
      ],
    })
    const text = await ask(`spans?field=carPosition&from=${at(0)}&to=${at(60_000)}`)
    expect(text.json['spans']).toEqual([{ from: at(0), to: at(60_000), value: '2', sampleCount: 60 }])
    const code = await ask(`spans?field=serviceMode&measurement=status&from=${at(0)}&to=${at(60_000)}`)
    expect(code.json['spans']).toMatchObject([{ value: 1 }])
  })

  it('never foretell a state', async () => {
    await using early = await openWorld({}, world)
    early.clock.shiftMs = BEGIN_MS + 119_500 - Date.now()
    const asked = await early.ask(`/api/v1/lifts/lift-a1/spans?field=carPosition&to=${at(3_600_000)}&from=${at(0)}`, {
      as: 'alpha',
    })
    const [span, ...others] = [...(asked.json['spans'] ?? [])]
    expect(others).toEqual([])
    expect(span?.['to']).toBe(asked.json['to'])
    expect(Date.parse(String(asked.json['to']))).toBeLessThanOrEqual(early.clock.nowMs())
    const soon = new Date(early.clock.nowMs() + 60_000).toISOString()
    const later = await early.ask(`/api/v1/lifts/lift-a1/spans?field=carPosition&from=${soon}&to=${at(3_600_000)}`, {
      as: 'alpha',
    })
    expect(later.json).toMatchObject({ isWhole: true, spans: [] })
  })

  it('that are too many say where to ask on', async () => {
    const flicker = Array.from({ length: HISTORY_POINTS_MAX + 10 }, (_, n) =>
      sampleOf(0, {
        lift: liftId('lift-a2'),
        sampledAtMs: BEGIN_MS + n * 10,
        seq: n,
        fields: { doorZone: n % 2 === 0 },
      }),
    )
    await world.telemetry.append(flicker)
    const spans = (from: string) =>
      world.ask(`/api/v1/lifts/lift-a2/spans?field=doorZone&from=${from}&to=${at(600_000)}`, { as: 'alpha' })
    const first = await spans(at(0))
    expect(first.json).toMatchObject({ isWhole: false, until: at(20_000), spans: { length: HISTORY_POINTS_MAX } })
    const rest = await spans(String(first.json['until']))
    expect(rest.json).toMatchObject({ isWhole: true, spans: { length: 10 } })
    expect(rest.json['spans']?.[0]).toMatchObject({ from: at(20_000), sampleCount: 1 })
  })

  it.each([
    ['a quantity', 'field=speedMps', 'history.unknownField'],
    ['an unknown field', 'field=altitude', 'history.unknownField'],
    ['a name that every object has', 'field=constructor', 'history.unknownField'],
    ['no field', '', 'request.invalid'],
    ['another measurement', 'field=doorClosed&measurement=message', 'request.invalid'],
    ['a bucket', 'field=doorClosed&bucketMs=1000', 'request.invalid'],
    ['a reversed range', `field=doorClosed&from=${at(1)}&to=${at(0)}`, 'history.badRange'],
    ['a range in the future', 'field=doorClosed&from=2199-01-01T00:00:00Z&to=2199-01-02T00:00:00Z', 'history.badRange'],
    ['a huge range', `field=doorClosed&from=2016-01-01T00:00:00Z&to=${at(0)}`, 'history.badRange'],
  ])('refuse %s with a problem', async (_name, query, code) => {
    const { status, headers, json } = await ask(`spans?${query}`)
    expect([status, headers['content-type']]).toEqual([400, 'application/problem+json; charset=utf-8'])
    expect(json['code']).toBe(code)
  })
})
