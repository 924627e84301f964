import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { LiftId } from '#contract/ids'
import type { House } from '#simulator/town/households'
import { firstArrival, groupOf, nextArrival } from '#simulator/town/residents'
import { arrivalsOf, DAY_MS, house, hourOfDay, WORKDAY_MS } from './riding-days.ts'

const liftId = Compile(LiftId)
const houses: fc.Arbitrary<House> = fc.record({
  lift: fc.stringMatching(/^[a-z]{2,4}-[1-9]-[1-4]$/).map((id) => liftId.Parse(id)),
  seed: fc.nat(),
  landingCount: fc.oneof(fc.integer({ min: 5, max: 7 }), fc.integer({ min: 2, max: 64 })),
  entry: fc.constantFrom('full-floor', 'half-landing'),
  speed: fc.constantFrom(1, 1, 3, 60),
  pattern: fc.constantFrom('real', 'lively'),
})
/** Any moment between 2020 and 2040. */
const moments = fc.integer({ min: 1_577_836_800_000, max: 2_208_988_800_000 })
const dayMs = (of: House): number => DAY_MS / of.speed

describe('the residents of a house', () => {
  it('come one after the other, never two groups at one instant', () => {
    fc.assert(
      fc.property(houses, moments, (of, fromMs) => {
        const times = arrivalsOf(of, fromMs, fromMs + dayMs(of)).map(({ atMs }) => atMs)
        expect(times.length).toBeGreaterThan(0)
        for (const [index, atMs] of times.entries()) {
          expect(Number.isInteger(atMs)).toBe(true)
          expect(atMs).toBeGreaterThan(times[index - 1] ?? fromMs)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('are the same whether one goes through the day or jumps into its middle', () => {
    fc.assert(
      fc.property(houses, moments, fc.double({ min: 0, max: 1, noNaN: true }), (of, fromMs, share) => {
        const all = arrivalsOf(of, fromMs, fromMs + dayMs(of))
        const midMs = fromMs + Math.floor(dayMs(of) * share)
        expect(arrivalsOf({ ...of }, midMs, fromMs + dayMs(of))).toEqual(all.filter(({ atMs }) => atMs > midMs))
        // Exactly at an arrival the next one is asked for.
        const [first, second] = all
        if (first !== undefined && second !== undefined) expect(firstArrival(of, first.atMs)).toEqual(second)
      }),
      { numRuns: 40 },
    )
  })

  it('ride from one landing of the lift to another, some people with some mass', () => {
    fc.assert(
      fc.property(houses, moments, (of, fromMs) => {
        for (const arrivals of arrivalsOf(of, fromMs, fromMs + dayMs(of))) {
          const { from, to, count, massKg, transferMs } = groupOf(of, arrivals)
          for (const landing of [from, to]) {
            expect(Number.isInteger(landing)).toBe(true)
            expect(landing).toBeGreaterThanOrEqual(0)
            expect(landing).toBeLessThan(of.landingCount)
          }
          expect(from).not.toBe(to)
          expect(count).toBeGreaterThanOrEqual(1)
          expect(count).toBeLessThanOrEqual(4)
          expect(massKg / count).toBeGreaterThanOrEqual(8)
          expect(massKg / count).toBeLessThanOrEqual(110)
          expect(transferMs / count).toBeGreaterThanOrEqual(1500)
          expect(transferMs / count).toBeLessThanOrEqual(8200)
        }
      }),
      { numRuns: 40 },
    )
  })

  it('do the same with the same seed, and something else with another seed or behind another door', () => {
    const day = (of: House) =>
      JSON.stringify(
        arrivalsOf(of, WORKDAY_MS, WORKDAY_MS + DAY_MS).map((arrivals) => [arrivals, groupOf(of, arrivals)]),
      )
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        expect(day(house({ seed }))).toBe(day(house({ seed })))
        expect(day(house({ seed }))).not.toBe(day(house({ seed: seed + 1 })))
        expect(day(house({ seed }))).not.toBe(day(house({ seed, lift: liftId.Parse('yhy-1-2') })))
      }),
      { numRuns: 20 },
    )
  })

  it('live so many times as fast as the clock: ten times the speed is ten times the rides', () => {
    const count = (speed: number) => arrivalsOf(house({ speed }), WORKDAY_MS, WORKDAY_MS + 7 * DAY_MS).length
    expect(count(10) / count(1)).toBeGreaterThan(8.5)
    expect(count(10) / count(1)).toBeLessThan(11.5)
  })

  it('use every upper landing, and now and then visit a neighbour', () => {
    for (const of of [house(), house({ entry: 'half-landing', landingCount: 5 })]) {
      const groups = arrivalsOf(of, WORKDAY_MS, WORKDAY_MS + 30 * DAY_MS).map((arrivals) => groupOf(of, arrivals))
      const upper = new Set(groups.flatMap(({ from, to }) => [from, to]))
      expect([...upper].sort()).toEqual(Array.from({ length: of.landingCount }, (_, landing) => landing))
      const betweenShare = groups.filter(({ from, to }) => from > 0 && to > 0).length / groups.length
      expect(betweenShare).toBeGreaterThan(0.015)
      expect(betweenShare).toBeLessThan(0.04)
    }
  })

  it('keep a lively house awake: several rides in any hour of the night, and twice the rides of a real one by day', () => {
    const of = house({ pattern: 'lively' })
    const days = 20
    const perHour = (one: House) => {
      const counts = Array.from({ length: 24 }, () => 0)
      for (const { atMs } of arrivalsOf(one, WORKDAY_MS, WORKDAY_MS + days * DAY_MS))
        counts[hourOfDay(atMs)]! += 1 / days
      return counts
    }
    const lively = perHour(of)
    const real = perHour(house())
    for (const perNightHour of lively.slice(0, 5)) expect(perNightHour).toBeGreaterThan(4)
    const byDay = (counts: number[]) => counts.slice(7, 20).reduce((sum, count) => sum + count, 0)
    expect(byDay(lively) / byDay(real)).toBeGreaterThan(1.7)
    expect(byDay(lively) / byDay(real)).toBeLessThan(2.6)
  })

  it('cannot live around a lift with one landing', () => {
    expect(() => firstArrival(house({ landingCount: 1 }), WORKDAY_MS)).toThrow(RangeError)
  })

  it('leave nothing out at midnight: the day after begins where the day ends', () => {
    const of = house()
    const twoDays = arrivalsOf(of, WORKDAY_MS - 1, WORKDAY_MS + 2 * DAY_MS)
    const midnightMs = WORKDAY_MS + DAY_MS
    expect([
      ...arrivalsOf(of, WORKDAY_MS - 1, midnightMs),
      ...arrivalsOf(of, midnightMs - 1, WORKDAY_MS + 2 * DAY_MS),
    ]).toEqual(twoDays)
    const last = twoDays.findLast(({ atMs }) => atMs < midnightMs)
    expect(last && nextArrival(of, last).day).toBe((last?.day ?? NaN) + 1)
  })
})
