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
import type { HeldShare, ShareTable } from '#contract/shares'
import { openPgliteDatabase } from './pglite-database.ts'
import { openPostgresDatabase } from './postgres-database.ts'
import { registerOn } from './register-on.ts'
import type { TerminalAct } from './terminals.ts'

export { QUARANTINE_ROWS_MAX } from './quarantine.ts'
export { RegisterAwayError } from './register-away.ts'
export { ShareLostError } from './shares.ts'
export { STALE_HOURS_MAX } from './stale-hours.ts'
export { CLAIM_AGAIN_MS_MAX } from './claim-codes.ts'
export { TERMINALS_CHANGED_MAX } from './terminals.ts'

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
/**
 * A terminal as the broker must know it. `secretHash` is a PHC string, or null when the terminal has no secret and may prove
 * itself by a certificate only. `revision` grows at every change: of two rows of one terminal the greater one is the newer.
 */
export type KnownTerminal = Terminal & { readonly secretHash: string | null; readonly revision: number }
/** One transaction: how far `detect` is, and the lifts that changed since the last checkpoint. `memory` is what ingest needs to go on. */
export type Checkpoint = {
  readonly position: number
  readonly lifts: readonly { readonly state: LiveState; readonly memory: unknown }[]
}

/** One hour of one lift, by its begin. */
export type LiftHour = { readonly lift: LiftId; readonly hourAtMs: number }
/** With the mark that it had; each time that an hour is marked, the mark is another. */
export type MarkedHour = LiftHour & { readonly mark: number }

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
    /** Registers terminals or rebinds them, many at once and without a line of audit. */
    put(rows: readonly Omit<KnownTerminal, 'revision'>[]): Promise<void>
    bySerial(serial: TerminalSerial): Promise<KnownTerminal | undefined>
    all(): Promise<Terminal[]>
    /**
     * Terminals whose revision is greater, smallest first, at most `limit` (`TERMINALS_CHANGED_MAX`); `revision` is what to
     * ask with next. Revisions become visible in their order, whoever writes, hand-made SQL included, and terminals are
     * never removed: whoever has asked up to a revision has missed nothing below it, and need not read an overlap.
     * A `revision` smaller than the one asked with means that the register is another one, such as a restored backup:
     * forget what was read and ask again with 0, which gives everything.
     */
    changedAfter(
      revision: number,
      limit?: number,
    ): Promise<{ readonly rows: readonly KnownTerminal[]; readonly revision: number }>
    /** Ordered by serial; of all, or of those that are bound to a lift, revoked or not revoked. */
    list(o: { lift?: LiftId; revoked?: boolean; limit: number; after?: string }): Promise<Page<KnownTerminal>>
    /**
     * What a named person does with one terminal, in one transaction with its line of audit; resolves with the row as it is
     * then, and writes nothing when it is so already. Refused with `notFound` for a terminal or lift that is not there.
     * Binding takes the lift from the terminal that had it: a lift has one. A terminal that is revoked cannot be bound
     * (`terminal.revoked`); a serial is registered once (`terminal.exists`).
     */
    register(
      o: TerminalAct & { readonly lift: LiftId | null; readonly secretHash: string | null },
    ): Promise<Result<KnownTerminal>>
    bind(o: TerminalAct & { readonly lift: LiftId | null }): Promise<Result<KnownTerminal>>
    revoke(o: TerminalAct): Promise<Result<KnownTerminal>>
    restore(o: TerminalAct): Promise<Result<KnownTerminal>>
    setSecret(o: TerminalAct & { readonly secretHash: string }): Promise<Result<KnownTerminal>>
  }
  /** Claim codes (认领码), known by `hashClaimCode`; the code itself is never kept. */
  readonly claimCodes: {
    /** Makes the code known, in place of one for the same lift that was not used. Refused with `notFound` without the lift. */
    issue(o: { codeHash: string; lift: LiftId; by: string; atMs: number; expiresAtMs: number }): Promise<Result<void>>
    /**
     * Uses a code up: the terminal, registered if need be, gets the secret and the lift of the code, and another terminal
     * of the lift loses it, in one transaction with the lines of audit. The same terminal may do so again within
     * `CLAIM_AGAIN_MS_MAX`, for its answer may have been lost. Refused with `claim.refused` and nothing more; the audit
     * says why, when the code is one of ours: used, expired, or of no use for a terminal that is revoked or has another lift.
     */
    claim(o: {
      codeHash: string
      serial: TerminalSerial
      secretHash: string
      atMs: number
    }): Promise<Result<KnownTerminal>>
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
     * alarm to confirm, escalate or return. With `held` it rejects with `ShareLostError` unless the share is still held.
     */
    apply(change: AlarmChange, held?: HeldShare): Promise<AppliedAlarm | undefined>
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
    /**
     * Open alarms, each with the newest line of its history, as they stand at one moment; oldest raise first. When there are
     * more than `limit`, the most urgent of them, and of these the newest raises.
     */
    open(o: { scope: LiftScope; limit: number }): Promise<AppliedAlarm[]>
  }
  readonly liveStates: {
    /** Of the whole journal, or of the share that is held; rejects with `ShareLostError` when it is not held any more. */
    save(checkpoint: Checkpoint, held?: HeldShare): Promise<void>
    /**
     * The last checkpoint of the whole journal, or of one share; position 0 and no lifts when there is none. `lifts` are the
     * ones to load; without it, all that were ever saved.
     */
    load(o?: { share?: number; lifts?: readonly LiftId[] }): Promise<Checkpoint>
  }
  readonly shares: {
    /**
     * Changes the table of shares as a whole, and answers with what it is then: `next` is given the table as it stands and
     * must be pure. One at a time, among all processes.
     */
    change(next: (table: ShareTable) => ShareTable): Promise<ShareTable>
  }
  /**
   * Hours whose figures are to be computed, because samples came. At most `STALE_HOURS_MAX` in one call, else `RangeError`.
   * `lifts` are those to look at; without it, all.
   */
  readonly staleHours: {
    /**
     * Marks the hours, again when they are marked already: with a new mark, at this moment by the register's clock. Resolves
     * with the lifts of these that are not registered: their hours were left out.
     */
    mark(hours: readonly LiftHour[]): Promise<LiftId[]>
    /**
     * The hours that ended before `endedBeforeMs` and were not marked for longer than `quietMs` by the register's clock,
     * at most `limit`: the oldest first, or the newest.
     */
    due(o: {
      lifts?: readonly LiftId[] | undefined
      quietMs: number
      endedBeforeMs: number
      limit: number
      isNewestFirst?: boolean
    }): Promise<MarkedHour[]>
    /** Removes those that still have this mark. Resolves with the others: marked again, or cleared by somebody else. */
    clear(rows: readonly MarkedHour[]): Promise<MarkedHour[]>
    /** How many hours that ended before `endedBeforeMs` are marked; not counted further than 100 000. */
    count(o: { lifts?: readonly LiftId[] | undefined; endedBeforeMs: number }): Promise<number>
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
