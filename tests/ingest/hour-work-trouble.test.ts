/** Hours that cannot be read or stored, or whose figures are better than those that could be computed. */
import { describe, expect, it } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import { RegisterAwayError } from '#storage/register/register'
import { TelemetryStoreError, TooManyPointsError } from '#storage/telemetry/telemetry-store'
import { PLACES } from '../storage/telemetry-places.ts'
import { statusPoint } from '../storage/telemetry-points.ts'
import { H, hoursFromH, hoursUnderTest, lift, minutes, rightly, WAIT } from './hours-under-test.ts'

describe.each(PLACES)('hours that are marked: $name', (kind) => {
  const t = hoursUnderTest(kind)

  it('wait while the telemetry store is away, and are computed when it is back', async () => {
    const points = minutes(60)
    await t.telemetry.append(points)
    await t.mark(H)
    const away = { points: true, putFigures: true }
    const failing = (): Promise<never> => Promise.reject(new TelemetryStoreError('away', 'not now'))
    t.compute({
      telemetry: t.storeWith({
        points: (query) => (away.points ? failing() : t.telemetry.points(query)),
        putFigures: (rows) => (away.putFigures ? failing() : t.telemetry.putFigures(rows)),
      }),
    })
    for (const part of ['points', 'putFigures'] as const) {
      t.told = []
      if (part === 'points') await expect.poll(() => t.told, WAIT).toContain('figures.away')
      else await new Promise((wake) => setTimeout(wake, 500))
      expect(await t.marked()).toBe(1)
      expect(await t.figures()).toEqual([])
      away[part] = false
    }
    await t.settled()
    await expect.poll(() => t.told, WAIT).toContain('figures.back')
    expect(await t.figures()).toEqual([rightly(points)])
  })

  it('are marked again until the register has heard that they are computed', async () => {
    const points = minutes(60)
    await t.telemetry.append(points)
    await t.mark(H)
    let failCount = 3
    const own = t.register.staleHours
    const staleHours: typeof own = {
      ...own,
      clear: (rows) => ((failCount -= 1) >= 0 ? Promise.reject(new RegisterAwayError('not now')) : own.clear(rows)),
    }
    t.compute({ staleHours })
    await t.settled()
    expect(failCount).toBeLessThan(0)
    expect(await t.figures()).toEqual([rightly(points)])
  })

  it('are left out alone when they have more samples than are read', async () => {
    const points = minutes(180)
    await t.telemetry.append(points)
    t.nowMs += HOUR_MS
    await t.mark(H, H + HOUR_MS)
    let readCount = 0
    const crowded = ({ limit }: { limit: number }) => {
      readCount += limit
      return Promise.resolve(Array.from({ length: limit }, (_, seq) => statusPoint({ atMs: H + seq, seq, lift })))
    }
    t.compute({
      telemetry: t.storeWith({
        points: (query) => (query.fromMs < H ? crowded(query) : t.telemetry.points(query)),
      }),
    })
    await t.settled()
    expect(await t.figures()).toEqual([rightly(points, H + HOUR_MS)])
    expect(await t.counted('hours_left_out_total')).toEqual({ tooMany: 1 })
    expect(readCount).toBe(55_000)
  })

  it('do not wait for one that cannot be read, which is tried again later', async () => {
    const hours = hoursFromH(6)
    await t.telemetry.append(minutes(360))
    t.nowMs += 6 * HOUR_MS
    await t.mark(...hours)
    let isBad = true
    t.compute({
      telemetry: t.storeWith({
        points: (query) =>
          isBad && query.measurement === 'status' && query.toMs === H + HOUR_MS
            ? Promise.reject(new TelemetryStoreError('away', 'not this one'))
            : t.telemetry.points(query),
      }),
    })
    await expect.poll(() => t.marked(), WAIT).toBe(1)
    await expect.poll(async () => (await t.counted('hours_total'))['all'], WAIT).toBe(5)
    expect((await t.figures()).map(({ hourAtMs }) => hourAtMs)).toEqual(hours.slice(1))
    expect(t.told).toContain('figures.setBack')
    expect((await t.counted('hours_set_back_total'))['failed']).toBeGreaterThan(0)
    await expect.poll(() => t.told, WAIT).toContain('figures.away') // it alone is left, and cannot be read
    isBad = false
    await t.settled()
    await expect.poll(() => t.told, WAIT).toContain('figures.back')
    expect((await t.figures()).map(({ hourAtMs }) => hourAtMs)).toEqual(hours)
  })

  it('are left out alone when the store cannot tell their samples apart into pages', async () => {
    await t.telemetry.append(minutes(120))
    t.nowMs += HOUR_MS
    await t.mark(H, H + HOUR_MS)
    t.compute({
      telemetry: t.storeWith({
        points: (query) =>
          query.toMs === H + HOUR_MS ? Promise.reject(new TooManyPointsError('endless')) : t.telemetry.points(query),
      }),
    })
    await t.settled()
    expect((await t.figures()).map(({ hourAtMs }) => hourAtMs)).toEqual([H + HOUR_MS])
    expect(await t.counted('hours_left_out_total')).toEqual({ tooMany: 1 })
    expect(t.told).not.toContain('figures.away')
  })

  it('keep figures of more samples than are found', async () => {
    const before = [rightly(minutes(60))]
    await t.telemetry.putFigures(before)
    await t.telemetry.append([...minutes(59), ...minutes(60, { fromMs: H + HOUR_MS })])
    t.nowMs += HOUR_MS
    await t.mark(H, H + HOUR_MS)
    t.compute()
    await t.settled()
    expect((await t.figures()).map(({ sampleCount }) => sampleCount)).toEqual([60, 60])
    expect((await t.figures())[0]).toEqual(before[0])
    expect(await t.counted('hours_left_out_total')).toEqual({ fewer: 1 })
    expect(t.told).toContain('figures.leftOut')
  })

  it('get other figures of as many samples, though each was stored twice', async () => {
    const points = minutes(60)
    await t.telemetry.putFigures([{ ...rightly(points), onlineMs: 1 }])
    for (let count = 0; count < 2; count += 1) await t.telemetry.append(points)
    await t.mark(H)
    t.compute()
    await t.settled()
    expect(await t.figures()).toEqual([rightly(points)])
  })
})
