/** Which lifts are shown and in which order: abnormal first, and never moved under a hand. */
import type { Alarm } from '#contract/alarms'
import type { LiftId } from '#contract/ids'
import type { Freshness, LiveState } from '#contract/live'
import type { Lift } from '#contract/register'
import { isOutOfNormal } from '../words/lift-words.ts'

export type FleetRow = {
  readonly lift: Lift & { readonly contractorName: string | null }
  readonly state: LiveState
  readonly freshness: Freshness
  readonly ageMs: number | undefined
  readonly alarm: Alarm | undefined
}

export const FLEET_FILTERS = ['all', 'abnormal', 'alarm', 'moving', 'occupied', 'mode', 'stale', 'lost'] as const
export type FleetFilter = (typeof FLEET_FILTERS)[number]
export const isFleetFilter = (text: unknown): text is FleetFilter => FLEET_FILTERS.some((name) => name === text)

const isKnownNow = (row: FleetRow) => row.freshness === 'fresh' || row.freshness === 'late'

/** Smaller is more urgent. Late is not abnormal: an idle terminal speaks once a minute. */
export function urgencyOf(row: FleetRow): number {
  if (row.alarm !== undefined && row.alarm.priority < 4) return row.alarm.priority
  if (row.freshness === 'lost') return 4
  if (row.alarm !== undefined) return 5
  if (row.state.status !== null && isOutOfNormal(row.state.status)) return 6
  if (row.freshness === 'stale') return 7
  return row.freshness === 'never' ? 8 : 9
}

const tests: Readonly<Record<FleetFilter, (row: FleetRow) => boolean>> = {
  all: () => true,
  abnormal: (row) => urgencyOf(row) < 9,
  alarm: (row) => row.alarm !== undefined,
  moving: (row) => isKnownNow(row) && row.state.status?.carStatus === 1,
  occupied: (row) => isKnownNow(row) && row.state.status?.passengerPresent === true,
  mode: (row) => isKnownNow(row) && row.state.status !== null && isOutOfNormal(row.state.status),
  stale: (row) => row.freshness === 'stale',
  lost: (row) => row.freshness === 'lost' || row.freshness === 'never',
}
export const passes = (row: FleetRow, filter: FleetFilter): boolean => tests[filter](row)

/** Every word of the search must be somewhere in the facts by which people know a lift. */
export function matches(lift: Lift, search: string): boolean {
  const terms = search
    .trim()
    .toLowerCase()
    .split(/\s+/)
    .filter((term) => term !== '')
  if (terms.length === 0) return true
  const text = [
    lift.name,
    lift.compound,
    lift.building,
    lift.unit,
    lift.town,
    lift.registrationCode,
    lift.rescueCode,
    lift.id,
  ]
    .join(' ')
    .toLowerCase()
  return terms.every((term) => text.includes(term))
}

const names = new Intl.Collator('zh-CN-u-co-pinyin', { numeric: true })

/** The order that the list should have now. */
export function wantedOrder(rows: readonly FleetRow[]): LiftId[] {
  return rows
    .map((row) => ({ row, urgency: urgencyOf(row) }))
    .sort(
      (a, b) =>
        a.urgency - b.urgency ||
        names.compare(a.row.lift.compound, b.row.lift.compound) ||
        names.compare(a.row.lift.name, b.row.lift.name) ||
        (a.row.lift.id < b.row.lift.id ? -1 : 1),
    )
    .map(({ row }) => row.lift.id)
}

export type HeldOrder = {
  readonly order: readonly LiftId[]
  readonly sortedAtMs: number
  readonly pendingCount: number
}

/** Shortest time between two sortings. */
export const SORT_PERIOD_MS = 1_000

/**
 * The order to show. While a hand is on the list, rows keep their places: lifts that left it disappear, new ones are put at
 * the end, and `pendingCount` tells how many would stand elsewhere. `force` sorts at once.
 */
export function nextOrder(
  held: HeldOrder,
  wanted: readonly LiftId[],
  now: { readonly atMs: number; readonly isHandInside: boolean; readonly force: boolean },
): HeldOrder {
  const maySort = now.force || (!now.isHandInside && now.atMs - held.sortedAtMs >= SORT_PERIOD_MS)
  if (maySort) return { order: wanted, sortedAtMs: now.atMs, pendingCount: 0 }
  const present = new Set(wanted)
  const kept = held.order.filter((id) => present.has(id))
  const keptSet = new Set(kept)
  const order = [...kept, ...wanted.filter((id) => !keptSet.has(id))]
  return { order, sortedAtMs: held.sortedAtMs, pendingCount: movedCount(order, wanted) }
}

/** How many lifts stand before one that they should stand behind: the fewest that have to move. */
function movedCount(order: readonly LiftId[], wanted: readonly LiftId[]): number {
  const place = new Map(wanted.map((id, index) => [id, index]))
  const tails: number[] = []
  for (const id of order) {
    const value = place.get(id) ?? -1
    let low = 0
    let high = tails.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((tails[middle] ?? 0) < value) low = middle + 1
      else high = middle
    }
    tails[low] = value
  }
  return order.length - tails.length
}
