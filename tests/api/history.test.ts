import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openQuestions } from '#api/store-questions'
import { HISTORY_POINTS_MAX } from '#contract/history'
import { TelemetryStoreError } from '#storage/telemetry/telemetry-store'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { liftId, openWorld, type World } from './world.ts'

const BEGIN_MS = Date.UTC(2026, 0, 5)
const at = (offsetMs: number) => new Date(BEGIN_MS + offsetMs).toISOString()
const ahead = (ms: number) => new Date(Date.now() + ms).toISOString()

let world: World
beforeAll(async () => {
  world = await openWorld()
  await world.telemetry.append(
    Array.from({ length: 120 }, (_, second) => ({
      measurement: 'status' as const,
      lift: liftId('lift-a1'),
      sampledAtMs: BEGIN_MS + second * 1_000,
      boot: 1,
      seq: second,
      receivedAtMs: BEGIN_MS + second * 1_000 + 50,
      fields: {
        boot: 1,
        seq: second,
        receivedAtMs: BEGIN_MS + second * 1_000 + 50,
        speedMps: second % 60,
        doorClosed: second % 2 === 0,
        carPosition: '2',
      },
    })),
  )
})
afterAll(() => world[Symbol.asyncDispose]())

const history = (query: string) =>
  world.ask(`/api/v1/lifts/lift-a1/history?${query}`, { as: 'alpha', headers: { 'accept-language': 'en' } })

describe('history', () => {
  it('answers minimum, maximum, mean, last and count per bucket, with the unit and the range it speaks of', async () => {
    const { status, json } = await history(`field=speedMps&from=${at(0)}&to=${at(180_000)}&bucketMs=60000`)
    expect(status).toBe(200)
    expect(json).toEqual({
      field: 'speedMps',
      measurement: 'status',
      unit: 'm/s',
      bucketMs: 60_000,
      from: at(0),
      to: at(180_000),
      points: [
        { at: at(0), min: 0, max: 59, mean: 29.5, last: 59, count: 60 },
        { at: at(60_000), min: 0, max: 59, mean: 29.5, last: 59, count: 60 },
      ],
    })
  })

  it('chooses a bucket that keeps the answer within its bound, whatever the range', async () => {
    const { json } = await history(`field=doorClosed&from=${at(-4 * 365 * 86_400_000)}&to=${at(180_000)}`)
    expect(Number(json['bucketMs'])).toBeGreaterThanOrEqual((4 * 365 * 86_400_000) / HISTORY_POINTS_MAX)
    expect(json['points']).toMatchObject([{ min: 0, max: 1, count: 120 }])
    expect((await history(`field=doorClosed&from=${at(0)}&to=${at(60_000)}`)).json['bucketMs']).toBe(1_000)
  })

  it.each([
    ['a reversed range', `field=speedMps&from=${at(1)}&to=${at(0)}`, 'history.badRange'],
    ['a range of ten years', `field=speedMps&from=${at(-10 * 366 * 86_400_000)}&to=${at(0)}`, 'history.badRange'],
    ['no instant', 'field=speedMps&from=yesterday', 'history.badRange'],
    ['a range in the future', `field=speedMps&from=${ahead(6 * 60_000)}&to=${ahead(3_600_000)}`, 'history.badRange'],
    ['an hour that no day has', 'field=speedMps&from=2026-01-05T24:00:00Z', 'history.badRange'],
    ['a range that is NaN', 'field=speedMps&from=NaN&to=NaN', 'history.badRange'],
    ['a bucket that is NaN', 'field=speedMps&bucketMs=NaN', 'request.invalid'],
    ['an endless bucket', 'field=speedMps&bucketMs=Infinity', 'request.invalid'],
    [
      'more buckets than an answer holds',
      `field=speedMps&from=${at(0)}&to=${at(86_400_000)}&bucketMs=1`,
      'history.badRange',
    ],
    ['an unknown field', 'field=altitude', 'history.unknownField'],
    ['a field of another measurement', 'field=energyKWh', 'history.unknownField'],
    ['a text field', 'field=carPosition', 'history.unknownField'],
    ['a name that every object has', 'field=constructor', 'history.unknownField'],
    ['a field that is a query', `field=${encodeURIComponent('speedMps") FROM x; --')}`, 'history.unknownField'],
    ['bucket 0', 'field=speedMps&bucketMs=0', 'request.invalid'],
    ['a negative bucket', 'field=speedMps&bucketMs=-5', 'request.invalid'],
    ['half a bucket', 'field=speedMps&bucketMs=1.5', 'request.invalid'],
    ['a bucket that is a word', 'field=speedMps&bucketMs=true', 'request.invalid'],
    ['no bucket at all', 'field=speedMps&bucketMs=', 'request.invalid'],
    ['two fields', 'field=speedMps&field=loadKg', 'request.invalid'],
    ['no field', '', 'request.invalid'],
    ['a measurement that has no history', 'field=code&measurement=message', 'request.invalid'],
    ['an unknown parameter', 'field=speedMps&sql=1', 'request.invalid'],
  ])('refuses %s with a problem', async (_name, query, code) => {
    const { status, headers, json } = await history(query)
    expect(status).toBe(400)
    expect(headers['content-type']).toContain('application/problem+json')
    expect(json).toMatchObject({
      status: 400,
      code,
      type: `urn:tiwang:problem:${code}`,
      instance: '/api/v1/lifts/lift-a1/history',
    })
  })
})

