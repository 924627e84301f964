/** Leases (租约) of the shares of the journal. One table of who is there and who holds what, changed as a whole. */
import { sql, type Kysely } from 'kysely'
import type { HeldShare, ShareTable } from '#contract/shares'
import type { Queries } from './database.ts'
import type { Register } from './register.ts'
import type { Tables } from './tables.ts'

/** What was to be written belongs to a share that this worker no longer holds. Nothing was written. */
export class ShareLostError extends Error {
  override readonly name = 'ShareLostError'
  constructor({ share, worker, epoch }: HeldShare) {
    super(`share ${share} is not held by ${worker} any more (epoch ${epoch}); nothing was written`)
  }
}

/**
 * Rejects with `ShareLostError` unless the share is still held. In the transaction of what is to be written: the share
 * cannot change hands before that transaction is over.
 */
export async function requireHeld(queries: Queries, held: HeldShare): Promise<void> {
  const row = await queries
    .selectFrom('shares')
    .select('share')
    .where('share', '=', held.share)
    .where('worker', '=', held.worker)
    .where('epoch', '=', held.epoch)
    .forShare()
    .executeTakeFirst()
  if (row === undefined) throw new ShareLostError(held)
}

export function sharesOn(kysely: Kysely<Tables>): Register['shares'] {
  return {
    change: (next) =>
      kysely.transaction().execute(async (transaction) => {
        // Keeps out others who change the table, but not those who only make sure that they hold a share.
        await sql`lock table shares in share row exclusive mode`.execute(transaction)
        const workers = await transaction.selectFrom('workers').selectAll().orderBy('worker').execute()
        const shares = await transaction.selectFrom('shares').selectAll().orderBy('share').execute()
        const after = next({ workers, shares })
        await writeWorkers(transaction, workers, after.workers)
        await writeShares(transaction, shares, after.shares)
        return after
      }),
  }
}

async function writeWorkers(
  queries: Queries,
  before: ShareTable['workers'],
  after: ShareTable['workers'],
): Promise<void> {
  const kept = new Set(after.map(({ worker }) => worker))
  const gone = before.filter(({ worker }) => !kept.has(worker)).map(({ worker }) => worker)
  if (gone.length > 0) await queries.deleteFrom('workers').where('worker', 'in', gone).execute()
  const known = new Map(before.map(({ worker, beat }) => [worker, beat]))
  for (const row of after.filter(({ worker, beat }) => known.get(worker) !== beat))
    await queries
      .insertInto('workers')
      .values(row)
      .onConflict((conflict) => conflict.column('worker').doUpdateSet({ beat: row.beat }))
      .execute()
}

async function writeShares(queries: Queries, before: ShareTable['shares'], after: ShareTable['shares']): Promise<void> {
  const known = new Map(before.map(({ share, epoch }) => [share, epoch]))
  for (const row of after.filter(({ share, epoch }) => known.get(share) !== epoch))
    await queries
      .insertInto('shares')
      .values(row)
      .onConflict((conflict) => conflict.column('share').doUpdateSet({ worker: row.worker, epoch: row.epoch }))
      .execute()
}
