import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HISTORY_POINTS_MAX, type Measurement } from '#contract/history'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { eachOnce, historyOf, measured, pointsOf, rounded, spansOf } from './telemetry-model.ts'
import { PLACES } from './telemetry-places.ts'
import { T0 } from './telemetry-points.ts'

const LIFTS = ['lift-1', 'lift-2', 'lift-3'] as LiftId[]
/** Each stream has a stretch of time of its own; its samples lie in the first part of it. */
const STRETCH_MS = 20_000_000
const SAMPLED_MS = 3_000_000

/** Minutes, as terminals speak; any millisecond; and few milliseconds, so that samples crowd. */
const instant = fc.oneof(
  fc.integer({ min: 0, max: SAMPLED_MS / 60_000 }).map((minute) => minute * 60_000),
  fc.integer({ min: 0, max: SAMPLED_MS }),
  fc.integer({ min: 0, max: 3 }),
)
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const quarter = (limit: number) => maybe(fc.integer({ min: -limit, max: limit }).map((n) => n / 4))
const place = { ms: instant, lift: fc.constantFrom(...LIFTS), boot: fc.integer({ min: 0, max: 2 }) }
const sample = fc.oneof(
  { weight: 4, arbitrary: fc.record({
    ...place,
    measurement: fc.constant<Measurement>('status'),
    fields: fc.record({
      speedMps: quarter(80),
      floorIndex: maybe(fc.integer({ min: 0, max: 127 })),
      doorClosed: maybe(fc.boolean()),
      serviceMode: maybe(fc.integer({ min: 0, max: 2 })),
      carPosition: maybe(fc.constantFrom('1', 'B1', '二 层', '"', '\\')),
    }),
  }) },
  { weight: 1, arbitrary: fc.record({
    ...place,
    measurement: fc.constant<Measurement>('statistics'),
    fields: fc.record({ runCount: maybe(fc.nat()), energyKWh: quarter(4_000) }),
  }) },
) // prettier-ignore

/** A stream as it arrives: batches in any order, samples within them too, some of them twice or three times. */
const stream = fc.array(sample, { maxLength: 80 }).chain((samples) =>
  fc.record({
    samples: fc.constant(samples),
    order: fc.array(fc.nat({ max: Math.max(0, samples.length - 1) }), { maxLength: 40 }),
    batchLength: fc.integer({ min: 1, max: 50 }),
    isReversed: fc.boolean(),
  }),
)
const question = fc.record({
  lift: fc.constantFrom(...LIFTS),
  fromMs: fc.oneof(fc.integer({ min: -500_000, max: SAMPLED_MS + 500_000 }), fc.constantFrom(0, 1, 60_000)),
  lengthMs: fc.oneof(fc.integer({ min: 0, max: SAMPLED_MS }), fc.integer({ min: 0, max: 5 })),
  bucketMs: fc.oneof(fc.constantFrom(60_000, 300_000, 3_600_000), fc.integer({ min: 2_000, max: 900_000 })),
  number: fc.constantFrom('speedMps', 'floorIndex', 'doorClosed'),
  state: fc.constantFrom('doorClosed', 'serviceMode', 'carPosition', 'floorIndex'),
})

describe('all telemetry stores, and a plain model in memory', () => {
  const stores: TelemetryStore[] = []
  const places: AsyncDisposable[] = []
  beforeAll(async () => {
    for (const kind of PLACES) {
      const place = await kind.prepare()
      places.push(place)
      stores.push(await openTelemetryStore(place.newUrl('adapters'), { log: silentLog }))
    }
  })
  afterAll(async () => {
    for (const each of [...stores, ...places]) await each[Symbol.asyncDispose]()
  })

  it('answer alike, whatever was written, repeated, late or left out', { timeout: 120_000 }, async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(stream, fc.array(question, { minLength: 3, maxLength: 3 }), async (written, questions) => {
        run += 1
        const beginMs = T0 + (run % 2 === 0 ? -run : run) * STRETCH_MS
        const points = written.samples.map(({ ms, lift, boot, measurement, fields }, seq): TelemetryPoint => ({
          ...{ measurement, lift, boot, seq, sampledAtMs: beginMs + ms, receivedAtMs: beginMs + ms + 40 },
          fields: measured(fields),
        }))
        const arriving = [...points, ...written.order.flatMap((index) => points[index] ?? [])]
        if (written.isReversed) arriving.reverse()
        const model = eachOnce(arriving)
        for (const store of stores)
          for (let from = 0; from < arriving.length; from += written.batchLength)
            await store.append(arriving.slice(from, from + written.batchLength))
        for (const { lift, fromMs, lengthMs, bucketMs, number, state } of questions) {
          const range = { fromMs: beginMs + fromMs, toMs: beginMs + fromMs + lengthMs }
          const asked = { lift, measurement: 'status', ...range } as const
          const ofLift = pointsOf(model, { ...asked, fromMs: 0, toMs: Infinity })
          for (const store of stores) {
            for (const measurement of ['status', 'statistics'] as const) {
              const expected = pointsOf(model, { ...asked, measurement })
              expect(await store.points({ ...asked, measurement, limit: 1_000 })).toEqual(expected)
              expect(await store.count({ ...asked, measurement })).toBe(expected.length)
            }
            const history = { ...asked, field: number, bucketMs }
            expect((await store.history(history)).map(rounded)).toEqual(historyOf(ofLift, history).map(rounded))
            const spans = { ...asked, field: state }
            expect(await store.spans({ ...spans, limit: HISTORY_POINTS_MAX })).toEqual({
              ...{ isWhole: true, untilMs: range.toMs },
              spans: spansOf(ofLift, spans),
            })
            const last = { measurement: 'status', field: 'floorIndex', ...range } as const
            expect(await store.last(last)).toEqual(lastOf(model, last))
          }
        }
      }),
      { numRuns: 60, seed: 20_261_121 },
    )
  })
})

/** The last value of each lift; of samples of one millisecond that of the highest boot and seq. */
function lastOf(points: readonly TelemetryPoint[], query: { fromMs: number; toMs: number; field: string }) {
  return LIFTS.flatMap((lift) => {
    const saying = pointsOf(points, { ...query, lift, measurement: 'status' }).filter(
      ({ fields }) => fields[query.field] !== undefined,
    )
    const newest = saying.at(-1)
    return newest === undefined ? [] : [{ lift, sampledAtMs: newest.sampledAtMs, value: newest.fields[query.field] }]
  })
}
