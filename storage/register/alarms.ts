/**
 * Alarms and their history. Each act is one transaction: the alarm is locked, `nextAlarmState` says what becomes of it, and
 * the new row and its line of history are written together.
 *
 * A change speaks of a *condition*, named by its id. The alarm has the id of the condition that opened it; conditions that
 * begin while it is open are repeats of it. So that a replay after a crash changes nothing:
 * - a raise is known by its condition: it has its line already, whatever became of the alarm since;
 * - what belongs to a condition that has returned is over, even when a later condition holds the same alarm open;
 * - a second confirm, escalation or return finds nothing to change.
 */
import { sql, type Kysely, type Selectable } from 'kysely'
import {
  nextAlarmState,
  type Alarm,
  type AlarmChange,
  type AlarmEvent,
  type AlarmState,
  type Occurrence,
} from '#contract/alarms'
import { accept, refuse, type Result } from '#contract/errors'
import type { AlarmId } from '#contract/ids'
import { inScope, type LiftScope } from '#contract/register'
import type { Queries } from './database.ts'
import { EMPTY_PAGE, pageOf, readCursor } from './pages.ts'
import type { AppliedAlarm, Register } from './register.ts'
import { requireHeld } from './shares.ts'
import { toJson, toStoredText } from './stored-text.ts'
import type { OccurrencesTable, Tables } from './tables.ts'

/** Another process may open the same alarm between our look and our insert; it cannot do so time and again. */
const TRIES = 3

export function alarmsOn(kysely: Kysely<Tables>): Register['alarms'] {
  return {
    async apply(change, held) {
      for (let tryCount = 1; tryCount <= TRIES; tryCount += 1) {
        const applied = await kysely.transaction().execute(async (transaction) => {
          if (held !== undefined) await requireHeld(transaction, held)
          return applyChange(transaction, change)
        })
        if (applied !== 'again') return applied
      }
      throw new Error(`alarm ${change.id} could not be opened although no other one is open`)
    },
    acknowledge: (o) => kysely.transaction().execute((transaction) => acknowledge(transaction, o)),
    async byId(id, scope) {
      const alarm = await kysely.selectFrom('alarms').selectAll().where('id', '=', id).executeTakeFirst()
      return alarm !== undefined && inScope(scope, alarm.contractor) ? alarm : undefined
    },
    async list({ scope, states, lift, limit, after }) {
      const cursor = after === undefined ? undefined : readCursor(after, ['number', 'string'])
      if (after !== undefined && cursor === undefined) return EMPTY_PAGE
      let query = kysely.selectFrom('alarms').selectAll()
      if ('contractor' in scope) query = query.where('contractor', '=', scope.contractor)
      if (states !== undefined) query = query.where('state', 'in', states.length > 0 ? states : [sql<AlarmState>`null`])
      if (lift !== undefined) query = query.where('lift', '=', lift)
      if (cursor !== undefined)
        query = query.where(sql<boolean>`(raised_at_ms, id) < (${cursor[0]}::bigint, ${cursor[1]})`)
      const rows = await query
        .orderBy('raisedAtMs', 'desc')
        .orderBy('id', 'desc')
        .limit(limit + 1)
        .execute()
      return pageOf(rows, limit, ({ raisedAtMs, id }) => [raisedAtMs, id])
    },
    open: (o) => openAlarms(kysely, o),
    async occurrences(id) {
      const rows = await kysely
        .selectFrom('occurrences')
        .selectAll()
        .where('alarm', '=', id)
        .orderBy('number')
        .execute()
      return rows.map(toOccurrence)
    },
  }
}

