import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  HISTORY_POINTS_MAX,
  isStateField,
  SPAN_SAMPLES_MAX,
  STATE_SILENCE_MS_MAX,
  type StateSpan,
  type StateValue,
} from '#contract/history'
import { silentLog } from '#contract/log-events'
import { readAnswer } from '#storage/telemetry/influx-ql'
import { newSpanFold, type StateSample } from '#storage/telemetry/spans'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { byPosition, joined, measured, spansOf } from './telemetry-model.ts'
import { PLACES } from './telemetry-places.ts'
import { LIFT, OTHER_LIFT, statusPoint, T0 } from './telemetry-points.ts'

const SILENCE_MS = STATE_SILENCE_MS_MAX
const STATUS = { lift: LIFT, measurement: 'status' } as const
const open = (url: string): Promise<TelemetryStore> => openTelemetryStore(url, { log: silentLog })

/** Random streams with duplicates, disorder, gaps, samples that do not say, and several samples in one millisecond. */
const SAMPLE = fc.record({
  ms: fc.oneof(
    fc.integer({ min: 0, max: 40 }).map((n) => n * 60_000),
    fc.integer({ min: 0, max: 2_400_000 }),
    // Just within the allowed silence, at its end, and just beyond it.
    fc.constantFrom(...[-1, 0, 1].map((more) => 600_000 + SILENCE_MS + more), 600_000),
  ),
  boot: fc.integer({ min: 0, max: 2 }),
  seq: fc.integer({ min: 0, max: 3 }),
  doorClosed: fc.option(fc.boolean(), { nil: undefined }),
  serviceMode: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
  carPosition: fc.option(fc.constantFrom('1', 'B1', '2.5'), { nil: undefined }),
})
const STREAM = fc.array(SAMPLE, { maxLength: 60 })
const QUESTION = fc.record({
  fromMs: fc.integer({ min: -600_000, max: 2_600_000 }),
  lengthMs: fc.oneof(fc.integer({ min: 0, max: 3_000_000 }), fc.integer({ min: 0, max: 200_000 })),
  field: fc.constantFrom('doorClosed', 'serviceMode', 'carPosition'),
  limit: fc.oneof(fc.constant(HISTORY_POINTS_MAX), fc.integer({ min: 1, max: 4 })),
})

