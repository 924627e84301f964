/** Terminals (梯控设备): their secrets, and the lift each is bound to now. */
import type { Kysely } from 'kysely'
import { asProposed, batchesOf } from './batches.ts'
import type { Register } from './register.ts'
import type { Tables } from './tables.ts'

export function terminalsOn(kysely: Kysely<Tables>): Register['terminals'] {
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
  }
}
