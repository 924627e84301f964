import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { STRETCH_POINTS_MAX } from '#storage/telemetry/stretch-questions'
import { PLACES } from './telemetry-places.ts'
import { LIFT, OTHER_LIFT, statusPoint, T0 } from './telemetry-points.ts'

const ALL = { measurement: 'status', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER } as const
const open = (url: string): Promise<TelemetryStore> => openTelemetryStore(url, { log: silentLog })
const byIdentity = (a: TelemetryPoint, b: TelemetryPoint): number =>
  a.sampledAtMs - b.sampledAtMs || (a.lift < b.lift ? -1 : a.lift > b.lift ? 1 : 0) || a.seq - b.seq

describe.each(PLACES)('a stretch of time of all lifts: $name', (kind) => {
  let place: Awaited<ReturnType<typeof kind.prepare>>
  beforeAll(async () => {
    place = await kind.prepare()
  })
  afterAll(() => place[Symbol.asyncDispose]())

  it('has nothing before anything was written', async () => {
    await using store = await open(place.newUrl('empty'))
    expect(await store.oldest(ALL)).toBeUndefined()
    expect(await store.tally(ALL)).toEqual([])
    expect((await store.stretch({ ...ALL, fromMs: T0, toMs: T0 + 1 })).points).toEqual([])
  })

  it('has every point of every lift from its first instant up to, not including, its last', async () => {
    await using store = await open(place.newUrl('some'))
    const points = [0, 1, 2, 3, 4, 5].map((n) =>
      statusPoint({ atMs: T0 + Math.floor(n / 2) * 1_000, seq: n, lift: n % 2 === 0 ? LIFT : OTHER_LIFT }),
    )
    const bare = statusPoint({ atMs: T0 + 1_000, seq: 9, fields: {} })
    const message: TelemetryPoint = {
      ...statusPoint({ atMs: T0 - 5 }),
      measurement: 'message',
      fields: { id: 'a, "b"\n中文', raised: false, code: -3, snapshot: '' },
    }
    await store.append([...points, bare, message])
    expect(await store.oldest(ALL)).toBe(T0)
    expect(await store.oldest({ ...ALL, fromMs: T0 + 1 })).toBe(T0 + 1_000)
    expect(await store.oldest({ ...ALL, measurement: 'message' })).toBe(T0 - 5)
    expect(await store.tally({ ...ALL, toMs: T0 + 2_000 })).toEqual([
      { lift: OTHER_LIFT, count: 2 },
      { lift: LIFT, count: 3 },
    ])
    const { points: back, untilMs } = await store.stretch({ ...ALL, fromMs: T0, toMs: T0 + 2_000 })
    expect(untilMs).toBe(T0 + 2_000)
    expect([...back].sort(byIdentity)).toEqual([...points.slice(0, 4), bare].sort(byIdentity))
    expect((await store.stretch({ ...ALL, measurement: 'message' })).points).toEqual([message])
  })

  it('is cut between two milliseconds when it is too long, and refused when one alone is', async () => {
    await using store = await open(place.newUrl('long'))
    const lifts = Array.from({ length: 20 }, (_, n) => `long-${String(n).padStart(2, '0')}` as LiftId)
    const before = [0, 1, 2].map((n) => statusPoint({ atMs: T0 + n, seq: n, fields: {} }))
    await store.append(before)
    for (let first = 0; first <= STRETCH_POINTS_MAX; first += 5_000) {
      await store.append(
        Array.from({ length: Math.min(5_000, STRETCH_POINTS_MAX + 1 - first) }, (_, n) =>
          statusPoint({ atMs: T0 + 10, seq: first + n, lift: lifts[n % 20] ?? LIFT, fields: {} }),
        ),
      )
    }
    const back: TelemetryPoint[] = []
    let fromMs = T0 - 1_000
    while (fromMs < T0 + 10) {
      const stretch = await store.stretch({ ...ALL, fromMs, toMs: T0 + 11 })
      expect(stretch.untilMs).toBeGreaterThan(fromMs)
      back.push(...stretch.points)
      fromMs = stretch.untilMs
    }
    expect(back).toEqual(before)
    await expect(store.stretch({ ...ALL, fromMs, toMs: T0 + 11 })).rejects.toThrow(/in the millisecond/)
  })

  it('refuses questions that are mistakes', async () => {
    await using store = await open(place.newUrl('wrong'))
    await expect(store.stretch({ ...ALL, fromMs: 0.5 })).rejects.toThrow(RangeError)
    await expect(store.tally({ ...ALL, toMs: Number.NaN })).rejects.toThrow(RangeError)
    await expect(store.oldest({ ...ALL, measurement: 'toString' as 'status' })).rejects.toThrow(RangeError)
  })
})
