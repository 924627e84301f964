/**
 * Hourly figures in InfluxDB: measurement `hour`, tag `lift`, the begin of the hour as the time, in a retention policy of
 * their own, because they outlive the samples. A row that is written again overwrites itself.
 */
import { HOUR_FIELDS, type HourFigures } from '#contract/figures'
import { FIGURES_POLICY } from './influx-database.ts'
import { andOfLifts, isBetween, toIdentifier, type InfluxRows } from './influx-ql.ts'
import { COUNTERS } from './sum-figures.ts'
import { byHourAndLift, toHourFigures, type FiguresQuery } from './hour-rows.ts'

/**
 * InfluxDB overwrites field by field: a figure that is absent from the newer row stays there from the older one. So each
 * row names the figures that it has, and others are not read.
 */
const NAMES_FIELD = 'figures'
const FIELDS = Object.entries(HOUR_FIELDS)
/** Longer series carry the mark of an answer that was cut, even when they are whole. */
const PAGE_ROWS_MAX = 10_000
const SELECTED = [...FIELDS.map(([name]) => name), NAMES_FIELD, 'lift'].map(toIdentifier).join(', ')

/**
 * Every row has these, so that what an older copy of it left there is never added, and the server adds without looking at
 * names: a condition on a text costs it many times what adding does. Each counter or 0, and the time that it covers or 0.
 */
export const addedName = (name: string): string => `${name}OrZero`
export const countedName = (name: string): string => `${name}CountedMs`
/** The vibration, or a value below every other. */
export const WORST_FIELD = 'worstVibrationMgOrMinus1'

/** One line. Lift ids are plain words (checked before). */
export function toHourLine(row: HourFigures): string {
  const given = FIELDS.flatMap(([name, type]) => {
    const value = row[name as keyof HourFigures]
    return value === undefined ? [] : [{ name, text: `${name}=${value}${type === 'integer' ? 'i' : ''}` }]
  })
  const names = given.map(({ name }) => name).join(' ')
  const added = COUNTERS.flatMap((name) => [
    `${addedName(name)}=${row[name] ?? 0}${HOUR_FIELDS[name] === 'integer' ? 'i' : ''}`,
    `${countedName(name)}=${row[name] === undefined ? 0 : row.countedMs}i`,
  ])
  const worst = `${WORST_FIELD}=${row.worstVibrationMg ?? -1}`
  const fields = [...given.map(({ text }) => text), ...added, worst, `${NAMES_FIELD}="${names}"`]
  return `hour,lift=${row.lift} ${fields.join(',')} ${row.hourAtMs}000000`
}

/**
 * Rows in order of hour and lift, read page by page. The server orders by time alone: where a page may end within an
 * hour, that hour is asked for whole.
 */
export async function readHours(
  ask: (question: string) => Promise<InfluxRows[]>,
  query: FiguresQuery,
): Promise<HourFigures[]> {
  const { lifts, toMs, limit } = query
  const found: HourFigures[] = []
  if (lifts?.length === 0) return found
  for (let { fromMs } = query; fromMs < toMs && found.length < limit;) {
    const rowsMax = Math.min(limit - found.length, PAGE_ROWS_MAX)
    const page = toRows(await ask(toQuestion({ ...query, fromMs }, `ORDER BY time ASC LIMIT ${rowsMax}`)))
    const lastHourAtMs = page.at(-1)?.hourAtMs
    if (page.length < rowsMax || lastHourAtMs === undefined) return [...found, ...page]
    // By lift: of one hour each has one row, so no series is as long as a page, however large the fleet.
    const lastHour = toQuestion({ ...query, fromMs: lastHourAtMs, toMs: lastHourAtMs + 1 }, 'GROUP BY "lift"')
    found.push(...page.filter((row) => row.hourAtMs < lastHourAtMs))
    found.push(...toRows(await ask(lastHour)))
    fromMs = lastHourAtMs + 1
  }
  return found.slice(0, limit)
}

function toQuestion({ lifts, ...range }: FiguresQuery, order: string): string {
  return `SELECT ${SELECTED} FROM ${toIdentifier(FIGURES_POLICY)}."hour" WHERE ${isBetween(range)}${andOfLifts(lifts)} ${order}`
}

function toRows([rows = []]: readonly InfluxRows[]): HourFigures[] {
  return rows
    .map((row) => {
      const names = new Set(String(row[NAMES_FIELD]).split(' ')).add('hourAtMs')
      return toHourFigures(String(row['lift']), (name) =>
        names.has(name) ? row[name === 'hourAtMs' ? 'time' : name] : undefined,
      )
    })
    .sort(byHourAndLift)
}
