/** Rows into an appender of DuckDB, column by column. Runs in the thread of the tables. */
import { DuckDBDataChunk, type DuckDBAppender, type DuckDBType, type DuckDBValue } from '@duckdb/node-api'

/** Rows of a data chunk; DuckDB takes no more at once. */
const CHUNK_ROWS = 2048

export type Column = { readonly name: string; readonly type: DuckDBType }

/** `read` gives the values of one column for the rows from `from` up to, not including, `to`. */
export function appendRows(
  appender: DuckDBAppender,
  columns: readonly Column[],
  rowCount: number,
  read: (column: Column, from: number, to: number) => readonly DuckDBValue[],
): void {
  const types = columns.map(({ type }) => type)
  for (let from = 0; from < rowCount; from += CHUNK_ROWS) {
    const to = Math.min(from + CHUNK_ROWS, rowCount)
    const chunk = DuckDBDataChunk.create(types, to - from)
    columns.forEach((column, index) => chunk.setColumnValues(index, read(column, from, to)))
    appender.appendDataChunk(chunk)
  }
  appender.flushSync()
}
