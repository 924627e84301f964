/**
 * Who wants to ride, and when. Arrivals are a Poisson stream whose rate follows the hour in Asia/Shanghai; each day of each
 * lift is a stream of its own, so that the arrivals since midnight are known without simulating them (counters need that).
 */
import type { LiftId } from '#contract/ids'
import { mix, RandomStream, textWord, unit } from './random.ts'

/** People who ride together. Floors are indices of landings. */
export type RiderGroup = { readonly count: number; readonly massKg: number; readonly from: number; readonly to: number }
/** Where a lift's stream of arrivals stands: the next group and when it comes (Unix ms). */
export type Arrivals = { readonly day: number; readonly drawn: number; readonly atMs: number }

export type Household = {
  readonly lift: LiftId
  readonly seed: number
  readonly landingCount: number
  readonly speed: number
}

export const DAY_MS = 24 * 3600_000
/** Asia/Shanghai has no summer time. */
export const ZONE_MS = 8 * 3600_000

/**
 * Groups an hour and lift, by hour of the day. About twice what such lifts really carry, and far more at night: a wall of
 * 120 lifts must show several cars moving in any minute of the day, also when a demonstration happens at 3 in the morning.
 */
const GROUPS_PER_HOUR: readonly number[] = [
  11, 10, 10, 10, 10, 11, 15, 24, 24, 16, 15, 16, 16, 14, 13, 14, 20, 25, 24, 17, 15, 13, 12, 11,
]
const GROUPS_PER_HOUR_MAX = 25
/** Busy and quiet houses: each lift's own factor lies between these. */
const HOUSE_FACTOR = { min: 0.6, max: 1.4 } as const

/** Share of rides that leave the house, by hour; the rest come home, except some between floors. */
const LEAVING_SHARE: readonly number[] = [
  0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.8, 0.85, 0.8, 0.65, 0.5, 0.4, 0.45, 0.55, 0.55, 0.45, 0.3, 0.2, 0.2, 0.35, 0.4, 0.35,
  0.3, 0.3,
]
const BETWEEN_FLOORS_SHARE = 0.04

/** Local day, counted from 1970, and ms since its midnight. Residents live `speed` times as fast as the clock. */
function residentsTime(atMs: number, speed: number): { day: number; ofDayMs: number } {
  const local = atMs * speed + ZONE_MS
  const day = Math.floor(local / DAY_MS)
  return { day, ofDayMs: local - day * DAY_MS }
}
const clockTimeMs = (day: number, ofDayMs: number, speed: number): number =>
  Math.ceil((day * DAY_MS + ofDayMs - ZONE_MS) / speed)

const houseSeed = (house: Household): number => mix(house.seed, textWord(house.lift), 3)
const houseFactor = (house: Household): number =>
  HOUSE_FACTOR.min + (HOUSE_FACTOR.max - HOUSE_FACTOR.min) * unit(houseSeed(house), 4)

/** The first group that comes after `atMs`. */
export function firstArrival(house: Household, atMs: number): Arrivals {
  let arrivals = dayBegin(house, residentsTime(atMs, house.speed).day)
  while (arrivals.atMs <= atMs) arrivals = nextArrival(house, arrivals)
  return arrivals
}

/** The group after this one. */
export function nextArrival(house: Household, arrivals: Arrivals): Arrivals {
  const { day } = arrivals
  const dayEndMs = clockTimeMs(day + 1, 0, house.speed)
  const found = search(house, day, arrivals.drawn, arrivals.atMs)
  return found.atMs < dayEndMs ? found : dayBegin(house, day + 1)
}

/** The first group of a local day, or of the first day after it that has one. */
function dayBegin(house: Household, day: number): Arrivals {
  const found = search(house, day, 0, clockTimeMs(day, 0, house.speed))
  return found.atMs < clockTimeMs(day + 1, 0, house.speed) ? found : dayBegin(house, day + 1)
}

/** Thinning: candidates come at the highest rate and are kept with the share that the hour has of it. */
function search(house: Household, day: number, drawn: number, fromMs: number): Arrivals {
  const seed = houseSeed(house)
  const meanMs = 3600_000 / (GROUPS_PER_HOUR_MAX * houseFactor(house)) / house.speed
  let atMs = fromMs
  for (let index = drawn + 1; ; index += 1) {
    // Whole ms and at least one: two groups never come at the same instant.
    atMs += Math.max(1, Math.ceil(-Math.log(1 - unit(seed, day, index, 1)) * meanMs))
    const { day: atDay, ofDayMs } = residentsTime(atMs, house.speed)
    const rate = hourly(GROUPS_PER_HOUR, ofDayMs)
    if (atDay !== day || unit(seed, day, index, 2) * GROUPS_PER_HOUR_MAX < rate) return { day, drawn: index, atMs }
  }
}

/** Who comes with this arrival. */
export function groupOf(house: Household, arrivals: Arrivals): RiderGroup {
  const random = new RandomStream(houseSeed(house), arrivals.day, arrivals.drawn, 5)
  const top = house.landingCount - 1
  const count = pickCount(random.next())
  let massKg = 0
  for (let person = 0; person < count; person += 1) massKg += random.integer(48, 92)
  const home = random.integer(1, top)
  const { ofDayMs } = residentsTime(arrivals.atMs, house.speed)
  if (random.next() < BETWEEN_FLOORS_SHARE && top > 1) {
    const other = random.integer(1, top)
    return { count, massKg, from: home, to: other === home ? 0 : other }
  }
  const isLeaving = random.next() < hourly(LEAVING_SHARE, ofDayMs)
  return isLeaving ? { count, massKg, from: home, to: 0 } : { count, massKg, from: 0, to: home }
}

/** 1.3 persons on average. */
const pickCount = (chance: number): number => (chance < 0.76 ? 1 : chance < 0.94 ? 2 : 3)

/** The value of the hour; the last table entry holds until midnight. */
const hourly = (table: readonly number[], ofDayMs: number): number =>
  table[Math.floor(ofDayMs / 3600_000)] ?? table[table.length - 1] ?? 0

/** Groups and persons since local midnight, up to and including `atMs`. */
export function arrivedSinceMidnight(house: Household, atMs: number): { groupCount: number; personCount: number } {
  let groupCount = 0
  let personCount = 0
  const { day } = residentsTime(atMs, house.speed)
  for (let next = dayBegin(house, day); next.atMs <= atMs; next = nextArrival(house, next)) {
    groupCount += 1
    personCount += groupOf(house, next).count
  }
  return { groupCount, personCount }
}

/** More groups than any day of this lift brings: the mean and six standard deviations. */
export function groupsPerDayMax(house: Household): number {
  const mean = GROUPS_PER_HOUR.reduce((sum, rate) => sum + rate, 0) * houseFactor(house)
  return Math.ceil(mean + 6 * Math.sqrt(mean))
}
