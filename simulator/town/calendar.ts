/** Local days in Asia/Shanghai and what kind of day each is for the people who live there. */

export const DAY_MS = 24 * 3600_000
/** Asia/Shanghai has no summer time. */
export const ZONE_MS = 8 * 3600_000

export const DAY_KINDS = ['workday', 'weekend', 'holiday'] as const
export type DayKind = (typeof DAY_KINDS)[number]

/** First days of Spring Festival, Dragon Boat Festival and Mid-Autumn Festival, which follow the moon. */
const MOON_FESTIVALS: readonly (readonly [spring: string, dragonBoat: string, midAutumn: string])[] = [
  ['2024-02-10', '2024-06-10', '2024-09-17'],
  ['2025-01-29', '2025-05-31', '2025-10-06'],
  ['2026-02-17', '2026-06-19', '2026-09-25'],
  ['2027-02-06', '2027-06-09', '2027-09-15'],
  ['2028-01-26', '2028-05-28', '2028-10-03'],
  ['2029-02-13', '2029-06-16', '2029-09-22'],
  ['2030-02-03', '2030-06-05', '2030-09-12'],
]
/** Month and day of the first day, and how many days. */
const SUN_FESTIVALS: readonly (readonly [date: string, dayCount: number])[] = [
  ['01-01', 1],
  ['04-05', 1],
  ['05-01', 5],
  ['10-01', 7],
]

const dayOf = (date: string): number => Date.parse(`${date}T00:00:00Z`) / DAY_MS
const days = (first: number, count: number): number[] => Array.from({ length: count }, (_, index) => first + index)

/**
 * The days off of the years 2024 to 2030. Days that are worked at a weekend to make up for them are not known here, and in
 * other years weekends are the only days off.
 */
const HOLIDAYS: ReadonlySet<number> = new Set(
  MOON_FESTIVALS.flatMap(([spring, dragonBoat, midAutumn]) => [
    // From New Year's Eve to the seventh day.
    ...days(dayOf(spring) - 1, 8),
    dayOf(dragonBoat),
    dayOf(midAutumn),
    ...SUN_FESTIVALS.flatMap(([date, dayCount]) => days(dayOf(`${spring.slice(0, 4)}-${date}`), dayCount)),
  ]),
)

/** What kind of day it is, counted in local days from 1 January 1970, a Thursday. */
export function dayKindOf(day: number): DayKind {
  if (HOLIDAYS.has(day)) return 'holiday'
  const sinceMonday = (((day + 3) % 7) + 7) % 7
  return sinceMonday >= 5 ? 'weekend' : 'workday'
}
