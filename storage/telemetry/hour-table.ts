/** The embedded table of hourly figures, one row per lift and hour. Runs in the thread of the tables; what is asked was checked outside. */
import { BIGINT, DOUBLE, VARCHAR, type DuckDBAppender, type DuckDBConnection, type DuckDBType } from '@duckdb/node-api'
import type { FieldType } from '#contract/history'
import type { FiguresQuery, HourColumns } from './hour-rows.ts'
import type { Summed, SumsQuery } from './hour-sums.ts'
import type { Row } from './tables.ts'
import { appendRows, type Column } from './tables-appending.ts'
import { toIdentifier } from './tables-sql.ts'

export type HourFields = Readonly<Record<string, FieldType>>
export type HourTable = {
  /** One transaction, one sync: rows of the same lift and hour are replaced. Not to be called while something is appended. */
  put(rows: HourColumns): Promise<void>
  /** What was not committed is dropped before. */
  readonly appender: DuckDBAppender
}

/** Makes the table, or adds the columns that an older file does not have yet. `fields` are `HOUR_FIELDS`. */
export async function openHourTable(writer: DuckDBConnection, fields: HourFields): Promise<HourTable> {
  const columns = columnsOf(fields)
  const definitions = columns.map(({ name, type }) => `${toIdentifier(name)} ${String(type)}`)
  await writer.run(`CREATE TABLE IF NOT EXISTS hour (${definitions.join(', ')})`)
  for (const definition of definitions) await writer.run(`ALTER TABLE hour ADD COLUMN IF NOT EXISTS ${definition}`)
  await writer.run(`CREATE TEMP TABLE new_hour (${definitions.join(', ')})`)
  const appender = await writer.createAppender('new_hour', 'main', 'temp')
  return { appender, put: (rows) => putRows(writer, appender, columns, rows) }
}

const columnsOf = (fields: HourFields): Column[] => [
  { name: 'lift', type: VARCHAR },
  { name: 'hourAtMs', type: BIGINT },
  ...Object.entries(fields).map(([name, type]) => ({ name, type: type === 'integer' ? BIGINT : DOUBLE })),
]

async function putRows(
  writer: DuckDBConnection,
  appender: DuckDBAppender,
  columns: readonly Column[],
  rows: HourColumns,
): Promise<void> {
  const hours = rows.numbers['hourAtMs'] ?? new Float64Array()
  const names = columns.map(({ name }) => toIdentifier(name)).join(', ')
  await writer.run('DELETE FROM new_hour')
  appendRows(appender, columns, hours.length, ({ name, type }, from, to) => {
    const values = rows.numbers[name]?.subarray(from, to)
    return values === undefined ? rows.lift.slice(from, to) : toValues(values, type)
  })
  await writer.run('BEGIN TRANSACTION')
  // Looks only at the span of time that the rows cover.
  await writer.run(
    `DELETE FROM hour USING new_hour n WHERE hour.lift = n.lift AND hour."hourAtMs" = n."hourAtMs"
     AND hour."hourAtMs" BETWEEN ${Math.min(...hours)} AND ${Math.max(...hours)}`,
  )
  await writer.run(`INSERT INTO hour (${names}) SELECT ${names} FROM new_hour ORDER BY "hourAtMs", lift`)
  await writer.run('COMMIT')
}

const toValues = (values: Float64Array, type: DuckDBType): (number | bigint | null)[] =>
  Array.from(values, (value) => {
    if (Number.isNaN(value)) return null
    return type.typeId === BIGINT.typeId ? BigInt(value) : value
  })

/** Rows in order of hour and lift, at most `limit`. */
export async function readHours(
  reader: DuckDBConnection,
  query: FiguresQuery,
  fields: HourFields,
): Promise<HourColumns> {
  const names = ['hourAtMs', ...Object.keys(fields)]
  const { condition, bound } = conditionOf(query)
  // Integers of the contract are safe integers; as DOUBLE they come as numbers, not as bigints.
  const result = await reader.runAndReadAll(
    `SELECT lift, ${names.map((name) => `${toIdentifier(name)}::DOUBLE`).join(', ')} FROM
     (SELECT * FROM hour WHERE ${condition} ORDER BY "hourAtMs", lift LIMIT ${query.limit})
     ORDER BY "hourAtMs", lift`,
    bound,
  )
  const [lift = [], ...columns] = result.getColumns()
  return {
    lift: lift.map(String),
    numbers: Object.fromEntries(
      names.map((name, index) => [
        name,
        Float64Array.from(columns[index] ?? [], (value) => (typeof value === 'number' ? value : Number.NaN)),
      ]),
    ),
  }
}

/** One row per lift, in order of lifts, with the columns that `toHourSums` reads; null where a figure is in no hour. */
export async function readSums(
  reader: DuckDBConnection,
  query: SumsQuery,
  { added, counters }: Summed,
): Promise<Row[]> {
  const { condition, bound } = conditionOf(query)
  const sum = (name: string, condition = ''): string =>
    `(sum(${toIdentifier(name)})${condition})::DOUBLE AS ${toIdentifier(name)}`
  const count = (name: string): string => sum(name, ' FILTER (WHERE "countedMs" > 0)')
  const counted = (name: string): string =>
    `coalesce(sum("countedMs") FILTER (WHERE ${toIdentifier(name)} IS NOT NULL), 0)::DOUBLE AS ${toIdentifier(`${name}CountedMs`)}`
  const result = await reader.runAndReadAll(
    `SELECT lift, count(*)::DOUBLE AS "hourCount", ${[...added.map((name) => sum(name)), ...counters.map(count), ...counters.map(counted)].join(', ')},
       max("worstVibrationMg") AS "worstVibrationMg"
     FROM hour WHERE ${condition} GROUP BY lift ORDER BY lift`,
    bound,
  )
  return result.getRowObjects()
}

function conditionOf({ lifts, fromMs, toMs }: SumsQuery): { condition: string; bound: Record<string, string> } {
  const bound = Object.fromEntries((lifts ?? []).map((lift, index) => [`l${index}`, lift]))
  const names = Object.keys(bound).map((name) => `$${name}`)
  const ofLifts = lifts === undefined ? '' : ` AND lift IN (${names.join(', ')})`
  return { condition: `"hourAtMs" >= ${fromMs} AND "hourAtMs" < ${toMs}${ofLifts}`, bound }
}
