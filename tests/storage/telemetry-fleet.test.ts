import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HOUR_MS, hourStartMs } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { PLACES } from './telemetry-places.ts'
import { LIFT, OTHER_LIFT, statusPoint, T0 } from './telemetry-points.ts'

const open = (url: string): Promise<TelemetryStore> => openTelemetryStore(url, { log: silentLog })
const H0 = hourStartMs(T0)
const hour = (lift: LiftId, n: number, runCount?: number): HourFigures => ({
  lift,
  hourAtMs: H0 + n * HOUR_MS,
  sampleCount: 1,
  countedMs: HOUR_MS,
  ...(runCount === undefined ? {} : { runCount }),
  inServiceMs: HOUR_MS,
  outOfServiceMs: 0,
  maintenanceMs: 0,
  unknownMs: 0,
  onlineMs: HOUR_MS,
})

describe.each(PLACES)('questions about the whole fleet: $name', (kind) => {
  let place: Awaited<ReturnType<typeof kind.prepare>>
  beforeAll(async () => {
    place = await kind.prepare()
  })
  afterAll(() => place[Symbol.asyncDispose]())

  it('tells the last value of each lift that has one within the range, in its type', async () => {
    await using store = await open(place.newUrl('last'))
    await store.append([
      statusPoint({
        atMs: T0 + 1_000,
        seq: 1,
        fields: { speedMps: 1, floorIndex: 3, carPosition: '4', overload: true },
      }),
      statusPoint({ atMs: T0 + 3_000, seq: 2, fields: { speedMps: 0.5 } }),
      statusPoint({ atMs: T0 + 4_000, seq: 3, fields: { overload: false } }),
      statusPoint({ atMs: T0 + 2_000, seq: 9, lift: OTHER_LIFT, fields: { speedMps: -0.25 } }),
    ])
    const query = { measurement: 'status', fromMs: T0, toMs: T0 + 10_000 } as const
    expect(await store.last({ ...query, field: 'speedMps' })).toEqual([
      { lift: OTHER_LIFT, sampledAtMs: T0 + 2_000, value: -0.25 },
      { lift: LIFT, sampledAtMs: T0 + 3_000, value: 0.5 },
    ])
    expect(await store.last({ ...query, field: 'speedMps', toMs: T0 + 3_000, fromMs: T0 + 1_000 })).toEqual([
      { lift: OTHER_LIFT, sampledAtMs: T0 + 2_000, value: -0.25 },
      { lift: LIFT, sampledAtMs: T0 + 1_000, value: 1 },
    ])
    const lastOf = async (field: string) => (await store.last({ ...query, field })).map(({ value }) => value)
    expect(await lastOf('floorIndex')).toEqual([3])
    expect(await lastOf('carPosition')).toEqual(['4'])
    expect(await lastOf('overload')).toEqual([false])
    expect(await lastOf('loadKg')).toEqual([])
    expect(await store.last({ ...query, field: 'speedMps', fromMs: T0 + 5_000 })).toEqual([])
    expect(await store.last({ ...query, field: 'speedMps', fromMs: T0 + 5_000, toMs: T0 })).toEqual([])
    expect(await store.last({ ...query, field: 'speedMps', fromMs: -1e15, toMs: 1e15 })).toHaveLength(2)
  })

  it('tells the last values as the definition says, whatever was written', async () => {
    await using store = await open(place.newUrl('definition'))
    const sample = fc.record({
      ms: fc.integer({ min: 0, max: 20_000 }),
      lift: fc.integer({ min: 0, max: 5 }),
      loadKg: fc.option(fc.integer({ min: 0, max: 9_000 }), { nil: undefined }),
    })
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(sample, { maxLength: 40, selector: ({ ms }) => ms }), async (samples) => {
        const fromMs = T0 + (run += 1) * 100_000
        const points = samples.map(({ ms, lift, loadKg }, seq): TelemetryPoint =>
          statusPoint({
            atMs: fromMs + ms,
            seq,
            lift: `lift-${lift}` as LiftId,
            fields: loadKg === undefined ? {} : { loadKg },
          }),
        )
        await store.append(points)
        const expected = new Map<string, TelemetryPoint>()
        for (const point of points.filter(({ fields }) => 'loadKg' in fields))
          if (point.sampledAtMs >= (expected.get(point.lift)?.sampledAtMs ?? 0)) expected.set(point.lift, point)
        const range = { fromMs, toMs: fromMs + 20_001 }
        expect(await store.last({ measurement: 'status', field: 'loadKg', ...range })).toEqual(
          [...expected]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([lift, { sampledAtMs, fields }]) => ({ lift, sampledAtMs, value: fields['loadKg'] })),
        )
      }),
      { numRuns: 30, seed: 20_261_121 },
    )
  })

  it('sums a figure over the lifts of which it is known, hour by hour, and counts corrected rows once', async () => {
    await using store = await open(place.newUrl('sums'))
    expect(await store.fleet({ figure: 'runCount', fromMs: H0, toMs: H0 + HOUR_MS })).toEqual([])
    await store.putFigures([
      hour(LIFT, 0, 5),
      hour(OTHER_LIFT, 0, 7),
      hour(LIFT, 1, 9),
      hour(LIFT, 3, 0),
      hour(LIFT, 4),
    ])
    // Corrected: one other number, and one that is not known after all.
    await store.putFigures([hour(LIFT, 0, 6), hour(LIFT, 1)])
    const query = { figure: 'runCount', fromMs: H0, toMs: H0 + 5 * HOUR_MS } as const
    expect(await store.fleet(query)).toEqual([
      { hourAtMs: H0, sum: 13, liftCount: 2 },
      { hourAtMs: H0 + 3 * HOUR_MS, sum: 0, liftCount: 1 },
    ])
    expect(await store.fleet({ ...query, fromMs: H0 + 1 })).toHaveLength(1)
    expect(await store.fleet({ ...query, toMs: H0 + 3 * HOUR_MS })).toHaveLength(1)
    expect(await store.fleet({ ...query, figure: 'runTimeS' })).toEqual([])
  })

  it('refuses questions that are mistakes, and stops when the asker has gone', async () => {
    await using store = await open(place.newUrl('mistakes'))
    const last = { measurement: 'status', field: 'speedMps', fromMs: T0, toMs: T0 + 1 } as const
    const fleet = { figure: 'runCount', fromMs: H0, toMs: H0 + HOUR_MS } as const
    await expect(store.last({ ...last, field: 'speed"' })).rejects.toThrow(RangeError)
    await expect(store.last({ ...last, field: 'toString' })).rejects.toThrow(RangeError)
    await expect(store.last({ ...last, measurement: 'toString' as never })).rejects.toThrow(RangeError)
    await expect(store.last({ ...last, fromMs: Number.NaN })).rejects.toThrow(RangeError)
    await expect(store.fleet({ ...fleet, figure: 'availability' as never })).rejects.toThrow(RangeError)
    await expect(store.fleet({ ...fleet, toMs: H0 + 2_001 * HOUR_MS })).rejects.toThrow(/more than 2000 hours/)
    await expect(store.fleet({ ...fleet, toMs: 0.5 })).rejects.toThrow(RangeError)
    const gone = new Error('the asker has gone')
    await expect(store.last({ ...last, signal: AbortSignal.abort(gone) })).rejects.toBe(gone)
    await expect(store.fleet({ ...fleet, signal: AbortSignal.abort(gone) })).rejects.toBe(gone)
  })
})
