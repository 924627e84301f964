import { describe, expect, it } from 'vitest'
import { DAY_MS, dayKindOf } from '#simulator/town/calendar'

const kindOf = (date: string) => dayKindOf(Date.parse(date) / DAY_MS)

describe('the calendar of the town', () => {
  it('knows weekends', () => {
    expect(['2026-03-09', '2026-03-13', '2026-03-14', '2026-03-15', '2026-03-16'].map(kindOf)).toEqual([
      ...['workday', 'workday', 'weekend', 'weekend', 'workday'],
    ])
    expect(dayKindOf(0)).toBe('workday')
    expect(dayKindOf(-4)).toBe('weekend')
    expect(dayKindOf(-5)).toBe('weekend')
    expect(dayKindOf(-6)).toBe('workday')
  })

  it('knows the holidays that follow the sun and those that follow the moon', () => {
    for (const date of ['2026-01-01', '2026-02-16', '2026-02-23', '2026-06-19', '2026-09-25', '2026-10-07'])
      expect(kindOf(date), date).toBe('holiday')
    for (const date of ['2026-01-02', '2026-02-13', '2026-02-24', '2026-10-08'])
      expect(kindOf(date), date).toBe('workday')
  })

  it('puts Spring Festival where a lunar calendar puts it, give or take the day on which calendars differ', () => {
    const lunar = new Intl.DateTimeFormat('en-u-ca-chinese', { timeZone: 'UTC', month: 'numeric', day: 'numeric' })
    for (let year = 2024; year <= 2030; year += 1) {
      const firstDay = Array.from({ length: 40 }, (_, index) => Date.UTC(year, 0, 18 + index) / DAY_MS).find((day) =>
        lunar.format(day * DAY_MS).startsWith('1/1'),
      )
      expect(firstDay).toBeDefined()
      const isHoliday = [-3, 0, 5, 9].map((offset) => dayKindOf((firstDay ?? NaN) + offset) === 'holiday')
      expect(isHoliday, String(year)).toEqual([false, true, true, false])
    }
  })
})
