/** People who may sign in. */
import type { Kysely } from 'kysely'
import { asProposed, batchesOf } from './batches.ts'
import type { Register } from './register.ts'
import type { Tables } from './tables.ts'

/** The columns of `User`: everything but the hash, which stays in here and in the sign-in. */
export const USER_COLUMNS = ['users.id', 'users.username', 'users.name', 'users.role', 'users.organisation'] as const

export function usersOn(kysely: Kysely<Tables>): Register['users'] {
  return {
    put: (rows) =>
      kysely.transaction().execute(async (transaction) => {
        for (const batch of batchesOf(rows, ({ id }) => id))
          await transaction
            .insertInto('users')
            .values(batch)
            .onConflict((conflict) =>
              conflict
                .column('id')
                .doUpdateSet(asProposed(['username', 'name', 'role', 'organisation', 'passwordHash'])),
            )
            .execute()
      }),
    byUsername: (username) =>
      kysely.selectFrom('users').selectAll().where('username', '=', username).executeTakeFirst(),
    byId: (id) => kysely.selectFrom('users').select(USER_COLUMNS).where('id', '=', id).executeTakeFirst(),
    async count() {
      const { count } = await kysely
        .selectFrom('users')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      return count
    },
  }
}
