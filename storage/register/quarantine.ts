/** Messages that were acknowledged but could not be understood, newest first, as many as there is room for. */
import { sql, type Kysely } from 'kysely'
import { batchesOf } from './batches.ts'
import { EMPTY_PAGE, pageOf, readCursor } from './pages.ts'
import type { Register } from './register.ts'
import type { Tables } from './tables.ts'

export const QUARANTINE_ROWS_MAX = 10_000

export function quarantineOn(kysely: Kysely<Tables>): Register['quarantine'] {
  return {
    put: (rows) =>
      kysely.transaction().execute(async (transaction) => {
        for (const batch of batchesOf(rows, ({ receivedAtMs, position }) => `${receivedAtMs}.${position}`))
          await transaction
            .insertInto('quarantine')
            .values(batch)
            .onConflict((conflict) => conflict.doNothing())
            .execute()
        const { numDeletedRows } = await transaction
          .deleteFrom('quarantine')
          .where(
            sql<boolean>`(received_at_ms, position) <= (
              select received_at_ms, position from quarantine
              order by received_at_ms desc, position desc offset ${QUARANTINE_ROWS_MAX} limit 1
            )`,
          )
          .executeTakeFirstOrThrow()
        return Number(numDeletedRows)
      }),
    async list({ limit, after }) {
      const cursor = after === undefined ? undefined : readCursor(after, ['number', 'number'])
      if (after !== undefined && cursor === undefined) return EMPTY_PAGE
      const rows = await kysely
        .selectFrom('quarantine')
        .selectAll()
        .$if(cursor !== undefined, (query) =>
          query.where(sql<boolean>`(received_at_ms, position) < (${cursor?.[0]}::bigint, ${cursor?.[1]}::bigint)`),
        )
        .orderBy('receivedAtMs', 'desc')
        .orderBy('position', 'desc')
        .limit(limit + 1)
        .execute()
      return pageOf(rows, limit, ({ receivedAtMs, position }) => [receivedAtMs, position])
    },
    async count() {
      const { count } = await kysely
        .selectFrom('quarantine')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      return count
    },
  }
}
