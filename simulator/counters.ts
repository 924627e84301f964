/**
 * What the controller counts. The numbers must not fall when the simulator is started again, for a counter that falls means a
 * replaced controller, and nothing is kept on disk: so a start begins with more than any earlier run of the simulator can have
 * counted since the lift was handed over.
 */
import { arrivedSinceMidnight, DAY_MS, groupsPerDayMax, ZONE_MS, type Household } from './residents.ts'
import { mix, textWord } from './random.ts'

/** `energyKWh` is that of the motor alone; standby is a function of time and is added when the counters are read. */
export type Counters = {
  readonly runCount: number
  readonly runTimeS: number
  readonly doorOpenCount: number
  readonly distanceM: number
  readonly energyKWh: number
  readonly passengerCount: number
}

/** Sheaves that a 2:1 roped lift without machine room bends its ropes over in one run. */
export const ROPE_BENDS_PER_RUN = 3
/** Controller, light, display and terminal. */
const STANDBY_W = 60
const RUN_START_KWH = 0.0012
const RUN_METRE_KWH = 0.0004

/** Days from 1970: the lifts were handed over between March 2024 and April 2025. */
const HANDED_OVER_DAY = { first: 19_800, count: 400 } as const
/** A group needs at most a run to it and a run with it. */
const RUNS_PER_GROUP = 2
const PERSONS_PER_GROUP_MEAN_MAX = 1.6

/** A local midnight, so that whole days since then end where the residents' days end. */
const handedOverAtMs = (house: Household): number =>
  (HANDED_OVER_DAY.first + (mix(textWord(house.lift), house.seed, 6) % HANDED_OVER_DAY.count)) * DAY_MS - ZONE_MS

export const NOTHING_COUNTED: Counters = {
  runCount: 0,
  runTimeS: 0,
  doorOpenCount: 0,
  distanceM: 0,
  energyKWh: 0,
  passengerCount: 0,
}

/**
 * The books at a start of the simulator. `floor` is more than was ever shown: as if each group that ever called had cost the
 * most that a group can. `counters` is less by what those cost who are still under way, for their rides are yet to be counted.
 * Shown is the larger of the two; so no later start can begin with less than was shown.
 */
export function openBooks(
  house: Household,
  o: { atMs: number; shaftM: number; ratedMps: number; underWay: { groupCount: number; personCount: number } },
): { counters: Counters; floor: Counters } {
  const dayCount = Math.max(0, Math.floor((o.atMs - handedOverAtMs(house)) / DAY_MS))
  const earlierCount = Math.ceil(dayCount * groupsPerDayMax(house) * house.speed)
  const today = arrivedSinceMidnight(house, o.atMs)
  const countersOf = (groupCount: number, passengerCount: number): Counters => {
    const runCount = RUNS_PER_GROUP * groupCount
    return {
      runCount,
      doorOpenCount: runCount,
      distanceM: runCount * o.shaftM,
      // Full height, and 6 s for speeding up, braking and levelling.
      runTimeS: runCount * (o.shaftM / o.ratedMps + 6),
      energyKWh: runCount * runEnergyKWh(o.shaftM),
      passengerCount,
    }
  }
  const groupCount = earlierCount + today.groupCount
  const personCount = Math.ceil(earlierCount * PERSONS_PER_GROUP_MEAN_MAX) + today.personCount
  return {
    floor: countersOf(groupCount, personCount),
    counters: countersOf(groupCount - o.underWay.groupCount, personCount - o.underWay.personCount),
  }
}

export const runEnergyKWh = (distanceM: number): number => RUN_START_KWH + distanceM * RUN_METRE_KWH

export const standbyKWh = (house: Household, atMs: number): number =>
  (Math.max(0, atMs - handedOverAtMs(house)) / 3600_000) * (STANDBY_W / 1000)
