/** What the register (台账) keeps about lifts, organisations, people and terminals. Instants are Unix ms; see `wire.ts` for the HTTP form. */
import { Type, type Static } from 'typebox'
import { LiftId, OrganisationId, TerminalSerial, UserId } from './ids.ts'
import { ROLE_NAMES, type Role } from './roles.ts'
import { QUARANTINE_REASONS, type QuarantineReason } from './errors.ts'

/** A landing (层站), from the bottom. `label` is what people read; half-landing entry gives labels such as "2.5". */
export const Landing = Type.Object({
  label: Type.String({ minLength: 1, maxLength: 4 }),
  heightMm: Type.Integer({ description: 'Above the lowest landing' }),
})
export type Landing = Static<typeof Landing>

export const Lift = Type.Object({
  id: LiftId,
  name: Type.String({ maxLength: 60, description: 'What people call it, such as 樱花苑 7 号楼 2 单元' }),
  compound: Type.String({ maxLength: 40, description: '小区' }),
  building: Type.String({ maxLength: 20, description: '楼号' }),
  unit: Type.String({ maxLength: 20, description: '单元 / 门号' }),
  town: Type.String({ maxLength: 40, description: '街镇' }),
  registrationCode: Type.String({ maxLength: 20, description: '设备注册代码' }),
  rescueCode: Type.String({ maxLength: 6, description: '应急识别码 on the plate in the car' }),
  landings: Type.Array(Landing, { minItems: 2, maxItems: 64 }),
  entry: Type.Unsafe<'full-floor' | 'half-landing'>(
    Type.Enum(['full-floor', 'half-landing'], { description: '平层入户 / 错层入户' }),
  ),
  ratedLoadKg: Type.Integer(),
  ratedSpeedMps: Type.Number(),
  longitude: Type.Number({ description: 'WGS-84' }),
  latitude: Type.Number({ description: 'WGS-84' }),
  contractor: Type.Union([OrganisationId, Type.Null()], { description: '维保单位' }),
  simulated: Type.Boolean({ description: 'true for a lift of the demonstration town; every screen says so' }),
})
export type Lift = Static<typeof Lift>

const ORGANISATION_KINDS = ['operations-centre', 'contractor'] as const
export const Organisation = Type.Object({
  id: OrganisationId,
  name: Type.String({ maxLength: 60 }),
  kind: Type.Unsafe<(typeof ORGANISATION_KINDS)[number]>(Type.Enum([...ORGANISATION_KINDS])),
  phone: Type.Union([Type.String({ maxLength: 30 }), Type.Null()]),
})
export type Organisation = Static<typeof Organisation>

/** A person who may sign in. The password hash never leaves `storage` and the sign-in. */
export const User = Type.Object({
  id: UserId,
  username: Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{1,39}$' }),
  name: Type.String({ maxLength: 40 }),
  role: Type.Unsafe<Role>(Type.Enum([...ROLE_NAMES])),
  organisation: OrganisationId,
})
export type User = Static<typeof User>

/** A terminal (梯控设备) and the lift it is bound to now. */
export const Terminal = Type.Object({
  serial: TerminalSerial,
  lift: Type.Union([LiftId, Type.Null()]),
  boundAtMs: Type.Integer(),
  revokedAtMs: Type.Union([Type.Integer(), Type.Null()]),
})
export type Terminal = Static<typeof Terminal>

/** How a terminal proves who it is: by a secret, or by nothing but a client certificate whose CN is its serial. */
const TERMINAL_CREDENTIALS = ['secret', 'certificate'] as const
export type TerminalCredential = (typeof TERMINAL_CREDENTIALS)[number]
export const TerminalCredential = Type.Unsafe<TerminalCredential>(Type.Enum([...TERMINAL_CREDENTIALS]))

/** A terminal as the administrator sees it. */
export const RegisteredTerminal = Type.Object({ ...Terminal.properties, credential: TerminalCredential })
export type RegisteredTerminal = Static<typeof RegisteredTerminal>

/**
 * A claim code (认领码): 8 letters and digits that are not mistaken for one another, in two groups. Small letters, blanks and
 * a missing hyphen are taken too.
 */
export const CLAIM_CODE_PATTERN = '^\\s*(?:[A-HJ-NP-Za-hj-np-z2-9][\\s-]*){8}$'
/** Longest life of a claim code, hours. */
export const CLAIM_CODE_HOURS_MAX = 168

/** A message that was acknowledged but could not be understood: kept with its reason, so that it neither blocks nor vanishes. */
export const QuarantineRow = Type.Object({
  position: Type.Integer({ description: 'Journal position' }),
  receivedAtMs: Type.Integer(),
  terminal: Type.Union([TerminalSerial, Type.Null()]),
  topic: Type.String(),
  reason: Type.Unsafe<QuarantineReason>(Type.Enum(Object.keys(QUARANTINE_REASONS) as QuarantineReason[])),
  detail: Type.String({ description: 'The first thing that was wrong, for people' }),
  payload: Type.String({ description: 'The first 2 048 bytes as text; invalid UTF-8 is replaced' }),
})
export type QuarantineRow = Static<typeof QuarantineRow>

/** Who sees what: decided by the server from the role, never asked of the client. */
export type LiftScope = { readonly all: true } | { readonly contractor: OrganisationId }

export const scopeOf = (user: Pick<User, 'role' | 'organisation'>): LiftScope =>
  user.role === 'contractor' ? { contractor: user.organisation } : { all: true }

export const inScope = (scope: LiftScope, contractor: OrganisationId | null): boolean =>
  'all' in scope || scope.contractor === contractor
