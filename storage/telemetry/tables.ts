/**
 * The embedded telemetry tables: one DuckDB file, one table per measurement, one column per field of the contract.
 * Runs in a worker thread, because appending to DuckDB blocks its thread (up to some 200 ms at a checkpoint). The
 * fields of the contract come as an argument, and of the contract only types are imported: its schemas would triple
 * the time that a thread needs to start. What is asked here was checked outside.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  DuckDBInstance,
  INTEGER,
  VARCHAR,
  type DuckDBAppender,
  type DuckDBConnection,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api'
import type { FieldType, HistoryPoint, Measurement, StateSpans } from '#contract/history'
import type { FleetHour, FleetQuery, LastQuery } from './fleet-questions.ts'
import type { FiguresQuery, HourColumns } from './hour-rows.ts'
import type { Summed, SumsQuery } from './hour-sums.ts'
import { openHourTable, readHours, readSums, type HourFields } from './hour-table.ts'
import type { PointColumns } from './point-columns.ts'
import type { HistoryQuery, PointsQuery, RangeQuery, SpansQuestion } from './points.ts'
import type { StretchQuery } from './stretch-questions.ts'
import { appendRows, type Column } from './tables-appending.ts'
import { removeExpired, type Expiry } from './tables-expiry.ts'
import { readFleet, readLast } from './tables-fleet.ts'
import { readPoints, readSpans } from './tables-points.ts'
import { inRange, TABLES_FILE, toIdentifier } from './tables-sql.ts'
import { readOldest, readStretch, readTally } from './tables-stretch.ts'
import { newWatermarks, type Watermarks } from './watermarks.ts'

/** DuckDB keeps at most this much in memory and spills the rest to the folder. */
const MEMORY_LIMIT = '512MB'
const THREADS = '2'
const TYPES: Readonly<Record<FieldType, DuckDBType>> = {
  integer: BIGINT,
  number: DOUBLE,
  boolean: BOOLEAN,
  string: VARCHAR,
}

/** `MEASUREMENTS` of the contract. */
export type MeasurementFields = Readonly<Record<Measurement, Readonly<Record<string, FieldType>>>>
/** A stored point by column, `sampledAtMs` among them; null where nothing was measured. */
export type Row = Readonly<Record<string, unknown>>

type Table = {
  readonly measurement: Measurement
  readonly columns: readonly Column[]
  readonly appender: DuckDBAppender
  readonly watermarks: Watermarks
}

export interface Tables {
  /** One transaction, one sync. Rows that are there already, or twice in the batch, are left out. Not to be called twice at once. */
  append(batches: readonly PointColumns[]): Promise<void>
  history(query: HistoryQuery): Promise<HistoryPoint[]>
  spans(query: SpansQuestion): Promise<StateSpans>
  points(query: PointsQuery): Promise<Row[]>
  count(query: RangeQuery): Promise<number>
  /** One transaction, one sync. Not to be called while something is appended. */
  putFigures(rows: HourColumns): Promise<void>
  figures(query: FiguresQuery): Promise<HourColumns>
  sums(query: SumsQuery, summed: Summed): Promise<Row[]>
  last(query: LastQuery, type: FieldType): Promise<Row[]>
  fleet(query: FleetQuery): Promise<FleetHour[]>
  oldest(query: StretchQuery): Promise<number | undefined>
  tally(query: StretchQuery): Promise<Row[]>
  stretch(query: StretchQuery, limit: number): Promise<PointColumns>
  /** Removes at most so many rows. Not to be called while something is appended. */
  expire(expiry: Expiry, rowsMax: number): Promise<number>
  /** Asks the connection that writes. */
  check(): Promise<void>
  /** Ends the question that is being answered now, with an error. */
  interruptReading(): void
  /** Never throws. What is not committed is dropped. */
  close(): void
}

