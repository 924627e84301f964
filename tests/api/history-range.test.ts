import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketCount, chooseBucket, parseInstant, readRange } from '#api/history-range'
import { HISTORY_POINTS_MAX, HISTORY_RANGE_MS_MAX } from '#contract/history'

const NOW_MS = Date.UTC(2026, 2, 1)

describe('the range of a question about history', () => {
  it('is the last hour unless told', () => {
    expect(readRange({ nowMs: NOW_MS })).toEqual({ ok: true, value: { fromMs: NOW_MS - 3_600_000, toMs: NOW_MS } })
  })

  it.each([
    ['reversed', '2026-02-02T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['empty', '2026-02-01T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['longer than five years', '2016-02-01T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['without a zone', '2026-02-01T00:00:00', '2026-02-02T00:00:00Z'],
    ['a word', 'yesterday', '2026-02-02T00:00:00Z'],
    ['on 31 February', '2026-02-31T00:00:00Z', '2026-03-05T00:00:00Z'],
    ['before 1970', '0000-01-01T00:00:00Z', '0000-01-02T00:00:00Z'],
    ['after 2200', '9999-12-30T00:00:00Z', '9999-12-31T00:00:00Z'],
    ['a number', '1700000000000', '2026-03-05T00:00:00Z'],
    ['at 24 o’clock', '2026-02-01T24:00:00Z', '2026-02-03T00:00:00Z'],
    ['in the future', '2026-03-01T00:05:01Z', '2026-03-02T00:00:00Z'],
  ])('is refused when it is %s', (_name, from, to) => {
    expect(readRange({ from, to, nowMs: NOW_MS })).toMatchObject({ ok: false, code: 'history.badRange' })
  })

  it('may begin as far ahead as a sample may', () => {
    const range = readRange({ from: '2026-03-01T00:05:00Z', to: '2026-03-02T00:00:00Z', nowMs: NOW_MS })
    expect(range).toMatchObject({ ok: true, value: { fromMs: NOW_MS + 300_000 } })
  })

  it('says what became of an offset whose + was not written as %2B', () => {
    const detail = (from: string) => readRange({ from, to: '2026-03-01T00:00:00Z', nowMs: NOW_MS })
    expect(detail('2026-02-28T08:00:00 08:00')).toMatchObject({ detail: expect.stringContaining('%2B') as unknown })
    expect(detail('2026-02-28')).toMatchObject({ detail: expect.not.stringContaining('%2B') as unknown })
  })

  it.each([
    ['the hour that is left out when clocks go forward', '2026-03-29T01:30:00+01:00', '2026-03-29T03:30:00+02:00', 1],
    ['the hour that comes twice when clocks go back', '2026-10-25T02:30:00+02:00', '2026-10-25T02:30:00+01:00', 1],
    ['the whole day with 23 hours', '2026-03-29T00:00:00+01:00', '2026-03-30T00:00:00+02:00', 23],
    ['the whole day with 25 hours', '2026-10-25T00:00:00+02:00', '2026-10-26T00:00:00+01:00', 25],
    ['summer time in Shanghai, 1991', '1991-09-15T00:00:00+09:00', '1991-09-16T00:00:00+08:00', 25],
  ])('is as long as it was: %s', (_name, from, to, hours) => {
    const range = readRange({ from, to, nowMs: Date.UTC(2027, 0) })
    expect(range.ok && range.value.toMs - range.value.fromMs).toBe(hours * 3_600_000)
  })

  it('reads instants with any offset', () => {
    expect(parseInstant('2026-03-01T08:00:00+08:00')).toBe(NOW_MS)
    expect(parseInstant('2024-02-29T00:00:00.5Z')).toBe(Date.UTC(2024, 1, 29) + 500)
  })
})

describe('the bucket of a question about history', () => {
  it('is chosen so that every allowed range fits into one answer, and never coarser than it must be by much', () => {
    const ranges = fc
      .tuple(fc.integer({ min: 0, max: NOW_MS }), fc.integer({ min: 1, max: HISTORY_RANGE_MS_MAX }))
      .map(([fromMs, lengthMs]) => ({ fromMs, toMs: fromMs + lengthMs }))
    fc.assert(
      fc.property(ranges, (range) => {
        const chosen = chooseBucket(range, undefined)
        if (!chosen.ok) return false
        const count = bucketCount(range, chosen.value)
        const lengthMs = range.toMs - range.fromMs
        return (
          count >= 1 &&
          count <= HISTORY_POINTS_MAX &&
          (chosen.value === 1_000 || count >= Math.min(HISTORY_POINTS_MAX / 4, lengthMs / chosen.value))
        )
      }),
    )
  })

  it('counts the buckets that touch the range, not only those inside it', () => {
    expect(bucketCount({ fromMs: 999, toMs: 1_001 }, 1_000)).toBe(2)
    expect(bucketCount({ fromMs: 1_000, toMs: 2_000 }, 1_000)).toBe(1)
  })

  it('is refused when asked so short that the answer would be too large', () => {
    const range = { fromMs: 0, toMs: HISTORY_POINTS_MAX * 1_000 }
    expect(chooseBucket(range, 1_000)).toEqual({ ok: true, value: 1_000 })
    expect(chooseBucket(range, 999)).toMatchObject({ ok: false, code: 'history.badRange' })
  })
})
