/**
 * The counters that a terminal without the controller's keeps itself, from what it senses: also what a flickering door switch
 * makes it believe. They go on from what it had counted when the simulator started.
 */
import { STATISTICS_FIELDS, type Statistics } from '#contract/telemetry'
import type { Counters } from '../lift/counters.ts'
import type { StatusFields } from '../lift/lift-status.ts'

/** The counters that a terminal shows; those that it does not know are left out. */
export type CounterFields = Omit<Statistics, 'v' | 'boot' | 'seq' | 'sampledAtMs'>
const COUNTER_NAMES = Object.keys(STATISTICS_FIELDS) as (keyof CounterFields)[]

export type OwnCounters = {
  readonly runCount: number
  readonly runTimeS: number
  readonly doorOpenCount: number
  readonly distanceM: number
  /** The run that it is in. `fromMm` is null when the position was not known when it began. */
  readonly run: { readonly atMs: number; readonly fromMm: number | null } | null
  readonly isDoorClosed: boolean
}

/** What a controller and a terminal remember, whether or not they have power. */
export type Counted = {
  readonly lift: Counters
  readonly terminal: Omit<OwnCounters, 'run' | 'isDoorClosed'>
  /** What the terminal's counters showed when they began at zero again; without it they never did. */
  readonly restarted?: CounterFields
}

/** It has counted so much so far: the same as the controller, or what it remembers. */
export const countingFrom = (statistics: CounterFields): OwnCounters => ({
  runCount: statistics.runCount ?? 0,
  runTimeS: statistics.runTimeS ?? 0,
  doorOpenCount: statistics.doorOpenCount ?? 0,
  distanceM: statistics.distanceM ?? 0,
  run: null,
  isDoorClosed: true,
})

/** The terminal did not watch for a while: what it knows of the run that it was in is worth nothing. */
export const withoutRun = (counters: OwnCounters): OwnCounters =>
  counters.run === null ? counters : { ...counters, run: null }

/** `counters` itself when nothing is to be counted. A run of which it does not know both ends adds no distance. */
export function count(counters: OwnCounters, fields: StatusFields, atMs: number): OwnCounters {
  const isMoving = fields.carStatus === 1
  const { run } = counters
  if (isMoving === (run !== null) && fields.doorClosed === counters.isDoorClosed) return counters
  const positionMm = fields.positionMm ?? null
  const isEnd = !isMoving && run !== null
  return {
    runCount: counters.runCount + (isMoving && run === null ? 1 : 0),
    runTimeS: counters.runTimeS + (isEnd ? (atMs - run.atMs) / 1000 : 0),
    doorOpenCount: counters.doorOpenCount + (counters.isDoorClosed && !fields.doorClosed ? 1 : 0),
    distanceM: counters.distanceM + (isEnd ? distanceMm(run.fromMm, positionMm) / 1000 : 0),
    run: isMoving ? (run ?? { atMs, fromMm: positionMm }) : null,
    isDoorClosed: fields.doorClosed,
  }
}

const distanceMm = (fromMm: number | null, toMm: number | null): number =>
  fromMm === null || toMm === null ? 0 : Math.abs(toMm - fromMm)

/** Only the counters that it keeps, rounded as the controller's are. */
export function statisticsOf(counters: OwnCounters, names: readonly (keyof CounterFields)[]): CounterFields {
  const kept: CounterFields = {}
  const { runCount, doorOpenCount } = counters
  const all: CounterFields = {
    runCount,
    runTimeS: tenth(counters.runTimeS),
    doorOpenCount,
    distanceM: tenth(counters.distanceM),
  }
  for (const name of names) {
    const value = all[name]
    if (value !== undefined) kept[name] = value
  }
  return kept
}

const tenth = (value: number): number => Math.round(value * 10) / 10

/** Counters that were at `restarted` when they began at zero again; the counters themselves without it. */
export function sinceRestart(counters: CounterFields, restarted: CounterFields | undefined): CounterFields {
  if (restarted === undefined) return counters
  const shown: CounterFields = {}
  for (const name of COUNTER_NAMES) {
    const value = counters[name]
    if (value !== undefined) shown[name] = Math.max(0, Math.round((value - (restarted[name] ?? 0)) * 1000) / 1000)
  }
  return shown
}