/** Alarms and the newest line of each, as they stood at one moment. */
async function openAlarms(
  kysely: Kysely<Tables>,
  { scope, limit }: { scope: LiftScope; limit: number },
): Promise<AppliedAlarm[]> {
  const transaction = kysely.transaction().setIsolationLevel('repeatable read').setAccessMode('read only')
  const { alarms, lines } = await transaction.execute(async (queries) => {
    let query = queries.selectFrom('alarms').selectAll().where('state', '<>', 'closed')
    if ('contractor' in scope) query = query.where('contractor', '=', scope.contractor)
    const rows = await query.orderBy('priority').orderBy('raisedAtMs', 'desc').orderBy('id').limit(limit).execute()
    if (rows.length === 0) return { alarms: rows, lines: [] }
    const newest = await queries
      .selectFrom('occurrences')
      .selectAll()
      .distinctOn('alarm')
      .where(
        'alarm',
        'in',
        rows.map(({ id }) => id),
      )
      .orderBy('alarm')
      .orderBy('number', 'desc')
      .execute()
    return { alarms: rows, lines: newest }
  })
  const lineOf = new Map(lines.map((line) => [line.alarm, toOccurrence(line)]))
  return alarms
    .toSorted((a, b) => a.raisedAtMs - b.raisedAtMs || (a.id < b.id ? -1 : 1))
    .flatMap((alarm) => {
      const occurrence = lineOf.get(alarm.id) // no alarm is without its first line
      return occurrence === undefined ? [] : [{ alarm, occurrence }]
    })
}

const toOccurrence = ({ condition: _, ...row }: Selectable<OccurrencesTable>): Occurrence => row

async function applyChange(queries: Queries, change: AlarmChange): Promise<AppliedAlarm | undefined | 'again'> {
  // The lock first: what is read after it is what the one before us left behind.
  const open = await queries
    .selectFrom('alarms')
    .selectAll()
    .where('lift', '=', change.lift)
    .where('kind', '=', change.kind)
    .where('state', '<>', 'closed')
    .forUpdate()
    .executeTakeFirst()
  const raise = await queries
    .selectFrom('occurrences')
    .select(['alarm', 'number'])
    .where('condition', '=', change.id)
    .where('event', '=', 'raise')
    .executeTakeFirst()
  if (change.event === 'raise') {
    if (raise !== undefined) return undefined
    return open === undefined ? openAlarm(queries, change) : update(queries, open, change)
  }
  if (open === undefined) return undefined
  const stands = raise === undefined ? change.onsetAtMs >= open.onsetAtMs : await standsIn(queries, open, raise)
  return stands ? update(queries, open, change) : undefined
}

/** Whether the condition that was raised there belongs to this alarm and has not returned since. */
async function standsIn(queries: Queries, open: Alarm, raise: { alarm: AlarmId; number: number }): Promise<boolean> {
  if (raise.alarm !== open.id) return false
  const returned = await queries
    .selectFrom('occurrences')
    .select('number')
    .where('alarm', '=', open.id)
    .where('event', '=', 'return')
    .where('number', '>', raise.number)
    .limit(1)
    .executeTakeFirst()
  return returned === undefined
}

async function openAlarm(queries: Queries, change: AlarmChange): Promise<AppliedAlarm | 'again'> {
  const lift = await queries.selectFrom('lifts').select('contractor').where('id', '=', change.lift).executeTakeFirst()
  const { id, kind, priority, certainty, onsetAtMs, atMs, summary } = change
  const alarm: Alarm = {
    ...{ id, lift: change.lift, kind, priority, state: 'unacknowledged', certainty, onsetAtMs, raisedAtMs: atMs },
    ...{ returnedAtMs: null, acknowledgedAtMs: null, acknowledgedBy: null, closedAtMs: null },
    ...{ raiseCount: 1, summary, contractor: lift?.contractor ?? null },
  }
  const inserted = await queries
    .insertInto('alarms')
    .values({ ...alarm, summary: toJson(summary) })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow()
  if (inserted.numInsertedOrUpdatedRows === 0n) return 'again' // somebody else opened one since we looked
  return { alarm, occurrence: await addOccurrence(queries, alarm.id, occurrenceOf(change)) }
}

