/** Sessions (会话), known by the hash of their token. */
import type { Kysely } from 'kysely'
import type { Register } from './register.ts'
import type { Tables } from './tables.ts'
import { USER_COLUMNS } from './users.ts'

/** Use is marked to this part of the idle time: a wall that asks each second must not write to disk each second. */
const MARK_PART = 1_000

export function sessionsOn(kysely: Kysely<Tables>): Register['sessions'] {
  return {
    async open({ tokenHash, user, openedAtMs, expiresAtMs }) {
      await kysely
        .insertInto('sessions')
        .values({ tokenHash, userId: user, openedAtMs, expiresAtMs, usedAtMs: openedAtMs })
        .execute()
    },
    async use(tokenHash, { nowMs, idleMsMax }) {
      const session = await kysely
        .selectFrom('sessions')
        .innerJoin('users', 'users.id', 'sessions.userId')
        .select([...USER_COLUMNS, 'sessions.usedAtMs'])
        .where('sessions.tokenHash', '=', tokenHash)
        .where('sessions.expiresAtMs', '>', nowMs)
        .where('sessions.usedAtMs', '>=', nowMs - idleMsMax)
        .executeTakeFirst()
      if (session === undefined) return undefined
      const { usedAtMs, ...user } = session
      if (nowMs - usedAtMs > idleMsMax / MARK_PART)
        await kysely
          .updateTable('sessions')
          .set({ usedAtMs: nowMs })
          .where('tokenHash', '=', tokenHash)
          .where('usedAtMs', '<', nowMs)
          .execute()
      return user
    },
    async close(tokenHash) {
      await kysely.deleteFrom('sessions').where('tokenHash', '=', tokenHash).execute()
    },
    async sweep({ nowMs, idleMsMax }) {
      const { numDeletedRows } = await kysely
        .deleteFrom('sessions')
        .where((where) => where.or([where('expiresAtMs', '<=', nowMs), where('usedAtMs', '<', nowMs - idleMsMax)]))
        .executeTakeFirstOrThrow()
      return Number(numDeletedRows)
    },
  }
}
