import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SHARE_COUNT, shareOfLift, shareOfTopic, type ShareTable } from '#contract/shares'
import { Silence, nextTable, quotaOf, surplusOf } from '#ingest/share-table'

const empty: ShareTable = { workers: [], shares: [] }
const nobody = new Map<string, number>()
const beat = (
  table: ShareTable,
  me: string,
  o: { silent?: ReadonlyMap<string, number>; given?: readonly number[]; isLeaving?: boolean } = {},
): ShareTable =>
  nextTable(table, {
    me,
    shareCount: SHARE_COUNT,
    silent: o.silent ?? nobody,
    given: new Set(o.given ?? []),
    isLeaving: o.isLeaving ?? false,
  })
const countOf = (table: ShareTable, me: string) => table.shares.filter(({ worker }) => worker === me).length
/** Everybody beats in turn and gives away what is too much, until nothing changes hands any more. */
const settled = (table: ShareTable, workers: readonly string[]): ShareTable => {
  let next = table
  for (let turn = 0; turn < 4; turn += 1)
    for (const me of workers) next = beat(next, me, { given: surplusOf(next, me, SHARE_COUNT) })
  return next
}
const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}$/), { minLength: 1, maxLength: 20 })

describe('the table of shares', () => {
  it('gives the first worker everything, and a second one half of it when the first has let go', () => {
    const alone = beat(empty, 'a')
    expect(countOf(alone, 'a')).toBe(SHARE_COUNT)
    const joined = beat(alone, 'b')
    expect(countOf(joined, 'b')).toBe(0)
    const given = surplusOf(joined, 'a', SHARE_COUNT)
    expect(given).toHaveLength(SHARE_COUNT / 2)
    const shared = beat(beat(joined, 'a', { given }), 'b')
    expect([countOf(shared, 'a'), countOf(shared, 'b')]).toEqual([8, 8])
  })

  it('divides evenly among any workers, leaves no share without one, and then changes nothing more', () => {
    fc.assert(
      fc.property(names, (workers) => {
        const table = settled(empty, workers)
        const counts = workers.map((me) => countOf(table, me))
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(SHARE_COUNT)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        expect(settled(table, workers).shares).toEqual(table.shares)
      }),
    )
  })

  it('adds up to all shares, whoever reckons', () => {
    fc.assert(
      fc.property(names, (workers) => {
        const quotas = workers.map((me) => quotaOf(workers, me, SHARE_COUNT))
        expect(quotas.reduce((sum, quota) => sum + quota, 0)).toBe(SHARE_COUNT)
      }),
    )
  })

  it('raises the epoch each time that a share changes hands, and never without', () => {
    const before = settled(empty, ['a', 'b'])
    const after = beat(before, 'b', {
      silent: new Map([['a', before.workers.find((row) => row.worker === 'a')?.beat ?? 0]]),
    })
    for (const [index, row] of after.shares.entries()) {
      const known = before.shares[index]
      expect(row.worker).toBe('b')
      if (known?.worker === 'b') expect(row).toEqual(known)
      else expect(row.epoch).toBeGreaterThan(known?.epoch ?? Infinity)
    }
  })

  it('does not strike off a worker that has beaten since it was thought silent', () => {
    const before = settled(empty, ['a', 'b'])
    const old = before.workers.find((row) => row.worker === 'a')?.beat ?? 0
    const after = beat(beat(before, 'a'), 'b', { silent: new Map([['a', old]]) })
    expect(countOf(after, 'a')).toBe(8)
  })

  it('lets one that rests keep what it works, and take nothing', () => {
    const before = settled(empty, ['a', 'b'])
    const left = beat(before, 'b', { isLeaving: true })
    const rested = nextTable(left, {
      ...{ me: 'a', shareCount: SHARE_COUNT, silent: nobody, given: new Set<number>() },
      ...{ isLeaving: false, isResting: true },
    })
    expect(countOf(rested, 'a')).toBe(8)
    expect(countOf(beat(rested, 'a'), 'a')).toBe(SHARE_COUNT)
  })

  it('frees everything that a leaving worker held', () => {
    const after = beat(settled(empty, ['a', 'b']), 'a', { isLeaving: true })
    expect(after.workers.map(({ worker }) => worker)).toEqual(['b'])
    expect(after.shares.filter(({ worker }) => worker === null)).toHaveLength(8)
    expect(countOf(beat(after, 'b'), 'b')).toBe(SHARE_COUNT)
  })
})

describe('the silence of workers', () => {
  const tableOf = (beats: Record<string, number>): ShareTable => ({
    workers: Object.entries(beats).map(([worker, each]) => ({ worker, beat: each })),
    shares: [],
  })
  const listening = () => new Silence({ me: 'me', silentMsMax: 5_000, stepMsMax: 2_000 })

  it('is told after five seconds without a beat, and not of one that beats', () => {
    const silence = listening()
    for (let second = 0; second <= 5; second += 1) {
      expect([...silence.silent().keys()]).toEqual([])
      silence.hear(tableOf({ me: 1, dead: 7, alive: second }), second * 1_000)
    }
    expect(silence.silent()).toEqual(new Map([['dead', 7]]))
    silence.hear(tableOf({ me: 1, dead: 8 }), 6_000)
    expect(silence.silent()).toEqual(new Map())
  })

  it('does not count time in which this worker heard nothing itself', () => {
    const silence = listening()
    silence.hear(tableOf({ other: 1 }), 0)
    silence.hear(tableOf({ other: 1 }), 60_000)
    expect(silence.silent()).toEqual(new Map())
  })
})

describe('the share of a lift', () => {
  it('is the same for all its topics, and spread evenly over a town', () => {
    const counts = Array.from({ length: SHARE_COUNT }, () => 0)
    for (let index = 0; index < 4_800; index += 1) {
      const lift = `yhy-${1 + Math.floor(index / 12)}-${1 + (index % 12)}`
      const share = shareOfLift(lift, SHARE_COUNT)
      expect(shareOfTopic(`lifts/v1/${lift}/status`, SHARE_COUNT)).toBe(share)
      expect(shareOfTopic(`lifts/v1/${lift}/message`, SHARE_COUNT)).toBe(share)
      counts[share] = (counts[share] ?? 0) + 1
    }
    expect(Math.min(...counts)).toBeGreaterThan(200)
    expect(Math.max(...counts)).toBeLessThan(400)
  })

  it('never changes: what lies in a journal is found where it was put', () => {
    expect(['yhy-7-2', 'lift-0001', 'a-1'].map((lift) => shareOfLift(lift, 16))).toEqual([5, 3, 15])
  })

  it('is there for what is no topic of a device, too', () => {
    expect(shareOfTopic('anything at all', SHARE_COUNT)).toBeLessThan(SHARE_COUNT)
    expect(shareOfTopic('anything at all', 1)).toBe(0)
  })
})
