/** The type of the HTTP application, what its routes are given, and what a route says about itself. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Registry } from 'prom-client'
import type { Act } from '#contract/roles'
import type { Log } from '#contract/log-events'
import type { Bus } from '#storage/bus/bus'
import type { Register } from '#storage/register/register'
import type { TelemetryStore } from '#storage/telemetry/telemetry-store'
import type { ExportLimits } from './exports.ts'
import type { FiguresLimits } from './figures-limits.ts'
import type { Fleet } from './fleet.ts'
import type { Health } from './health.ts'
import type { LiveStates } from './live-states.ts'
import { Refusal } from './problems.ts'
import type { SessionCookie } from './session-cookie.ts'
import type { Sessions, SignedIn } from './sessions.ts'
import type { DeviceDoors } from './terminal-access.ts'

export type ApiApp = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>

/** Everything that routes use. */
export type AppParts = {
  readonly register: Register
  readonly telemetry: Pick<TelemetryStore, 'history' | 'spans' | 'points' | 'count' | 'figures' | 'sums' | 'check'>
  readonly bus: Bus
  readonly fleet: Fleet
  readonly liveStates: LiveStates
  readonly sessions: Sessions
  readonly cookie: SessionCookie
  readonly health: Health
  readonly viewFolder: string
  readonly deviceDoors: DeviceDoors
  readonly publicOrigin: string
  readonly version: string
  readonly metrics: Registry
  readonly log: Log
  readonly nowMs: () => number
  readonly exportLimits?: Partial<ExportLimits>
  readonly figuresLimits?: Partial<FiguresLimits>
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the signed-in person must be allowed to do. */
    act?: Act
    /** May be asked without a session. Every route under /api says one or the other. */
    open?: true
  }
  interface FastifyRequest {
    signedIn: SignedIn | null
  }
}

/** Who asks. Only for routes that are not open: there the session was checked before. */
export function signedInOf(request: FastifyRequest): SignedIn {
  if (request.signedIn === null) throw new Refusal('session.missing', 'This needs a session')
  return request.signedIn
}
