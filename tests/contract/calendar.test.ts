import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CALENDAR_FROM_MS,
  CALENDAR_TO_MS,
  dayLabel,
  dayStartMs,
  dayStartOf,
  hourOfDay,
  HOUR_MS,
  hourStartMs,
  isInCalendar,
  monthLabel,
  monthStartMs,
  monthStartOf,
  nextDayStartMs,
  nextHourStartMs,
  nextMonthStartMs,
} from '#contract/calendar'

const at = (text: string): number => Date.parse(text)
const ALL = [hourStartMs, nextHourStartMs, hourOfDay, dayStartMs, nextDayStartMs, monthStartMs, nextMonthStartMs]
/** Zones with summer time, with half hours, on the other side of the date line, and our own. */
const ZONES = ['UTC', 'Asia/Shanghai', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Apia', 'Australia/Lord_Howe']
/** Instants at which some country sets its clocks, and the ends of days, months and years here. */
const EDGES = [
  ...['2026-03-29T01:00Z', '2026-10-25T01:00Z', '2026-11-01T06:30Z', '2024-02-28T16:00Z', '2024-02-29T16:00Z'],
  ...['2026-11-20T16:00Z', '2026-11-30T16:00Z', '2026-12-31T16:00Z', '2011-12-30T10:00Z'],
].map(at)
const instant = fc.oneof(
  fc.integer({ min: CALENDAR_FROM_MS, max: CALENDAR_TO_MS - 1 }),
  fc.tuple(fc.constantFrom(...EDGES), fc.integer({ min: -2, max: 2 })).map(([edge, ms]) => edge + ms),
)

/** What the tables of the time zones say, which the calendar does not use. */
const format = new Intl.DateTimeFormat('en-CA', {
  timeZone: 'Asia/Shanghai',
  ...({ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', hourCycle: 'h23' } as const),
})
function told(atMs: number): { day: string; month: string; hour: number } {
  const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]))
  const month = `${parts['year']?.padStart(4, '0')}-${parts['month']}`
  return { day: `${month}-${parts['day']}`, month, hour: Number(parts['hour']) }
}

describe('the calendar', () => {
  it('is that of Asia/Shanghai, whatever the zone of the server', () => {
    const zoneBefore = process.env['TZ']
    const offsets = new Set<number>()
    try {
      for (const zone of ZONES) {
        process.env['TZ'] = zone
        offsets.add(new Date(EDGES[0] ?? 0).getTimezoneOffset())
        fc.assert(
          fc.property(instant, (atMs) => {
            const { day, month, hour } = told(atMs)
            expect({ day: dayLabel(atMs), month: monthLabel(atMs), hour: hourOfDay(atMs) }).toEqual({
              day,
              month,
              hour,
            })
            for (const [startMs, nextMs, label] of [
              [dayStartMs(atMs), nextDayStartMs(atMs), day],
              [monthStartMs(atMs), nextMonthStartMs(atMs), month],
            ] as const) {
              expect(startMs <= atMs && atMs < nextMs).toBe(true)
              expect(told(startMs)).toMatchObject({ hour: 0 })
              expect(told(startMs).day.startsWith(label)).toBe(true)
              expect(told(nextMs - 1).day.startsWith(label)).toBe(true)
              if (nextMs < CALENDAR_TO_MS) expect(told(nextMs).day.startsWith(label)).toBe(false)
            }
            expect(dayStartOf(day)).toBe(dayStartMs(atMs))
            expect(monthStartOf(month)).toBe(monthStartMs(atMs))
          }),
          { numRuns: 200, seed: 20_261_121 },
        )
      }
      // The zones were really those of the process.
      expect(offsets.size).toBe(ZONES.length)
    } finally {
      if (zoneBefore === undefined) delete process.env['TZ']
      else process.env['TZ'] = zoneBefore
    }
  })

  it('has days of 24 hours also when other countries set their clocks', () => {
    for (const edge of EDGES) expect(nextDayStartMs(edge) - dayStartMs(edge)).toBe(24 * HOUR_MS)
    expect(dayStartMs(at('2026-11-21T15:59:59.999Z'))).toBe(at('2026-11-20T16:00Z'))
    expect(dayLabel(at('2026-11-21T16:00Z'))).toBe('2026-11-22')
  })

  it('has months of their own lengths, leap years among them', () => {
    const hoursOf = (label: string): number => {
      const startMs = monthStartOf(label) ?? Number.NaN
      return (nextMonthStartMs(startMs) - startMs) / HOUR_MS
    }
    expect(['2026-02', '2024-02', '2000-02', '2100-02', '2026-11', '2026-12'].map(hoursOf)).toEqual(
      [28, 29, 29, 28, 30, 31].map((dayCount) => dayCount * 24),
    )
  })

  it('counts hours that are the same in UTC', () => {
    const atMs = at('2026-11-20T17:42:01.003Z')
    expect(hourStartMs(atMs)).toBe(at('2026-11-20T17:00Z'))
    expect(nextHourStartMs(atMs)).toBe(at('2026-11-20T18:00Z'))
    expect(hourStartMs(at('2026-11-20T17:00Z'))).toBe(at('2026-11-20T17:00Z'))
    expect(hourOfDay(atMs)).toBe(1)
  })

  it('refuses the years in which there was summer time, and what is no instant', () => {
    const refused = [
      ...[at('1986-05-04T00:00Z'), at('1991-07-01T00:00Z'), CALENDAR_FROM_MS - 1, CALENDAR_TO_MS, 0, -1],
      ...[0.5 + EDGES[0]!, Number.NaN, Infinity, Number.MAX_SAFE_INTEGER],
    ]
    for (const atMs of refused) {
      expect(isInCalendar(atMs)).toBe(false)
      for (const ask of [...ALL, dayLabel, monthLabel]) expect(() => ask(atMs), String(atMs)).toThrow(RangeError)
    }
    expect(isInCalendar(CALENDAR_FROM_MS) && isInCalendar(CALENDAR_TO_MS - 1)).toBe(true)
    expect(dayLabel(CALENDAR_FROM_MS)).toBe('1992-01-01')
    expect(dayLabel(CALENDAR_TO_MS - 1)).toBe('9999-12-31')
    expect(nextMonthStartMs(CALENDAR_TO_MS - 1)).toBe(CALENDAR_TO_MS)
  })

  it('knows no day and no month by a label that is none', () => {
    const bad = [
      '2026-02-30',
      '2026-13-01',
      '2026-00-01',
      '2026-1-1',
      '1991-12-31',
      '',
      '2026-11-21T00:00',
      ' 2026-11-21',
    ]
    for (const label of bad) expect(dayStartOf(label), label).toBeUndefined()
    for (const label of ['2026-13', '2026-1', '2026', '1991-12', '2026-11-01'])
      expect(monthStartOf(label)).toBeUndefined()
    expect(dayStartOf('2024-02-29')).toBe(at('2024-02-28T16:00Z'))
    expect(monthStartOf('2026-11')).toBe(at('2026-10-31T16:00Z'))
  })
})
