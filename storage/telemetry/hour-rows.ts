/**
 * Rows of hourly figures on their way into a store and out of it: what every store refuses, and the columns in which they
 * cross to the thread of the embedded store.
 */
import { Compile } from 'typebox/compile'
import { HOUR_MS } from '#contract/calendar'
import { FIGURES_LIFTS_MAX, FIGURES_LIMIT_MAX, HOUR_FIELDS, HourFigures } from '#contract/figures'
import { isLiftId, type LiftId } from '#contract/ids'
import { BATCH_POINTS_MAX, SAMPLED_AT_MS_MAX, TelemetryStoreError, withinTime } from './points.ts'

export type FiguresQuery = {
  /** At most `FIGURES_LIFTS_MAX`; without it all lifts. */
  readonly lifts?: readonly LiftId[]
  /** First begin of an hour, included. */
  readonly fromMs: number
  /** Last begin of an hour, excluded. */
  readonly toMs: number
  /** 1 to `FIGURES_LIMIT_MAX`. */
  readonly limit: number
}

/** Typed arrays instead of objects, which cost the thread that also takes messages much more to clone. */
export type HourColumns = {
  readonly lift: readonly string[]
  /** `hourAtMs` and the fields; NaN where a figure is absent. */
  readonly numbers: Readonly<Record<string, Float64Array>>
}

const validator = Compile(HourFigures)
const COLUMNS = ['hourAtMs', ...Object.keys(HOUR_FIELDS)]

/**
 * The rows to store: of rows of one lift and hour the last. Throws a `RangeError` when there are too many, and refuses
 * all when one is no row of the contract or its spans are not an hour.
 */
export function rowsToPut(rows: readonly HourFigures[]): HourFigures[] {
  if (rows.length > BATCH_POINTS_MAX)
    throw new RangeError(`at most ${BATCH_POINTS_MAX} rows of figures are stored at once, not ${rows.length}`)
  const last = new Map<string, HourFigures>()
  for (const row of rows) {
    const reason = reasonToRefuse(row)
    if (reason !== undefined)
      throw new TelemetryStoreError(
        'refused',
        `figures of lift ${JSON.stringify(row.lift)}, hour ${row.hourAtMs}: ${reason}`,
      )
    last.set(hourKeyOf(row), row)
  }
  return [...last.values()]
}

/** What a store has one row of. */
export const hourKeyOf = ({ lift, hourAtMs }: Pick<HourFigures, 'lift' | 'hourAtMs'>): string => `${lift} ${hourAtMs}`

function reasonToRefuse(row: HourFigures): string | undefined {
  if (!validator.Check(row)) {
    const [error] = validator.Errors(row)
    return error === undefined ? 'this is no row of figures' : `${error.instancePath} ${error.message}`
  }
  if (row.hourAtMs > SAMPLED_AT_MS_MAX) return 'hourAtMs is out of range'
  const sumMs = row.inServiceMs + row.outOfServiceMs + row.maintenanceMs + row.unknownMs
  return sumMs === HOUR_MS ? undefined : `its spans are ${sumMs} ms, and an hour has ${HOUR_MS}`
}

/** The question with times that a store can hold. Throws a `RangeError` when it is none: these are mistakes of the caller. */
export function figuresQuestion({ lifts, fromMs, toMs, limit }: FiguresQuery): FiguresQuery {
  const assert = (holds: boolean, otherwise: string): void => {
    if (!holds) throw new RangeError(`question for figures: ${otherwise}`)
  }
  assert(Number.isSafeInteger(fromMs) && Number.isSafeInteger(toMs), 'fromMs and toMs are whole milliseconds')
  assert(
    Number.isSafeInteger(limit) && limit > 0 && limit <= FIGURES_LIMIT_MAX,
    `limit is a whole number from 1 to ${FIGURES_LIMIT_MAX}`,
  )
  assert((lifts ?? []).length <= FIGURES_LIFTS_MAX, `there are more than ${FIGURES_LIFTS_MAX} lifts`)
  assert((lifts ?? []).every(isLiftId), 'one of the lifts is not the id of a lift')
  return withinTime({ fromMs, toMs, limit, ...(lifts ? { lifts: [...new Set(lifts)] } : {}) })
}

export function packHours(rows: readonly HourFigures[]): HourColumns {
  const numbers = COLUMNS.map((name): [string, Float64Array] => {
    const read = name as Exclude<keyof HourFigures, 'lift'>
    return [name, Float64Array.from(rows, (row) => row[read] ?? Number.NaN)]
  })
  return { lift: rows.map((row) => row.lift), numbers: Object.fromEntries(numbers) }
}

export const unpackHours = ({ lift, numbers }: HourColumns): HourFigures[] =>
  lift.map((id, row) => toHourFigures(id, (name) => numbers[name]?.[row]))

/** The row that a store has; what is no number there is absent here. */
export function toHourFigures(lift: string, read: (name: string) => unknown): HourFigures {
  const row: Record<string, unknown> = { lift }
  for (const name of COLUMNS) {
    const value = read(name)
    if (typeof value === 'number' && !Number.isNaN(value)) row[name] = value
  }
  // Only rows that were checked are stored.
  return row as HourFigures
}

/** By hour, then by lift in the order of its letters, which are ASCII. */
export const byHourAndLift = (a: HourFigures, b: HourFigures): number =>
  a.hourAtMs - b.hourAtMs || (a.lift < b.lift ? -1 : a.lift > b.lift ? 1 : 0)
