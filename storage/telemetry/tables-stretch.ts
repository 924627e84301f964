/** A stretch of time of all lifts out of the embedded tables. Runs in their thread; what is asked was checked outside. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { FieldType } from '#contract/history'
import type { PointColumns } from './point-columns.ts'
import type { StretchQuery } from './stretch-questions.ts'
import type { Row } from './tables.ts'
import { toIdentifier } from './tables-sql.ts'

const fromWhere = ({ measurement, fromMs, toMs }: StretchQuery): string =>
  `FROM ${toIdentifier(measurement)} WHERE "sampledAtMs" >= ${fromMs} AND "sampledAtMs" < ${toMs}`

export async function readOldest(reader: DuckDBConnection, query: StretchQuery): Promise<number | undefined> {
  const result = await reader.runAndReadAll(`SELECT min("sampledAtMs")::DOUBLE ${fromWhere(query)}`)
  const atMs = result.value(0, 0)
  return typeof atMs === 'number' ? atMs : undefined
}

/** Rows of `lift` and `count`, in order of lifts. */
export async function readTally(reader: DuckDBConnection, query: StretchQuery): Promise<Row[]> {
  const result = await reader.runAndReadAll(
    `SELECT lift, count(*)::DOUBLE AS count ${fromWhere(query)} GROUP BY lift ORDER BY lift`,
  )
  return result.getRowObjects()
}

/** The oldest points of the stretch, at most `limit`, in order of sample time. */
export async function readStretch(
  reader: DuckDBConnection,
  query: StretchQuery,
  limit: number,
  fields: Readonly<Record<string, FieldType>>,
): Promise<PointColumns> {
  const entries = Object.entries({ sampledAtMs: 'integer', ...fields })
  // As DOUBLE the numbers come as numbers, not as bigints; integers of the contract are safe integers.
  const selected = entries.map(([name, type]) =>
    type === 'string' ? toIdentifier(name) : `${toIdentifier(name)}::DOUBLE`,
  )
  const result = await reader.runAndReadAll(
    `SELECT lift, ${selected.join(', ')} FROM
     (SELECT * ${fromWhere(query)} ORDER BY "sampledAtMs" LIMIT ${limit}) ORDER BY "sampledAtMs"`,
  )
  const [lift = [], ...values] = result.getColumns()
  const numbers: Record<string, Float64Array> = {}
  const strings: Record<string, (string | null)[]> = {}
  for (const [index, [name, type]] of entries.entries()) {
    const column = values[index] ?? []
    if (type === 'string') strings[name] = column.map((value) => (value === null ? null : String(value)))
    else numbers[name] = Float64Array.from(column, (value) => (typeof value === 'number' ? value : Number.NaN))
  }
  const { sampledAtMs = new Float64Array(), ...others } = numbers
  return {
    measurement: query.measurement,
    count: lift.length,
    lift: lift.map(String),
    sampledAtMs,
    numbers: others,
    strings,
  }
}
