/** Organisations (单位) and lifts (电梯). */
import type { Kysely } from 'kysely'
import { asProposed, batchesOf } from './batches.ts'
import type { Register } from './register.ts'
import { toJson } from './stored-text.ts'
import type { Tables } from './tables.ts'

export function organisationsOn(kysely: Kysely<Tables>): Register['organisations'] {
  return {
    put: (rows) =>
      kysely.transaction().execute(async (transaction) => {
        for (const batch of batchesOf(rows, ({ id }) => id))
          await transaction
            .insertInto('organisations')
            .values(batch)
            .onConflict((conflict) => conflict.column('id').doUpdateSet(asProposed(['name', 'kind', 'phone'])))
            .execute()
      }),
    all: () => kysely.selectFrom('organisations').selectAll().orderBy('id').execute(),
  }
}

export function liftsOn(kysely: Kysely<Tables>): Register['lifts'] {
  return {
    put: (rows) =>
      kysely.transaction().execute(async (transaction) => {
        for (const batch of batchesOf(rows, ({ id }) => id))
          await transaction
            .insertInto('lifts')
            .values(batch.map((lift) => ({ ...lift, landings: toJson(lift.landings) })))
            .onConflict((conflict) =>
              conflict
                .column('id')
                .doUpdateSet(
                  asProposed([
                    'name',
                    'compound',
                    'building',
                    'unit',
                    'town',
                    'registrationCode',
                    'rescueCode',
                    'landings',
                    'entry',
                    'ratedLoadKg',
                    'ratedSpeedMps',
                    'longitude',
                    'latitude',
                    'contractor',
                    'simulated',
                  ]),
                ),
            )
            .execute()
      }),
    all: (scope) =>
      kysely
        .selectFrom('lifts')
        .selectAll()
        .$if('contractor' in scope, (query) =>
          query.where('contractor', '=', 'contractor' in scope ? scope.contractor : null),
        )
        .orderBy('id')
        .execute(),
    byId: (id) => kysely.selectFrom('lifts').selectAll().where('id', '=', id).executeTakeFirst(),
    async count() {
      const { count } = await kysely
        .selectFrom('lifts')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      return count
    },
  }
}
