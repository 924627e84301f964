/** That no sample is missed by the figures of its hour, whatever is stored, marked, computed, frozen and killed when. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import type { LiftId } from '#contract/ids'
import { HourMarks, marksMaxOf } from '#ingest/hour-marks'
import { isExpired, MARK_AGAIN_MS, STEP_MS_MAX, type Moment } from '#ingest/hour-times'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { LIFT, OTHER_LIFT, statusPoint } from '../storage/telemetry-points.ts'
import { playHours, type Play } from './hour-model.ts'

const H = 495_000 * HOUR_MS
const MINUTE = 60_000
const at = (ms: number, elapsedMs = ms): Moment => ({ nowMs: H + ms, elapsedMs: 5_000 + elapsedMs })
const sample = (ms: number, lift: LiftId = LIFT): TelemetryPoint => statusPoint({ atMs: H + ms, lift })
const reading = (ms: number): TelemetryPoint => ({ ...sample(ms), measurement: 'statistics', fields: { runCount: 1 } })
const hours = (...numbers: number[]) => numbers.map((number) => ({ lift: LIFT, hourAtMs: H + number * HOUR_MS }))

describe('the memory of marks', () => {
  const marks = () => new HourMarks({ retentionDays: 396 })

  it('tells each hour that the points take part in once', () => {
    expect(marks().missing([sample(30 * MINUTE), sample(31 * MINUTE), reading(30 * MINUTE)], at(31 * MINUTE))).toEqual(
      hours(0, -1, 1),
    )
    const others = [
      { ...sample(0), measurement: 'message' as const },
      { ...sample(0), measurement: 'connection' as const },
    ]
    expect(marks().missing(others, at(0))).toEqual([])
  })

  it('does not tell an hour again until it has ended, and then half a minute later', () => {
    const known = marks()
    known.made(hours(0), at(MINUTE), [])
    expect(known.missing([sample(30 * MINUTE)], at(HOUR_MS - 1))).toEqual([])
    expect(known.missing([sample(30 * MINUTE)], at(HOUR_MS))).toEqual(hours(0))
    known.made(hours(0), at(HOUR_MS), [])
    expect(known.missing([sample(30 * MINUTE)], at(HOUR_MS + MARK_AGAIN_MS - 1))).toEqual([])
    expect(known.missing([sample(30 * MINUTE)], at(HOUR_MS + MARK_AGAIN_MS))).toEqual(hours(0))
  })

  it('believes no mark after a clock was set or the machine was asleep', () => {
    const known = marks()
    known.made(hours(0), at(30 * MINUTE), [])
    const moments = [at(30 * MINUTE + STEP_MS_MAX, 30 * MINUTE), at(30 * MINUTE - STEP_MS_MAX, 30 * MINUTE)]
    for (const moment of moments) expect(known.missing([sample(0)], moment)).toEqual([])
    for (const stepMs of [STEP_MS_MAX + 1, -STEP_MS_MAX - 1])
      expect(known.missing([sample(30 * MINUTE)], at(30 * MINUTE + stepMs, 30 * MINUTE))).toEqual(hours(0))
  })

  it('tells a lift that was not registered again within the hour', () => {
    const known = marks()
    known.made([...hours(0), { lift: OTHER_LIFT, hourAtMs: H }], at(MINUTE), [OTHER_LIFT])
    const points = [sample(30 * MINUTE), sample(30 * MINUTE, OTHER_LIFT)]
    expect(known.missing(points, at(MINUTE + MARK_AGAIN_MS - 1))).toEqual([])
    expect(known.missing(points, at(MINUTE + MARK_AGAIN_MS))).toEqual([{ lift: OTHER_LIFT, hourAtMs: H }])
  })

  it('forgets what was used longest ago when it is full, and marks it once more', () => {
    const known = new HourMarks({ retentionDays: 396, marksMax: 2 })
    known.made(hours(0, 1, 2), at(0), [])
    const point = (number: number) => sample(number * HOUR_MS + 30 * MINUTE)
    expect(known.missing([point(0), point(1), point(2)], at(MINUTE - 31_000))).toEqual(hours(0))
  })

  it('is as large in all for many shares of a process as for one, but never too small for one', () => {
    expect([1, 4, 16, 1_000].map(marksMaxOf)).toEqual([60_000, 15_000, 4_000, 4_000])
  })

  it('marks nothing for samples whose hour is past the retention, or that no calendar has', () => {
    const known = new HourMarks({ retentionDays: 30 })
    const day = 24 * HOUR_MS
    const age = (ms: number) => known.missing([sample(HOUR_MS + 30 * MINUTE)], at(ms)).map(({ hourAtMs }) => hourAtMs)
    expect(age(29 * day)).toEqual([H + HOUR_MS])
    expect(age(29 * day + 1)).toEqual([])
    expect(age(60 * day)).toEqual([])
    for (const sampledAtMs of [0, 1_000, 253_402_300_800_000])
      expect(known.missing([{ ...sample(0), sampledAtMs }], at(0))).toEqual([])
  })

  it('takes an hour for expired a day before its first sample is, or an eighth of a short retention', () => {
    const nowMs = H + 1_000 * HOUR_MS
    for (const [retentionDays, keptHours] of [
      [1, 21],
      [2, 42],
      [30, 29 * 24],
    ] as const) {
      // An hour needs the readings of the hour before.
      const first = nowMs - (keptHours - 1) * HOUR_MS
      expect(isExpired(first, { nowMs, retentionDays })).toBe(false)
      expect(isExpired(first - HOUR_MS, { nowMs, retentionDays })).toBe(true)
    }
  })
})

describe('the figures of an hour, after everything has become quiet', () => {
  const ms = (max: number) => fc.integer({ min: 0, max })
  /** Late samples come around the end of the hour and long after it; workers freeze anywhere, in wall time or asleep. */
  const plays: fc.Arbitrary<Play> = fc.record({
    skewsMs: fc.tuple(...Array.from({ length: 3 }, () => fc.integer({ min: -40_000, max: 40_000 }))),
    moves: fc.array(
      fc.oneof(
        {
          weight: 6,
          arbitrary: fc.record({
            kind: fc.constant('sample' as const),
            agoMs: fc.oneof(ms(2 * HOUR_MS), fc.integer({ min: -60_000, max: 60_000 })),
          }),
        },
        {
          weight: 8,
          arbitrary: fc.record({
            kind: fc.constant('step' as const),
            who: fc.integer({ min: 0, max: 3 }),
            count: fc.integer({ min: 1, max: 7 }),
          }),
        },
        {
          weight: 4,
          arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.oneof(ms(5_000), ms(45_000)) }),
        },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: ms(40 * MINUTE) }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('sleep' as const), ms: ms(3 * HOUR_MS) }) },
        {
          weight: 1,
          arbitrary: fc.record({ kind: fc.constant('kill' as const), who: fc.integer({ min: 0, max: 1 }) }),
        },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('takeOver' as const) }) },
      ),
      { minLength: 20, maxLength: 160 },
    ),
  })

  it.each([
    ['', {}],
    [', also where fewer samples may replace more', { isKeepingMore: false }],
  ])('are those of all samples, in whatever order things happened%s', { timeout: 120_000 }, (_, rules) => {
    fc.assert(
      fc.property(plays, (play) => {
        const { stored, expected } = playHours(play, rules)
        expect(stored).toEqual(expected)
      }),
      { numRuns: 1_500 },
    )
  })

  const finds = (rules: Parameters<typeof playHours>[1]): boolean =>
    fc.check(
      fc.property(plays, (play) => {
        const { stored, expected } = playHours(play, rules)
        expect(stored).toEqual(expected)
      }),
      { numRuns: 4_000, seed: 7, endOnFailure: true },
    ).failed

  it.each([
    ['hours were not quiet before they are computed', { quietMs: -HOUR_MS }],
    ['hours were computed before they ended', { endedMs: -HOUR_MS }],
    ['a mark that came meanwhile was cleared, too', { isClearingBlindly: true }],
    ['the position was committed before the mark', { isCommittingFirst: true }],
    [
      'whoever finds his mark gone did not mark again',
      { isMarkingAgain: false, writeWithinMs: Infinity, isKeepingMore: false },
    ],
  ] as const)('would be wrong in this simulation if %s', { timeout: 120_000 }, (_, rules) => {
    expect(finds(rules)).toBe(true)
  })
})
