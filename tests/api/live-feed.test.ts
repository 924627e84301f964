import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KEPT_DELTAS_MAX, KEPT_ROWS_MAX, LiveFeed, LiveFeedNumbers } from '#api/live-feed'
import type { LiftId } from '#contract/ids'
import { silentLift, type LiveState } from '#contract/live'

const lift = (number: number) => `lift-${number}` as LiftId
const row = (number: number, position: number): LiveState => ({ ...silentLift(lift(number)), position })

describe('the feed of a scope', () => {
  it('brings a viewer that replays from any kept number to the same rows as one that saw every delta', () => {
    const acts = fc.array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant('flush' as const)), { maxLength: 300 })
    fc.assert(
      fc.property(acts, fc.nat(), (steps, pick) => {
        const feed = new LiveFeed(100)
        const newest = new Map<LiftId, LiveState>()
        const statesAt = new Map<number, Map<LiftId, LiveState>>([[feed.seq, new Map()]])
        let position = 0
        for (const step of steps) {
          if (step !== 'flush') {
            newest.set(lift(step), row(step, (position += 1)))
            feed.mark(lift(step))
          } else if (feed.next((id) => newest.get(id), position) !== undefined) statesAt.set(feed.seq, new Map(newest))
        }
        const numbers = [...statesAt.keys()]
        const since = numbers[pick % numbers.length] ?? feed.seq
        const missed = feed.after(since)
        if (missed === undefined) return numbers.length > KEPT_DELTAS_MAX
        const rebuilt = new Map(statesAt.get(since))
        missed.forEach(({ seq, rows }, index) => {
          expect(seq).toBe(since + 1 + index)
          for (const changed of rows) rebuilt.set(changed.lift, changed)
        })
        expect(rebuilt).toEqual(statesAt.get(feed.seq))
        return true
      }),
    )
  })

  it('says nothing when nothing changed, and names a lift that changed twice only once', () => {
    const feed = new LiveFeed(0)
    expect(feed.next(() => row(1, 1), 0)).toBeUndefined()
    feed.mark(lift(1))
    feed.mark(lift(1))
    expect(feed.next(() => row(1, 2), 7)).toEqual({ seq: 1, t: 7, rows: [row(1, 2)] })
    expect(feed.next(() => row(1, 2), 8)).toBeUndefined()
  })

  it('does not know numbers from before its ring, from the future, or from before the set of lifts changed', () => {
    const feed = new LiveFeed(0)
    for (let number = 0; number < KEPT_DELTAS_MAX + 10; number += 1) {
      feed.mark(lift(1))
      feed.next(() => row(1, number), number)
    }
    expect(feed.after(9)).toBeUndefined()
    expect(feed.after(10)).toHaveLength(KEPT_DELTAS_MAX)
    expect(feed.after(feed.seq)).toEqual([])
    expect(feed.after(feed.seq + 1)).toBeUndefined()
    const before = feed.seq
    feed.forget()
    expect(feed.after(before)).toBeUndefined()
    expect(feed.after(feed.seq)).toEqual([])
  })

  it('keeps no more rows than its bound, however many lifts change at once', () => {
    const feed = new LiveFeed(0)
    for (let delta = 0; delta < 5; delta += 1) {
      for (let number = 0; number < KEPT_ROWS_MAX / 2; number += 1) feed.mark(lift(number))
      feed.next((id) => ({ ...silentLift(id), position: delta }), delta)
    }
    expect(feed.after(3)).toHaveLength(2)
    expect(feed.after(2)).toBeUndefined()
  })

  it('numbers feeds so that no two share a number, even when made in the same millisecond or after a restart', () => {
    const numbers = new LiveFeedNumbers()
    const first = numbers.next(1_000)
    const second = numbers.next(1_000)
    expect(second - first).toBeGreaterThanOrEqual(1_000_000)
    // A feed that ran for an hour at four deltas a second ends below what a restart begins with.
    expect(new LiveFeedNumbers().next(1_000 + 3_600_000)).toBeGreaterThan(second + 4 * 3_600)
    expect(Number.isSafeInteger(numbers.next(Date.UTC(2200, 0)))).toBe(true)
  })
})
