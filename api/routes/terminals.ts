/** Terminals: registering, binding, revoking and restoring them, and giving them secrets. For administrators. */
import { Type } from 'typebox'
import { LiftId, TerminalSerial } from '#contract/ids'
import { TerminalCredential } from '#contract/register'
import { hashTerminalSecret, newTerminalSecret } from '#storage/register/secrets'
import { signedInOf, type ApiApp, type AppParts } from '../api-app.ts'
import { PageQuery, pageOf } from '../page-query.ts'
import { problemAnswers, Refusal, valueOf } from '../problems.ts'
import { accessAnswer, terminalAnswer, TerminalAccess, TerminalOnWire } from '../terminal-access.ts'

const TerminalParams = Type.Object({ serial: TerminalSerial })
const TerminalsQuery = Type.Object(
  {
    ...PageQuery.properties,
    lift: Type.Optional(LiftId),
    revoked: Type.Optional(
      Type.Unsafe<'true' | 'false'>(Type.Enum(['true', 'false'], { description: 'All unless told' })),
    ),
  },
  { additionalProperties: false },
)
const TerminalPage = Type.Object({
  items: Type.Array(TerminalOnWire),
  next: Type.Union([Type.String(), Type.Null()]),
})
const LiftOrNone = Type.Union([LiftId, Type.Null()])
const Registration = Type.Object(
  { serial: TerminalSerial, lift: LiftOrNone, credential: TerminalCredential },
  { additionalProperties: false },
)
const Binding = Type.Object({ lift: LiftOrNone }, { additionalProperties: false })

const tags = ['terminals']

export function terminalRoutes(app: ApiApp, parts: AppParts): void {
  readRoutes(app, parts)
  registerRoute(app, parts)
  actRoutes(app, parts)
}

function readRoutes(app: ApiApp, { register }: AppParts): void {
  app.get(
    '/api/v1/terminals',
    {
      config: { act: 'terminals.read' },
      schema: {
        tags,
        summary: 'Terminals, ordered by serial number',
        querystring: TerminalsQuery,
        response: { 200: TerminalPage, ...problemAnswers },
      },
    },
    async (request) => {
      const { lift, revoked, ...page } = request.query
      const { rows, next } = await register.terminals.list({
        ...pageOf(page),
        ...(lift === undefined ? {} : { lift }),
        ...(revoked === undefined ? {} : { revoked: revoked === 'true' }),
      })
      return { items: rows.map(terminalAnswer), next }
    },
  )
  app.get(
    '/api/v1/terminals/:serial',
    {
      config: { act: 'terminals.read' },
      schema: {
        tags,
        summary: 'One terminal',
        params: TerminalParams,
        response: { 200: TerminalOnWire, ...problemAnswers },
      },
    },
    async (request) => {
      const row = await register.terminals.bySerial(request.params.serial)
      if (row === undefined) throw new Refusal('notFound', 'There is no such terminal')
      return terminalAnswer(row)
    },
  )
}

function registerRoute(app: ApiApp, { register, deviceDoors, nowMs }: AppParts): void {
  app.post(
    '/api/v1/terminals',
    {
      config: { act: 'terminals.write' },
      schema: {
        tags,
        summary: 'Register a terminal; the answer tells its secret this one time',
        body: Registration,
        response: { 201: TerminalAccess, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { serial, lift, credential } = request.body
      const secret = credential === 'secret' ? newTerminalSecret() : null
      const secretHash = secret === null ? null : await hashTerminalSecret(secret)
      const by = signedInOf(request).user.name
      const row = valueOf(await register.terminals.register({ serial, lift, secretHash, by, atMs: nowMs() }))
      return reply
        .code(201)
        .header('location', `/api/v1/terminals/${serial}`)
        .send(accessAnswer(row, secret, deviceDoors))
    },
  )
}

function actRoutes(app: ApiApp, { register, deviceDoors, nowMs }: AppParts): void {
  const { terminals } = register
  const config = { act: 'terminals.write' } as const
  const params = TerminalParams
  const response = { 200: TerminalOnWire, ...problemAnswers }
  app.post(
    '/api/v1/terminals/:serial/bind',
    {
      config,
      schema: {
        tags,
        summary: 'Bind to a lift, which loses the terminal that it had; null = to none',
        params,
        body: Binding,
        response,
      },
    },
    async (request) => {
      const { serial } = request.params
      const by = signedInOf(request).user.name
      return terminalAnswer(valueOf(await terminals.bind({ serial, lift: request.body.lift, by, atMs: nowMs() })))
    },
  )
  const summaries = {
    revoke: 'Revoke: its connection is closed, and it gets none until it is restored',
    restore: 'Take a revocation back',
  }
  for (const act of ['revoke', 'restore'] as const)
    app.post(
      `/api/v1/terminals/:serial/${act}`,
      { config, schema: { tags, summary: summaries[act], params, response } },
      async (request) => {
        const { serial } = request.params
        const by = signedInOf(request).user.name
        return terminalAnswer(valueOf(await terminals[act]({ serial, by, atMs: nowMs() })))
      },
    )
  app.post(
    '/api/v1/terminals/:serial/secret',
    {
      config,
      schema: {
        tags,
        summary: 'A new secret in place of the old one; the answer tells it this one time',
        params,
        response: { 200: TerminalAccess, ...problemAnswers },
      },
    },
    async (request) => {
      const { serial } = request.params
      const secret = newTerminalSecret()
      const secretHash = await hashTerminalSecret(secret)
      const by = signedInOf(request).user.name
      const row = valueOf(await terminals.setSecret({ serial, secretHash, by, atMs: nowMs() }))
      return accessAnswer(row, secret, deviceDoors)
    },
  )
}
