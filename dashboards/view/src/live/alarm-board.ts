/** The alarms that this browser knows, merged so that the order in which answers and events arrive does not matter. */
import { ALARM_STATES, compareAlarms, type Alarm } from '#contract/alarms'
import type { AlarmId, LiftId } from '#contract/ids'

export type AlarmMap = ReadonlyMap<AlarmId, Alarm>

export const isOpen = (alarm: Alarm): boolean => ALARM_STATES[alarm.state].open
/** Somebody has to look at it. */
export const isWaiting = (alarm: Alarm): boolean => isOpen(alarm) && alarm.state !== 'acknowledged'
/** People may still be in the car: an entrapment that is neither over nor closed. */
export const isTrapped = (alarm: Alarm): boolean =>
  alarm.kind === 'entrapment-between-floors' && (alarm.state === 'unacknowledged' || alarm.state === 'acknowledged')

/** Grows along every path through the alarm's life, because none of these facts is ever taken back in that order. */
function progress(alarm: Alarm): readonly number[] {
  return [
    alarm.state === 'closed' ? 1 : 0,
    alarm.acknowledgedAtMs === null ? 0 : 1,
    alarm.raiseCount,
    alarm.state === 'returned-unacknowledged' ? 1 : 0,
    alarm.certainty === 'confirmed' ? 1 : 0,
    -alarm.priority,
  ]
}

/** The one of two rows of the same alarm that came later in its life; the second when they are equally far. */
export function laterOf(known: Alarm, other: Alarm): Alarm {
  const a = progress(known)
  const b = progress(other)
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0)
    if (difference !== 0) return difference > 0 ? known : other
  }
  return other
}

/** A new map with the row in it. */
export function withAlarm(alarms: AlarmMap, row: Alarm): AlarmMap {
  const known = alarms.get(row.id)
  const next = new Map(alarms)
  next.set(row.id, known === undefined ? row : laterOf(known, row))
  return next
}

/**
 * The list of open alarms as the server has it now. What we believed to be open and is not in the list any more was closed
 * unseen and is dropped, unless an event touched it while the list was on its way.
 */
export function withOpenList(alarms: AlarmMap, open: readonly Alarm[], touched: ReadonlySet<AlarmId>): AlarmMap {
  const listed = new Set(open.map((alarm) => alarm.id))
  let next: AlarmMap = new Map([...alarms].filter(([id, alarm]) => !isOpen(alarm) || listed.has(id) || touched.has(id)))
  for (const alarm of open) next = withAlarm(next, alarm)
  return next
}

export const inOrder = (alarms: Iterable<Alarm>): Alarm[] => [...alarms].sort(compareAlarms)

/** The most urgent open alarm of each lift. */
export function worstByLift(alarms: AlarmMap): ReadonlyMap<LiftId, Alarm> {
  const worst = new Map<LiftId, Alarm>()
  for (const alarm of alarms.values()) {
    if (!isOpen(alarm)) continue
    const known = worst.get(alarm.lift)
    if (known === undefined || compareAlarms(alarm, known) < 0) worst.set(alarm.lift, alarm)
  }
  return worst
}
