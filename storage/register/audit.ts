/** Who did what: lines that are only ever added, newest first. */
import type { Kysely } from 'kysely'
import { EMPTY_PAGE, pageOf, readCursor } from './pages.ts'
import type { Register } from './register.ts'
import type { Tables } from './tables.ts'

export function auditOn(kysely: Kysely<Tables>): Register['audit'] {
  return {
    async add({ atMs, by, act, subject, detail }) {
      await kysely.insertInto('audit').values({ atMs, by, act, subject, detail }).execute()
    },
    async list({ limit, after }) {
      const cursor = after === undefined ? undefined : readCursor(after, ['number'])
      if (after !== undefined && cursor === undefined) return EMPTY_PAGE
      const rows = await kysely
        .selectFrom('audit')
        .selectAll()
        .$if(cursor !== undefined, (query) => query.where('id', '<', Number(cursor?.[0])))
        .orderBy('id', 'desc')
        .limit(limit + 1)
        .execute()
      const { rows: kept, next } = pageOf(rows, limit, ({ id }) => [id])
      return { rows: kept.map(({ id: _, ...row }) => row), next }
    },
  }
}
