import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HOUR_MS, hourStartMs } from '#contract/calendar'
import { SERVICE_OF_MODE, type HourFigures } from '#contract/figures'
import { HISTORY_POINTS_MAX } from '#contract/history'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { hourFiguresOf, samplesOfHour } from '#storage/telemetry/hour-figures'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { PLACES } from './telemetry-places.ts'
import { LIFT, OTHER_LIFT, statusPoint } from './telemetry-points.ts'

/** InfluxDB keeps figures for five years by its own clock, so the tests live in the present. */
const H = hourStartMs(Date.now()) - 30 * 24 * HOUR_MS
const ALL = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 50_000 } as const
const open = (url: string): Promise<TelemetryStore> => openTelemetryStore(url, { log: silentLog })

const row = (hour: number, lift: LiftId = LIFT, more: Partial<HourFigures> = {}): HourFigures => ({
  ...{ lift, hourAtMs: H + hour * HOUR_MS, sampleCount: 120, countedMs: HOUR_MS },
  ...{
    inServiceMs: 3_000_000,
    outOfServiceMs: 100_000,
    maintenanceMs: 200_000,
    unknownMs: 300_000,
    onlineMs: 3_300_000,
  },
  ...more,
})
const FULL: Partial<HourFigures> = {
  ...{ runCount: 31, doorCycleCount: 62, ropeBendCount: 93, runTimeS: 512.5, distanceM: 401.123456, energyKWh: 1 },
  worstVibrationMg: 0.30000000000000004,
}
const bigLiftOf = (n: number): LiftId => `fleet-${String(n).padStart(6, '0')}` as LiftId
const liftOf = (n: number): LiftId => `lift-${String(n).padStart(4, '0')}` as LiftId

