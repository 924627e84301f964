/** Many rows written at once: portions that one statement can carry, each row inserted or replaced. */
import { sql, type RawBuilder } from 'kysely'

/** PostgreSQL takes 65 535 values in one statement; the widest row has 16. */
const ROWS_MAX = 1_000

/**
 * Each key once, the newest row counting, ordered by key: two processes that write the same rows then lock them in the same
 * order and cannot wait for each other in a circle.
 */
export function* batchesOf<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Generator<Row[]> {
  const byKey = new Map(rows.map((row) => [keyOf(row), row]))
  const ordered = [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
  for (let begin = 0; begin < ordered.length; begin += ROWS_MAX) yield ordered.slice(begin, begin + ROWS_MAX)
}

/** For `on conflict … do update`: these columns as the row that was to be inserted has them. */
export const asProposed = <Column extends string>(columns: readonly Column[]): Record<Column, RawBuilder<never>> =>
  // Object.fromEntries forgets which keys it was given.
  Object.fromEntries(columns.map((column) => [column, sql.ref<never>(`excluded.${column}`)])) as Record<
    Column,
    RawBuilder<never>
  >
