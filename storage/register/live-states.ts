/** The last checkpoints of detection: how far it is in each share, and the live states and memory of the lifts. */
import type { Kysely } from 'kysely'
import { asProposed, batchesOf } from './batches.ts'
import type { Register } from './register.ts'
import { requireHeld } from './shares.ts'
import { toJson } from './stored-text.ts'
import type { CheckpointName, Tables } from './tables.ts'

const nameOf = (share: number | undefined): CheckpointName => (share === undefined ? 'detect' : `detect.${share}`)

export function liveStatesOn(kysely: Kysely<Tables>): Register['liveStates'] {
  return {
    save: ({ position, lifts }, held) =>
      kysely.transaction().execute(async (transaction) => {
        if (held !== undefined) await requireHeld(transaction, held)
        await transaction
          .insertInto('checkpoints')
          .values({ name: nameOf(held?.share), position })
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
    load: ({ share, lifts: ids } = {}) =>
      kysely
        .transaction()
        .setIsolationLevel('repeatable read') // position and states of one and the same checkpoint
        .execute(async (transaction) => {
          const checkpoint = await transaction
            .selectFrom('checkpoints')
            .select('position')
            .where('name', '=', nameOf(share))
            .executeTakeFirst()
          const rows = transaction.selectFrom('liveStates').select(['state', 'memory']).orderBy('lift')
          const lifts: Awaited<ReturnType<typeof rows.execute>> = []
          if (ids === undefined) lifts.push(...(await rows.execute()))
          else
            for (const batch of batchesOf(ids, (id) => id))
              lifts.push(...(await rows.where('lift', 'in', [...batch]).execute()))
          return { position: checkpoint?.position ?? 0, lifts }
        }),
  }
}
