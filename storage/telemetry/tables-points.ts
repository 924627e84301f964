/** Raw points and spans out of the embedded tables. Runs in their thread; what is asked was checked outside. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { FieldType, StateSpans } from '#contract/history'
import type { PointPosition, PointsQuery, SpansQuestion } from './points.ts'
import { believedFromMs, newSpanFold } from './spans.ts'
import { inRange, toIdentifier } from './tables-sql.ts'

/** The first stretch of a range that is looked through for points; each further one is four times as long. */
const STRETCH_MS = 3_600_000
const STRETCH_GROWTH = 4

/**
 * The table has no order by lift, so a limit alone would make every page look through the whole rest of the range. It
 * is read in growing stretches instead, and what lies behind the page is not touched.
 */
export async function readPoints(
  reader: DuckDBConnection,
  query: PointsQuery,
  fields: Readonly<Record<string, FieldType>>,
): Promise<Record<string, unknown>[]> {
  const { measurement, lift, after, limit } = query
  // Integers of the contract are safe integers; as DOUBLE they come as numbers, not as bigints.
  const columns = Object.entries({ sampledAtMs: 'integer', ...fields }).map(([name, type]) =>
    type === 'integer' ? `${toIdentifier(name)}::DOUBLE AS ${toIdentifier(name)}` : toIdentifier(name),
  )
  const rows: Record<string, unknown>[] = []
  let fromMs = after === undefined ? query.fromMs : Math.max(query.fromMs, after.sampledAtMs)
  for (let lengthMs = STRETCH_MS; fromMs < query.toMs && rows.length < limit; lengthMs *= STRETCH_GROWTH) {
    const toMs = Math.min(fromMs + lengthMs, query.toMs)
    const result = await reader.runAndReadAll(
      `SELECT ${columns.join(', ')} FROM (SELECT * FROM ${toIdentifier(measurement)}
       WHERE ${inRange({ fromMs, toMs })}${after === undefined ? '' : ` AND ${behind(after)}`}
       ORDER BY "sampledAtMs", boot, seq LIMIT ${limit - rows.length})`,
      { lift },
    )
    rows.push(...result.getRowObjects())
    fromMs = toMs
  }
  return rows
}

/** All three are whole numbers. */
const behind = ({ sampledAtMs, boot, seq }: PointPosition): string =>
  `NOT ("sampledAtMs" = ${sampledAtMs} AND (boot < ${boot} OR (boot = ${boot} AND seq <= ${seq})))`

/** One pass over the range, folded chunk by chunk. The order within a millisecond is left to the fold. */
export async function readSpans(reader: DuckDBConnection, query: SpansQuestion, type: FieldType): Promise<StateSpans> {
  const fold = newSpanFold(query)
  const field = toIdentifier(query.field)
  const result = await reader.run(
    `SELECT "sampledAtMs"::DOUBLE, boot::DOUBLE, seq::DOUBLE, ${type === 'integer' ? `${field}::DOUBLE` : field}
     FROM ${toIdentifier(query.measurement)} WHERE ${inRange({ fromMs: believedFromMs(query), toMs: query.toMs })}
     ORDER BY "sampledAtMs" LIMIT ${query.samplesMax + 1}`,
    { lift: query.lift },
  )
  for await (const rows of result.yieldRows()) {
    for (const [atMs, boot, seq, value] of rows) {
      const isKnown = typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string'
      const sample = { atMs: Number(atMs), boot: Number(boot), seq: Number(seq), value: isKnown ? value : undefined }
      if (!fold.take(sample)) return fold.end()
    }
  }
  return fold.end()
}
