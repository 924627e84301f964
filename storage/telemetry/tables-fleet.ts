/** Questions about the whole fleet to the embedded tables. Runs in their thread; what is asked was checked outside. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { FieldType } from '#contract/history'
import type { FleetHour, FleetQuery, LastQuery } from './fleet-questions.ts'
import type { Row } from './tables.ts'
import { toIdentifier } from './tables-sql.ts'

/**
 * Rows of `lift`, `sampledAtMs` and `value`, in order of lifts. The newest times come first, as plain numbers; boot and seq
 * are compared only among samples of one millisecond. To compare all three of every sample takes several times as long.
 */
export async function readLast(reader: DuckDBConnection, query: LastQuery, type: FieldType): Promise<Row[]> {
  const table = toIdentifier(query.measurement)
  const field = toIdentifier(query.field)
  const value = type === 'integer' ? `${field}::DOUBLE` : field
  const said = `"sampledAtMs" >= ${query.fromMs} AND "sampledAtMs" < ${query.toMs} AND ${field} IS NOT NULL`
  const result = await reader.runAndReadAll(
    `WITH newest AS (SELECT lift, max("sampledAtMs") AS "atMs" FROM ${table} WHERE ${said} GROUP BY lift)
     SELECT lift, "atMs"::DOUBLE AS "sampledAtMs", arg_max(${value}, (boot, seq)) AS value
     FROM ${table} JOIN newest USING (lift) WHERE ${said} AND "sampledAtMs" = "atMs" GROUP BY lift, "atMs" ORDER BY lift`,
  )
  return result.getRowObjects()
}

export async function readFleet(reader: DuckDBConnection, { figure, fromMs, toMs }: FleetQuery): Promise<FleetHour[]> {
  const name = toIdentifier(figure)
  const result = await reader.runAndReadAll(
    `SELECT "hourAtMs"::DOUBLE, sum(${name})::DOUBLE, count(*)::DOUBLE FROM hour
     WHERE "hourAtMs" >= ${fromMs} AND "hourAtMs" < ${toMs} AND ${name} IS NOT NULL GROUP BY 1 ORDER BY 1`,
  )
  return result.getRows().map(([hourAtMs, sum, liftCount]) => ({
    hourAtMs: Number(hourAtMs),
    sum: Number(sum),
    liftCount: Number(liftCount),
  }))
}
