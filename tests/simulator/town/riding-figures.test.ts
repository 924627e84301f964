/** The rides of 300 lifts on one working day and one Sunday, beside the figures of retrofitted stair units. */
import { beforeAll, describe, expect, it } from 'vitest'
import { houseOf, type Pattern } from '#simulator/town/households'
import { ridersOf, type Rider } from '#simulator/town/residents'
import { generateTown } from '#simulator/town/town'
import { arrivalsOf, DAY_MS, HOLIDAY_MS, hourOfDay, SUNDAY_MS, WORKDAY_MS } from './riding-days.ts'

type Ride = { lift: string; hour: number; riders: Rider[]; isUp: boolean }
const LIFT_COUNT = 300

function ridesOf(fromMs: number, pattern: Pattern): Ride[] {
  const { lifts } = generateTown({ seed: 20, liftCount: LIFT_COUNT, boundAtMs: 0 })
  return lifts.flatMap((lift) => {
    const of = houseOf(lift, { seed: 20, speed: 1, pattern })
    return arrivalsOf(of, fromMs - 1, fromMs + DAY_MS).map((arrivals) => {
      const { riders, from, to } = ridersOf(of, arrivals)
      return { lift: lift.id, hour: hourOfDay(arrivals.atMs), riders, isUp: to > from }
    })
  })
}

const shareOf = (rides: readonly Ride[], is: (ride: Ride) => boolean) => rides.filter(is).length / rides.length
const perHour = (rides: readonly Ride[], hours: readonly number[]) =>
  rides.filter(({ hour }) => hours.includes(hour)).length / hours.length / LIFT_COUNT
const olderShare = (rides: readonly Ride[]) => {
  const riders = rides.flatMap((ride) => ride.riders)
  return riders.filter(({ age }) => age === 'older' || age === 'old').length / riders.length
}
const between = (value: number, min: number, max: number) => {
  expect(value).toBeGreaterThanOrEqual(min)
  expect(value).toBeLessThanOrEqual(max)
}

describe.each([
  ['a working day', WORKDAY_MS],
  ['a Sunday', SUNDAY_MS],
])('the rides of 300 lifts on %s', (_, fromMs) => {
  let rides: Ride[] = []
  beforeAll(() => {
    rides = ridesOf(fromMs, 'real')
  })

  it('are 60 to 200 a lift, and nowhere next to none or far too many', () => {
    between(rides.length / LIFT_COUNT, 60, 200)
    const counts = new Map<string, number>()
    for (const { lift } of rides) counts.set(lift, (counts.get(lift) ?? 0) + 1)
    expect(counts.size).toBe(LIFT_COUNT)
    between(Math.min(...counts.values()), 20, 260)
    between(Math.max(...counts.values()), 20, 260)
  })

  it('take 1.2 to 1.5 persons each', () => {
    between(rides.reduce((sum, { riders }) => sum + riders.length, 0) / rides.length, 1.2, 1.5)
  })

  it('go down as often as up: who leaves comes back', () => {
    const ups = rides.filter(({ isUp }) => isUp).length
    between(ups / (rides.length - ups), 0.9, 1.1)
  })

  it('are few at night, but not none', () => {
    between(
      shareOf(rides, ({ hour }) => hour < 5),
      0.002,
      0.03,
    )
  })

  it('are old people to a good part, who need longer through the door than others', () => {
    between(olderShare(rides), 0.25, 0.55)
    const riders = rides.flatMap((ride) => ride.riders)
    const meanMs = (ages: readonly string[]) => {
      const those = riders.filter(({ age }) => ages.includes(age))
      return those.reduce((sum, { transferMs }) => sum + transferMs, 0) / those.length
    }
    between(meanMs(['adult']), 1600, 1900)
    expect(meanMs(['older'])).toBeGreaterThan(1.2 * meanMs(['adult']))
    expect(meanMs(['old'])).toBeGreaterThan(1.3 * meanMs(['older']))
  })
})

describe('the hours of the rides', () => {
  const workday = ridesOf(WORKDAY_MS, 'real')
  const sunday = ridesOf(SUNDAY_MS, 'real')
  const midday = [10, 11, 12, 13, 14, 15]

  it('have their peaks at 7 to 9 and 16 to 19 on a working day, and something between', () => {
    expect(perHour(workday, [7, 8])).toBeGreaterThan(1.6 * perHour(workday, midday))
    expect(perHour(workday, [16, 17, 18])).toBeGreaterThan(1.4 * perHour(workday, midday))
    expect(perHour(workday, midday)).toBeGreaterThan(3)
  })

  it('begin later and lie flatter on a Sunday', () => {
    expect(perHour(sunday, [6, 7, 8])).toBeLessThan(0.8 * perHour(workday, [6, 7, 8]))
    expect(perHour(sunday, midday)).toBeGreaterThan(1.1 * perHour(workday, midday))
  })

  it('lead out of the house in the morning and home in the evening', () => {
    const at = (hours: readonly number[]) => workday.filter(({ hour }) => hours.includes(hour))
    expect(shareOf(at([6, 7]), ({ isUp }) => isUp)).toBeLessThan(0.35)
    expect(shareOf(at([16, 17]), ({ isUp }) => isUp)).toBeGreaterThan(0.65)
  })

  it('belong to older people between the peaks of a working day', () => {
    const at = (hours: readonly number[]) => workday.filter(({ hour }) => hours.includes(hour))
    expect(olderShare(at([9, 10, 13, 14, 15]))).toBeGreaterThan(olderShare(at([7, 8, 17, 18])) + 0.1)
  })

  it('are fewer in the holidays, when many are away', () => {
    expect(ridesOf(HOLIDAY_MS, 'real').length).toBeLessThan(0.95 * sunday.length)
  })

  it('never end in a lively town, which goes down as often as up too', () => {
    const lively = ridesOf(WORKDAY_MS, 'lively')
    for (let hour = 0; hour < 24; hour += 1) expect(perHour(lively, [hour])).toBeGreaterThan(5.5)
    const ups = lively.filter(({ isUp }) => isUp).length
    between(ups / (lively.length - ups), 0.9, 1.1)
  })
})