describe.each(PLACES)('state spans: $name', (kind) => {
  let place: Awaited<ReturnType<typeof kind.prepare>>
  let lastStore = 0
  const newUrl = (): string => place.newUrl(`spans-${(lastStore += 1)}`)
  beforeAll(async () => {
    place = await kind.prepare()
  })
  afterAll(() => place[Symbol.asyncDispose]())

  const doors = (...states: readonly (readonly [number, boolean])[]): TelemetryPoint[] =>
    states.map(([ms, doorClosed], seq) => statusPoint({ atMs: T0 + ms, seq, fields: { doorClosed } }))
  const asked = { ...STATUS, field: 'doorClosed', fromMs: T0, toMs: T0 + 600_000, limit: HISTORY_POINTS_MAX }

  it('are runs of one value, and end in a gap when nothing is heard for too long', async () => {
    await using store = await open(newUrl())
    await store.append(doors([0, true], [60_000, true], [70_000, false], [80_000, false], [400_000, false]))
    await store.append([statusPoint({ atMs: T0 + 90_000, seq: 9, lift: OTHER_LIFT, fields: { doorClosed: true } })])
    expect(await store.spans(asked)).toEqual({
      isWhole: true,
      untilMs: T0 + 600_000,
      spans: [
        { fromMs: T0, toMs: T0 + 70_000, value: true, sampleCount: 2 },
        { fromMs: T0 + 70_000, toMs: T0 + 80_000 + SILENCE_MS, value: false, sampleCount: 2 },
        { fromMs: T0 + 400_000, toMs: T0 + 400_000 + SILENCE_MS, value: false, sampleCount: 1 },
      ],
    })
  })

  it('begin with the state from before the range while it is believed, and end with the range', async () => {
    await using store = await open(newUrl())
    await store.append(doors([0, false], [60_000, true], [160_000, true]))
    const from = (ms: number, lengthMs: number) =>
      store.spans({ ...asked, fromMs: T0 + ms, toMs: T0 + ms + lengthMs }).then(({ spans }) => spans)
    expect(await from(30_000, 10_000)).toEqual([
      { fromMs: T0 + 30_000, toMs: T0 + 40_000, value: false, sampleCount: 0 },
    ])
    expect(await from(100_000, 100_000)).toEqual([
      { fromMs: T0 + 100_000, toMs: T0 + 200_000, value: true, sampleCount: 1 },
    ])
    expect(await from(160_000 + SILENCE_MS - 1, 10)).toMatchObject([{ toMs: T0 + 160_000 + SILENCE_MS }])
    expect(await from(160_000 + SILENCE_MS, 10)).toEqual([])
  })

  it('have booleans, codes and texts as they were written', async () => {
    await using store = await open(newUrl())
    const fields = { serviceMode: 2, carPosition: 'B1', doorClosed: false, powerSource: '"电池"' }
    await store.append([statusPoint({ fields })])
    for (const [field, value] of Object.entries(fields))
      expect((await store.spans({ ...asked, field })).spans).toMatchObject([{ value, sampleCount: 1 }])
    expect((await store.spans({ ...asked, field: 'overload' })).spans).toEqual([])
  })

  it('that are too many come in parts, which together are what they would have been as one', async () => {
    await using store = await open(newUrl())
    await store.append(Array.from({ length: 9 }, (_, n) => [n * 10_000, n % 2 === 0] as const).flatMap((s) => doors(s)))
    const whole = await store.spans(asked)
    expect(whole).toMatchObject({ isWhole: true, spans: { length: 9 } })
    const first = await store.spans({ ...asked, limit: 4 })
    expect(first).toEqual({ isWhole: false, untilMs: T0 + 40_000, spans: whole.spans.slice(0, 4) })
    const second = await store.spans({ ...asked, limit: 5, fromMs: first.untilMs })
    expect(second).toEqual({ isWhole: true, untilMs: asked.toMs, spans: whole.spans.slice(4) })
  })

  it('are what the definition says, whatever was written and asked', async () => {
    await using store = await open(newUrl())
    let run = 0
    await fc.assert(
      fc.asyncProperty(STREAM, QUESTION, async (stream, { fromMs, lengthMs, field, limit }) => {
        run += 1
        const beginMs = T0 + (run % 2 === 0 ? -run : run) * 10_000_000
        // The same sample never says two things: of two with the same name the first one is written, twice.
        const named = new Map(stream.map((sample) => [`${sample.ms} ${sample.boot} ${sample.seq}`, sample]))
        const points = [...named.values()].map(({ ms, boot, seq, ...fields }) =>
          statusPoint({ atMs: beginMs + ms, boot, seq, fields: measured(fields) }),
        )
        await store.append([...points, ...points.slice(0, 5)])
        await store.append(points.slice(3, 9))
        const range = { fromMs: beginMs + fromMs, toMs: beginMs + fromMs + lengthMs }
        const answer = await store.spans({ ...STATUS, ...range, field, limit })
        const model = spansOf(points, { ...range, field })
        if (answer.isWhole) expect(answer).toEqual({ isWhole: true, untilMs: range.toMs, spans: model })
        else {
          expect(answer.spans).toEqual(model.slice(0, limit))
          expect(answer.untilMs).toBe(model[limit]?.fromMs)
        }
      }),
      { numRuns: 80, seed: 20_261_124 },
    )
  })

  it('of more samples than are read at once are the same', async () => {
    await using store = await open(newUrl())
    // Every millisecond of the second part has several samples, so that a page ends within one.
    const points = Array.from({ length: 12_000 }, (_, n) =>
      statusPoint({
        atMs: T0 + (n < 9_000 ? n * 50 : 9_000 * 50 + Math.floor(n / 7)),
        boot: n % 2,
        seq: n,
        fields: { doorClosed: Math.floor(n / 1_700) % 2 === 0 },
      }),
    )
    for (let from = 0; from < points.length; from += 4_000) await store.append(points.slice(from, from + 4_000))
    const { spans } = await store.spans(asked)
    expect(spans).toEqual(spansOf(points, asked))
    expect(spans.reduce((sum, { sampleCount }) => sum + sampleCount, 0)).toBe(12_000)
  })

  it('are refused for what is no state, and for bounds that are none', async () => {
    await using store = await open(newUrl())
    for (const field of ['speedMps', 'positionMm', 'boot', 'seq', 'passengerCount', 'altitude', 'toString', 'x" --'])
      await expect(store.spans({ ...asked, field }), field).rejects.toThrow(RangeError)
    await expect(store.spans({ ...asked, measurement: 'connection', field: 'state' })).rejects.toThrow(RangeError)
    for (const limit of [0, -1, 1.5, Number.NaN, HISTORY_POINTS_MAX + 1])
      await expect(store.spans({ ...asked, limit }), String(limit)).rejects.toThrow(RangeError)
    await expect(store.spans({ ...asked, fromMs: Number.NaN })).rejects.toThrow(RangeError)
    expect(await store.spans({ ...asked, fromMs: T0 + 9, toMs: T0 })).toMatchObject({ spans: [] })
    const gone = new Error('the asker has gone')
    await expect(store.spans({ ...asked, signal: AbortSignal.abort(gone) })).rejects.toBe(gone)
  })
})

