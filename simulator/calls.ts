/** Collective control (集选控制): which landing the car goes to next. */
import type { RiderGroup } from './residents.ts'

/** Up, none or down. */
export type Direction = 1 | 0 | -1
export type Calls = { readonly aboard: readonly RiderGroup[]; readonly waiting: readonly RiderGroup[] }

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
  const aheadMm = (landing: number) => ((heightsMm[landing] ?? 0) - o.fromMm) * o.way
  const isAhead = (landing: number) => aheadMm(landing) >= Math.max(1, o.reachMm)
  let nearest: number | undefined
  let farthest: number | undefined
  const take = (landing: number) => {
    if (isAhead(landing) && (nearest === undefined || aheadMm(landing) < aheadMm(nearest))) nearest = landing
  }
  for (const group of calls.aboard) take(group.to)
  for (const group of calls.waiting) {
    if (directionOf(group) === o.way) take(group.from)
    else if (isAhead(group.from) && (farthest === undefined || aheadMm(group.from) > aheadMm(farthest)))
      farthest = group.from
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
  for (const landing of [...calls.aboard.map(({ to }) => to), ...calls.waiting.map(({ from }) => from)]) {
    const heightMm = heightsMm[landing] ?? 0
    if (heightMm !== fromMm) return heightMm > fromMm ? 1 : -1
  }
  return 1
}

export const massKg = (groups: readonly RiderGroup[]): number => groups.reduce((sum, group) => sum + group.massKg, 0)
export const personCount = (groups: readonly RiderGroup[]): number =>
  groups.reduce((sum, group) => sum + group.count, 0)
