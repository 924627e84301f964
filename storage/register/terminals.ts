/** Terminals (梯控设备): their secrets, the lift each is bound to now, and who changed that. */
import { sql, type Kysely, type Transaction } from 'kysely'
import { accept, refuse, type Result } from '#contract/errors'
import type { LiftId, TerminalSerial } from '#contract/ids'
import { asProposed, batchesOf } from './batches.ts'
import { TERMINALS_LOCK } from './migrations/0002-provisioning.ts'
import { EMPTY_PAGE, pageOf, readCursor } from './pages.ts'
import type { KnownTerminal, Register } from './register.ts'
import type { Tables } from './tables.ts'

/** Most terminals that one call of `changedAfter` gives. */
export const TERMINALS_CHANGED_MAX = 10_000

/** Who changes what, and when: an act on one terminal and its line of audit are one transaction. */
export type TerminalAct = { readonly serial: TerminalSerial; readonly by: string; readonly atMs: number }

export function terminalsOn(kysely: Kysely<Tables>): Register['terminals'] {
  const act = <T>(work: (transaction: Transaction<Tables>) => Promise<T>) => underTerminalsLock(kysely, work)
  return {
    put: (rows) =>
      kysely.transaction().execute(async (transaction) => {
        for (const batch of batchesOf(rows, ({ serial }) => serial))
          await transaction
            .insertInto('terminals')
            .values(batch)
            .onConflict((conflict) =>
              conflict.column('serial').doUpdateSet(asProposed(['lift', 'boundAtMs', 'revokedAtMs', 'secretHash'])),
            )
            .execute()
      }),
    bySerial: (serial) => kysely.selectFrom('terminals').selectAll().where('serial', '=', serial).executeTakeFirst(),
    all: () =>
      kysely.selectFrom('terminals').select(['serial', 'lift', 'boundAtMs', 'revokedAtMs']).orderBy('serial').execute(),
    changedAfter: (revision, limit) => changedAfter(kysely, revision, limit),
    async list({ lift, revoked, limit, after }) {
      const cursor = after === undefined ? undefined : readCursor(after, ['string'])
      if (after !== undefined && cursor === undefined) return EMPTY_PAGE
      let query = kysely.selectFrom('terminals').selectAll()
      if (lift !== undefined) query = query.where('lift', '=', lift)
      if (revoked !== undefined) query = query.where('revokedAtMs', revoked ? 'is not' : 'is', null)
      if (cursor !== undefined) query = query.where(sql<boolean>`serial > ${cursor[0]}`)
      const rows = await query
        .orderBy('serial')
        .limit(limit + 1)
        .execute()
      return pageOf(rows, limit, ({ serial }) => [serial])
    },
    register: (o) => act((transaction) => registerTerminal(transaction, o)),
    bind: (o) =>
      act(async (transaction) => {
        const row = await terminalOf(transaction, o.serial)
        if (row === undefined) return refuse('notFound', 'There is no such terminal')
        if (row.lift === o.lift) return accept(row)
        if (row.revokedAtMs !== null && o.lift !== null)
          return refuse('terminal.revoked', 'Restore the terminal before it is bound to a lift')
        return bindTo(transaction, o)
      }),
    revoke: (o) =>
      act(async (transaction) => {
        const row = await terminalOf(transaction, o.serial)
        if (row === undefined) return refuse('notFound', 'There is no such terminal')
        if (row.revokedAtMs !== null) return accept(row)
        await note(transaction, o, 'terminals.revoke', row.lift ?? '')
        return accept(await change(transaction, o.serial, { revokedAtMs: o.atMs }))
      }),
    restore: (o) =>
      act(async (transaction) => {
        const row = await terminalOf(transaction, o.serial)
        if (row === undefined) return refuse('notFound', 'There is no such terminal')
        if (row.revokedAtMs === null) return accept(row)
        await note(transaction, o, 'terminals.restore', row.lift ?? '')
        return accept(await change(transaction, o.serial, { revokedAtMs: null }))
      }),
    setSecret: (o) =>
      act(async (transaction) => {
        const row = await terminalOf(transaction, o.serial)
        if (row === undefined) return refuse('notFound', 'There is no such terminal')
        await note(transaction, o, 'terminals.secret', row.lift ?? '')
        return accept(await change(transaction, o.serial, { secretHash: o.secretHash }))
      }),
  }
}

