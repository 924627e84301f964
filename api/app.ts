/** Builds the HTTP application: headers, limits, sessions, problems, routes, documents and the view. It does not listen. */
import { randomUUID } from 'node:crypto'
import { fastify, type FastifyRequest } from 'fastify'
import { fastifyCompress } from '@fastify/compress'
import { fastifyCookie } from '@fastify/cookie'
import { fastifyHelmet } from '@fastify/helmet'
import { fastifyRateLimit } from '@fastify/rate-limit'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { addressGroupOf } from '#contract/address-group'
import { mayDo } from '#contract/roles'
import type { ApiApp, AppParts } from './api-app.ts'
import { describeApi } from './api-document.ts'
import { isForeignOrigin } from './origin.ts'
import { answerError, Refusal } from './problems.ts'
import { countRequests } from './request-metrics.ts'
import { alarmRoutes } from './routes/alarms.ts'
import { auditRoutes } from './routes/audit.ts'
import { claimRoutes } from './routes/claims.ts'
import { exportRoutes } from './routes/exports.ts'
import { figureRoutes } from './routes/figures.ts'
import { fleetFigureRoutes } from './routes/fleet-figures.ts'
import { historyRoutes } from './routes/history.ts'
import { liftRoutes } from './routes/lifts.ts'
import { organisationRoutes } from './routes/organisations.ts'
import { platformRoutes } from './routes/platform.ts'
import { quarantineRoutes } from './routes/quarantine.ts'
import { sampleRoutes } from './routes/samples.ts'
import { sessionRoutes } from './routes/session.ts'
import { terminalRoutes } from './routes/terminals.ts'
import { validatorOf } from './validation.ts'
import { serveView } from './view-files.ts'

/** Longest body of a request, bytes. */
const BODY_BYTES_MAX = 64 * 1024
/** Requests of one address in a minute, all routes together that have no bound of their own. */
const REQUESTS_PER_MINUTE_MAX = 1_200
/** An alarm id is the longest name in a path. */
const PATH_NAME_LENGTH_MAX = 160

export async function buildApp(parts: AppParts): Promise<ApiApp> {
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: 15_000,
    // Longer than a long poll of the live view waits.
    connectionTimeout: 60_000,
    keepAliveTimeout: 30_000,
    maxRequestsPerSocket: 0,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    forceCloseConnections: true,
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: PATH_NAME_LENGTH_MAX },
    // A proxy on this machine may say who asks; nobody else may.
    trustProxy: parts.publicOrigin === '' ? false : 'loopback',
    frameworkErrors: (error, request, reply) =>
      void answerError(error, request as FastifyRequest, reply as never, parts.log),
    logger: false,
  }).withTypeProvider<TypeBoxTypeProvider>() as ApiApp
  app.setValidatorCompiler(validatorOf as never)
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, parts.log))
  countRequests(app, parts)
  await protect(app, parts)
  await describeApi(app, parts)
  await app.register(async (scope) => checkSessions(scope as ApiApp, parts))
  await platformRoutes(app, parts)
  await serveView(app, parts)
  await app.ready()
  return app
}

async function protect(app: ApiApp, parts: AppParts): Promise<void> {
  const overTls = parts.publicOrigin.startsWith('https:')
  await app.register(fastifyHelmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        baseUri: ["'self'"],
        connectSrc: ["'self'", 'ws:', 'wss:'],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        imgSrc: ["'self'", 'data:'],
        objectSrc: ["'none'"],
        scriptSrc: ["'self'"],
        scriptSrcAttr: ["'none'"],
        styleSrc: ["'self'"],
      },
    },
    frameguard: { action: 'deny' },
    // Without TLS these would only break the view on a plain address of the local network.
    strictTransportSecurity: overTls ? { maxAge: 31_536_000 } : false,
    crossOriginOpenerPolicy: overTls,
    originAgentCluster: overTls,
  })
  await app.register(fastifyRateLimit, {
    global: true,
    max: REQUESTS_PER_MINUTE_MAX,
    timeWindow: '1 minute',
    cache: 10_000,
    keyGenerator: ({ ip }) => addressGroupOf(ip),
  })
  await app.register(fastifyCompress, { global: true, threshold: 1_024, encodings: ['br', 'gzip'] })
  await app.register(fastifyCookie)
  app.addHook('onRequest', async (request) => {
    const writes = request.method !== 'GET' && request.method !== 'HEAD' && request.method !== 'OPTIONS'
    if (writes && isForeignOrigin(request.headers, parts.publicOrigin))
      throw new Refusal('request.foreignOrigin', 'Origin is not that of this platform')
  })
}

/** Routes under /api: each says what the asker must be allowed to do, or that it is open. */
async function checkSessions(app: ApiApp, parts: AppParts): Promise<void> {
  app.decorateRequest('signedIn', null)
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.act === undefined && config?.open !== true)
      throw new Error(`route ${String(method)} ${url} says neither act nor open`)
  })
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('cache-control', 'no-store')
    const { act } = request.routeOptions.config
    if (act === undefined) return
    const signedIn = await parts.sessions.read(request.cookies[parts.cookie.name])
    if (signedIn === undefined) throw new Refusal('session.missing', 'There is no session, or it is over')
    if (!mayDo(signedIn.user.role, act))
      throw new Refusal('role.forbidden', `${act} is not for the role ${signedIn.user.role}`)
    request.signedIn = signedIn
  })
  for (const routes of [
    sessionRoutes,
    liftRoutes,
    historyRoutes,
    sampleRoutes,
    exportRoutes,
    figureRoutes,
    fleetFigureRoutes,
    alarmRoutes,
    quarantineRoutes,
    auditRoutes,
    organisationRoutes,
    terminalRoutes,
    claimRoutes,
  ])
    routes(app, parts)
}
