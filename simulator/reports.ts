/**
 * What a terminal says of its lift, and when: the publishing rules of the MQTT contract as a pure step. Headers are not its
 * business: `boot` and `seq` belong to the terminal.
 */
import type { LiftPlan, LiftState, Condition } from './lift-state.ts'
import { PHASES } from './lift-state.ts'
import {
  nextLabelChangeAtMs,
  readStatistics,
  readStatus,
  type StatisticsFields,
  type StatusFields,
} from './lift-status.ts'

/** A moving car on a wall should move. */
const MOVING_MS = 1000
/** The contract asks for 10 s and 60 s at least; a little less, so that the freshness of what is received does not flicker. */
const BUSY_MS = 9500
const IDLE_MS = 57_000
const STATISTICS_MS = 15 * 60_000
const STATISTICS_RUNS = 100

/** Message bodies without header. */
export type Report =
  | { readonly kind: 'status'; readonly atMs: number; readonly fields: StatusFields }
  | { readonly kind: 'statistics'; readonly atMs: number; readonly fields: StatisticsFields }
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
  /** When something will be due although nothing happens. */
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

/** The reports that are due at `atMs`, in the order in which they are sent. */
export function nextReports(
  plan: LiftPlan,
  state: LiftState,
  memory: ReportMemory,
  atMs: number,
): { memory: ReportMemory; reports: readonly Report[] } {
  const fields = readStatus(plan, state, atMs)
  const essence = essenceOf(fields)
  const reports: Report[] = []
  const isStatusDue = essence !== memory.essence || atMs >= memory.statusAtMs + heartbeatMs(state, fields)
  if (isStatusDue) reports.push({ kind: 'status', atMs, fields })
  const { conditions } = state
  for (const condition of memory.conditions)
    if (!conditions.includes(condition))
      reports.push({ kind: 'message', atMs, condition, raised: false, snapshot: fields })
  for (const condition of conditions)
    if (!memory.conditions.includes(condition))
      reports.push({ kind: 'message', atMs, condition, raised: true, snapshot: fields })
  const { runCount } = state.counters
  const isStatisticsDue =
    atMs >= memory.statisticsAtMs + STATISTICS_MS || runCount >= memory.statisticsRunCount + STATISTICS_RUNS
  if (isStatisticsDue) reports.push({ kind: 'statistics', atMs, fields: readStatistics(plan, state, atMs) })
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
      dueAtMs: Math.min(
        statusAtMs + heartbeatMs(state, fields),
        statisticsAtMs + STATISTICS_MS,
        nextLabelChangeAtMs(plan, state, atMs),
      ),
    },
  }
}

function heartbeatMs(state: LiftState, fields: StatusFields): number {
  if (PHASES[state.phase].carStatus === 1) return MOVING_MS
  return fields.passengerPresent || state.phase !== 'idle' ? BUSY_MS : IDLE_MS
}

/** A status is sent at once when one of these changes. The unlocking zone counts only for a car that stands: it flies by otherwise. */
const essenceOf = (fields: StatusFields): string =>
  [
    fields.serviceMode,
    fields.carStatus,
    fields.carDirection,
    fields.carStatus === 0 && fields.doorZone,
    fields.carPosition,
    fields.doorStatus,
    fields.passengerCount,
    fields.powerSource,
    fields.alarmButton,
  ].join()
