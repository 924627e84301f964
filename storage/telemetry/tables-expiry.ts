/** Removing rows from the embedded tables. Runs in their thread, between two batches. */
import type { DuckDBConnection } from '@duckdb/node-api'

/** Rows of `table` whose `timeColumn` (Unix ms) is below `beforeMs`. The names come from our own code alone. */
export type Expiry = { readonly table: string; readonly timeColumn: string; readonly beforeMs: number }

/**
 * One transaction that removes at most `rowsMax` rows; resolves to how many. When nothing is left to remove, the room of
 * what was removed is given back to the file: it does not shrink, but what is written next goes there.
 */
export async function removeExpired(
  writer: DuckDBConnection,
  { table, timeColumn, beforeMs }: Expiry,
  rowsMax: number,
): Promise<number> {
  const { rowsChanged } = await writer.run(
    `DELETE FROM "${table}" WHERE rowid IN (SELECT rowid FROM "${table}" WHERE "${timeColumn}" < ${beforeMs} LIMIT ${rowsMax})`,
  )
  if (rowsChanged > 0 && rowsChanged < rowsMax) {
    // A statement that reads at this moment may forbid it; DuckDB does it by itself after enough has been written.
    await writer.run('CHECKPOINT').catch(() => {})
  }
  return rowsChanged
}
