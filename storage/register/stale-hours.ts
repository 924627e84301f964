/** Hours of lifts whose figures are to be computed, because a sample that takes part in them was stored. */
import { sql, type Kysely } from 'kysely'
import { HOUR_MS } from '#contract/calendar'
import type { LiftId } from '#contract/ids'
import type { LiftHour, MarkedHour, Register } from './register.ts'
import { toJson } from './stored-text.ts'
import type { Tables } from './tables.ts'

/** In one call. So many rows hold an embedded register, and the process around it, up for some hundredths of a second. */
export const STALE_HOURS_MAX = 500
/** `count` does not count further. */
export const STALE_HOURS_COUNTED_MAX = 100_000

export function staleHoursOn(kysely: Kysely<Tables>): Register['staleHours'] {
  return {
    async mark(hours) {
      if (hours.length === 0) return []
      // Ordered by key: two processes that mark or clear the same rows cannot wait for each other in a circle.
      const { rows } = await sql<{ lift: LiftId }>`
        with given as (
          select distinct lift, hour_at_ms from ${given(hours)}
        ), marked as (
          insert into stale_hours (lift, hour_at_ms, marked_at, mark)
          select lifts.id, given.hour_at_ms, clock_timestamp(), nextval('stale_hour_marks')
          from given join lifts on lifts.id = given.lift
          order by lifts.id, given.hour_at_ms
          on conflict (lift, hour_at_ms) do update set marked_at = clock_timestamp(), mark = nextval('stale_hour_marks')
          returning lift
        )
        select distinct lift from marked
      `.execute(kysely)
      const marked = new Set(rows.map(({ lift }) => lift))
      return [...new Set(hours.map(({ lift }) => lift))].filter((lift) => !marked.has(lift))
    },
    async due({ lifts, quietMs, endedBeforeMs, limit, isNewestFirst = false }) {
      assertCount(limit)
      const { rows } = await sql<MarkedHour>`
        select lift, hour_at_ms, mark from stale_hours
        where hour_at_ms < ${endedBeforeMs - HOUR_MS}
          and marked_at < clock_timestamp() - ${quietMs}::float8 * interval '1 millisecond' ${ofLifts(lifts)}
        order by ${isNewestFirst ? sql`hour_at_ms desc, lift desc` : sql`hour_at_ms, lift`} limit ${limit}
      `.execute(kysely)
      return rows
    },
    async clear(marked) {
      if (marked.length === 0) return []
      const { rows } = await sql<LiftHour>`
        with found as (
          select lift, hour_at_ms, mark from stale_hours join ${given(marked)} using (lift, hour_at_ms, mark)
          order by lift, hour_at_ms for update of stale_hours
        )
        delete from stale_hours using found
        where stale_hours.lift = found.lift and stale_hours.hour_at_ms = found.hour_at_ms and stale_hours.mark = found.mark
        returning stale_hours.lift, stale_hours.hour_at_ms
      `.execute(kysely)
      const cleared = new Set(rows.map(keyOf))
      return marked.filter((row) => !cleared.has(keyOf(row)))
    },
    async count({ lifts, endedBeforeMs }) {
      const { rows } = await sql<{ count: number }>`
        select count(*) as count from (
          select 1 from stale_hours where hour_at_ms < ${endedBeforeMs - HOUR_MS} ${ofLifts(lifts)}
          limit ${STALE_HOURS_COUNTED_MAX}
        ) as counted
      `.execute(kysely)
      return rows[0]?.count ?? 0
    },
  }
}

const keyOf = ({ lift, hourAtMs }: LiftHour): string => `${hourAtMs} ${lift}`

/** The rows as a table `given`, in one value whatever their number. */
function given(rows: readonly (LiftHour | MarkedHour)[]) {
  assertCount(rows.length)
  const plain = rows.map((row) => ({
    lift: row.lift,
    hour_at_ms: row.hourAtMs,
    ...('mark' in row ? { mark: row.mark } : {}),
  }))
  return sql`jsonb_to_recordset(${toJson(plain)}::jsonb) as given (lift text, hour_at_ms bigint, mark bigint)`
}

const ofLifts = (lifts: readonly LiftId[] | undefined) =>
  lifts === undefined ? sql`` : sql`and lift in (select jsonb_array_elements_text(${toJson(lifts)}::jsonb))`

function assertCount(count: number): void {
  if (Number.isSafeInteger(count) && count >= 0 && count <= STALE_HOURS_MAX) return
  throw new RangeError(`stale hours are asked for and marked at most ${STALE_HOURS_MAX} at once, not ${count}`)
}
