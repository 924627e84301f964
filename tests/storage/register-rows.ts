/** Rows for tests of the register. */
import { alarmIdOf, type LiftId, type OrganisationId, type TerminalSerial, type UserId } from '#contract/ids'
import type { AlarmChange, AlarmKind } from '#contract/alarms'
import type { Lift, Organisation, QuarantineRow, User } from '#contract/register'
import type { Register } from '#storage/register/register'
import { liftOf } from '../lift-of.ts'

export const organisation = (id: string, kind: Organisation['kind'] = 'contractor'): Organisation => ({
  id: id as OrganisationId,
  name: `单位 ${id}`,
  kind,
  phone: null,
})

export const lift = (id: string, contractor: string | null = null, row: Partial<Lift> = {}): Lift => ({
  ...liftOf(id, contractor),
  landings: [
    { label: '1', heightMm: 0 },
    { label: '2.5', heightMm: 4_200 },
  ],
  entry: 'half-landing',
  ratedSpeedMps: 1.75,
  longitude: 121.456789,
  latitude: 31.234567,
  ...row,
})

export const user = (id: string, organisationId: string, row: Partial<User> = {}): User & { passwordHash: string } => ({
  id: id as UserId,
  username: id,
  name: `人 ${id}`,
  role: 'contractor',
  organisation: organisationId as OrganisationId,
  passwordHash: '$argon2id$…',
  ...row,
})

export const terminal = (serial: string, liftId: string | null) => ({
  serial: serial as TerminalSerial,
  lift: liftId as LiftId | null,
  boundAtMs: 1_795_190_400_123,
  revokedAtMs: null,
  secretHash: '$argon2id$…',
})

/** A change of the condition of that lift that began at `onsetAtMs`. */
export function change(
  event: AlarmChange['event'],
  liftId: string,
  onsetAtMs: number,
  row: Partial<AlarmChange> = {},
): AlarmChange {
  const kind: AlarmKind = row.kind ?? 'entrapment-between-floors'
  return {
    event,
    id: alarmIdOf(liftId as LiftId, kind, onsetAtMs),
    lift: liftId as LiftId,
    kind,
    priority: 1,
    certainty: 'suspected',
    onsetAtMs,
    atMs: onsetAtMs + 15_000,
    summary: { carPosition: '3', passengerCount: 2, lastHeardAtMs: onsetAtMs + 14_000 },
    trace: {
      rule: kind,
      sinceAtMs: onsetAtMs,
      decidedAtMs: onsetAtMs + 15_000,
      thresholdMs: 15_000,
      samples: [{ boot: 17, seq: 48_213, sampledAtMs: onsetAtMs }],
      byClock: false,
    },
    ...row,
  }
}

export const quarantined = (position: number, row: Partial<QuarantineRow> = {}): QuarantineRow => ({
  position,
  receivedAtMs: 1_795_190_400_000 + position,
  terminal: null,
  topic: 'lifts/v1/lift-0001/status',
  reason: 'payload.notJson',
  detail: 'not JSON',
  payload: '{',
  ...row,
})

export async function pagesOf<Row>(
  list: (after: string | undefined) => Promise<{ rows: readonly Row[]; next: string | null }>,
): Promise<Row[][]> {
  const pages: Row[][] = []
  let after: string | undefined
  do {
    const { rows, next } = await list(after)
    pages.push([...rows])
    after = next ?? undefined
  } while (after !== undefined)
  return pages
}

/** Two contractors with one lift each, and a lift that nobody serves. */
export async function putSmallTown(register: Register): Promise<void> {
  await register.organisations.put([
    organisation('ops', 'operations-centre'),
    organisation('contractor-a'),
    organisation('contractor-b'),
  ])
  await register.lifts.put([lift('lift-b', 'contractor-b'), lift('lift-a', 'contractor-a'), lift('lift-none')])
}
