import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Alarm, Occurrence } from '#contract/alarms'
import { silentLog } from '#contract/log-events'
import { Lift, Organisation, QuarantineRow, Terminal, User } from '#contract/register'
import type { Database } from '#storage/register/database'
import { migrate } from '#storage/register/migrate'
import { openPgliteDatabase } from '#storage/register/pglite-database'
import { openPostgresDatabase } from '#storage/register/postgres-database'
import { registerOn } from '#storage/register/register-on'
import type { Tables } from '#storage/register/tables'
import { startPostgres, type Postgres } from '../servers/postgres.ts'
import { change } from './register-rows.ts'

/** Typed so that a column that the row types do not have, or that is missing here, does not compile. `?` may be null. */
const COLUMNS: { [Table in keyof Tables]: { [Column in keyof Tables[Table]]: string } } = {
  migrations: { name: 'text', appliedAtMs: 'bigint' },
  organisations: { id: 'text', name: 'text', kind: 'text', phone: 'text?' },
  lifts: {
    ...{ id: 'text', name: 'text', compound: 'text', building: 'text', unit: 'text', town: 'text', entry: 'text' },
    ...{ registrationCode: 'text', rescueCode: 'text', landings: 'jsonb', ratedLoadKg: 'integer' },
    ...{ ratedSpeedMps: 'double precision', longitude: 'double precision', latitude: 'double precision' },
    ...{ contractor: 'text?', simulated: 'boolean' },
  },
  terminals: {
    ...{ serial: 'text', lift: 'text?', boundAtMs: 'bigint', revokedAtMs: 'bigint?', secretHash: 'text?' },
    revision: 'bigint',
  },
  claimCodes: {
    ...{ codeHash: 'text', lift: 'text', issuedBy: 'text', issuedAtMs: 'bigint', expiresAtMs: 'bigint' },
    ...{ claimedAtMs: 'bigint?', claimedBy: 'text?' },
  },
  users: { id: 'text', username: 'text', name: 'text', role: 'text', organisation: 'text', passwordHash: 'text' },
  sessions: { tokenHash: 'text', userId: 'text', openedAtMs: 'bigint', expiresAtMs: 'bigint', usedAtMs: 'bigint' },
  alarms: {
    ...{ id: 'text', lift: 'text', kind: 'text', priority: 'integer', state: 'text', certainty: 'text' },
    ...{ onsetAtMs: 'bigint', raisedAtMs: 'bigint', returnedAtMs: 'bigint?', acknowledgedAtMs: 'bigint?' },
    ...{ acknowledgedBy: 'text?', closedAtMs: 'bigint?', raiseCount: 'integer', summary: 'jsonb', contractor: 'text?' },
  },
  occurrences: {
    ...{ alarm: 'text', number: 'integer', event: 'text', atMs: 'bigint', by: 'text?', note: 'text?' },
    ...{ trace: 'jsonb?', condition: 'text?' },
  },
  liveStates: { lift: 'text', state: 'jsonb', memory: 'jsonb' },
  checkpoints: { name: 'text', position: 'bigint' },
  workers: { worker: 'text', beat: 'bigint' },
  shares: { share: 'integer', worker: 'text?', epoch: 'bigint' },
  staleHours: { lift: 'text', hourAtMs: 'bigint', markedAt: 'timestamp with time zone', mark: 'bigint' },
  quarantine: {
    ...{ position: 'bigint', receivedAtMs: 'bigint', terminal: 'text?', topic: 'text', reason: 'text' },
    ...{ detail: 'text', payload: 'text' },
  },
  audit: { id: 'bigint', atMs: 'bigint', by: 'text', act: 'text', subject: 'text', detail: 'text' },
}
/** Columns that no contract row has. */
const OWN_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  terminals: ['secretHash', 'revision'],
  users: ['passwordHash'],
  occurrences: ['condition'],
}
const CONTRACT = { alarms: Alarm, occurrences: Occurrence, lifts: Lift, organisations: Organisation } as const
const CONTRACT_ROWS = { ...CONTRACT, terminals: Terminal, users: User, quarantine: QuarantineRow } as const

const toSnake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
const sorted = (rows: Iterable<string>) => [...rows].sort()

let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres[Symbol.asyncDispose]())

const KINDS: Readonly<Record<string, () => Promise<Database>>> = {
  'pglite:memory': () => openPgliteDatabase('memory', { log: silentLog }),
  postgres: async () => openPostgresDatabase(await postgres.newDatabase(), { log: silentLog }),
}

it('has a column for each field of the rows that the contract describes, and few besides', () => {
  for (const [table, schema] of Object.entries(CONTRACT_ROWS)) {
    const columns = Object.keys(COLUMNS[table as keyof Tables])
    expect(sorted(columns), table).toEqual(sorted([...Object.keys(schema.properties), ...(OWN_COLUMNS[table] ?? [])]))
  }
})

for (const [kind, open] of Object.entries(KINDS)) {
  describe(`tables on ${kind}`, () => {
    let database: Database
    beforeAll(async () => {
      database = await open()
    })
    afterAll(() => database[Symbol.asyncDispose]())

    it('are those of the row types, column by column', async () => {
      const { rows } = await sql<{ column: string }>`
        select table_name || '.' || column_name || ' ' || data_type || case is_nullable when 'YES' then '?' else '' end as column
        from information_schema.columns where table_schema = 'public'
      `.execute(database.kysely)
      const expected = Object.entries(COLUMNS).flatMap(([table, columns]) =>
        Object.entries(columns).map(([column, type]) => `${toSnake(table)}.${toSnake(column)} ${type}`),
      )
      expect(sorted(rows.map(({ column }) => column))).toEqual(sorted(expected))
    })

    it('never lose or change a line of history or of the audit', async () => {
      const register = registerOn(database)
      await register.alarms.apply(change('raise', 'lift-a', 1))
      await register.audit.add({ atMs: 1, by: '王', act: 'a', subject: 's', detail: 'd' })
      for (const table of ['occurrences', 'audit'])
        for (const act of [`delete from ${table}`, `update ${table} set by = 'x'`, `truncate ${table}`])
          await expect(sql.raw(act).execute(database.kysely), act).rejects.toThrow(
            `rows of ${table} are only ever added`,
          )
    })

    it('never hold two open alarms of one kind on one lift', async () => {
      const copy = sql`insert into alarms select id || '1', lift, kind, priority, state, certainty, onset_at_ms, raised_at_ms,
        returned_at_ms, acknowledged_at_ms, acknowledged_by, closed_at_ms, raise_count, summary, contractor from alarms`
      await expect(copy.execute(database.kysely)).rejects.toThrow(/alarms_one_open/)
    })

    it('are left as they are by a second migration, and refused when a later version made them', async () => {
      expect(await migrate(database.kysely, silentLog)).toEqual([])
      await database.kysely.insertInto('migrations').values({ name: '9999-of-tomorrow', appliedAtMs: 1 }).execute()
      await expect(migrate(database.kysely, silentLog)).rejects.toThrow(
        /written by a later version \(9999-of-tomorrow\)/,
      )
    })
  })
}