/** Opens or makes the tables in a folder. Rejects when another process has them open. */
export async function openTables(
  folder: string,
  measurements: MeasurementFields,
  hourFields: HourFields,
): Promise<Tables> {
  mkdirSync(folder, { recursive: true })
  const instance = await DuckDBInstance.create(join(folder, TABLES_FILE), {
    memory_limit: MEMORY_LIMIT,
    threads: THREADS,
    temp_directory: join(folder, 'spill'),
  })
  const writer = await instance.connect()
  // Reading has a connection of its own: it goes on while a batch is written. One, because every running statement
  // holds a thread of libuv's pool of four, and the journal syncs through the same pool.
  const reader = await instance.connect()
  const tables = new Map<Measurement, Table>()
  for (const measurement of Object.keys(measurements) as Measurement[]) {
    tables.set(measurement, await openTable(writer, measurement, measurements[measurement]))
  }
  await writer.run(
    'CREATE TEMP TABLE candidate ("row" INTEGER, lift VARCHAR, "sampledAtMs" BIGINT, boot BIGINT, seq BIGINT)',
  )
  const candidates = await writer.createAppender('candidate', 'main', 'temp')
  const hours = await openHourTable(writer, hourFields)

  return {
    append: (batches) => appendBatches(writer, candidates, tables, batches),
    history: (query) => readHistory(reader, query),
    spans: (query) => readSpans(reader, query, measurements[query.measurement][query.field] ?? 'string'),
    points: (query) => readPoints(reader, query, measurements[query.measurement]),
    count: (query) => readCount(reader, query),
    putFigures: (rows) => hours.put(rows),
    figures: (query) => readHours(reader, query, hourFields),
    sums: (query, summed) => readSums(reader, query, summed),
    last: (query, type) => readLast(reader, query, type),
    fleet: (query) => readFleet(reader, query),
    oldest: (query) => readOldest(reader, query),
    tally: (query) => readTally(reader, query),
    stretch: (query, limit) => readStretch(reader, query, limit, measurements[query.measurement]),
    expire: (expiry, rowsMax) => removeExpired(writer, expiry, rowsMax),
    check: async () => void (await writer.run('SELECT 1')),
    interruptReading: () => reader.interrupt(),
    close: () => {
      const appenders = [candidates, hours.appender, ...[...tables.values()].map((table) => table.appender)]
      // What was not committed goes: after a failure an appender may hold rows that it would write on closing.
      for (const appender of appenders) quietly(() => appender.clear())
      for (const open of [...appenders, reader, writer, instance]) quietly(() => open.closeSync())
    },
  }
}

/** After a failure parts of DuckDB may refuse to be closed; the others must be all the same. */
function quietly(close: () => void): void {
  try {
    close()
  } catch {
    // The reason was told when the failure happened.
  }
}

/** Makes the table, or adds the columns that an older file does not have yet. */
async function openTable(
  writer: DuckDBConnection,
  measurement: Measurement,
  fields: Readonly<Record<string, FieldType>>,
): Promise<Table> {
  const wanted: Column[] = [
    { name: 'lift', type: VARCHAR },
    { name: 'sampledAtMs', type: BIGINT },
    ...Object.entries(fields).map(([name, type]) => ({ name, type: TYPES[type] })),
  ]
  const name = toIdentifier(measurement)
  await writer.run(`CREATE TABLE IF NOT EXISTS ${name} (${wanted.map(toDefinition).join(', ')})`)
  const there = new Map((await columnsOf(writer, measurement)).map((column) => [column.name, column.type]))
  for (const column of wanted) {
    const type = there.get(column.name)
    if (type === undefined) await writer.run(`ALTER TABLE ${name} ADD COLUMN ${toDefinition(column)}`)
    else if (type.typeId !== column.type.typeId) {
      throw new Error(
        `column ${column.name} of ${measurement} is ${String(type)} in the file and ${String(column.type)} in this version`,
      )
    }
  }
  const newest = await writer.runAndReadAll(`SELECT max("sampledAtMs")::DOUBLE FROM ${name}`)
  return {
    measurement,
    columns: await columnsOf(writer, measurement),
    appender: await writer.createAppender(measurement),
    watermarks: newWatermarks(Number(newest.value(0, 0) ?? -1)),
  }
}

/** In the order of the file, which is the order in which the appender wants them. */
async function columnsOf(writer: DuckDBConnection, measurement: Measurement): Promise<Column[]> {
  const result = await writer.run(`SELECT * FROM ${toIdentifier(measurement)} LIMIT 0`)
  return result.columnNames().map((name, index) => ({ name, type: result.columnType(index) }))
}