describe.each(PLACES)('pages of points: $name', (kind) => {
  let place: Awaited<ReturnType<typeof kind.prepare>>
  beforeAll(async () => {
    place = await kind.prepare()
  })
  afterAll(() => place[Symbol.asyncDispose]())

  it('give every point once and in order, wherever they end, while points arrive', async () => {
    await using store = await open(place.newUrl('pages'))
    // Crowded milliseconds, and stretches of weeks in which there is nothing.
    const times = [0, 0, 0, 0, 0, 1, 1, 2, 3_599_999, 3_600_000, 3_600_000, 90_000_000, 5_000_000_000, 5_000_000_000]
    // Boots whose order below the millisecond in InfluxDB is not their own.
    const points = times.map((ms, n) => statusPoint({ atMs: T0 + ms, boot: 128 - (n % 3), seq: n, fields: {} }))
    await store.append(points)
    const range = { ...STATUS, fromMs: T0, toMs: T0 + 6_000_000_000 }
    const inOrder = [...points].sort(byPosition)
    for (const limit of [1, 2, 3, 4, 5, 13, 14, 15]) {
      const read: TelemetryPoint[] = []
      for (;;) {
        const after = read.at(-1)
        const page = await store.points({ ...range, limit, ...(after === undefined ? {} : { after }) })
        expect(page.length).toBeLessThanOrEqual(limit)
        if (page.length === 0) break
        read.push(...page)
        // What comes late, behind the reader, changes nothing; the range has an end for what comes ahead of it.
        const late = statusPoint({ atMs: T0 - limit, boot: 1, seq: read.length, fields: {} })
        const ahead = statusPoint({ atMs: range.toMs + limit, boot: 1, seq: read.length, fields: {} })
        await store.append([late, ahead])
      }
      expect(read, `pages of ${limit}`).toEqual(inOrder)
    }
    const middle = { ...range, toMs: T0 + 1, limit: 9 }
    const [first, second] = inOrder
    if (first === undefined || second === undefined) throw new Error('there are points')
    expect(await store.points({ ...middle, after: first })).toEqual(inOrder.slice(1, 5))
    expect(await store.points({ ...middle, fromMs: T0 + 1, toMs: T0 + 2, after: second })).toEqual(inOrder.slice(5, 7))
    for (const wrong of [{ boot: -1 }, { seq: 0.5 }, { sampledAtMs: Number.NaN }])
      await expect(store.points({ ...range, limit: 1, after: { ...first, ...wrong } })).rejects.toThrow(RangeError)
  })
})

