/** A database that the register can stand on: connections that speak PostgreSQL, whoever is behind them. */
import { CamelCasePlugin, Kysely, PostgresDialect, type Transaction } from 'kysely'
import { toStoredText } from './stored-text.ts'
import type { Tables } from './tables.ts'

/** One connection, for one statement or one transaction. `bigint` comes as a number, `jsonb` parsed. */
export type Session = {
  query(text: string, values: readonly unknown[]): Promise<SessionResult>
  release(): void
}
export type SessionResult = { readonly command: string; readonly rowCount: number | null; readonly rows: unknown[] }
export type Sessions = { connect(): Promise<Session>; end(): Promise<void> }

/** The register's tables, over any kind of session. */
export type Database = AsyncDisposable & {
  readonly kysely: Kysely<Tables>
  /** Rejects with the reason when the database cannot be used now. */
  check(): Promise<void>
}
/** The whole database or a transaction in it. */
export type Queries = Kysely<Tables> | Transaction<Tables>

/** Statements for these sessions. Their errors are to be those of `register-away.ts` already. */
export function kyselyOn(sessions: Sessions): Kysely<Tables> {
  const connect = async () => {
    const session = await sessions.connect()
    const query = (text: string, values: readonly unknown[]) =>
      session.query(
        text,
        values.map((value) => (typeof value === 'string' ? toStoredText(value) : value)),
      )
    return { query, release: () => session.release() }
  }
  // Kysely's interface for a pool also has cursors and generic rows; neither can be said without a cast, and no cursor is used.
  type Pool = Extract<ConstructorParameters<typeof PostgresDialect>[0]['pool'], object>
  return new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: { connect, end: () => sessions.end() } as unknown as Pool }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
  })
}
