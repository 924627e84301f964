/**
 * What a terminal says of its lift, and when: the publishing rules of the MQTT contract as a pure step over what it senses.
 * Headers are not its business: `boot` and `seq` belong to the terminal, and so does the clock. Times here are true ones.
 */
import type { Condition } from '../lift/lift-state.ts'
import type { StatusFields } from '../lift/lift-status.ts'
import type { CounterFields } from './own-counters.ts'

/** A moving car on a wall should move. */
const MOVING_MS = 1000
/** The contract asks for 10 s and 60 s at least; a little less, so that the freshness of what is received does not flicker. */
const BUSY_MS = 9500
const IDLE_MS = 57_000
export const STATISTICS_MS = 15 * 60_000
const STATISTICS_RUNS = 100

/** Message bodies without header. */
export type Report =
  | { readonly kind: 'status'; readonly atMs: number; readonly fields: StatusFields }
  | { readonly kind: 'statistics'; readonly atMs: number; readonly fields: CounterFields }
  | {
      readonly kind: 'message'
      readonly atMs: number
      readonly condition: Condition
      readonly raised: boolean
      readonly snapshot: StatusFields
    }

/** What was said last. */
export type ReportMemory = {
  readonly essence: string
  readonly statusAtMs: number
  readonly statisticsAtMs: number
  readonly statisticsRunCount: number
  readonly conditions: readonly Condition[]
  /** When something will be due although nothing is sensed anew. */
  readonly dueAtMs: number
}

/** Nothing was said: everything is due. */
export const saidNothing: ReportMemory = {
  essence: '',
  statusAtMs: -Infinity,
  statisticsAtMs: -Infinity,
  statisticsRunCount: 0,
  conditions: [],
  dueAtMs: -Infinity,
}

/** What the terminal knows at one moment. */
export type Known = {
  readonly fields: StatusFields
  /** What the controller has raised, as far as the terminal hears of it. */
  readonly conditions: readonly Condition[]
  readonly runCount: number
  /** Read only when they are to be said. */
  readonly counters: () => CounterFields
}

/** The reports that are due at `atMs`, in the order in which they are sent. */
export function nextReports(
  known: Known,
  memory: ReportMemory,
  atMs: number,
): { memory: ReportMemory; reports: readonly Report[] } {
  const { fields, conditions, runCount } = known
  const essence = essenceOf(fields)
  const heartbeatMs = heartbeatMsOf(fields)
  const reports: Report[] = []
  const isStatusDue = essence !== memory.essence || atMs >= memory.statusAtMs + heartbeatMs
  if (isStatusDue) reports.push({ kind: 'status', atMs, fields })
  if (conditions !== memory.conditions) tellConditions(conditions, memory.conditions, fields, atMs, reports)
  const isStatisticsDue =
    atMs >= memory.statisticsAtMs + STATISTICS_MS || runCount >= memory.statisticsRunCount + STATISTICS_RUNS
  if (isStatisticsDue) reports.push({ kind: 'statistics', atMs, fields: known.counters() })
  const statusAtMs = isStatusDue ? atMs : memory.statusAtMs
  const statisticsAtMs = isStatisticsDue ? atMs : memory.statisticsAtMs
  return {
    reports,
    memory: {
      essence,
      statusAtMs,
      statisticsAtMs,
      statisticsRunCount: isStatisticsDue ? runCount : memory.statisticsRunCount,
      conditions,
      dueAtMs: Math.min(statusAtMs + heartbeatMs, statisticsAtMs + STATISTICS_MS),
    },
  }
}

/** What was cleared, then what was raised. */
function tellConditions(
  conditions: readonly Condition[],
  told: readonly Condition[],
  snapshot: StatusFields,
  atMs: number,
  reports: Report[],
): void {
  for (const condition of told)
    if (!conditions.includes(condition)) reports.push({ kind: 'message', atMs, condition, raised: false, snapshot })
  for (const condition of conditions)
    if (!told.includes(condition)) reports.push({ kind: 'message', atMs, condition, raised: true, snapshot })
}

function heartbeatMsOf(fields: StatusFields): number {
  if (fields.carStatus === 1) return MOVING_MS
  return fields.passengerPresent || !fields.doorClosed ? BUSY_MS : IDLE_MS
}

/** A status is sent at once when one of these changes. The unlocking zone counts only for a car that stands: it flies by otherwise. */
const essenceOf = (fields: StatusFields): string =>
  `${fields.serviceMode},${fields.carStatus},${fields.carDirection},${fields.carStatus === 0 && fields.doorZone},${fields.carPosition},${fields.doorClosed},${fields.doorStatus},${fields.passengerPresent},${fields.passengerCount},${fields.powerSource},${fields.alarmButton}`
