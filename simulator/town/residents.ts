/**
 * Who wants to ride, and when. Arrivals are a Poisson stream whose rate follows from the households and the hour in
 * Asia/Shanghai; each local day of each lift is a stream of its own, so that any moment can be jumped into by going through
 * its day alone.
 */
import { RandomStream, unit } from '../random.ts'
import { DAY_MS, dayKindOf, ZONE_MS } from './calendar.ts'
import { AIDS, type House, type Household, type Member } from './households.ts'
import { ROUTINES, type RoutineName } from './routines.ts'
import { pickCause, trafficOf } from './traffic.ts'

export { houseOf, type House, type Pattern } from './households.ts'

/**
 * People who ride together. `from` and `to` are indices of landings and never equal; `transferMs` is how long all of them
 * together need through the door.
 */
export type RiderGroup = {
  readonly count: number
  readonly massKg: number
  readonly from: number
  readonly to: number
  readonly transferMs: number
}
/** Where a lift's stream of arrivals stands: the next group and when it comes (Unix ms). */
export type Arrivals = { readonly day: number; readonly drawn: number; readonly atMs: number }

/** Rides between two upper floors, to neighbours. */
const BETWEEN_FLOORS_SHARE = 0.025
/** Most people who ride together. */
const GROUP_MAX = 4

/** Local day, counted from 1970, and ms since its midnight. Residents live `speed` times as fast as the clock. */
function residentsTime(atMs: number, speed: number): { day: number; ofDayMs: number } {
  const local = atMs * speed + ZONE_MS
  const day = Math.floor(local / DAY_MS)
  return { day, ofDayMs: local - day * DAY_MS }
}
const dayBeginMs = (day: number, speed: number): number => Math.ceil((day * DAY_MS - ZONE_MS) / speed)
const hourOf = (ofDayMs: number): number => Math.floor(ofDayMs / 3600_000)

/** The first group that comes after `atMs`. */
export function firstArrival(house: House, atMs: number): Arrivals {
  let arrivals = dayBegin(house, residentsTime(atMs, house.speed).day)
  while (arrivals.atMs <= atMs) arrivals = nextArrival(house, arrivals)
  return arrivals
}

/** The group after this one. */
export function nextArrival(house: House, arrivals: Arrivals): Arrivals {
  const { day } = arrivals
  return search(house, day, arrivals.drawn, arrivals.atMs) ?? dayBegin(house, day + 1)
}

/** The first group of a local day, or of the first day after it that has one. */
function dayBegin(house: House, firstDay: number): Arrivals {
  for (let day = firstDay; ; day += 1) {
    const found = search(house, day, 0, dayBeginMs(day, house.speed))
    if (found !== undefined) return found
  }
}

/**
 * Thinning: candidates come at the highest rate of the day and are kept with the share that their hour has of it. Undefined
 * when the day ends before one is kept.
 */
function search(house: House, day: number, drawn: number, fromMs: number): Arrivals | undefined {
  const { seed, rates } = trafficOf(house)
  const { down, up, max } = rates[dayKindOf(day)]
  const meanMs = 3600_000 / max / house.speed
  const dayEndMs = dayBeginMs(day + 1, house.speed)
  let atMs = fromMs
  for (let index = drawn + 1; ; index += 1) {
    // Whole ms and at least one: two groups never come at the same instant.
    atMs += Math.max(1, Math.ceil(-Math.log(1 - unit(seed, day, index, 1)) * meanMs))
    if (atMs >= dayEndMs) return undefined
    const hour = hourOf(residentsTime(atMs, house.speed).ofDayMs)
    const rate = (down[hour] ?? 0) + (up[hour] ?? 0)
    if (unit(seed, day, index, 2) * max < rate) return { day, drawn: index, atMs }
  }
}

/** One of those who ride; visitors are grown-ups. */
export type Rider = Pick<Member, 'age' | 'massKg' | 'transferMs' | 'aid'>

/** Who comes with this arrival. */
export function groupOf(house: House, arrivals: Arrivals): RiderGroup {
  const { riders, from, to } = ridersOf(house, arrivals)
  let massKg = 0
  let transferMs = 0
  for (const rider of riders) {
    massKg += rider.massKg + (rider.aid === null ? 0 : AIDS[rider.aid].massKg)
    transferMs += rider.transferMs + (rider.aid === null ? 0 : AIDS[rider.aid].transferMs)
  }
  return { count: riders.length, massKg, from, to, transferMs }
}

/** The people of this arrival one by one. */
export function ridersOf(house: House, arrivals: Arrivals): { riders: Rider[]; from: number; to: number } {
  const { day, drawn, atMs } = arrivals
  const traffic = trafficOf(house)
  const random = new RandomStream(traffic.seed, day, drawn, 5)
  const kind = dayKindOf(day)
  const hour = hourOf(residentsTime(atMs, house.speed).ofDayMs)
  const down = traffic.rates[kind].down[hour] ?? 0
  const up = traffic.rates[kind].up[hour] ?? 0
  const direction = random.next() * (down + up) < down ? 'down' : 'up'
  const { household, member, routine } = pickCause(traffic, { kind, hour, direction }, random)
  const riders = member === null ? visitors(routine, random) : together(household, member, routine, random)
  const { landing } = household
  const top = house.landingCount - 1
  if (top > 1 && random.next() < BETWEEN_FLOORS_SHARE) {
    // One of the other upper landings.
    const to = 1 + ((landing - 1 + random.integer(1, top - 1)) % top)
    return { riders, from: landing, to }
  }
  return direction === 'down' ? { riders, from: landing, to: 0 } : { riders, from: 0, to: landing }
}

/** A member of a household and those who come along. */
function together(household: Household, leader: Member, routine: RoutineName, random: RandomStream): Member[] {
  const others = household.members.filter((member) => member !== leader)
  const riders = [leader]
  if (leader.isEscorted) {
    const escort = others.find(({ age }) => age === 'adult' || age === 'older') ?? others[0]
    if (escort !== undefined) riders.push(...others.splice(others.indexOf(escort), 1))
  }
  const { company } = ROUTINES[routine]
  while (others.length > 0 && riders.length < GROUP_MAX && random.next() < company)
    riders.push(...others.splice(random.integer(0, others.length - 1), 1))
  return riders
}

function visitors(routine: RoutineName, random: RandomStream): Rider[] {
  const riders: Rider[] = []
  do {
    const load = routine === 'delivery' ? random.integer(1, 12) : 0
    riders.push({
      age: 'adult',
      massKg: random.integer(50, 86) + load,
      transferMs: random.integer(1600, 1900),
      aid: null,
    })
  } while (riders.length < GROUP_MAX && random.next() < ROUTINES[routine].company)
  return riders
}
