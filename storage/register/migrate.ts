/** Brings the tables up to date: each migration once, in order, all in one transaction, however many processes start at once. */
import { sql, type Kysely } from 'kysely'
import type { Log } from '#contract/log-events'
import { firstTables } from './migrations/0001-first-tables.ts'
import { provisioning } from './migrations/0002-provisioning.ts'
import { shares } from './migrations/0003-shares.ts'
import { staleHours } from './migrations/0004-stale-hours.ts'
import type { Tables } from './tables.ts'

/** `statements` are run one by one. A migration that was released is never changed; the next one changes the tables. */
export type Migration = { readonly name: string; readonly statements: readonly string[] }

export const MIGRATIONS: readonly Migration[] = [firstTables, provisioning, shares, staleHours]

// Any number that nobody else uses in the same database.
const LOCK = 7_194_226_001

/** Returns the names of the migrations that were missing. Refuses tables of a later version than this one. */
export async function migrate(kysely: Kysely<Tables>, log: Log): Promise<readonly string[]> {
  const missing = await kysely.transaction().execute(async (transaction) => {
    const run = (text: string) => sql.raw(text).execute(transaction)
    await run('set local statement_timeout = 0') // a wait for another process that migrates is no failure
    await run('set local lock_timeout = 0')
    await run(`select pg_advisory_xact_lock(${LOCK})`)
    await run('create table if not exists migrations (name text primary key, applied_at_ms bigint not null)')
    const applied = new Set(
      (await transaction.selectFrom('migrations').select('name').execute()).map(({ name }) => name),
    )
    const unknown = [...applied].filter((name) => !MIGRATIONS.some((migration) => migration.name === name))
    if (unknown.length > 0)
      throw new Error(
        `REGISTER_URL: the register was written by a later version (${unknown.join(', ')}). ` +
          'Start that version, or restore a backup from before it.',
      )
    const todo = MIGRATIONS.filter(({ name }) => !applied.has(name))
    for (const { name, statements } of todo) {
      for (const statement of statements) await run(statement)
      await run(
        `insert into migrations values ('${name}', floor(extract(epoch from clock_timestamp()) * 1000)::bigint)`,
      )
    }
    return todo.map(({ name }) => name)
  })
  if (missing.length > 0) log.info('register.migrated', { migrations: missing })
  return missing
}
