import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HOUR_MS, hourStartMs } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { figuresOf, sumFigures } from '#storage/telemetry/sum-figures'
import { openTelemetryStore, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { PLACES } from './telemetry-places.ts'

/** InfluxDB keeps figures for five years by its own clock, so the tests live in the present. */
const H = hourStartMs(Date.now()) - 30 * 24 * HOUR_MS
const ALL = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER } as const
const open = (url: string): Promise<TelemetryStore> => openTelemetryStore(url, { log: silentLog })
const liftOf = (n: number): LiftId => `lift-${String(n).padStart(4, '0')}` as LiftId

const row = (hour: number, lift: number, more: Partial<HourFigures> = {}): HourFigures => ({
  ...{ lift: liftOf(lift), hourAtMs: H + hour * HOUR_MS, sampleCount: 120, countedMs: HOUR_MS },
  ...{
    inServiceMs: 3_000_000,
    outOfServiceMs: 100_000,
    maintenanceMs: 200_000,
    unknownMs: 300_000,
    onlineMs: 3_300_000,
  },
  ...more,
})

const sixPlaces = (max: number) => fc.integer({ min: 0, max: max * 1e6 }).map((n) => n / 1e6)
const drawnRow = fc
  .record({
    hour: fc.integer({ min: 0, max: 6 }),
    lift: fc.integer({ min: 0, max: 4 }),
    sampleCount: fc.integer({ min: 0, max: 9_000 }),
    countedMs: fc.integer({ min: 0, max: HOUR_MS }),
    parts: fc.tuple(...Array.from({ length: 3 }, () => fc.integer({ min: 0, max: HOUR_MS / 3 }))),
    onlineMs: fc.integer({ min: 0, max: HOUR_MS }),
    optional: fc.record(
      {
        runCount: fc.integer({ min: 0, max: 1_800 }),
        doorCycleCount: fc.integer({ min: 0, max: 1_800 }),
        ropeBendCount: fc.integer({ min: 0, max: 36_000 }),
        runTimeS: sixPlaces(3_600),
        distanceM: sixPlaces(2_000),
        energyKWh: sixPlaces(9),
        worstVibrationMg: fc.double({ min: 0, max: 10_000, noNaN: true, noDefaultInfinity: true }).map((mg) => mg + 0),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ hour, lift, sampleCount, countedMs, parts, onlineMs, optional }): HourFigures => {
    const [inServiceMs = 0, outOfServiceMs = 0, maintenanceMs = 0] = parts
    const unknownMs = HOUR_MS - inServiceMs - outOfServiceMs - maintenanceMs
    const spans = { inServiceMs, outOfServiceMs, maintenanceMs, unknownMs, onlineMs }
    return row(hour, lift, { sampleCount, countedMs, ...spans, ...optional })
  })

describe.each(PLACES)('what hours add up to in the telemetry store: $name', (kind) => {
  let place: Awaited<ReturnType<typeof kind.prepare>>
  beforeAll(async () => {
    place = await kind.prepare()
  })
  afterAll(() => place[Symbol.asyncDispose]())

  it('is told of each lift that has an hour, with the time that each counter covers', async () => {
    await using store = await open(place.newUrl('by-hand'))
    expect(await store.sums(ALL)).toEqual([])
    await store.putFigures([
      row(0, 2, { runCount: 3, countedMs: 1_800_000, energyKWh: 0.1, worstVibrationMg: 7 }),
      row(1, 2, { energyKWh: 0.2, worstVibrationMg: 9.5 }),
      row(2, 2, { runCount: 4, countedMs: 900_000 }),
      row(1, 1),
    ])
    const none = { doorCycleCount: 0, ropeBendCount: 0, runTimeS: 0, distanceM: 0 }
    const plain = { ...{ sampleCount: 120, hourCount: 1, inServiceMs: 3_000_000, outOfServiceMs: 100_000 } }
    const one = {
      ...{ ...plain, lift: liftOf(1), maintenanceMs: 200_000, onlineMs: 3_300_000, counters: {} },
      countedMs: { ...none, runCount: 0, energyKWh: 0 },
    }
    const [first, second, ...rest] = await store.sums(ALL)
    expect(rest).toEqual([])
    expect(first).toEqual(one)
    expect(second).toEqual({
      ...{ lift: liftOf(2), hourCount: 3, sampleCount: 360, inServiceMs: 9_000_000, outOfServiceMs: 300_000 },
      ...{ maintenanceMs: 600_000, onlineMs: 9_900_000, worstVibrationMg: 9.5 },
      counters: { runCount: 7, energyKWh: expect.closeTo(0.3, 9) as number },
      countedMs: { ...none, runCount: 2_700_000, energyKWh: 1_800_000 + HOUR_MS },
    })
    expect(await store.sums({ ...ALL, lifts: [liftOf(1), liftOf(3)] })).toEqual([one])
    expect(await store.sums({ ...ALL, lifts: [] })).toEqual([])
    // An hour belongs to the range in which it begins.
    expect(await store.sums({ fromMs: H + 1, toMs: H + HOUR_MS })).toEqual([])
    expect(await store.sums({ fromMs: H + HOUR_MS, toMs: H })).toEqual([])
    expect(await store.sums({ fromMs: H, toMs: H + 1 })).toMatchObject([{ lift: liftOf(2), hourCount: 1 }])
  })

  it('is not of what a row had before it was replaced', async () => {
    await using store = await open(place.newUrl('replaced'))
    await store.putFigures([row(0, 1, { runCount: 30, energyKWh: 2, worstVibrationMg: 50 })])
    await store.putFigures([row(0, 1, { doorCycleCount: 5, countedMs: 60_000 })])
    expect(await store.sums(ALL)).toMatchObject([
      { counters: { doorCycleCount: 5 }, countedMs: { runCount: 0, doorCycleCount: 60_000, energyKWh: 0 } },
    ])
    expect((await store.sums(ALL))[0]).not.toHaveProperty('worstVibrationMg')
    expect((await store.sums(ALL))[0]?.counters).toEqual({ doorCycleCount: 5 })
    // What was counted in no time tells nothing.
    await store.putFigures([row(0, 1, { runCount: 4, countedMs: 0, worstVibrationMg: 0 })])
    expect(await store.sums(ALL)).toMatchObject([{ counters: {}, worstVibrationMg: 0 }])
    expect((await store.sums(ALL))[0]?.counters).toEqual({})
  })

  it('is told of 1 000 lifts that are named, in order, and of no more', async () => {
    await using store = await open(place.newUrl('many'))
    const rows = Array.from({ length: 2_400 }, (_, n) => row(n % 2, Math.floor(n / 2), { runCount: n % 100 }))
    await store.putFigures(rows)
    const lifts = Array.from({ length: 1_000 }, (_, n) => liftOf(n))
    const sums = await store.sums({ ...ALL, lifts: [...lifts].reverse() })
    expect(sums.map(({ lift }) => lift)).toEqual(lifts)
    expect(sums[7]?.counters).toEqual({ runCount: 14 + 15 })
    expect(await store.sums(ALL)).toHaveLength(1_200)
    await expect(store.sums({ ...ALL, lifts: [...lifts, liftOf(5_000)] })).rejects.toThrow(RangeError)
    await expect(store.sums({ ...ALL, lifts: [`'; DROP` as LiftId] })).rejects.toThrow(RangeError)
    await expect(store.sums({ ...ALL, fromMs: Number.NaN })).rejects.toThrow(RangeError)
    const gone = new Error('the asker has gone')
    await expect(store.sums({ ...ALL, signal: AbortSignal.abort(gone) })).rejects.toBe(gone)
  })

  it('gives the figures that the hours give when they are added outside, whatever was put and asked', async () => {
    await using store = await open(place.newUrl('property'))
    const kept = new Map<string, HourFigures>()
    const question = fc.record({
      from: fc.integer({ min: -1, max: 6 }),
      length: fc.integer({ min: 1, max: 8 }),
      lifts: fc.option(fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }), { nil: undefined }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(drawnRow, { maxLength: 12 }), question, async (rows, { from, length, lifts }) => {
        await store.putFigures(rows)
        for (const one of rows) kept.set(`${one.lift} ${one.hourAtMs}`, one)
        const span = { fromMs: H + from * HOUR_MS, toMs: H + (from + length) * HOUR_MS }
        const named = lifts?.map(liftOf)
        const within = [...kept.values()].filter(
          ({ lift, hourAtMs }) =>
            hourAtMs >= span.fromMs && hourAtMs < span.toMs && (named === undefined || named.includes(lift)),
        )
        const expected = [...new Set(within.map(({ lift }) => lift))].sort().map((lift) =>
          sumFigures(
            within.filter((one) => one.lift === lift),
            { lift, ...span },
          ),
        )
        const sums = await store.sums({ ...span, ...(named ? { lifts: named } : {}) })
        expect(sums.map((one) => ({ lift: one.lift, ...figuresOf(one, span) }))).toEqual(expected)
      }),
      { numRuns: 60, seed: 20_261_121 },
    )
  })

  it('is away once the store is closed', async () => {
    const store = await open(place.newUrl('closed'))
    await store.putFigures([row(0, 1)])
    await store[Symbol.asyncDispose]()
    await expect(store.sums(ALL)).rejects.toMatchObject({ kind: 'away' })
  })
})
