/** The embedded telemetry store: one DuckDB file in a folder, owned by one thread of one process. */
import { realpathSync, mkdirSync } from 'node:fs'
import { MEASUREMENTS } from '#contract/history'
import type { LiftId } from '#contract/ids'
import type { Log } from '#contract/log-events'
import { figuresQuestion, packHours, rowsToPut, unpackHours } from './hour-rows.ts'
import { sumsQuestion, SUMMED, toHourSums } from './hour-sums.ts'
import { fleetQuestion, lastQuestion, toLastValue } from './fleet-questions.ts'
import { packPoints, unpackPoints } from './point-columns.ts'
import {
  assertLimit,
  assertRange,
  historyTypeOf,
  refuseBadPoints,
  toPoint,
  toSpansQuestion,
  withinTime,
  type TelemetryStore,
} from './points.ts'
import { FIGURES_RETENTION_DAYS, keptFromMs, type Retention } from './retention.ts'
import {
  crowded,
  STRETCH_POINTS_MAX,
  stretchQuestion,
  type StretchPoints,
  type StretchQuery,
} from './stretch-questions.ts'
import { startSweeping, type Sweeper } from './sweep.ts'
import type { Expiry } from './tables-expiry.ts'
import { TablesThread } from './tables-thread.ts'

/**
 * Folders that this process has open. DuckDB's lock keeps other processes out, but not a second opening in the same
 * process, which would write over the first one's blocks.
 */
const foldersOpenHere = new Set<string>()

/** Opens or makes the store in a folder. Rejects with a sentence for people when the folder cannot be used. */
export async function openFileStore(
  path: string,
  { log, retention }: { log: Log; retention: Retention | undefined },
): Promise<TelemetryStore> {
  const folder = makeFolder(path)
  if (foldersOpenHere.has(folder)) throw new Error(`the telemetry folder ${folder} is already open in this process`)
  foldersOpenHere.add(folder)
  const thread = new TablesThread(folder, log)
  try {
    await thread.open()
  } catch (error) {
    void thread.exited.then(() => foldersOpenHere.delete(folder))
    throw toOpeningError(folder, error)
  }
  const sweeper = startSweeping({
    expiries: () => (retention === undefined ? [] : expiriesOf(retention)),
    remove: (expiry, rowsMax) => thread.ask({ kind: 'expire', expiry, rowsMax }),
    log,
  })
  return toStore(thread, sweeper, () => foldersOpenHere.delete(folder))
}

function expiriesOf(retention: Retention): Expiry[] {
  const beforeMs = keptFromMs(retention)
  const samples = Object.keys(MEASUREMENTS).map((table) => ({ table, timeColumn: 'sampledAtMs', beforeMs }))
  const figuresBeforeMs = keptFromMs({ ...retention, days: FIGURES_RETENTION_DAYS })
  return [...samples, { table: 'hour', timeColumn: 'hourAtMs', beforeMs: figuresBeforeMs }]
}

function toStore(thread: TablesThread, sweeper: Sweeper, onClosed: () => void): TelemetryStore {
  return {
    append: async (points) => {
      refuseBadPoints(points)
      if (points.length > 0) await thread.ask({ kind: 'append', batches: packPoints(points) })
    },
    history: async ({ signal, ...query }) => {
      historyTypeOf(query)
      return thread.ask({ kind: 'history', query: withinTime(query) }, signal)
    },
    spans: async ({ signal, ...query }) => thread.ask({ kind: 'spans', query: toSpansQuestion(query) }, signal),
    points: async ({ signal, ...query }) => {
      assertLimit(query)
      const rows = await thread.ask({ kind: 'points', query: withinTime(query) }, signal)
      return rows.map((row) => toPoint(query, row['sampledAtMs'], row))
    },
    count: async (query) => {
      assertRange(query)
      return thread.ask({ kind: 'count', query: withinTime(query) })
    },
    putFigures: async (rows) => {
      const checked = rowsToPut(rows)
      if (checked.length > 0) await thread.ask({ kind: 'putFigures', rows: packHours(checked) })
    },
    figures: async ({ signal, ...query }) => {
      const question = figuresQuestion(query)
      return question.lifts?.length === 0
        ? []
        : unpackHours(await thread.ask({ kind: 'figures', query: question }, signal))
    },
    sums: async ({ signal, ...query }) => {
      const question = sumsQuestion(query)
      if (question.lifts?.length === 0) return []
      const rows = await thread.ask({ kind: 'sums', query: question, summed: SUMMED }, signal)
      return rows.map((row) => toHourSums(row))
    },
    last: async ({ signal, ...query }) => {
      const values = await thread.ask({ kind: 'last', ...lastQuestion(query) }, signal)
      return values.map(toLastValue)
    },
    fleet: async ({ signal, ...query }) => thread.ask({ kind: 'fleet', query: fleetQuestion(query) }, signal),
    oldest: async (query) => thread.ask({ kind: 'oldest', query: stretchQuestion(query) }),
    tally: async (query) => {
      const rows = await thread.ask({ kind: 'tally', query: stretchQuestion(query) })
      return rows.map(({ lift, count }) => ({ lift: String(lift) as LiftId, count: Number(count) })) // only ids are stored
    },
    stretch: async (query) => readStretch(thread, stretchQuestion(query)),
    retained: () => ({ leftOutCount: 0, removedCount: sweeper.removedCount() }),
    check: () => thread.ask({ kind: 'check' }),
    async [Symbol.asyncDispose]() {
      sweeper[Symbol.dispose]()
      await thread[Symbol.asyncDispose]()
      void thread.exited.then(onClosed)
    },
  }
}

/** A stretch that has too many points ends before the millisecond in which the limit was reached. */
async function readStretch(thread: TablesThread, query: StretchQuery): Promise<StretchPoints> {
  const rows = await thread.ask({ kind: 'stretch', query, limit: STRETCH_POINTS_MAX + 1 })
  const points = unpackPoints(rows)
  if (points.length <= STRETCH_POINTS_MAX) return { points, untilMs: query.toMs }
  const untilMs = points.at(-1)?.sampledAtMs ?? query.toMs
  const whole = points.filter((point) => point.sampledAtMs < untilMs)
  if (whole.length === 0) throw crowded(untilMs)
  return { points: whole, untilMs }
}

function makeFolder(path: string): string {
  try {
    mkdirSync(path, { recursive: true })
    return realpathSync(path)
  } catch (error) {
    throw new Error(
      `the telemetry folder ${path} cannot be made or read: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    )
  }
}

function toOpeningError(folder: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const holder = /Conflicting lock is held in .*\(PID (\d+)\)/.exec(reason)?.[1]
  if (/Could not set lock/.test(reason)) {
    const who = holder === undefined ? 'another process' : `another process (pid ${holder})`
    return new Error(
      `the telemetry folder ${folder} is open in ${who}: stop it, or set TELEMETRY_URL to another folder`,
      { cause },
    )
  }
  return new Error(`the telemetry store in ${folder} cannot be opened: ${reason}`, { cause })
}
