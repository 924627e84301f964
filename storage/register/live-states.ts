/** The last checkpoint of detection: how far it is, and the live states and memory of the lifts. */
import type { Kysely } from 'kysely'
import { asProposed, batchesOf } from './batches.ts'
import type { Register } from './register.ts'
import { toJson } from './stored-text.ts'
import type { Tables } from './tables.ts'

export function liveStatesOn(kysely: Kysely<Tables>): Register['liveStates'] {
  return {
    save: ({ position, lifts }) =>
      kysely.transaction().execute(async (transaction) => {
        await transaction
          .insertInto('checkpoints')
          .values({ name: 'detect', position })
          .onConflict((conflict) => conflict.column('name').doUpdateSet({ position }))
          .execute()
        for (const batch of batchesOf(lifts, ({ state }) => state.lift))
          await transaction
            .insertInto('liveStates')
            .values(
              batch.map(({ state, memory }) => ({ lift: state.lift, state: toJson(state), memory: toJson(memory) })),
            )
            .onConflict((conflict) => conflict.column('lift').doUpdateSet(asProposed(['state', 'memory'])))
            .execute()
      }),
    load: () =>
      kysely
        .transaction()
        .setIsolationLevel('repeatable read') // position and states of one and the same checkpoint
        .execute(async (transaction) => {
          const checkpoint = await transaction
            .selectFrom('checkpoints')
            .select('position')
            .where('name', '=', 'detect')
            .executeTakeFirst()
          const lifts = await transaction.selectFrom('liveStates').select(['state', 'memory']).orderBy('lift').execute()
          return { position: checkpoint?.position ?? 0, lifts }
        }),
  }
}