async function update(queries: Queries, open: Alarm, change: AlarmChange): Promise<AppliedAlarm | undefined> {
  const next = nextAlarmState(open.state, change.event)
  if (!next.ok) return undefined
  const difference = differenceOf(open, change)
  if (difference === undefined) return undefined
  const alarm: Alarm = {
    ...open,
    ...difference,
    state: next.value,
    closedAtMs: next.value === 'closed' ? change.atMs : null,
    summary: change.summary,
  }
  await write(queries, alarm)
  return { alarm, occurrence: await addOccurrence(queries, alarm.id, occurrenceOf(change)) }
}

/** What the change does to an open alarm besides its state; undefined when it is so already. */
function differenceOf(open: Alarm, change: AlarmChange): Partial<Alarm> | undefined {
  const { priority, certainty, onsetAtMs } = change
  switch (change.event) {
    case 'raise': {
      const raiseCount = open.raiseCount + 1
      // After a return this is a new condition; without one it adds to the one that stands, and the graver of both counts.
      if (open.returnedAtMs !== null) return { raiseCount, priority, certainty, onsetAtMs, returnedAtMs: null }
      return {
        raiseCount,
        priority: priority < open.priority ? priority : open.priority,
        certainty: certainty === 'confirmed' ? certainty : open.certainty,
        onsetAtMs: Math.min(onsetAtMs, open.onsetAtMs),
      }
    }
    case 'confirm':
      return open.certainty === 'confirmed' ? undefined : { certainty: 'confirmed' }
    case 'escalate':
      return priority < open.priority ? { priority } : undefined
    case 'return':
      return { returnedAtMs: change.atMs }
  }
}

type NewOccurrence = Omit<Occurrence, 'alarm' | 'number'> & { readonly condition: AlarmId | null }

const occurrenceOf = (change: AlarmChange): NewOccurrence => {
  const event: AlarmEvent = change.event
  return { event, atMs: change.atMs, by: null, note: null, trace: change.trace, condition: change.id }
}

async function acknowledge(
  queries: Queries,
  { id, scope, by, note, atMs, raiseCount }: Parameters<Register['alarms']['acknowledge']>[0],
): Promise<Result<AppliedAlarm>> {
  const open = await queries.selectFrom('alarms').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
  if (open === undefined || !inScope(scope, open.contractor)) return refuse('notFound', `there is no alarm ${id} here`)
  const next = nextAlarmState(open.state, 'acknowledge')
  if (!next.ok) return next
  if (raiseCount !== undefined && raiseCount !== open.raiseCount)
    return refuse('alarm.wrongState', 'the alarm was raised again meanwhile; look at it and acknowledge again')
  const person = toStoredText(by)
  const alarm: Alarm = {
    ...open,
    state: next.value,
    acknowledgedAtMs: atMs,
    acknowledgedBy: person,
    closedAtMs: next.value === 'closed' ? atMs : null,
  }
  await write(queries, alarm)
  const line = { event: 'acknowledge', atMs, by: person, trace: null, condition: null } as const
  const occurrence = await addOccurrence(queries, id, { ...line, note: note === null ? null : toStoredText(note) })
  return accept({ alarm, occurrence })
}

async function write(queries: Queries, { id, lift: _, kind: __, summary, ...changed }: Alarm): Promise<void> {
  await queries
    .updateTable('alarms')
    .set({ ...changed, summary: toJson(summary) })
    .where('id', '=', id)
    .execute()
}

/** The alarm is locked by now, so nobody else counts on from the same number. */
async function addOccurrence(queries: Queries, alarm: AlarmId, line: NewOccurrence): Promise<Occurrence> {
  const row = await queries
    .insertInto('occurrences')
    .values((build) => ({
      ...line,
      alarm,
      number: build
        .selectFrom('occurrences')
        .where('alarm', '=', alarm)
        .select(sql<number>`coalesce(max(number), 0) + 1`.as('number')),
      trace: line.trace === null ? null : toJson(line.trace),
    }))
    .returningAll()
    .executeTakeFirstOrThrow()
  return toOccurrence(row)
}
