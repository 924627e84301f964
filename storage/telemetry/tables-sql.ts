/** The words that statements about the embedded tables are made of. */
import type { RangeQuery } from './points.ts'

/** The file of the embedded tables in their folder. */
export const TABLES_FILE = 'telemetry.duckdb'

/** `$lift` is bound; the times are whole numbers. */
export const inRange = (query: Pick<RangeQuery, 'fromMs' | 'toMs'>): string =>
  `lift = $lift AND "sampledAtMs" >= ${query.fromMs} AND "sampledAtMs" < ${query.toMs}`

/** Only names of the contract come here, and those of columns of our own file. */
export const toIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`
