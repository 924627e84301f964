import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Alarm } from '#contract/alarms'
import type { LiftId } from '#contract/ids'
import { silentLift, type Freshness, type LiveState } from '#contract/live'
import type { Lift } from '#contract/register'
import {
  drawnAt,
  landingIndexOf,
  levelOffsetMm,
  nextWalk,
  reportedHeightMm,
  WALK_MS_MAX,
} from '#dashboards/view/src/live/car-position'
import {
  matches,
  nextOrder,
  passes,
  SORT_PERIOD_MS,
  wantedOrder,
  type FleetRow,
  type HeldOrder,
} from '#dashboards/view/src/live/fleet-order'

const id = (n: number) => `lift-${String(n).padStart(3, '0')}` as LiftId
const liftOf = (n: number): Lift & { contractorName: string | null } => ({
  id: id(n), name: `樱花苑 ${n} 号楼`, compound: '樱花苑', building: String(n), unit: '1', town: '桃浦镇', registrationCode: `3101${n}`, rescueCode: `21000${n}`,
  landings: [1, 2, 3].map((floor) => ({ label: String(floor), heightMm: (floor - 1) * 2_800 })), entry: 'full-floor', ratedLoadKg: 450, ratedSpeedMps: 1,
  longitude: 121, latitude: 31, contractor: null, simulated: true, contractorName: null,
}) // prettier-ignore
const status = (o: object = {}) => ({
  v: 1 as const, boot: 1, seq: 1, sampledAtMs: 1, serviceMode: 1, carStatus: 0, carDirection: 0, doorZone: true, carPosition: '1', doorClosed: true, passengerPresent: false, ...o,
}) // prettier-ignore
const stateOf = (n: number, o: object = {}): LiveState => ({ ...silentLift(id(n)), link: 'online', status: status(o) })
const rowOf = (n: number, freshness: Freshness = 'fresh', alarm?: Pick<Alarm, 'priority'>): FleetRow => ({
  lift: liftOf(n), state: stateOf(n), freshness, ageMs: 1_000, alarm: alarm as Alarm | undefined,
}) // prettier-ignore

describe('the order of the fleet list', () => {
  it('puts people at risk first, then alarms, then lost, then the rest by name', () => {
    const rows = [
      rowOf(10),
      rowOf(2),
      rowOf(3, 'stale'),
      rowOf(4, 'lost'),
      rowOf(5, 'fresh', { priority: 2 }),
      rowOf(6, 'fresh', { priority: 1 }),
      rowOf(7, 'late'),
    ]
    expect(wantedOrder(rows)).toEqual([6, 5, 4, 3, 2, 7, 10].map(id))
  })

  it('holds still under a hand, tells how many changed, and sorts once the hand is gone', () => {
    const held: HeldOrder = { order: [1, 2, 3].map(id), sortedAtMs: 0, pendingCount: 0 }
    const under = nextOrder(held, [3, 1, 2].map(id), { atMs: 60_000, isHandInside: true, force: false })
    expect(under).toEqual({ order: [1, 2, 3].map(id), sortedAtMs: 0, pendingCount: 1 })
    expect(nextOrder(under, [3, 1, 2].map(id), { atMs: 60_000, isHandInside: false, force: false }).order).toEqual(
      [3, 1, 2].map(id),
    )
    expect(nextOrder(under, [3, 1, 2].map(id), { atMs: 60_000, isHandInside: true, force: true }).pendingCount).toBe(0)
  })

  it('sorts at most once a second', () => {
    const held: HeldOrder = { order: [1, 2].map(id), sortedAtMs: 1_000, pendingCount: 0 }
    expect(
      nextOrder(held, [2, 1].map(id), { atMs: 1_000 + SORT_PERIOD_MS - 1, isHandInside: false, force: false }).order,
    ).toEqual([1, 2].map(id))
    expect(
      nextOrder(held, [2, 1].map(id), { atMs: 1_000 + SORT_PERIOD_MS, isHandInside: false, force: false }).order,
    ).toEqual([2, 1].map(id))
  })

  it('never moves a row that stays, shows each wanted lift once, and counts nothing when nothing moved', () => {
    const lifts = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 20 })
    fc.assert(
      fc.property(lifts, lifts, (before, wanted) => {
        const next = nextOrder({ order: before.map(id), sortedAtMs: 0, pendingCount: 0 }, wanted.map(id), {
          atMs: 9_999,
          isHandInside: true,
          force: false,
        })
        expect([...next.order].sort()).toEqual(wanted.map(id).sort())
        const stayed = before.filter((n) => wanted.includes(n)).map(id)
        expect(next.order.slice(0, stayed.length)).toEqual(stayed)
        expect(next.pendingCount === 0).toBe(next.order.join() === wanted.map(id).join())
      }),
    )
  })

  it('finds lifts by any of their names and numbers, all words together', () => {
    expect(matches(liftOf(7), ' 樱花 7 ')).toBe(true)
    expect(matches(liftOf(7), '210007')).toBe(true)
    expect(matches(liftOf(7), '樱花 8')).toBe(false)
  })

  it('does not count a lift as moving when its last word is old', () => {
    const moving = { ...rowOf(1, 'stale'), state: stateOf(1, { carStatus: 1 }) }
    expect(passes(moving, 'moving')).toBe(false)
    expect(passes({ ...moving, freshness: 'late' }, 'moving')).toBe(true)
  })
})

