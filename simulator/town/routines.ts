/**
 * What takes people out of the house and home again. An outing is one ride down and one ride up; hours are local hours of
 * the day. The same weight of leaving and of coming back makes rides down equal rides up over a day.
 */
import type { DayKind } from './calendar.ts'

/** The share of each hour of the day; the 24 of them make 1. */
export type Hours = readonly number[]

/** How often each hour, in any measure: `{ 7: 3, 8: 1 }` is three times out of four at 7. */
function hours(weights: Readonly<Record<number, number>>): Hours {
  const sum = Object.values(weights).reduce((total, weight) => total + weight, 0)
  return Array.from({ length: 24 }, (_, hour) => (weights[hour] ?? 0) / sum)
}
/** The same weight from the first hour to the last, both included. */
const even = (first: number, last: number, weight = 1): Record<number, number> =>
  Object.fromEntries(Array.from({ length: last - first + 1 }, (_, index) => [first + index, weight]))

export type Routine = {
  /** Hours of the rides down and of the rides up. */
  readonly down: Hours
  readonly up: Hours
  /** How likely somebody of the household comes along. */
  readonly company: number
}

const NIGHT_COURIERS = { 0: 0.15, 1: 0.1, 2: 0.05, 3: 0.05 } as const

export const ROUTINES = {
  work: {
    down: hours({ 4: 0.08, 5: 0.3, 6: 1, 7: 4, 8: 3.4, 9: 0.8, 13: 0.3, 21: 0.1 }),
    up: hours({
      0: 0.1,
      1: 0.06,
      2: 0.04,
      6: 0.15,
      8: 0.15,
      12: 0.3,
      16: 0.8,
      17: 3,
      18: 3.4,
      19: 1.4,
      20: 0.6,
      21: 0.3,
      22: 0.2,
    }),
    company: 0.12,
  },
  school: {
    down: hours({ 6: 0.8, 7: 5, 8: 1, 13: 0.2 }),
    up: hours({ 11: 0.2, 15: 1.4, 16: 3.6, 17: 1.8, 18: 0.5, 20: 0.1 }),
    company: 0.45,
  },
  /** Early exercise and the food market. */
  market: {
    down: hours({ 4: 0.15, 5: 0.6, 6: 1.6, 7: 2.4, 8: 2.2, 9: 1.2, 10: 0.3 }),
    up: hours({ 5: 0.1, 6: 0.5, 7: 1.2, 8: 2.2, 9: 2.4, 10: 1.6, 11: 0.5 }),
    company: 0.28,
  },
  /** Clinic, grandchildren, cards, the bench in the sun: the hours at which others are at work. */
  daytime: {
    down: hours({ 8: 0.8, 9: 1.5, 10: 1.3, 11: 0.6, 12: 0.6, 13: 1.8, 14: 2, 15: 1.5, 16: 0.6 }),
    up: hours({ 10: 1.2, 11: 1.9, 12: 0.8, 13: 0.4, 14: 0.9, 15: 1.7, 16: 2.5, 17: 1.5 }),
    company: 0.26,
  },
  /** The walk or the dance on the square after supper. */
  evening: {
    down: hours({ 17: 0.4, 18: 2.2, 19: 2.6, 20: 0.8 }),
    up: hours({ 18: 0.4, 19: 1.6, 20: 2.6, 21: 1.2, 22: 0.2 }),
    company: 0.4,
  },
  leisure: {
    down: hours({ ...even(8, 19), 9: 1.8, 10: 1.6, 13: 1.4, 17: 1.3, 20: 0.4, 21: 0.2, 22: 0.1, 23: 0.05 }),
    up: hours({
      ...even(10, 20),
      0: 0.3,
      1: 0.15,
      2: 0.05,
      9: 0.3,
      11: 1.5,
      16: 1.6,
      17: 1.6,
      21: 1,
      22: 0.5,
      23: 0.25,
    }),
    company: 0.4,
  },
  /** Rubbish, taken at the two times of day when the place for it is open, and parcels. */
  downstairs: {
    down: hours({ ...even(9, 17, 0.25), 5: 0.05, 6: 0.6, 7: 2, 8: 1.4, 18: 1.6, 19: 2, 20: 1, 21: 0.3, 22: 0.1 }),
    up: hours({ ...even(9, 17, 0.25), 5: 0.05, 6: 0.55, 7: 1.9, 8: 1.5, 18: 1.5, 19: 2, 20: 1.1, 21: 0.35, 22: 0.1 }),
    company: 0.08,
  },
  /** Couriers and meals: up first, down again within minutes. */
  delivery: {
    down: hours({ ...NIGHT_COURIERS, ...even(9, 20), 11: 2, 12: 1.8, 17: 1.8, 18: 2, 21: 0.5, 22: 0.3, 23: 0.15 }),
    up: hours({ ...NIGHT_COURIERS, ...even(9, 20), 11: 2.1, 12: 1.7, 17: 1.9, 18: 2, 21: 0.5, 22: 0.3, 23: 0.15 }),
    company: 0,
  },
  guests: {
    down: hours({ ...even(11, 16), 13: 1.8, 14: 1.5, 20: 2.2, 21: 1.4, 22: 0.4, 23: 0.1 }),
    up: hours({ ...even(9, 16), 10: 1.8, 11: 2, 17: 2, 18: 1.6, 19: 0.5 }),
    company: 0.45,
  },
} as const satisfies Record<string, Routine>
export const ROUTINE_NAMES = [
  ...(['work', 'school', 'market', 'daytime', 'evening'] as const),
  ...(['leisure', 'downstairs', 'delivery', 'guests'] as const),
]
export type RoutineName = (typeof ROUTINE_NAMES)[number]

