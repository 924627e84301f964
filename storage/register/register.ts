/**
 * The register (台账): lifts, terminals, people, alarms and their history, live states at the last checkpoint. PostgreSQL,
 * embedded (`pglite:`) or a server (`postgres:`), with one set of migrations. Everything is durable when its promise resolves.
 */
import type { Alarm, AlarmChange, AlarmState, Occurrence } from '#contract/alarms'
import type { Result } from '#contract/errors'
import type { AlarmId, LiftId, TerminalSerial, UserId } from '#contract/ids'
import type { LiveState } from '#contract/live'
import type { Log } from '#contract/log-events'
import type { Lift, LiftScope, Organisation, QuarantineRow, Terminal, User } from '#contract/register'
import { openPgliteDatabase } from './pglite-database.ts'
import { openPostgresDatabase } from './postgres-database.ts'
import { registerOn } from './register-on.ts'

export { QUARANTINE_ROWS_MAX } from './quarantine.ts'
export { RegisterAwayError } from './register-away.ts'

export type Page<Row> = { readonly rows: readonly Row[]; readonly next: string | null }
export type AppliedAlarm = { readonly alarm: Alarm; readonly occurrence: Occurrence }
export type AuditRow = {
  readonly atMs: number
  /** Name of the person or part. */
  readonly by: string
  readonly act: string
  readonly subject: string
  readonly detail: string
}
/** One transaction: how far `detect` is, and the lifts that changed since the last checkpoint. `memory` is what ingest needs to go on. */
export type Checkpoint = {
  readonly position: number
  readonly lifts: readonly { readonly state: LiveState; readonly memory: unknown }[]
}

export interface Register extends AsyncDisposable {
  readonly organisations: {
    put(rows: readonly Organisation[]): Promise<void>
    all(): Promise<Organisation[]>
  }
  readonly lifts: {
    put(rows: readonly Lift[]): Promise<void>
    /** All lifts in scope, ordered by id. */
    all(scope: LiftScope): Promise<Lift[]>
    byId(id: LiftId): Promise<Lift | undefined>
    count(): Promise<number>
  }
  readonly terminals: {
    /** Registers terminals or rebinds them. `secretHash` is a PHC string. */
    put(rows: readonly (Terminal & { readonly secretHash: string })[]): Promise<void>
    bySerial(serial: TerminalSerial): Promise<(Terminal & { readonly secretHash: string }) | undefined>
    all(): Promise<Terminal[]>
  }
  readonly users: {
    put(rows: readonly (User & { readonly passwordHash: string })[]): Promise<void>
    byUsername(username: string): Promise<(User & { readonly passwordHash: string }) | undefined>
    byId(id: UserId): Promise<User | undefined>
    count(): Promise<number>
  }
  /** Sessions are known by the SHA-256 of their token, hexadecimal; the token itself is never kept. */
  readonly sessions: {
    open(row: { tokenHash: string; user: UserId; openedAtMs: number; expiresAtMs: number }): Promise<void>
    /** The user of a session that is alive: not beyond `expiresAtMs`, used within `idleMsMax`. Marks it as used now. */
    use(tokenHash: string, o: { nowMs: number; idleMsMax: number }): Promise<User | undefined>
    close(tokenHash: string): Promise<void>
    /** Deletes what is over; returns how many. */
    sweep(o: { nowMs: number; idleMsMax: number }): Promise<number>
  }
  readonly alarms: {
    /**
     * Applies what detection decided, in one transaction with its line of history. `raise` opens an alarm, or repeats the
     * open one of the same lift and kind. Undefined when it changes nothing: the same change again, or there is no open
     * alarm to confirm, escalate or return.
     */
    apply(change: AlarmChange): Promise<AppliedAlarm | undefined>
    /**
     * Acknowledges by a named person. Refused with `notFound` outside the scope and `alarm.wrongState` when it no longer
     * applies, or when the alarm was not raised `raiseCount` times: that person has not seen what it is about now.
     */
    acknowledge(o: {
      id: AlarmId
      scope: LiftScope
      by: string
      note: string | null
      atMs: number
      raiseCount?: number
    }): Promise<Result<AppliedAlarm>>
    byId(id: AlarmId, scope: LiftScope): Promise<Alarm | undefined>
    /** Open alarms first come from `states`; newest raise first; `after` is the `next` of the page before. */
    list(o: {
      scope: LiftScope
      states?: readonly AlarmState[]
      lift?: LiftId
      limit: number
      after?: string
    }): Promise<Page<Alarm>>
    occurrences(id: AlarmId): Promise<Occurrence[]>
  }
  readonly liveStates: {
    save(checkpoint: Checkpoint): Promise<void>
    /** The last checkpoint; position 0 and no lifts when there is none. */
    load(): Promise<Checkpoint>
  }
  readonly quarantine: {
    /** Idempotent by position. Keeps the newest `QUARANTINE_ROWS_MAX`; older rows are dropped. Returns how many were dropped. */
    put(rows: readonly QuarantineRow[]): Promise<number>
    list(o: { limit: number; after?: string }): Promise<Page<QuarantineRow>>
    count(): Promise<number>
  }
  readonly audit: {
    add(row: AuditRow): Promise<void>
    list(o: { limit: number; after?: string }): Promise<Page<AuditRow>>
  }
  /** Rejects with the reason when the register cannot be used now. Bounded in time. */
  check(): Promise<void>
}

/**
 * Opens the register that the URL names and brings its tables up to date: `pglite:/path/of/folder`, `pglite:memory`
 * (tests; not durable) or `postgres://user:password@host:port/database`.
 * A folder that another process has open is refused with a sentence that says what to do.
 */
export async function openRegister(url: string, options: { log: Log }): Promise<Register> {
  if (url.startsWith('pglite:'))
    return registerOn(await openPgliteDatabase(url.slice('pglite:'.length).replace(/^\/\//, ''), options))
  if (url.startsWith('postgres://') || url.startsWith('postgresql://'))
    return registerOn(await openPostgresDatabase(url, options))
  throw new Error(`REGISTER_URL: there is no register for “${url.split(':')[0] ?? ''}:”; use pglite: or postgres:`)
}
