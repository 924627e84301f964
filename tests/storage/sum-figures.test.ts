import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { dayStartOf, HOUR_MS, monthStartOf, nextDayStartMs, nextMonthStartMs } from '#contract/calendar'
import { SumFigures, type HourFigures } from '#contract/figures'
import { sumFigures } from '#storage/telemetry/sum-figures'
import { LIFT, OTHER_LIFT } from './telemetry-points.ts'

const DAY = dayStartOf('2026-11-21') ?? Number.NaN
const ofDay = { lift: LIFT, fromMs: DAY, toMs: nextDayStartMs(DAY) }
const isSum = Compile(SumFigures)

const hour = (n: number, more: Partial<HourFigures> = {}): HourFigures => ({
  ...{ lift: LIFT, hourAtMs: DAY + n * HOUR_MS, sampleCount: 0, countedMs: 0 },
  ...{ inServiceMs: 0, outOfServiceMs: 0, maintenanceMs: 0, unknownMs: HOUR_MS, onlineMs: 0 },
  ...more,
})

describe('the figures of a day or a month', () => {
  it('are the sums of its hours, the largest vibration, and shares', () => {
    const sum = sumFigures(
      [
        hour(7, {
          ...{
            sampleCount: 60,
            runCount: 10,
            energyKWh: 0.1,
            countedMs: HOUR_MS,
            worstVibrationMg: 7,
            onlineMs: HOUR_MS,
          },
          ...{ inServiceMs: 2_700_000, outOfServiceMs: 900_000, unknownMs: 0 },
        }),
        hour(6, {
          ...{ sampleCount: 30, runCount: 4, energyKWh: 0.2, countedMs: HOUR_MS / 2, worstVibrationMg: 9 },
          ...{ maintenanceMs: 3_000_000, unknownMs: 600_000, onlineMs: HOUR_MS / 2 },
        }),
        hour(8, { runCount: 3, countedMs: HOUR_MS }),
      ],
      ofDay,
    )
    expect(sum).toEqual({
      ...{ lift: LIFT, fromAtMs: DAY, toAtMs: DAY + 24 * HOUR_MS, untilAtMs: DAY + 24 * HOUR_MS },
      ...{ hourCount: 3, sampleCount: 90 },
      ...{ runCount: 17, energyKWh: 0.3, worstVibrationMg: 9 },
      countedMs: {
        ...{ runCount: 2.5 * HOUR_MS, energyKWh: 1.5 * HOUR_MS },
        ...{ doorCycleCount: 0, ropeBendCount: 0, runTimeS: 0, distanceM: 0 },
      },
      ...{ inServiceMs: 2_700_000, outOfServiceMs: 900_000, maintenanceMs: 3_000_000 },
      // Twenty-one hours are not there, one says nothing, and one not all.
      unknownMs: 22 * HOUR_MS + 600_000,
      onlineMs: 1.5 * HOUR_MS,
      availability: 0.75,
      unknownShare: (22 * HOUR_MS + 600_000) / (24 * HOUR_MS),
      onlineShare: 1.5 / 24,
    })
    expect(isSum.Check(sum)).toBe(true)
  })

  it('say nothing of what is in no hour', () => {
    for (const hours of [[], [hour(3)]]) {
      const sum = sumFigures(hours, ofDay)
      for (const name of ['availability', 'runCount', 'energyKWh', 'worstVibrationMg'])
        expect(sum).not.toHaveProperty(name)
      expect(sum).toMatchObject({ unknownMs: 24 * HOUR_MS, unknownShare: 1, onlineShare: 0, hourCount: hours.length })
      expect(isSum.Check(sum)).toBe(true)
    }
  })

  it('do not take maintenance for being out of service', () => {
    const sum = sumFigures([hour(0, { maintenanceMs: 1_800_000, inServiceMs: 1_800_000, unknownMs: 0 })], ofDay)
    expect(sum.availability).toBe(1)
    expect(sumFigures([hour(0, { maintenanceMs: HOUR_MS, unknownMs: 0 })], ofDay)).not.toHaveProperty('availability')
  })

  it('are those of one lift and of hours within, each once', () => {
    for (const hours of [[hour(1), hour(1)], [hour(-1)], [hour(24)], [hour(1, { lift: OTHER_LIFT })]])
      expect(() => sumFigures(hours, ofDay)).toThrow(RangeError)
    for (const range of [{ toMs: DAY }, { toMs: DAY - HOUR_MS }, { fromMs: DAY + 1 }, { toMs: Number.NaN }])
      expect(() => sumFigures([], { ...ofDay, ...range })).toThrow(RangeError)
  })

  it('of a day that is running speak of the time that has passed', () => {
    const untilMs = DAY + 10.5 * HOUR_MS
    const full = hour(9, { inServiceMs: HOUR_MS, unknownMs: 0, onlineMs: HOUR_MS })
    const running = hour(10, { inServiceMs: HOUR_MS / 2, unknownMs: 0, onlineMs: HOUR_MS / 4 })
    const sum = sumFigures([full, running], { ...ofDay, untilMs })
    expect(sum).toMatchObject({ toAtMs: ofDay.toMs, untilAtMs: untilMs, unknownMs: 9 * HOUR_MS, availability: 1 })
    expect(sum.unknownShare).toBeCloseTo(9 / 10.5, 12)
    expect(sum.onlineShare).toBeCloseTo(1.25 / 10.5, 12)
    expect(isSum.Check(sum)).toBe(true)
    // Of no time at all there are no shares.
    const begun = sumFigures([], { ...ofDay, untilMs: DAY })
    for (const name of ['unknownShare', 'onlineShare', 'availability']) expect(begun).not.toHaveProperty(name)
    expect(begun.unknownMs).toBe(0)
    expect(isSum.Check(begun)).toBe(true)
    // A whole hour cannot lie within half of one, nor outside what has passed.
    expect(() => sumFigures([hour(10, { inServiceMs: HOUR_MS })], { ...ofDay, untilMs: DAY + HOUR_MS })).toThrow()
    expect(() => sumFigures([full], { ...ofDay, fromMs: DAY + 9 * HOUR_MS, untilMs: DAY + 9.5 * HOUR_MS })).toThrow(
      RangeError,
    )
    for (const wrongMs of [DAY - 1, ofDay.toMs + 1, Number.NaN])
      expect(() => sumFigures([], { ...ofDay, untilMs: wrongMs })).toThrow(RangeError)
  })

  it('of the days of a month are together those of the month', () => {
    const fromMs = monthStartOf('2026-02') ?? Number.NaN
    const toMs = nextMonthStartMs(fromMs)
    const figures = fc.record({
      runCount: fc.option(fc.integer({ min: 0, max: 90 }), { nil: undefined }),
      inService: fc.integer({ min: 0, max: HOUR_MS }),
      isThere: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(figures, { minLength: 28 * 24, maxLength: 28 * 24 }), (drawn) => {
        const hours = drawn.flatMap(({ runCount, inService: inServiceMs, isThere }, n) => {
          const counted = runCount === undefined ? {} : { runCount, countedMs: HOUR_MS }
          const own = { ...hour(0), hourAtMs: fromMs + n * HOUR_MS, ...counted, inServiceMs }
          return isThere ? [{ ...own, unknownMs: HOUR_MS - inServiceMs }] : []
        })
        const month = sumFigures(hours, { lift: LIFT, fromMs, toMs })
        const total = { runCount: 0, inServiceMs: 0, unknownMs: 0, countedMs: 0, hourCount: 0 }
        for (let dayMs = fromMs; dayMs < toMs; dayMs = nextDayStartMs(dayMs)) {
          const range = { fromMs: dayMs, toMs: nextDayStartMs(dayMs) }
          const own = hours.filter(({ hourAtMs }) => hourAtMs >= range.fromMs && hourAtMs < range.toMs)
          const day = sumFigures(own, { lift: LIFT, ...range })
          total.runCount += day.runCount ?? 0
          total.inServiceMs += day.inServiceMs
          total.unknownMs += day.unknownMs
          total.countedMs += day.countedMs.runCount
          total.hourCount += day.hourCount
        }
        expect({ ...month, countedMs: month.countedMs.runCount }).toMatchObject(total)
        expect(month.inServiceMs + month.unknownMs).toBe(toMs - fromMs)
      }),
      { numRuns: 20, seed: 28 },
    )
  })
})