/** A transaction that has the terminals to itself: the lock comes before any row, so that nobody waits in a circle. */
export const underTerminalsLock = <T>(
  kysely: Kysely<Tables>,
  work: (transaction: Transaction<Tables>) => Promise<T>,
): Promise<T> =>
  kysely.transaction().execute(async (transaction) => {
    await sql`select pg_advisory_xact_lock(${sql.lit(TERMINALS_LOCK)})`.execute(transaction)
    return work(transaction)
  })

async function changedAfter(kysely: Kysely<Tables>, revision: number, limit = TERMINALS_CHANGED_MAX) {
  const rows = await kysely
    .selectFrom('terminals')
    .selectAll()
    .where('revision', '>', revision)
    .orderBy('revision')
    .limit(Math.min(limit, TERMINALS_CHANGED_MAX))
    .execute()
  const last = rows.at(-1)
  if (last !== undefined) return { rows, revision: last.revision }
  const { greatest } = await kysely
    .selectFrom('terminals')
    .select(({ fn }) => fn.max('revision').as('greatest'))
    .executeTakeFirstOrThrow()
  // What was written between the two questions is for the next call.
  return { rows, revision: Math.min(greatest ?? 0, revision) }
}

async function registerTerminal(
  transaction: Transaction<Tables>,
  o: Parameters<Register['terminals']['register']>[0],
): Promise<Result<KnownTerminal>> {
  const { serial, secretHash, atMs } = o
  if ((await terminalOf(transaction, serial)) !== undefined)
    return refuse('terminal.exists', 'A terminal with this serial number is registered already')
  if (o.lift !== null && !(await isLift(transaction, o.lift))) return refuse('notFound', 'There is no such lift')
  await transaction
    .insertInto('terminals')
    .values({ serial, lift: null, boundAtMs: atMs, revokedAtMs: null, secretHash })
    .execute()
  await note(transaction, o, 'terminals.register', secretHash === null ? 'certificate' : 'secret')
  if (o.lift !== null) return bindTo(transaction, o)
  return accept(await registered(transaction, serial))
}

/**
 * Binds a terminal that is there to a lift, or to none. Another one that the lift had loses it: a lift has one terminal, and
 * keeps its own id, history and open alarms. Each of the two gets a line of audit.
 */
export async function bindTo(
  transaction: Transaction<Tables>,
  o: TerminalAct & { readonly lift: LiftId | null },
): Promise<Result<KnownTerminal>> {
  const { serial, lift, by, atMs } = o
  if (lift === null) {
    const before = await terminalOf(transaction, serial)
    await note(transaction, o, 'terminals.unbind', before?.lift ?? '')
    return accept(await change(transaction, serial, { lift: null, boundAtMs: atMs }))
  }
  if (!(await isLift(transaction, lift))) return refuse('notFound', 'There is no such lift')
  const replaced = await transaction
    .updateTable('terminals')
    .set({ lift: null, boundAtMs: atMs })
    .where('lift', '=', lift)
    .where('serial', '<>', serial)
    .returning('serial')
    .execute()
  for (const row of replaced)
    await note(transaction, { serial: row.serial, by, atMs }, 'terminals.unbind', `${lift}, replaced by ${serial}`)
  await note(transaction, o, 'terminals.bind', lift)
  return accept(await change(transaction, serial, { lift, boundAtMs: atMs }))
}

export const terminalOf = (transaction: Transaction<Tables>, serial: TerminalSerial) =>
  transaction.selectFrom('terminals').selectAll().where('serial', '=', serial).executeTakeFirst()

const registered = (transaction: Transaction<Tables>, serial: TerminalSerial): Promise<KnownTerminal> =>
  transaction.selectFrom('terminals').selectAll().where('serial', '=', serial).executeTakeFirstOrThrow()

export const isLift = async (transaction: Transaction<Tables>, lift: LiftId): Promise<boolean> =>
  (await transaction.selectFrom('lifts').select('id').where('id', '=', lift).executeTakeFirst()) !== undefined

export const change = (
  transaction: Transaction<Tables>,
  serial: TerminalSerial,
  columns: Partial<Omit<KnownTerminal, 'serial' | 'revision'>>,
): Promise<KnownTerminal> =>
  transaction
    .updateTable('terminals')
    .set(columns)
    .where('serial', '=', serial)
    .returningAll()
    .executeTakeFirstOrThrow()

/** A line of audit about one terminal. */
export async function note(
  transaction: Transaction<Tables>,
  { serial, by, atMs }: TerminalAct,
  act: string,
  detail: string,
): Promise<void> {
  await transaction.insertInto('audit').values({ atMs, by, act, subject: serial, detail }).execute()
}
