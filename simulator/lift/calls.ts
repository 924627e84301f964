/** Collective control (集选控制): which landing the car goes to next. */
import type { RiderGroup } from '../town/residents.ts'

/** Up, none or down. */
export type Direction = 1 | 0 | -1
/** `summons` is a landing to go to although nobody is there to ride; null for none. */
export type Calls = {
  readonly aboard: readonly RiderGroup[]
  readonly waiting: readonly RiderGroup[]
  readonly summons: number | null
}

export const directionOf = (group: RiderGroup): 1 | -1 => (group.to > group.from ? 1 : -1)

/**
 * The next stop for a car at `fromMm` that can stop no nearer than `reachMm`, looking one way only: the nearest call in that
 * way; when there is none, the farthest landing where someone waits to go the other way.
 */
export function nextStopOneWay(
  calls: Calls,
  heightsMm: readonly number[],
  o: { fromMm: number; way: 1 | -1; reachMm: number },
): number | undefined {
  const { way } = o
  // How far ahead, in the way of the car; no closure here, because this is asked at each stop of each lift.
  const fromMm = o.fromMm * way
  const reachMm = Math.max(1, o.reachMm)
  let nearest: number | undefined
  let nearestMm = Infinity
  let farthest: number | undefined
  let farthestMm = 0
  for (const { to } of calls.aboard) {
    const aheadMm = (heightsMm[to] ?? 0) * way - fromMm
    if (aheadMm < reachMm || aheadMm >= nearestMm) continue
    nearest = to
    nearestMm = aheadMm
  }
  for (const group of calls.waiting) {
    const aheadMm = (heightsMm[group.from] ?? 0) * way - fromMm
    if (aheadMm < reachMm) continue
    if (directionOf(group) !== way) {
      if (aheadMm <= farthestMm) continue
      farthest = group.from
      farthestMm = aheadMm
    } else if (aheadMm < nearestMm) {
      nearest = group.from
      nearestMm = aheadMm
    }
  }
  if (calls.summons !== null) {
    const aheadMm = (heightsMm[calls.summons] ?? 0) * way - fromMm
    if (aheadMm >= reachMm && aheadMm > farthestMm) farthest = calls.summons
  }
  return nearest ?? farthest
}

/** The next stop for a car that stands at `fromMm`: onwards in its direction, else back; undefined when nobody calls from elsewhere. */
export function nextStop(
  calls: Calls,
  heightsMm: readonly number[],
  o: { fromMm: number; direction: Direction },
): { stop: number; way: 1 | -1 } | undefined {
  const first = o.direction === 0 ? wayToOldestCall(calls, heightsMm, o.fromMm) : o.direction
  for (const way of [first, first === 1 ? -1 : 1] as const) {
    const stop = nextStopOneWay(calls, heightsMm, { fromMm: o.fromMm, way, reachMm: 1 })
    if (stop !== undefined) return { stop, way }
  }
  return undefined
}

function wayToOldestCall(calls: Calls, heightsMm: readonly number[], fromMm: number): 1 | -1 {
  for (const { to } of calls.aboard) {
    const aheadMm = (heightsMm[to] ?? 0) - fromMm
    if (Math.abs(aheadMm) >= 1) return aheadMm > 0 ? 1 : -1
  }
  for (const { from } of calls.waiting) {
    const aheadMm = (heightsMm[from] ?? 0) - fromMm
    if (Math.abs(aheadMm) >= 1) return aheadMm > 0 ? 1 : -1
  }
  return 1
}

export const massKg = (groups: readonly RiderGroup[]): number => groups.reduce((sum, group) => sum + group.massKg, 0)
export const personCount = (groups: readonly RiderGroup[]): number =>
  groups.reduce((sum, group) => sum + group.count, 0)
