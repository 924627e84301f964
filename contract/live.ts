/** The live state (实时状态) of a lift, how fresh it is, and what the `/live` namespace of Socket.IO carries. */
import { Type, type Static } from 'typebox'
import { LiftId, TerminalSerial } from './ids.ts'
import { Status } from './telemetry.ts'

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

/** What the platform knows of one lift now. Every value keeps its own time: the last value is never shown as a present one. */
export const LiveState = Type.Object({
  lift: LiftId,
  position: Type.Integer({
    description: 'Journal position of the newest message in it; a smaller one never replaces a larger one',
  }),
  terminal: nullable(TerminalSerial),
  link: Type.Unsafe<'online' | 'offline' | 'unknown'>(Type.Enum(['online', 'offline', 'unknown'])),
  linkAtMs: nullable(Type.Integer({ description: 'Platform clock' })),
  receivedAtMs: nullable(Type.Integer({ description: 'Platform clock, any message' })),
  statusReceivedAtMs: nullable(Type.Integer({ description: 'Platform clock, when `status` was received' })),
  status: nullable(Status),
  runCount: nullable(Type.Integer()),
  runsToday: nullable(Type.Integer({ description: 'Runs since local midnight, Asia/Shanghai' })),
})
export type LiveState = Static<typeof LiveState>

/** A lift of which nothing was heard yet. */
export const silentLift = (lift: LiftId): LiveState => ({
  lift,
  position: 0,
  terminal: null,
  link: 'unknown',
  linkAtMs: null,
  receivedAtMs: null,
  statusReceivedAtMs: null,
  status: null,
  runCount: null,
  runsToday: null,
})

/**
 * Upper age of each step, ms. Beyond the last it is lost. An idle terminal reports every 60 s: a quarter of a minute more is
 * left for the link, so that a healthy idle lift does not flicker.
 */
export const FRESHNESS_MS = { fresh: 10_000, late: 75_000, stale: 600_000 } as const
export type Freshness = 'fresh' | 'late' | 'stale' | 'lost' | 'never'

/** Age in ms of the status at `nowMs` (platform clock): the older of sample time and receipt decides. Undefined when there is none. */
export function statusAgeMs(state: LiveState, nowMs: number): number | undefined {
  if (state.status === null) return undefined
  return Math.max(0, nowMs - Math.min(state.status.sampledAtMs, state.statusReceivedAtMs ?? state.status.sampledAtMs))
}

/** Unknown is never green: a terminal that said goodbye is lost whatever its last value. */
export function freshnessOf(state: LiveState, nowMs: number): Freshness {
  const ageMs = statusAgeMs(state, nowMs)
  if (ageMs === undefined) return 'never'
  if (state.link === 'offline' || ageMs >= FRESHNESS_MS.stale) return 'lost'
  if (ageMs >= FRESHNESS_MS.late) return 'stale'
  return ageMs >= FRESHNESS_MS.fresh ? 'late' : 'fresh'
}

/** Which parts the platform itself is missing: shown on the wall, never hidden. */
export const PlatformHealth = Type.Object({
  atMs: Type.Integer(),
  degraded: Type.Array(Type.Object({ part: Type.String(), reason: Type.String(), sinceAtMs: Type.Integer() })),
})
export type PlatformHealth = Static<typeof PlatformHealth>

/** Most a server sends: changed lifts, at most this many times a second. */
export const DELTAS_PER_SECOND_MAX = 4

/** Client → server: `hello {since?}` asks for what came after delta `since`; the server answers with `delta` or `snapshot`. */
export const LiveHello = Type.Object(
  { since: Type.Optional(Type.Integer({ minimum: 0 })) },
  { additionalProperties: false },
)
/** Server → client. `t` is the platform clock in Unix ms. `seq` grows by one with each delta of this server. */
export const LiveSnapshot = Type.Object({
  seq: Type.Integer(),
  t: Type.Integer(),
  rows: Type.Array(LiveState),
  health: PlatformHealth,
})
export const LiveDelta = Type.Object({ seq: Type.Integer(), t: Type.Integer(), rows: Type.Array(LiveState) })
export type LiveSnapshot = Static<typeof LiveSnapshot>
export type LiveDelta = Static<typeof LiveDelta>