/** Outings a day of one person who takes the lift whenever there is one. */
export type Outings = Readonly<Record<DayKind, number>>
type Habits = Readonly<Partial<Record<RoutineName, Outings>>>

const outings = (workday: number, weekend: number, holiday: number): Outings => ({ workday, weekend, holiday })

export type Occupation = 'infant' | 'pupil' | 'employee' | 'homemaker' | 'pensioner' | 'frail'

/** What a person does all day. */
export const HABITS: Readonly<Record<Occupation, Habits>> = {
  /** Below school age: never leaves alone, goes to the kindergarten. */
  infant: {
    school: outings(0.6, 0, 0),
    leisure: outings(0.3, 0.7, 0.5),
  },
  pupil: {
    school: outings(0.97, 0.12, 0),
    leisure: outings(0.15, 0.8, 0.6),
  },
  employee: {
    work: outings(0.88, 0.14, 0.06),
    leisure: outings(0.15, 0.8, 0.8),
    evening: outings(0.1, 0.14, 0.12),
    downstairs: outings(0.25, 0.3, 0.25),
  },
  homemaker: {
    market: outings(0.6, 0.6, 0.5),
    daytime: outings(0.6, 0.2, 0.15),
    leisure: outings(0.1, 0.6, 0.6),
    evening: outings(0.2, 0.2, 0.2),
    downstairs: outings(0.35, 0.35, 0.3),
  },
  pensioner: {
    market: outings(0.7, 0.68, 0.55),
    daytime: outings(0.75, 0.5, 0.4),
    leisure: outings(0, 0.15, 0.2),
    evening: outings(0.35, 0.35, 0.3),
    downstairs: outings(0.3, 0.3, 0.25),
  },
  /** Those who hardly left the house before there was a lift. */
  frail: {
    market: outings(0.4, 0.38, 0.3),
    daytime: outings(0.7, 0.5, 0.4),
    evening: outings(0.2, 0.2, 0.18),
    downstairs: outings(0.15, 0.15, 0.12),
  },
}

/** What one household brings into the house. */
export const VISITS: Habits = {
  delivery: outings(0.7, 0.75, 0.4),
  guests: outings(0.1, 0.3, 0.55),
}