async function appendBatches(
  writer: DuckDBConnection,
  candidates: DuckDBAppender,
  tables: ReadonlyMap<Measurement, Table>,
  batches: readonly PointColumns[],
): Promise<void> {
  const work: { table: Table; batch: PointColumns; rows: readonly number[] }[] = []
  for (const batch of batches) {
    const table = tables.get(batch.measurement)
    if (!table) throw new Error(`there is no table of ${batch.measurement}`)
    const { fresh, doubtful } = table.watermarks.split(batch)
    const known = doubtful.length === 0 ? undefined : await rowsThere(writer, candidates, batch, doubtful)
    const rows =
      known === undefined ? fresh : [...fresh, ...doubtful.filter((row) => !known.has(row))].sort((a, b) => a - b)
    if (rows.length > 0) work.push({ table, batch, rows })
  }
  if (work.length === 0) return
  await writer.run('BEGIN TRANSACTION')
  for (const { table, batch, rows } of work) {
    appendRows(table.appender, table.columns, rows.length, (column, from, to) =>
      rows.slice(from, to).map((row) => valueOf(batch, column, row)),
    )
  }
  await writer.run('COMMIT')
  for (const { table, batch, rows } of work) table.watermarks.advance(batch, rows)
}

/** Which of these rows of the batch the table has already. Looks only at the span of time that they cover. */
async function rowsThere(
  writer: DuckDBConnection,
  candidates: DuckDBAppender,
  batch: PointColumns,
  rows: readonly number[],
): Promise<Set<number>> {
  await writer.run('DELETE FROM candidate')
  appendRows(candidates, CANDIDATE_COLUMNS, rows.length, (column, from, to) => {
    const part = rows.slice(from, to)
    return column.name === 'row' ? part : part.map((row) => valueOf(batch, column, row))
  })
  const times = rows.map((row) => batch.sampledAtMs[row] ?? 0)
  const [fromMs, toMs] = times.reduce(
    ([low, high], atMs) => [Math.min(low, atMs), Math.max(high, atMs)],
    [Infinity, -Infinity],
  )
  const found = await writer.runAndReadAll(
    `SELECT c."row" FROM ${toIdentifier(batch.measurement)} t JOIN candidate c
       ON t.lift = c.lift AND t."sampledAtMs" = c."sampledAtMs" AND t.boot = c.boot AND t.seq = c.seq
     WHERE t."sampledAtMs" BETWEEN ${fromMs} AND ${toMs}`,
  )
  return new Set(found.getRows().map(([row]) => Number(row)))
}

const CANDIDATE_COLUMNS: readonly Column[] = [
  { name: 'row', type: INTEGER },
  { name: 'lift', type: VARCHAR },
  { name: 'sampledAtMs', type: BIGINT },
  { name: 'boot', type: BIGINT },
  { name: 'seq', type: BIGINT },
]

function valueOf(batch: PointColumns, column: Column, row: number): DuckDBValue {
  if (column.name === 'lift') return batch.lift[row] ?? null
  const numbers = column.name === 'sampledAtMs' ? batch.sampledAtMs : batch.numbers[column.name]
  if (numbers === undefined) return batch.strings[column.name]?.[row] ?? null
  const value = numbers[row]
  if (value === undefined || Number.isNaN(value)) return null
  if (column.type.typeId === BOOLEAN.typeId) return value === 1
  return column.type.typeId === DOUBLE.typeId ? value : BigInt(value)
}

async function readHistory(reader: DuckDBConnection, query: HistoryQuery): Promise<HistoryPoint[]> {
  const result = await reader.runAndReadAll(
    `SELECT bucket, min(value), max(value), avg(value), arg_max(value, ("sampledAtMs", boot, seq)), count(value)::DOUBLE
     FROM (SELECT (("sampledAtMs" // ${query.bucketMs}) * ${query.bucketMs})::DOUBLE AS bucket, "sampledAtMs", boot, seq,
                  ${toIdentifier(query.field)}::DOUBLE AS value
           FROM ${toIdentifier(query.measurement)} WHERE ${inRange(query)} AND ${toIdentifier(query.field)} IS NOT NULL)
     GROUP BY bucket ORDER BY bucket`,
    { lift: query.lift },
  )
  return result.getRows().map(([atMs, min, max, mean, last, count]) => ({
    atMs: Number(atMs),
    min: Number(min),
    max: Number(max),
    mean: Number(mean),
    last: Number(last),
    count: Number(count),
  }))
}

async function readCount(reader: DuckDBConnection, query: RangeQuery): Promise<number> {
  const result = await reader.runAndReadAll(
    `SELECT count(*)::DOUBLE FROM ${toIdentifier(query.measurement)} WHERE ${inRange(query)}`,
    { lift: query.lift },
  )
  return Number(result.value(0, 0))
}

const toDefinition = (column: Column): string => `${toIdentifier(column.name)} ${String(column.type)}`