describe('a telemetry store that is away', () => {
  const away = async () => {
    throw new TelemetryStoreError('away', 'connect ECONNREFUSED 10.1.2.3:8086')
  }

  it('makes history a problem of its own, without a word about the inner network, and leaves the rest alone', async () => {
    await using broken = await openWorld(
      {
        telemetry: {
          ...{ history: away, spans: away, points: away, count: away, figures: away, sums: away },
          check: away,
        },
        checks: [{ part: 'telemetry', check: away }],
      },
      world,
    )
    const answer = await broken.ask('/api/v1/lifts/lift-a1/history?field=speedMps', { as: 'alpha' })
    expect(answer.json).toMatchObject({ status: 503, code: 'store.away' })
    expect(answer.text).not.toContain('10.1.2.3')
    expect(answer.headers['retry-after']).toBe('5')
    expect((await broken.ask('/api/v1/lifts/lift-a1', { as: 'alpha' })).status).toBe(200)
    const ready = await broken.ask('/readyz')
    expect([ready.status, ready.json]).toMatchObject([
      503,
      { status: 'unavailable', degraded: [{ part: 'telemetry' }] },
    ])
    expect(ready.text).not.toContain('10.1.2.3')
  })
})

describe('questions to a store', () => {
  const asker = () => new EventEmitter() as ServerResponse

  it('end when the store does not answer in time', async () => {
    const questions = openQuestions({ questionMsMax: 20 })
    let signal: AbortSignal | undefined
    const asked = questions.ask(asker(), (given) => {
      signal = given
      return new Promise(() => {})
    })
    await expect(asked).rejects.toMatchObject({ code: 'store.away' })
    expect(signal?.aborted).toBe(true)
  })

  it('end when the asker has gone', async () => {
    const gone = asker()
    const asked = openQuestions().ask(gone, () => new Promise(() => {}))
    gone.emit('close')
    await expect(asked).rejects.toThrow('gone')
  })

  it('are refused beyond their bound, and taken again when one is done', async () => {
    const questions = openQuestions({ questionsMax: 1 })
    let finish: (value: number) => void = () => {}
    const first = questions.ask(asker(), () => new Promise<number>((resolve) => (finish = resolve)))
    await expect(questions.ask(asker(), async () => 2)).rejects.toMatchObject({ code: 'request.tooMany' })
    finish(1)
    expect(await first).toBe(1)
    expect(await questions.ask(asker(), async () => 3)).toBe(3)
  })
})
