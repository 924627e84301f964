/** Hours in the course of time: slow stores, workers that freeze or are ended, old and new ones at once. */
import { describe, expect, it } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import { TelemetryStoreError } from '#storage/telemetry/telemetry-store'
import { PLACES } from '../storage/telemetry-places.ts'
import { H, hoursFromH, hoursUnderTest, minutes, rightly, WAIT } from './hours-under-test.ts'

describe.each(PLACES)('hours that are marked: $name', (kind) => {
  const t = hoursUnderTest(kind)

  it('are computed once more by whoever wrote late and finds that somebody else has cleared the mark', async () => {
    const all = minutes(60)
    await t.telemetry.append(all.slice(0, 20))
    await t.mark(H)
    let isFrozen = true
    const waking = async (rows: readonly HourFigures[]): Promise<void> => {
      if (isFrozen) {
        // Between reading and writing of the one, the other takes late samples, computes, and clears the mark.
        isFrozen = false
        await t.telemetry.append(all)
        await t.mark(H)
        await t.telemetry.putFigures([rightly(all)])
        const due = await t.register.staleHours.due({ quietMs: -1_000, endedBeforeMs: t.nowMs, limit: 9 })
        expect(await t.register.staleHours.clear(due)).toEqual([])
        expect(rows[0]?.sampleCount).toBe(20)
      }
      await t.telemetry.putFigures(rows)
    }
    t.compute({ telemetry: t.storeWith({ putFigures: waking }) })
    await expect.poll(async () => (await t.counted('hours_total'))['all'], WAIT).toBe(2)
    await t.settled()
    expect(await t.figures()).toEqual([rightly(all)])
  })

  it('are thrown away, not written, when too much time has passed since they were asked for', async () => {
    const points = minutes(60)
    await t.telemetry.append(points)
    await t.mark(H)
    let readCount = 0
    let writeCount = 0
    t.compute({
      telemetry: t.storeWith({
        points: (query) => {
          readCount += 1
          if (readCount === 2) t.nowMs += 21_000
          return t.telemetry.points(query)
        },
        putFigures: (rows) => {
          writeCount += 1
          return t.telemetry.putFigures(rows)
        },
      }),
    })
    await t.settled()
    expect({ readCount, writeCount }).toEqual({ readCount: 4, writeCount: 1 })
    expect(await t.figures()).toEqual([rightly(points)])
  })

  it('are left out alone when the store refuses their figures, and do not hold up the others', async () => {
    await t.telemetry.append(minutes(300))
    const hours = Array.from({ length: 5 }, (_, n) => H + n * HOUR_MS)
    t.nowMs += 5 * HOUR_MS
    await t.mark(...hours, H + HOUR_MS + 1) // the last is no hour at all
    t.compute({
      telemetry: t.storeWith({
        putFigures: (rows) =>
          rows.some(({ hourAtMs }) => hourAtMs === hours[3])
            ? Promise.reject(new TelemetryStoreError('refused', 'not this one'))
            : t.telemetry.putFigures(rows),
      }),
    })
    await t.settled()
    expect((await t.figures()).map(({ hourAtMs }) => hourAtMs)).toEqual(hours.filter((_, n) => n !== 3))
    expect(await t.counted('hours_left_out_total')).toEqual({ refused: 2 })
  })

  it('do not hold up the end of the work although the store hangs, and stay marked', async () => {
    await t.telemetry.append(minutes(60))
    await t.mark(H)
    let isAsked = false
    const hang = (): Promise<never> => {
      isAsked = true
      return new Promise(() => {})
    }
    t.compute({ telemetry: t.storeWith({ putFigures: hang }) })
    await expect.poll(() => isAsked, WAIT).toBe(true)
    await t.end()
    expect(await t.marked()).toBe(1)
  })

  it('get their figures from a store that is slow, one at a time, and none is computed in vain', async () => {
    const points = minutes(480)
    await t.telemetry.append(points)
    t.nowMs += 8 * HOUR_MS
    await t.mark(...hoursFromH(8))
    let underwayCount = 0
    let underwayMax = 0
    t.compute({
      telemetry: t.storeWith({
        async points(query) {
          underwayMax = Math.max(underwayMax, (underwayCount += 1))
          t.nowMs += 6_000 // the status and the statistics of an hour take 12 s
          return t.telemetry.points(query).finally(() => (underwayCount -= 1))
        },
      }),
    })
    await t.settled()
    expect(await t.figures()).toEqual(hoursFromH(8).map((hourAtMs) => rightly(points, hourAtMs)))
    expect(t.told).toEqual([])
    expect({ underwayMax, ...(await t.counted('hours_total')) }).toEqual({ underwayMax: 1, all: 8 })
  })

  it('are told to be in trouble while the store is so slow that none can be written in time', async () => {
    const points = minutes(60)
    await t.telemetry.append(points)
    await t.mark(H)
    let isSlow = true
    t.compute({
      telemetry: t.storeWith({
        points(query) {
          t.nowMs += isSlow ? 11_000 : 0
          return t.telemetry.points(query)
        },
      }),
    })
    await expect.poll(() => t.told, WAIT).toContain('figures.away')
    expect(t.told).toContain('figures.late')
    expect(await t.figures()).toEqual([])
    expect((await t.counted('hours_set_back_total'))['late']).toBeGreaterThan(0)
    isSlow = false
    await t.settled()
    await expect.poll(() => t.told, WAIT).toContain('figures.back')
    expect(await t.figures()).toEqual([rightly(points)])
  })

  it('are not late because of the time that the register took to tell them', async () => {
    await t.telemetry.append(minutes(60))
    await t.mark(H)
    const { staleHours } = t.register
    t.compute({
      staleHours: { ...staleHours, due: (o) => staleHours.due(o).finally(() => (t.nowMs += 25_000)) },
    })
    await t.settled()
    expect(t.told).toEqual([])
    expect(await t.counted('hours_total')).toEqual({ all: 1 })
  })

  it('are computed from both ends in turn, so that neither old nor new ones wait for all others', async () => {
    const hours = hoursFromH(40)
    await t.telemetry.append(minutes(40 * 60))
    t.nowMs += 40 * HOUR_MS
    await t.mark(...hours)
    const puts: number[][] = []
    t.compute({
      telemetry: t.storeWith({
        putFigures(rows) {
          puts.push(rows.map(({ hourAtMs }) => hourAtMs).sort((a, b) => a - b))
          return t.telemetry.putFigures(rows)
        },
      }),
    })
    await t.settled()
    expect(puts[0]?.[0]).toBe(hours[0])
    expect(puts[1]?.at(-1)).toBe(hours.at(-1))
    expect(puts.flat().sort((a, b) => a - b)).toEqual(hours)
  })

  it('are read one at a time again after their figures could not be stored', async () => {
    const hours = hoursFromH(12)
    await t.telemetry.append(minutes(720))
    t.nowMs += 12 * HOUR_MS
    await t.mark(...hours)
    const counts: number[] = []
    t.compute({
      telemetry: t.storeWith({
        putFigures(rows) {
          counts.push(rows.length)
          return counts.length <= 3
            ? Promise.reject(new TelemetryStoreError('away', 'no place for figures'))
            : t.telemetry.putFigures(rows)
        },
      }),
    })
    await t.settled()
    expect(counts[0]).toBeGreaterThan(1)
    expect(counts.slice(1, 4)).toEqual([1, 1, 1])
    expect(t.told.filter((event) => event === 'figures.away')).toHaveLength(1)
    expect(await t.figures()).toHaveLength(12)
  })

  it.each(['due', 'clear', 'mark', 'count'] as const)(
    'do not hold up the end of the work although the register hangs at “%s”',
    async (name) => {
      await t.telemetry.append(minutes(60))
      await t.mark(H)
      let isAsked = false
      const hang = (): Promise<never> => {
        isAsked = true
        return new Promise(() => {})
      }
      const failing = (): Promise<never> => Promise.reject(new TelemetryStoreError('away', 'not now'))
      t.compute({
        staleHours: { ...t.register.staleHours, [name]: hang },
        telemetry: name === 'mark' ? t.storeWith({ points: failing }) : t.telemetry,
      })
      await expect.poll(() => isAsked, WAIT).toBe(true)
      await t.end()
    },
  )
})
