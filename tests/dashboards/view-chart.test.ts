import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HISTORY_POINTS_MAX, isHistoryField, type HistoryPoint } from '#contract/history'
import {
  bucketFor,
  CHART_FIELDS,
  CHART_RANGES_MS,
  GAP_MS_MIN,
  runsOf,
  timeTicks,
  valueTicks,
  valueWords,
} from '#dashboards/view/src/panels/chart-scale'

const point = (atMs: number): HistoryPoint => ({ atMs, min: 0, max: 1, mean: 0.5, last: 1, count: 1 })

describe('the history chart', () => {
  it('offers only fields that have a history, in buckets that the server takes', () => {
    for (const field of CHART_FIELDS) expect(isHistoryField('status', field), field).toBe(true)
    for (const rangeMs of Object.values(CHART_RANGES_MS))
      expect(rangeMs / bucketFor(rangeMs)).toBeLessThan(HISTORY_POINTS_MAX)
  })

  it('breaks the line where nothing was heard, but not between the words of an idle terminal', () => {
    const idle = [0, 60_000, 120_000].map(point)
    expect(runsOf(idle, 15_000)).toHaveLength(1)
    expect(runsOf([...idle, point(120_000 + GAP_MS_MIN + 1)], 15_000).map((run) => run.length)).toEqual([3, 1])
    expect(runsOf([], 15_000)).toEqual([])
  })

  it('has round ticks that cover the values', () => {
    expect(valueTicks(13.3, 27, 4)).toEqual([10, 15, 20, 25, 30])
    fc.assert(
      fc.property(
        fc.double({ min: -1e5, max: 1e5, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e5, noNaN: true }),
        (min, span) => {
          const ticks = valueTicks(min, min + span, 4)
          expect(ticks.length).toBeGreaterThanOrEqual(2)
          expect(ticks.length).toBeLessThanOrEqual(9)
          expect(ticks[0]).toBeLessThanOrEqual(min + span * 1e-6)
          expect(ticks.at(-1)).toBeGreaterThanOrEqual(min + span * (1 - 1e-6))
        },
      ),
    )
  })

  it('puts time ticks on round local times of Asia/Shanghai', () => {
    const toMs = Date.parse('2026-11-21T06:31:52Z')
    const day = timeTicks(toMs - 7 * 86_400_000, toMs, 5)
    expect(day.length).toBeGreaterThan(1)
    for (const atMs of day) expect(new Date(atMs + 8 * 3_600_000).getUTCHours()).toBe(0)
    expect(valueWords(-71)).toBe('−71')
    expect(valueWords(0.987)).toBe('0.99')
  })
})