describe('the fold of samples into spans', () => {
  const bounds = { fromMs: 1_000, toMs: 9_000, limit: 99, silenceMs: 500, samplesMax: SPAN_SAMPLES_MAX }
  const sample = (atMs: number, value: StateValue | undefined, seq = 0): StateSample => ({ atMs, boot: 0, seq, value })
  const foldOf = (o: Partial<typeof bounds>, samples: readonly StateSample[]) => {
    const fold = newSpanFold({ ...bounds, ...o })
    let takenCount = 0
    for (const each of samples) if (fold.take(each)) takenCount += 1
    return { ...fold.end(), takenCount }
  }

  it('looks at so many samples and no more, and says how far it came', () => {
    const samples = [sample(900, 1), sample(1_100, 1), sample(1_200, undefined), sample(1_300, 2), sample(1_400, 3)]
    const spans = [{ fromMs: 1_000, toMs: 1_300, value: 1, sampleCount: 1 }]
    expect(foldOf({ samplesMax: 3 }, samples)).toMatchObject({ isWhole: false, untilMs: 1_300, spans, takenCount: 3 })
    const more = [...spans, { fromMs: 1_300, toMs: 1_400, value: 2, sampleCount: 1 }]
    expect(foldOf({ samplesMax: 4 }, samples)).toMatchObject({ isWhole: false, untilMs: 1_400, spans: more })
    expect(foldOf({ samplesMax: 5 }, samples)).toMatchObject({ isWhole: true, untilMs: 9_000, spans: { length: 3 } })
  })

  it('leaves a millisecond of which it did not see everything to the next answer', () => {
    const samples = [sample(1_000, 1), sample(1_100, 2, 1), sample(1_100, 3, 2)]
    expect(foldOf({ samplesMax: 2 }, samples)).toMatchObject({
      isWhole: false,
      untilMs: 1_100,
      spans: [{ fromMs: 1_000, toMs: 1_100, value: 1 }],
    })
  })

  it('believes the last sample of a millisecond, in whatever order they come', () => {
    const orders = fc.shuffledSubarray([1, 2, 3, 4], { minLength: 4 })
    fc.assert(
      fc.property(orders, (order) => {
        const { spans } = foldOf({}, [...order.map((seq) => sample(2_000, seq, seq)), sample(2_100, 9)])
        expect(spans[0]).toEqual({ fromMs: 2_000, toMs: 2_100, value: 4, sampleCount: 4 })
      }),
    )
  })

  it('gives in parts what it gives as a whole', () => {
    const stream = fc.array(
      fc.record({ atMs: fc.integer({ min: 0, max: 3_000 }), value: fc.integer({ max: 2, min: 0 }) }),
    )
    const cuts = fc.record({ limit: fc.integer({ min: 1, max: 3 }), samplesMax: fc.integer({ min: 30, max: 60 }) })
    fc.assert(
      fc.property(stream, cuts, (unsorted, cut) => {
        const samples = unsorted.sort((a, b) => a.atMs - b.atMs).map(({ atMs, value }, seq) => sample(atMs, value, seq))
        const parts: StateSpan[] = []
        for (let fromMs = bounds.fromMs; fromMs < bounds.toMs;) {
          const mattering = samples.filter(({ atMs }) => atMs > fromMs - bounds.silenceMs)
          const part = foldOf({ ...cut, fromMs }, mattering)
          if (part.untilMs === fromMs) return // More samples than are looked at, all from before the range.
          parts.push(...part.spans)
          fromMs = part.untilMs
        }
        expect(joined(parts)).toEqual(foldOf({}, samples).spans)
      }),
    )
  })
})

it('an answer that an InfluxDB cut short is not taken for whole', () => {
  const answerOf = (rowCount: number, partial: boolean) =>
    readAnswer({
      results: [{ series: [{ columns: ['time'], values: Array.from({ length: rowCount }, (_, n) => [n]), partial }] }],
    })
  expect(answerOf(3, false)).toMatchObject({ rows: [{ length: 3 }], error: undefined })
  expect(answerOf(3, true).error).toContain('max-row-limit')
  expect(answerOf(10_000, true).error).toContain('max-row-limit')
  // InfluxDB marks whole answers that are longer than this, too.
  expect(answerOf(10_001, true).error).toBeUndefined()
})

it('states are booleans, texts and codes, and no quantities', () => {
  for (const field of [
    'doorClosed',
    'overload',
    'carPosition',
    'powerSource',
    'serviceMode',
    'floorIndex',
    'doorStatus',
  ])
    expect(isStateField(field), field).toBe(true)
  for (const field of ['positionMm', 'rssiDbm', 'speedMps', 'boot', 'constructor', 'runCount', 'snapshot'])
    expect(isStateField(field), field).toBe(false)
})
