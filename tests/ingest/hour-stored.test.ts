import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import { FIGURES_LIMIT_MAX, FIGURES_LIFTS_MAX } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import { storedQuestions } from '#ingest/hour-stored'

const H = 495_000 * HOUR_MS
const hour = (lift: number, number: number) => ({ lift: `lift-${lift}` as LiftId, hourAtMs: H + number * HOUR_MS })

describe('the questions for figures that are stored', () => {
  it('are one for a lift that sends two days late, and one for a whole fleet in one hour', () => {
    const late = Array.from({ length: 48 }, (_, n) => hour(1, n))
    expect(storedQuestions(late)).toEqual([{ lifts: ['lift-1'], fromMs: H, toMs: H + 48 * HOUR_MS, limit: 49 }])
    expect(storedQuestions(Array.from({ length: 50 }, (_, n) => hour(n, 0)))).toHaveLength(1)
    expect(storedQuestions([])).toEqual([])
  })

  it('have every hour within the answer of one of them, and none has a long answer', () => {
    const hours = fc.array(
      fc.record({ lift: fc.nat(60), number: fc.nat(400) }).map(({ lift, number }) => hour(lift, number)),
      { maxLength: 50 },
    )
    fc.assert(
      fc.property(hours, (given) => {
        const questions = storedQuestions(given)
        for (const { lift, hourAtMs } of given)
          expect(
            questions.some(
              ({ lifts = [], fromMs, toMs }) => lifts.includes(lift) && fromMs <= hourAtMs && hourAtMs < toMs,
            ),
          ).toBe(true)
        for (const { lifts = [], fromMs, toMs, limit } of questions) {
          expect(limit).toBe((lifts.length * (toMs - fromMs)) / HOUR_MS + 1)
          expect(limit).toBeLessThanOrEqual(Math.min(2_001, FIGURES_LIMIT_MAX))
          expect(lifts.length).toBeLessThanOrEqual(FIGURES_LIFTS_MAX)
        }
      }),
    )
  })
})
