/** What brings the people of one house into the lift, and how often in each hour of each kind of day. */
import { mix, textWord, type RandomStream } from '../random.ts'
import { DAY_KINDS, type DayKind } from './calendar.ts'
import { householdsOf, type House, type Household, type Member } from './households.ts'
import { HABITS, ROUTINE_NAMES, ROUTINES, VISITS, type Outings, type RoutineName } from './routines.ts'

/** A lively house has so many times the rides of a real one by day. */
const LIVELY_FACTOR = 2
/**
 * Rides an hour of a lively house at any hour. 120 of them move several cars in any minute: 720 rides an hour of half a
 * minute each keep six cars under way, and more are on the way to those who wait.
 */
const LIVELY_PER_HOUR_MIN = 6

export type Direction = 'down' | 'up'
/** Somebody with a reason to go out and come home: a member of the household, or a visitor (null). */
export type Cause = { readonly routine: RoutineName; readonly household: Household; readonly member: Member | null }
/** All who have one routine together: outings a day. */
type Band = { readonly routine: RoutineName; readonly outings: Outings }
/** Rides an hour, by hour of the day; `max` is the highest of both together. */
type Rates = { readonly down: readonly number[]; readonly up: readonly number[]; readonly max: number }
export type Traffic = {
  /** Of all that is drawn about this house. */
  readonly seed: number
  readonly households: readonly Household[]
  readonly bands: readonly Band[]
  readonly rates: Readonly<Record<DayKind, Rates>>
}

/** Follows from the house alone; kept as long as the house is, for it is asked for at each arrival. */
const trafficByHouse = new WeakMap<House, Traffic>()

/** Throws a RangeError for a lift with fewer than two landings. */
export function trafficOf(house: House): Traffic {
  const known = trafficByHouse.get(house)
  if (known !== undefined) return known
  if (house.landingCount < 2) throw new RangeError(`${house.lift} has ${house.landingCount} landings: nobody can ride`)
  const households = householdsOf(house)
  const bands = ROUTINE_NAMES.map((routine): Band => {
    const outings = byDayKind((kind) => sumOf(households, (household) => householdOutings(household, routine, kind)))
    return { routine, outings }
  })
  const seed = mix(house.seed, textWord(house.lift), 3)
  const traffic = { seed, households, bands, rates: byDayKind((kind) => ratesOf(house, bands, kind)) }
  trafficByHouse.set(house, traffic)
  return traffic
}

/** Rides that a day of this house brings on average. */
export function groupsPerDay(house: House, kind: DayKind): number {
  const { down, up } = trafficOf(house).rates[kind]
  return sumOf([...down, ...up], (rate) => rate)
}

/**
 * Who rides at this hour, each cause as likely as it is frequent then; at an hour at which nobody really rides, as it is
 * frequent in the whole day.
 */
export function pickCause(
  traffic: Traffic,
  at: { kind: DayKind; hour: number; direction: Direction },
  random: RandomStream,
): Cause {
  const { kind, hour, direction } = at
  const { bands, households } = traffic
  const hourly = (band: Band): number => band.outings[kind] * (ROUTINES[band.routine][direction][hour] ?? 0)
  const daily = (band: Band): number => band.outings[kind]
  const now = sumOf(bands, hourly)
  const { routine, outings } =
    now > 0 ? pickWeighted(bands, now, hourly, random) : pickWeighted(bands, sumOf(bands, daily), daily, random)
  const ofHousehold = (one: Household): number => householdOutings(one, routine, kind)
  const household = pickWeighted(households, outings[kind], ofHousehold, random)
  const ofPerson = (one: Member | null): number => personOutings(one, routine, kind)
  const member = pickWeighted([...household.members, null], ofHousehold(household) / household.use, ofPerson, random)
  return { routine, household, member }
}

/** Outings a day of one person who takes the lift whenever there is one; null is whoever visits the household. */
const personOutings = (member: Member | null, routine: RoutineName, kind: DayKind): number =>
  (member === null ? VISITS : HABITS[member.occupation])[routine]?.[kind] ?? 0

/** Outings a day of a household and its visitors for which the lift is taken. */
const householdOutings = ({ members, use }: Household, routine: RoutineName, kind: DayKind): number =>
  use * (sumOf(members, (member) => personOutings(member, routine, kind)) + personOutings(null, routine, kind))

function ratesOf(house: House, bands: readonly Band[], kind: DayKind): Rates {
  const hourly = (direction: Direction): number[] =>
    Array.from({ length: 24 }, (_, hour) => {
      const real = sumOf(bands, ({ routine, outings }) => outings[kind] * (ROUTINES[routine][direction][hour] ?? 0))
      return house.pattern === 'real' ? real : Math.max(LIVELY_PER_HOUR_MIN / 2, LIVELY_FACTOR * real)
    })
  const down = hourly('down')
  const up = hourly('up')
  return { down, up, max: Math.max(...down.map((rate, hour) => rate + (up[hour] ?? 0))) }
}

/** One of the items, as likely as its weight; `sum` is that of all weights. */
function pickWeighted<Item>(
  items: readonly Item[],
  sum: number,
  weight: (item: Item) => number,
  random: RandomStream,
): Item {
  let left = random.next() * sum
  for (const item of items) {
    left -= weight(item)
    if (left < 0) return item
  }
  // Rounding may leave a last crumb over.
  return items.findLast((item) => weight(item) > 0) ?? random.pick(items)
}

const sumOf = <Item>(items: readonly Item[], value: (item: Item) => number): number => {
  let sum = 0
  for (const item of items) sum += value(item)
  return sum
}

function byDayKind<Value>(value: (kind: DayKind) => Value): Record<DayKind, Value> {
  const [workday, weekend, holiday] = DAY_KINDS
  return { workday: value(workday), weekend: value(weekend), holiday: value(holiday) }
}
