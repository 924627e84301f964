import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MEASUREMENTS } from '#contract/history'
import { silentLog } from '#contract/log-events'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { historyOf, measured, rounded } from './telemetry-model.ts'
import { PLACES } from './telemetry-places.ts'
import { LIFT, OTHER_LIFT, statusPoint, T0 } from './telemetry-points.ts'

const ALL = { lift: LIFT, measurement: 'status', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER } as const
const open = (url: string): Promise<TelemetryStore> => openTelemetryStore(url, { log: silentLog })

describe.each(PLACES)('telemetry store: $name', (kind) => {
  let place: Awaited<ReturnType<typeof kind.prepare>>
  let lastStore = 0
  const newUrl = (): string => place.newUrl(`store-${(lastStore += 1)}`)
  beforeAll(async () => {
    place = await kind.prepare()
  })
  afterAll(() => place[Symbol.asyncDispose]())

  it('is empty before anything was written', async () => {
    await using store = await open(newUrl())
    await store.check()
    expect(await store.points({ ...ALL, limit: 10 })).toEqual([])
    expect(await store.history({ ...ALL, fromMs: T0, toMs: T0 + 1_000, field: 'speedMps', bucketMs: 10 })).toEqual([])
    expect(await store.count(ALL)).toBe(0)
    await store.append([])
  })

  it('returns samples of one lift from the first instant up to, not including, the last, oldest first', async () => {
    await using store = await open(newUrl())
    const points = [3, 1, 2, 0, 4].map((n) => statusPoint({ atMs: T0 + n * 1_000, seq: n }))
    const stranger = statusPoint({ atMs: T0 + 2_000, seq: 2, lift: OTHER_LIFT })
    await store.append([...points, stranger])
    const range = { ...ALL, fromMs: T0 + 1_000, toMs: T0 + 4_000 }
    expect(await store.points({ ...range, limit: 100 })).toEqual([points[1], points[2], points[0]])
    expect(await store.points({ ...range, limit: 2 })).toEqual([points[1], points[2]])
    expect(await store.count(range)).toBe(3)
    expect(await store.count({ ...range, lift: OTHER_LIFT })).toBe(1)
    expect(await store.count({ ...range, measurement: 'statistics' })).toBe(0)
  })

  it('keeps every field of every measurement in its type, and leaves out what was not measured', async () => {
    await using store = await open(newUrl())
    const of = { lift: LIFT, boot: 0xffff_ffff, seq: 0xffff_ffff, receivedAtMs: T0 + 90 }
    const full: TelemetryPoint[] = (['status', 'statistics', 'message', 'connection'] as const).map((measurement) => ({
      ...of,
      measurement,
      sampledAtMs: T0,
      fields: Object.fromEntries(
        Object.entries(MEASUREMENTS[measurement])
          .filter(([name]) => !['boot', 'seq', 'receivedAtMs'].includes(name))
          .map(([name, type]) => [name, { integer: -7, number: 0.98, boolean: false, string: '3 楼' }[type]]),
      ),
    }))
    const bare: TelemetryPoint[] = full.map((point) => ({ ...point, sampledAtMs: T0 + 1, fields: {} }))
    await store.append([...full, ...bare])
    for (const [index, point] of full.entries()) {
      expect(await store.points({ ...ALL, measurement: point.measurement, limit: 9 })).toEqual([point, bare[index]])
    }
  })

  it('takes whole and broken numbers in one field, and keeps large integers exact', async () => {
    await using store = await open(newUrl())
    const speeds = [1, 0.98, -0.000_000_12, 0, 19.999_999_999_999_996]
    await store.append(speeds.map((speedMps, seq) => statusPoint({ atMs: T0 + seq, seq, fields: { speedMps } })))
    const back = await store.points({ ...ALL, limit: 9 })
    expect(back.map((point) => point.fields['speedMps'])).toEqual(speeds)
    const counters = { runCount: Number.MAX_SAFE_INTEGER, runTimeS: 10_000_000_000, energyKWh: 12 }
    const statistics: TelemetryPoint = { ...statusPoint({}), measurement: 'statistics', fields: counters }
    await store.append([statistics])
    expect(await store.points({ ...ALL, measurement: 'statistics', limit: 9 })).toEqual([statistics])
  })

  it('takes a repeated sample once: in one batch, in a later batch, and after being opened again', async () => {
    const url = newUrl()
    const points = [0, 1, 2].map((n) => statusPoint({ atMs: T0 + n * 1_000, seq: n }))
    {
      await using store = await open(url)
      await store.append([...points, ...points])
      await store.append(points.slice(1))
      expect(await store.count(ALL)).toBe(3)
    }
    await using store = await open(url)
    await store.append([...points, statusPoint({ atMs: T0 + 3_000, seq: 3 })])
    await store.append([...points, statusPoint({ atMs: T0 + 3_000, seq: 3 })])
    expect(await store.points({ ...ALL, limit: 9 })).toEqual([...points, statusPoint({ atMs: T0 + 3_000, seq: 3 })])
  })

  it('keeps two samples of one millisecond apart', async () => {
    await using store = await open(newUrl())
    const points = [
      statusPoint({ atMs: T0, boot: 17, seq: 41 }),
      statusPoint({ atMs: T0, boot: 17, seq: 42 }),
      statusPoint({ atMs: T0, boot: 18, seq: 41 }),
    ]
    await store.append(points)
    await store.append(points)
    expect(await store.points({ ...ALL, limit: 9 })).toEqual(points)
    expect(await store.count({ ...ALL, fromMs: T0, toMs: T0 + 1 })).toBe(3)
    expect(await store.count({ ...ALL, fromMs: T0 + 1 })).toBe(0)
  })

  it('takes late samples in their place, and their repeats once', async () => {
    await using store = await open(newUrl())
    const now = [10, 11].map((n) => statusPoint({ atMs: T0 + n * 1_000, seq: n }))
    const late = [3, 5, 10].map((n) => statusPoint({ atMs: T0 + n * 1_000 - 1, seq: 100 + n }))
    await store.append(now)
    await store.append(late)
    await store.append([...late, ...now, statusPoint({ atMs: T0, seq: 0 })])
    const back = await store.points({ ...ALL, limit: 99 })
    expect(back.map((point) => point.sampledAtMs - T0)).toEqual([0, 2_999, 4_999, 9_999, 10_000, 11_000])
  })

  it('answers history with minimum, maximum, mean, last and count, and leaves gaps out', async () => {
    await using store = await open(newUrl())
    const samples = [
      [0, 1],
      [500, 0.5],
      [999, 0.75],
      [3_000, -2],
    ] as const
    await store.append(samples.map(([ms, speedMps], seq) => statusPoint({ atMs: T0 + ms, seq, fields: { speedMps } })))
    await store.append([statusPoint({ atMs: T0 + 3_500, seq: 9, fields: {} })])
    const query = { ...ALL, fromMs: T0, toMs: T0 + 10_000, field: 'speedMps', bucketMs: 1_000 }
    expect(await store.history(query)).toEqual([
      { atMs: T0, min: 0.5, max: 1, mean: 0.75, last: 0.75, count: 3 },
      { atMs: T0 + 3_000, min: -2, max: -2, mean: -2, last: -2, count: 1 },
    ])
    // Buckets begin at multiples of their length since 1970, not at the begin of the range.
    const [first] = await store.history({ ...query, fromMs: T0 + 400, bucketMs: 7_000 })
    expect(first).toEqual({ atMs: Math.floor(T0 / 7_000) * 7_000, min: -2, max: 0.75, mean: -0.25, last: -2, count: 3 })
  })

  it('counts booleans as 0 and 1 in history and gives them back as booleans', async () => {
    await using store = await open(newUrl())
    const doors = [true, false, true, true, /* next bucket */ false, false, /* next */ true]
    await store.append(
      doors.map((doorClosed, n) => statusPoint({ atMs: T0 + n * 250, seq: n, fields: { doorClosed } })),
    )
    expect(await store.history({ ...ALL, fromMs: T0, toMs: T0 + 9_000, field: 'doorClosed', bucketMs: 1_000 })).toEqual(
      [
        { atMs: T0, min: 0, max: 1, mean: 0.75, last: 1, count: 4 },
        { atMs: T0 + 1_000, min: 0, max: 1, mean: 1 / 3, last: 1, count: 3 },
      ],
    )
    expect((await store.points({ ...ALL, limit: 9 })).map((point) => point.fields['doorClosed'])).toEqual(doors)
  })

  it('answers history as the definition says, whatever was written and asked', async () => {
    await using store = await open(newUrl())
    const sample = fc.record({
      ms: fc.integer({ min: 0, max: 20_000 }),
      boot: fc.integer({ min: 0, max: 3 }),
      speedMps: fc.option(
        fc.integer({ min: -80, max: 80 }).map((n) => n / 4),
        { nil: undefined },
      ),
      loadKg: fc.option(fc.integer({ min: 0, max: 9_000 }), { nil: undefined }),
      floorIndex: fc.option(fc.integer({ min: 0, max: 127 }), { nil: undefined }),
      overload: fc.option(fc.boolean(), { nil: undefined }),
    })
    const question = fc.record({
      fromMs: fc.integer({ min: -5_000, max: 25_000 }),
      spanMs: fc.integer({ min: 0, max: 30_000 }),
      bucketMs: fc.integer({ min: 16, max: 40_000 }),
      field: fc.constantFrom('speedMps', 'loadKg', 'floorIndex', 'overload'),
    })
    let run = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(sample, { maxLength: 40 }),
        question,
        async (samples, { fromMs, spanMs, bucketMs, field }) => {
          // Every run has a stretch of time of its own, half of them before those that were written already.
          run += 1
          const beginMs = T0 + (run % 2 === 0 ? -run : run) * 100_000
          const points = samples.map(({ ms, boot, ...fields }, seq) =>
            statusPoint({ atMs: beginMs + ms, boot, seq, fields: measured(fields) }),
          )
          await store.append(points)
          const query = { ...ALL, fromMs: beginMs + fromMs, toMs: beginMs + fromMs + spanMs, field, bucketMs }
          const answer = await store.history(query)
          expect(answer.map(rounded)).toEqual(historyOf(points, query).map(rounded))
        },
      ),
      { numRuns: 60, seed: 20_261_121 },
    )
  })

  it('gives any text back as it was, and no text becomes anything else', async () => {
    await using store = await open(newUrl())
    let seq = 0
    const odd = [
      '',
      '"',
      '\\',
      '\\"',
      'a\\',
      '\\\\"',
      ',',
      ' ',
      '=',
      '\n',
      '\r\n',
      '\t',
      '\0',
      "'",
      '#',
      ' boot=1i 1',
      '",boot=1i 1\nstatus,lift=x boot=1i',
      '电梯🛗',
      '\u2028',
      '$lift',
      'true',
      '1i',
      '%00',
    ]
    const text = fc.oneof(
      fc.constantFrom(...odd),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.array(fc.constantFrom(...odd), { maxLength: 6 }).map((parts) => parts.join('')),
    )
    const texts = [...odd, ...fc.sample(text, { numRuns: 400, seed: 24_476 })]
    const points = texts.map((snapshot): TelemetryPoint => {
      seq += 1
      return {
        ...statusPoint({ atMs: T0 + seq, seq }),
        measurement: 'message',
        fields: { id: snapshot.slice(0, 3), snapshot, code: seq },
      }
    })
    // Cut in the middle of a surrogate pair a text is not Unicode any more; no store has to keep that.
    const kept = points.map((point) => ({
      ...point,
      fields: { ...point.fields, id: Buffer.from(String(point.fields['id'])).toString() },
    }))
    await store.append(kept)
    expect(await store.points({ ...ALL, measurement: 'message', limit: 1_000 })).toEqual(kept)
    expect(await store.count(ALL)).toBe(0)
  })

  it('refuses what the contract does not know, and takes nothing of such a batch', async () => {
    await using store = await open(newUrl())
    const good = statusPoint({ seq: 1 })
    const bad: unknown[] = [
      { ...good, measurement: 'statu' },
      { ...good, measurement: 'toString' },
      { ...good, lift: 'x y' },
      { ...good, lift: 'lift-1,boot=1i' },
      { ...good, lift: '' },
      { ...good, sampledAtMs: -1 },
      { ...good, sampledAtMs: 0.5 },
      { ...good, sampledAtMs: Number.MAX_SAFE_INTEGER },
      { ...good, boot: Number.NaN },
      { ...good, receivedAtMs: undefined },
      { ...good, fields: { unheardOf: 1 } },
      { ...good, fields: { 'speedMps=1,doorClosed': 1 } },
      { ...good, fields: { speedMps: Number.NaN } },
      { ...good, fields: { speedMps: Number.POSITIVE_INFINITY } },
      { ...good, fields: { speedMps: '1' } },
      { ...good, fields: { doorClosed: 1 } },
      { ...good, fields: { floorIndex: 1.5 } },
      { ...good, fields: { carPosition: 3 } },
      { ...good, fields: { toString: 1 } },
    ]
    for (const point of bad) {
      await expect(store.append([good, point as TelemetryPoint]), JSON.stringify(point)).rejects.toMatchObject({
        name: 'TelemetryStoreError',
        kind: 'refused',
      })
    }
    expect(await store.count(ALL)).toBe(0)
    await store.append([good])
    expect(await store.count(ALL)).toBe(1)
  })

  it('refuses questions that are mistakes', async () => {
    await using store = await open(newUrl())
    const query = { ...ALL, fromMs: T0, toMs: T0 + 10_000, field: 'speedMps', bucketMs: 1_000 }
    await expect(store.history({ ...query, field: 'carPosition' })).rejects.toThrow(RangeError)
    await expect(store.history({ ...query, field: 'speedMps"; DROP' })).rejects.toThrow(RangeError)
    await expect(store.history({ ...query, bucketMs: 0 })).rejects.toThrow(RangeError)
    await expect(store.history({ ...query, bucketMs: 1 })).rejects.toThrow(/more than 2000 buckets/)
    await expect(store.points({ ...ALL, limit: 0 })).rejects.toThrow(RangeError)
    await expect(store.count({ ...ALL, fromMs: Number.NaN })).rejects.toThrow(RangeError)
  })

  it('stops asking when the asker has gone', async () => {
    await using store = await open(newUrl())
    await store.append([statusPoint({})])
    const gone = new Error('the asker has gone')
    await expect(store.points({ ...ALL, limit: 1, signal: AbortSignal.abort(gone) })).rejects.toBe(gone)
    const asker = new AbortController()
    const answer = store.history({
      ...ALL,
      fromMs: T0,
      toMs: T0 + 1_000,
      field: 'loadKg',
      bucketMs: 1_000,
      signal: asker.signal,
    })
    asker.abort(gone)
    await expect(answer).rejects.toBe(gone)
    expect(await store.count(ALL)).toBe(1)
  })

  it('takes a full batch and answers while batches are written', async () => {
    await using store = await open(newUrl())
    const batches = [0, 1, 2].map((batch) =>
      Array.from({ length: 5_000 }, (_, n) => statusPoint({ atMs: T0 + batch * 5_000 + n, seq: batch * 5_000 + n })),
    )
    const counts: number[] = []
    let writing = true
    const reading = (async () => {
      while (writing) counts.push(await store.count(ALL))
    })()
    for (const batch of batches) await store.append(batch)
    writing = false
    await reading
    expect(await store.count(ALL)).toBe(15_000)
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    await expect(store.append([...(batches[0] ?? []), statusPoint({})])).rejects.toThrow(RangeError)
  })

  it('is away once it is closed', async () => {
    const store = await open(newUrl())
    await store.append([statusPoint({})])
    await store[Symbol.asyncDispose]()
    await expect(store.append([statusPoint({ seq: 2 })])).rejects.toMatchObject({ kind: 'away' })
    await expect(store.count(ALL)).rejects.toMatchObject({ kind: 'away' })
    await expect(store.check()).rejects.toMatchObject({ kind: 'away' })
  })
})
