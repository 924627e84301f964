import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseBegin, PERIODS, periodsOf, periodStartMs, readPeriodRange, type Period } from '#api/figure-ranges'
import { HISTORY_POINTS_MAX } from '#contract/history'
import { answersTo } from './figure-ranges-child.ts'

const NOW = Date.parse('2026-11-21T10:20:00Z')
const FIRST = Date.parse('1992-01-01T00:00:00+08:00')
const LAST = Date.parse('2026-11-21T10:25:00Z')

const iso = (atMs: number): string => new Date(atMs).toISOString()
const zone = new Intl.DateTimeFormat('en-GB', {
  ...{ timeZone: 'Asia/Shanghai', hourCycle: 'h23' },
  ...{ day: '2-digit', hour: '2-digit', minute: '2-digit' },
})
const shanghai = (atMs: number) =>
  Object.fromEntries(zone.formatToParts(atMs).map(({ type, value }) => [type, value])) as Record<string, string>

describe('the periods that a range touches', () => {
  it('are whole, follow each other, and reach from its first to its last instant', () => {
    const instant = fc.integer({ min: FIRST, max: LAST })
    fc.assert(
      fc.property(
        fc.constantFrom(...PERIODS),
        instant,
        fc.integer({ min: 1, max: 4e9 }),
        (period, fromMs, lengthMs) => {
          const toMs = fromMs + lengthMs
          const read = readPeriodRange({ period, from: iso(fromMs), to: iso(toMs), nowMs: NOW })
          if (!read.ok) throw new Error(read.detail)
          const periods = periodsOf(period, read.value)
          if (!periods.ok) throw new Error(periods.detail)
          const [first, last] = [periods.value[0], periods.value.at(-1)]
          if (first === undefined || last === undefined) throw new Error('a range touches a period')
          expect([first.fromMs, last.toMs]).toEqual([read.value.fromMs, read.value.toMs])
          expect(first.fromMs <= fromMs && fromMs < first.toMs).toBe(true)
          expect(last.fromMs < toMs && toMs <= last.toMs).toBe(true)
          for (const [index, one] of periods.value.entries()) {
            expect(parseBegin(one.label)).toBe(one.fromMs)
            expect(one.toMs).toBe(periods.value[index + 1]?.fromMs ?? read.value.toMs)
            expect(periodStartMs(period, one.toMs - 1)).toBe(one.fromMs)
            // Midnight in Asia/Shanghai, the first of a month: told by another calendar than ours.
            const parts = shanghai(one.fromMs)
            if (period !== 'hour') expect(parts.hour).toBe('00')
            if (period === 'month') expect(parts.day).toBe('01')
            expect(parts.minute).toBe('00')
          }
        },
      ),
      { numRuns: 300, seed: 20_261_121 },
    )
  })

  it('are counted back from the end when no begin is told', () => {
    const counts = { hour: 24, day: 30, month: 12 }
    fc.assert(
      fc.property(
        fc.constantFrom(...PERIODS),
        fc.integer({ min: FIRST + 366 * 86_400_000, max: NOW }),
        (period, toMs) => {
          const read = readPeriodRange({ period, to: iso(toMs), nowMs: NOW })
          const periods = read.ok ? periodsOf(period, read.value) : read
          expect(periods.ok && periods.value.length).toBe(counts[period])
        },
      ),
      { numRuns: 200, seed: 7 },
    )
  })

  it('are refused when they are more than an answer holds, and never thrown at', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.constantFrom('1992-01-01', '1992-01', '1991-12-31T16:00:00Z', '9999-12-31', '2200-01-01', '2026-02-30', ''),
      fc
        .date({ min: new Date(0), max: new Date(Date.UTC(9999, 0)), noInvalidDate: true })
        .map((date) => date.toISOString()),
    )
    const maybe = fc.option(text, { nil: undefined })
    fc.assert(
      fc.property(fc.constantFrom(...PERIODS), maybe, maybe, (period, from, to) => {
        const read = readPeriodRange({ period, from, to, nowMs: NOW })
        if (!read.ok) {
          expect(read).toMatchObject({ code: 'history.badRange' })
          return
        }
        const periods = periodsOf(period, read.value)
        if (periods.ok) expect(periods.value.length).toBeLessThanOrEqual(HISTORY_POINTS_MAX)
        else expect(read.value.toMs - read.value.fromMs).toBeGreaterThan(HISTORY_POINTS_MAX * 3_600_000)
      }),
      { numRuns: 1_000, seed: 3 },
    )
    for (const to of ['1992-01-01', '1992-01-01T00:00:00+08:00', '1992-01'])
      for (const period of PERIODS) expect(readPeriodRange({ period, to, nowMs: NOW }).ok).toBe(false)
  })

  it('are refused in the words of what was said', () => {
    const detailOf = (said: { from?: string; to?: string }, period: Period = 'day'): string => {
      const read = readPeriodRange({ period, ...said, nowMs: NOW })
      return read.ok ? '' : read.detail
    }
    expect(detailOf({ to: '2027-01-01' })).toMatch(/^to lies in the future, and so do the 30 days before it/)
    expect(detailOf({ to: '2028-01' }, 'month')).toMatch(/^to lies in the future, and so do the 12 months before it/)
    expect(detailOf({ to: '1992-01-01' })).toMatch(/^to is the first instant/)
    expect(detailOf({ from: '2026-11-23' })).toMatch(/^from must be before now/)
    expect(detailOf({ from: '2026-11-23', to: '2026-11-24' })).toMatch(/^from lies in the future/)
    expect(detailOf({ from: '2026-11-23', to: '2026-11-22' })).toMatch(/^from must be before to/)
  })

  it('are the same whatever the zone of the server, on days on which its clocks change too', async () => {
    const questions: { period: Period; from: string; to: string }[] = [
      { period: 'day', from: '2026-03-07', to: '2026-03-10' },
      { period: 'day', from: '2026-10-31T22:00:00Z', to: '2026-11-03' },
      { period: 'hour', from: '2026-03-08T05:00:00Z', to: '2026-03-08T12:00:00Z' },
      { period: 'hour', from: '2026-11-01T04:00:00Z', to: '2026-11-01T09:00:00Z' },
      { period: 'month', from: '2026-02', to: '2026-12' },
    ]
    const here = answersTo(questions)
    const script = `
      import { answersTo } from './tests/api/figure-ranges-child.ts'
      process.stdout.write(answersTo(${JSON.stringify(questions)}))`
    for (const TZ of ['America/New_York', 'Australia/Lord_Howe', 'UTC']) {
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '-e', script],
        { env: { ...process.env, TZ }, timeout: 60_000 },
      )
      expect(stdout, TZ).toBe(here)
    }
    expect(JSON.parse(here)).toMatchObject([
      [{ label: '2026-03-07' }, { label: '2026-03-08' }, { label: '2026-03-09' }],
      [{ label: '2026-11-01' }, { label: '2026-11-02' }],
      { length: 7 },
      { length: 5 },
      { length: 10 },
    ])
  })
})