describe.each(PLACES)('hourly figures in the telemetry store: $name', (kind) => {
  let place: Awaited<ReturnType<typeof kind.prepare>>
  let lastStore = 0
  const newUrl = (): string => place.newUrl(`figures-${(lastStore += 1)}`)
  beforeAll(async () => {
    place = await kind.prepare()
  })
  afterAll(() => place[Symbol.asyncDispose]())

  it('are none before any were stored', async () => {
    await using store = await open(newUrl())
    expect(await store.figures(ALL)).toEqual([])
    await store.putFigures([])
    // The place for samples is there then, and still no figures.
    await store.append([statusPoint({ atMs: H })])
    expect(await store.figures(ALL)).toEqual([])
  })

  it('come back as they were, in order of hour and lift, with what is absent left out', async () => {
    await using store = await open(newUrl())
    const rows = [row(0), row(0, OTHER_LIFT, FULL), row(1, LIFT, { runCount: 0, countedMs: 1 }), row(2, OTHER_LIFT)]
    await store.putFigures([rows[3], rows[0], rows[2], rows[1]].flatMap((one) => one ?? []))
    const [plain, full, next, last] = rows
    expect(await store.figures(ALL)).toEqual([full, plain, next, last])
    expect(await store.figures({ ...ALL, lifts: [LIFT] })).toEqual([plain, next])
    expect(await store.figures({ ...ALL, lifts: [LIFT, OTHER_LIFT, LIFT] })).toHaveLength(4)
    expect(await store.figures({ ...ALL, lifts: [liftOf(1)] })).toEqual([])
    expect(await store.figures({ ...ALL, lifts: [] })).toEqual([])
    expect(await store.figures({ ...ALL, fromMs: H + HOUR_MS, toMs: H + 2 * HOUR_MS })).toEqual([next])
    expect(await store.figures({ ...ALL, fromMs: H + 1, toMs: H + HOUR_MS })).toEqual([])
    expect(await store.figures({ ...ALL, fromMs: H + HOUR_MS, toMs: H })).toEqual([])
  })

  it('replace those of the same lift and hour, whole: what is absent then does not stay', async () => {
    const url = newUrl()
    const first = [row(0, LIFT, FULL), row(1, LIFT, FULL), row(0, OTHER_LIFT, FULL)]
    const later = row(0, LIFT, { runCount: 7, unknownMs: 100_000, maintenanceMs: 400_000 })
    {
      await using store = await open(url)
      await store.putFigures(first)
      await store.putFigures(first)
      await store.putFigures([later, row(2)])
    }
    await using store = await open(url)
    await store.putFigures([row(2), row(2, LIFT, { sampleCount: 1 })])
    expect(await store.figures(ALL)).toEqual([first[2], later, first[1], row(2, LIFT, { sampleCount: 1 })])
  })

  it('stay apart from samples', async () => {
    await using store = await open(newUrl())
    await store.putFigures([row(0, LIFT, FULL)])
    await store.append([statusPoint({ atMs: H, fields: { serviceMode: 1 } })])
    expect(await store.count({ lift: LIFT, measurement: 'status', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER })).toBe(1)
    expect(await store.figures(ALL)).toEqual([row(0, LIFT, FULL)])
  })

  it('are cut at the limit in the middle of an hour, by the order of the lifts', async () => {
    await using store = await open(newUrl())
    // Written in an order that is neither that of the hours nor that of the lifts.
    const rows = Array.from({ length: 60 }, (_, n) => row((n * 7) % 3, liftOf((n * 11) % 20)))
    for (const part of [rows.slice(0, 20), rows.slice(20, 45), rows.slice(45)]) await store.putFigures(part)
    const whole = await store.figures(ALL)
    expect(whole.map(({ hourAtMs, lift }) => [hourAtMs, lift])).toEqual(
      Array.from({ length: 60 }, (_, n) => [H + Math.floor(n / 20) * HOUR_MS, liftOf(n % 20)]),
    )
    for (const limit of [1, 7, 19, 20, 21, 45, 60, 61])
      expect(await store.figures({ ...ALL, limit }), `limit ${limit}`).toEqual(whole.slice(0, limit))
    const lifts = [liftOf(3), liftOf(0), liftOf(19)]
    expect(await store.figures({ ...ALL, lifts, limit: 4 })).toEqual(
      whole.filter(({ lift }) => lifts.includes(lift)).slice(0, 4),
    )
  })

  it('are taken 5 000 at a time, and answered for 1 000 lifts that are named', async () => {
    await using store = await open(newUrl())
    const rows = Array.from({ length: 5_000 }, (_, n) => row(Math.floor(n / 1_000), liftOf(n % 1_000), FULL))
    await store.putFigures(rows)
    await store.putFigures(rows)
    await expect(store.putFigures([...rows, row(9)])).rejects.toThrow(RangeError)
    expect(await store.figures(ALL)).toEqual(rows)
    const lifts = Array.from({ length: 1_000 }, (_, n) => liftOf(n))
    expect(await store.figures({ ...ALL, lifts, limit: 1_500 })).toEqual(rows.slice(0, 1_500))
    await expect(store.figures({ ...ALL, lifts: [...lifts, LIFT] })).rejects.toThrow(RangeError)
  })

  it('are answered whole where a fleet has more rows in an hour than a store gives at once', async () => {
    await using store = await open(newUrl())
    const rows = [0, 1].flatMap((hour) => Array.from({ length: 12_000 }, (_, n) => row(hour, bigLiftOf(n))))
    for (let from = 0; from < rows.length; from += 5_000) await store.putFigures(rows.slice(from, from + 5_000))
    const answer = await store.figures(ALL)
    expect(answer).toHaveLength(24_000)
    expect(answer).toEqual(rows)
    expect(await store.figures({ ...ALL, limit: 11_000 })).toEqual(rows.slice(0, 11_000))
  })

  it('are refused, all of them, when one is not what the contract says', async () => {
    await using store = await open(newUrl())
    const good = row(0)
    const bad: unknown[] = [
      { ...good, lift: 'x y' },
      { ...good, lift: 'lift-1,runCount=1i' },
      { ...good, hourAtMs: H + 1 },
      { ...good, hourAtMs: -HOUR_MS },
      { ...good, hourAtMs: 3_600_000 * 1e9 },
      { ...good, runCount: 1.5 },
      { ...good, runCount: -1 },
      { ...good, energyKWh: Number.NaN },
      { ...good, energyKWh: '1' },
      { ...good, onlineMs: undefined },
      { ...good, unknownMs: 0 },
      { ...good, 'x=1,runCount': 1 },
    ]
    for (const one of bad) {
      await expect(store.putFigures([good, one as HourFigures]), JSON.stringify(one)).rejects.toMatchObject({
        name: 'TelemetryStoreError',
        kind: 'refused',
      })
    }
    expect(await store.figures(ALL)).toEqual([])
  })

  it('are not asked for by mistake', async () => {
    await using store = await open(newUrl())
    const mistakes = [{ limit: 0 }, { limit: 50_001 }, { limit: 1.5 }, { fromMs: Number.NaN }, { toMs: 0.5 }]
    for (const mistake of mistakes)
      await expect(store.figures({ ...ALL, ...mistake }), JSON.stringify(mistake)).rejects.toThrow(RangeError)
    await expect(store.figures({ ...ALL, lifts: [`'; DROP` as LiftId] })).rejects.toThrow(RangeError)
    const gone = new Error('the asker has gone')
    await expect(store.figures({ ...ALL, signal: AbortSignal.abort(gone) })).rejects.toBe(gone)
  })

  it('are away once the store is closed', async () => {
    const store = await open(newUrl())
    await store.putFigures([row(0)])
    await store[Symbol.asyncDispose]()
    await expect(store.putFigures([row(0)])).rejects.toMatchObject({ kind: 'away' })
    await expect(store.figures(ALL)).rejects.toMatchObject({ kind: 'away' })
  })

  it('are what was put last, whatever was put and asked', async () => {
    await using store = await open(newUrl())
    const rows = fc.array(
      fc.record({
        hour: fc.integer({ min: 0, max: 5 }),
        lift: fc.integer({ min: 0, max: 4 }),
        more: fc.record(
          { runCount: fc.integer({ min: 0, max: 9 }), energyKWh: fc.double({ min: 0, max: 9, noNaN: true }) },
          { requiredKeys: [] },
        ),
      }),
      { maxLength: 20 },
    )
    const question = fc.record({
      from: fc.integer({ min: -1, max: 6 }),
      length: fc.integer({ min: 0, max: 7 }),
      lifts: fc.option(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }), { nil: undefined }),
      limit: fc.integer({ min: 1, max: 30 }),
    })
    const kept = new Map<string, HourFigures>()
    await fc.assert(
      fc.asyncProperty(rows, question, async (drawn, { from, length, lifts, limit }) => {
        const put = drawn.map(({ hour, lift, more }) => row(hour, liftOf(lift), more))
        await store.putFigures(put)
        for (const one of put) kept.set(`${one.hourAtMs} ${one.lift}`, one)
        const named = lifts?.map(liftOf)
        const fromMs = H + from * HOUR_MS
        const toMs = fromMs + length * HOUR_MS
        const expected = [...kept]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([, one]) => one)
          .filter((one) => one.hourAtMs >= fromMs && one.hourAtMs < toMs && (named?.includes(one.lift) ?? true))
        const answer = await store.figures({ fromMs, toMs, limit, ...(named ? { lifts: named } : {}) })
        expect(answer).toEqual(expected.slice(0, limit))
      }),
      { numRuns: 60, seed: 20_261_121 },
    )
  })

  it('agree with the spans of the service mode, and are the same from every store', async () => {
    await using store = await open(newUrl())
    const drawn = fc.sample(
      fc.record({ s: fc.integer({ min: 0, max: 7_200 }), mode: fc.integer({ min: 0, max: 8 }) }),
      { numRuns: 120, seed: 7 },
    )
    const statuses = drawn.map(({ s, mode }, seq) =>
      statusPoint({ atMs: H + s * 1000, seq, fields: mode > 7 ? {} : { serviceMode: mode, vibrationMg: s % 40 } }),
    )
    const readings = Array.from({ length: 9 }, (_, n): TelemetryPoint => {
      const fields = { runCount: 100 + n * 3, energyKWh: 1 + n / 7 }
      return { ...statusPoint({ atMs: H - HOUR_MS + n * 900_000, seq: n, fields }), measurement: 'statistics' }
    })
    await store.append([...statuses, ...readings].reverse())
    await store.append(statuses.slice(10, 40))
    for (const hourAtMs of [H - HOUR_MS, H, H + HOUR_MS]) {
      const ranges = samplesOfHour(hourAtMs)
      const stored = await Promise.all(
        (['status', 'statistics'] as const).map((measurement) =>
          store.points({ lift: LIFT, measurement, ...ranges[measurement], limit: 10_000 }),
        ),
      )
      const figures = hourFiguresOf({ lift: LIFT, hourAtMs, points: stored.flat() })
      expect(figures).toEqual(hourFiguresOf({ lift: LIFT, hourAtMs, points: [...statuses, ...readings] }))
      const asked = { lift: LIFT, measurement: 'status', field: 'serviceMode', limit: HISTORY_POINTS_MAX } as const
      const { spans } = await store.spans({ ...asked, fromMs: hourAtMs, toMs: hourAtMs + HOUR_MS })
      const told = { inServiceMs: 0, outOfServiceMs: 0, maintenanceMs: 0, unknownMs: 0 }
      for (const { fromMs, toMs, value } of spans) told[SERVICE_OF_MODE[Number(value)] ?? 'unknownMs'] += toMs - fromMs
      told.unknownMs = HOUR_MS - told.inServiceMs - told.outOfServiceMs - told.maintenanceMs
      expect(figures).toMatchObject(told)
      await store.putFigures([figures])
      expect(await store.figures({ ...ALL, fromMs: hourAtMs, toMs: hourAtMs + 1 })).toEqual([figures])
    }
  })
})
