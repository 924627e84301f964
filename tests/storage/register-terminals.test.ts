import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { LiftId, TerminalSerial } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import type { Database } from '#storage/register/database'
import { openPgliteDatabase } from '#storage/register/pglite-database'
import { openPostgresDatabase } from '#storage/register/postgres-database'
import type { Register } from '#storage/register/register'
import { registerOn } from '#storage/register/register-on'
import { startPostgres, type Postgres } from '../servers/postgres.ts'
import { putSmallTown, terminal } from './register-rows.ts'

// Processes are started and servers waited for; a machine that is busy takes its time.
vi.setConfig({ testTimeout: 90_000 })

let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres[Symbol.asyncDispose]())

const KINDS: Readonly<Record<string, () => Promise<Database>>> = {
  'pglite:memory': () => openPgliteDatabase('memory', { log: silentLog }),
  postgres: async () => openPostgresDatabase(await postgres.newDatabase(), { log: silentLog }),
}
const serialsOf = (rows: readonly { readonly serial: string }[]) => rows.map(({ serial }) => serial)

for (const [kind, open] of Object.entries(KINDS)) {
  describe(`changes of terminals on ${kind}`, () => {
    let database: Database
    let register: Register
    beforeAll(async () => {
      database = await open()
      register = registerOn(database)
      await putSmallTown(register)
    })
    afterAll(() => database[Symbol.asyncDispose]())

    it('are told from where one has read up to, each terminal once and as it stands', async () => {
      const { terminals } = register
      expect(await terminals.changedAfter(0)).toEqual({ rows: [], revision: 0 })
      await terminals.put([terminal('TJ-0001', 'lift-a'), terminal('TJ-0002', 'lift-b'), terminal('TJ-0003', null)])
      const first = await terminals.changedAfter(0, 2)
      expect(serialsOf(first.rows)).toEqual(['TJ-0001', 'TJ-0002'])
      expect(first.revision).toBe(first.rows[1]?.revision)
      const rest = await terminals.changedAfter(first.revision, 2)
      expect(serialsOf(rest.rows)).toEqual(['TJ-0003'])
      expect(await terminals.changedAfter(rest.revision)).toEqual({ rows: [], revision: rest.revision })
      await terminals.put([{ ...terminal('TJ-0001', null), secretHash: null }])
      const changed = await terminals.changedAfter(rest.revision)
      expect(changed.rows).toEqual([{ ...terminal('TJ-0001', null), secretHash: null, revision: changed.revision }])
      expect(await terminals.bySerial('TJ-0001' as TerminalSerial)).toEqual(changed.rows[0])
    })

    it('are told also when they were made by hand', async () => {
      const { revision } = await register.terminals.changedAfter(0)
      await sql`update terminals set revoked_at_ms = 5, revision = 1 where serial = 'TJ-0002'`.execute(database.kysely)
      await sql`insert into terminals (serial, lift, bound_at_ms) values ('TJ-0009', 'lift-b', 7)`.execute(
        database.kysely,
      )
      const changed = await register.terminals.changedAfter(revision)
      expect(changed.rows).toMatchObject([
        { serial: 'TJ-0002', revokedAtMs: 5 },
        { serial: 'TJ-0009', secretHash: null },
      ])
    })

    it('answer with a smaller revision to one that has read further than this register ever came', async () => {
      const { revision } = await register.terminals.changedAfter(0)
      expect(await register.terminals.changedAfter(revision + 1_000)).toEqual({ rows: [], revision })
    })

    it('never remove a terminal or give it another serial, which nobody would be told', async () => {
      for (const act of ['delete from terminals', 'truncate terminals cascade'])
        await expect(sql.raw(act).execute(database.kysely), act).rejects.toThrow('rows of terminals are never removed')
      await expect(
        sql`update terminals set serial = 'TJ-0010' where serial = 'TJ-0009'`.execute(database.kysely),
      ).rejects.toThrow('the serial of a terminal never changes')
    })
  })
}

it('a change that is committed later never has a smaller revision than one that was seen', async () => {
  await using database = await openPostgresDatabase(await postgres.newDatabase(), { log: silentLog })
  const register = registerOn(database)
  await putSmallTown(register)
  const seen: string[] = []
  let letGo = () => {}
  const held = new Promise<void>((go) => (letGo = go))
  let written = () => {}
  const isWritten = new Promise<void>((go) => (written = go))
  const slow = database.kysely.transaction().execute(async (transaction) => {
    const { secretHash, boundAtMs } = terminal('TJ-slow', 'lift-a')
    await transaction
      .insertInto('terminals')
      .values({
        serial: 'TJ-slow' as TerminalSerial,
        lift: 'lift-a' as LiftId,
        boundAtMs,
        revokedAtMs: null,
        secretHash,
      })
      .execute()
    written()
    await held
  })
  await isWritten
  const quick = register.terminals.put([terminal('TJ-quick', 'lift-b')])
  const waits = async () =>
    (
      await sql<{ count: number }>`select count(*)::int as count from pg_locks where not granted`.execute(
        database.kysely,
      )
    ).rows[0]?.count
  await expect.poll(waits, { timeout: 20_000 }).toBe(1)
  const { rows, revision } = await register.terminals.changedAfter(0)
  seen.push(...serialsOf(rows))
  letGo()
  await Promise.all([slow, quick])
  seen.push(...serialsOf((await register.terminals.changedAfter(revision)).rows))
  expect(seen).toEqual(['TJ-slow', 'TJ-quick'])
})

it('many writers at once leave nothing out for one who reads along', async () => {
  const url = await postgres.newDatabase()
  await using one = await openPostgresDatabase(url, { log: silentLog })
  await using other = await openPostgresDatabase(url, { log: silentLog })
  await putSmallTown(registerOn(one))
  let isDone = false
  const writers = Promise.all(
    [one, other].flatMap((database, place) =>
      [1, 2, 3].map(async (writer) => {
        for (let round = 1; round <= 30; round += 1)
          await registerOn(database).terminals.put([terminal(`T-${place}-${writer}-${round}`, 'lift-a')])
      }),
    ),
  ).finally(() => (isDone = true))
  const seen = new Set<string>()
  let revision = 0
  const read = async () => {
    const changed = await registerOn(other).terminals.changedAfter(revision)
    for (const { serial } of changed.rows) seen.add(serial)
    revision = changed.revision
  }
  while (!isDone) await read()
  await writers
  await read()
  expect(seen.size).toBe(180)
})
