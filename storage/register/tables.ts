/** The rows of each table as Kysely sees them; columns are `snake_case` in the database. A test compares the two. */
import type { ColumnType, Generated } from 'kysely'
import type { Alarm, Occurrence } from '#contract/alarms'
import type { AlarmId, LiftId, TerminalSerial, UserId } from '#contract/ids'
import type { LiveState } from '#contract/live'
import type { Lift, Organisation, QuarantineRow, Terminal, User } from '#contract/register'

/** JSON goes in as text (see `toJson`) and comes out parsed. */
type Json<T> = ColumnType<T, string, string>

export type LiftsTable = Omit<Lift, 'landings'> & { readonly landings: Json<Lift['landings']> }
export type TerminalsTable = Terminal & {
  readonly secretHash: string | null
  /** Drawn by a trigger at every change. */
  readonly revision: ColumnType<number, never, never>
}
export type ClaimCodesTable = {
  readonly codeHash: string
  readonly lift: LiftId
  readonly issuedBy: string
  readonly issuedAtMs: number
  readonly expiresAtMs: number
  readonly claimedAtMs: number | null
  readonly claimedBy: TerminalSerial | null
}
export type UsersTable = User & { readonly passwordHash: string }
export type SessionsTable = {
  tokenHash: string
  userId: UserId
  openedAtMs: number
  expiresAtMs: number
  usedAtMs: number
}
export type AlarmsTable = Omit<Alarm, 'summary'> & { readonly summary: Json<Alarm['summary']> }
export type OccurrencesTable = Omit<Occurrence, 'trace'> & {
  readonly trace: Json<NonNullable<Occurrence['trace']>> | null
  /** The condition that the line speaks of; null for what a person did. */
  readonly condition: AlarmId | null
}
export type LiveStatesTable = {
  readonly lift: LiftId
  readonly state: Json<LiveState>
  readonly memory: Json<unknown>
}
/** How far detection is: of the whole journal, or of one share of it. */
export type CheckpointName = 'detect' | `detect.${number}`
export type CheckpointsTable = { readonly name: CheckpointName; readonly position: number }
/** Ingest workers that live; see `shares.ts`. */
export type WorkersTable = { readonly worker: string; readonly beat: number }
export type SharesTable = { readonly share: number; readonly worker: string | null; readonly epoch: number }
/** Drawn by the database at every mark: when, by its clock, and which one. */
export type StaleHoursTable = {
  readonly lift: LiftId
  readonly hourAtMs: number
  readonly markedAt: ColumnType<Date, never, never>
  readonly mark: number
}
export type AuditTable = {
  readonly id: Generated<number>
  readonly atMs: number
  readonly by: string
  readonly act: string
  readonly subject: string
  readonly detail: string
}

export type Tables = {
  migrations: { readonly name: string; readonly appliedAtMs: number }
  organisations: Organisation
  lifts: LiftsTable
  terminals: TerminalsTable
  claimCodes: ClaimCodesTable
  users: UsersTable
  sessions: SessionsTable
  alarms: AlarmsTable
  occurrences: OccurrencesTable
  liveStates: LiveStatesTable
  checkpoints: CheckpointsTable
  workers: WorkersTable
  shares: SharesTable
  staleHours: StaleHoursTable
  quarantine: QuarantineRow
  audit: AuditTable
}
