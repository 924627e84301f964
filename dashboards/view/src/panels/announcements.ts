/** What a screen reader is told: every raise once, people at risk at once, the others at most every 10 s. Pure. */
import { compareAlarms, type Alarm } from '#contract/alarms'
import type { LiftId } from '#contract/ids'
import { isWaiting } from '../live/alarm-board.ts'

const POLITE_PERIOD_MS = 10_000
/** The name of a lift is waited for this long; then the alarm is told with its id, by the next tick: within 2 s in all. */
const NAME_WAIT_MS = 1_000

export type Told = {
  /** When each raise was first seen, browser time, and whether it was told. */
  readonly seen: Map<string, { readonly atMs: number; isTold: boolean }>
  politeAtMs: number
}
export const nothingTold = (): Told => ({ seen: new Map(), politeAtMs: -Infinity })

/** The alarms to tell now, together, the most urgent first. `told` is moved on. */
export function toTell(
  told: Told,
  alarms: Iterable<Alarm>,
  isNamed: (lift: LiftId) => boolean,
  nowMs: number,
): { readonly urgent: readonly Alarm[]; readonly polite: readonly Alarm[] } {
  const waiting = new Map(
    [...alarms]
      .filter(isWaiting)
      .sort(compareAlarms)
      .map((alarm) => [`${alarm.id} ${alarm.raiseCount}`, alarm]),
  )
  for (const key of told.seen.keys()) if (!waiting.has(key)) told.seen.delete(key)
  const urgent: Alarm[] = []
  const polite: Alarm[] = []
  const isPoliteDue = nowMs - told.politeAtMs >= POLITE_PERIOD_MS
  for (const [key, alarm] of waiting) {
    const known = told.seen.get(key) ?? { atMs: nowMs, isTold: false }
    told.seen.set(key, known)
    if (known.isTold || (!isNamed(alarm.lift) && nowMs - known.atMs < NAME_WAIT_MS)) continue
    if (alarm.priority !== 1 && !isPoliteDue) continue
    known.isTold = true
    const group = alarm.priority === 1 ? urgent : polite
    group.push(alarm)
  }
  if (polite.length > 0) told.politeAtMs = nowMs
  return { urgent, polite }
}