describe('where the car is drawn', () => {
  it('walks linearly from what was drawn to what was reported, and never beyond', () => {
    const first = nextWalk(undefined, { heightMm: 0, isRunning: true, sinceLastReportMs: undefined }, 0)
    expect(drawnAt(first, 0).heightMm).toBe(0)
    const walk = nextWalk(first, { heightMm: 1_000, isRunning: true, sinceLastReportMs: 1_000 }, 1_000)
    expect([1_000, 1_500, 2_000, 9_000].map((atMs) => drawnAt(walk, atMs).heightMm)).toEqual([0, 500, 1_000, 1_000])
  })

  it('walks for at most 2 s, and marks a car that was running and is silent longer', () => {
    const walk = nextWalk(
      { fromMm: 0, toMm: 0, startAtMs: 0, durationMs: 0, isRunning: true },
      { heightMm: 2_800, isRunning: true, sinceLastReportMs: 30_000 },
      0,
    )
    expect(walk.durationMs).toBe(WALK_MS_MAX)
    expect(drawnAt(walk, WALK_MS_MAX)).toEqual({ heightMm: 2_800, estimated: false, settled: false })
    expect(drawnAt(walk, WALK_MS_MAX + 1)).toEqual({ heightMm: 2_800, estimated: true, settled: true })
    expect(drawnAt({ ...walk, isRunning: false }, 60_000).estimated).toBe(false)
  })

  it('stays between the two heights at every moment', () => {
    const mm = fc.integer({ min: -1_000, max: 60_000 })
    fc.assert(
      fc.property(mm, mm, fc.nat(60_000), fc.nat(10_000), (fromMm, toMm, since, atMs) => {
        const start = nextWalk(undefined, { heightMm: fromMm, isRunning: true, sinceLastReportMs: undefined }, 0)
        const { heightMm } = drawnAt(
          nextWalk(start, { heightMm: toMm, isRunning: true, sinceLastReportMs: since }, 0),
          atMs,
        )
        expect(heightMm).toBeGreaterThanOrEqual(Math.min(fromMm, toMm))
        expect(heightMm).toBeLessThanOrEqual(Math.max(fromMm, toMm))
      }),
    )
  })

  it('takes the measured height first, then the landing, then the label, and otherwise nothing', () => {
    expect(reportedHeightMm(stateOf(1, { positionMm: 4_160, carPosition: '2' }), liftOf(1))).toBe(4_160)
    expect(reportedHeightMm(stateOf(1, { floorIndex: 2, carPosition: '?' }), liftOf(1))).toBe(5_600)
    expect(reportedHeightMm(stateOf(1, { carPosition: '2' }), liftOf(1))).toBe(2_800)
    expect(reportedHeightMm(stateOf(1, { carPosition: '?' }), liftOf(1))).toBeUndefined()
    expect(levelOffsetMm(stateOf(1, { positionMm: 4_160, carPosition: '2' }), liftOf(1))).toBe(1_360)
    expect(landingIndexOf(stateOf(1, { positionMm: 5_500, carPosition: '?' }), liftOf(1))).toBe(2)
  })
})
