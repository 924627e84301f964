/** Claim codes: an administrator makes one, an installer uses it up without a session. */
import { Type } from 'typebox'
import { LiftId, TerminalSerial } from '#contract/ids'
import { CLAIM_CODE_HOURS_MAX, CLAIM_CODE_PATTERN } from '#contract/register'
import { signedInOf, type ApiApp, type AppParts } from '../api-app.ts'
import { openClaims } from '../claims.ts'
import { problemAnswers, Refusal, valueOf } from '../problems.ts'
import { LOCKED_OUT_MS } from '../sign-in-tries.ts'
import { accessAnswer, TerminalAccess } from '../terminal-access.ts'

/** Claims of one address in a minute. */
const CLAIMS_PER_MINUTE_MAX = 60
/** When too many codes are looked at at one moment, it is over soon. */
const TOO_MANY_RETRY_S = 2
const HOUR_MS = 3_600_000

const Issue = Type.Object(
  { lift: LiftId, validForHours: Type.Integer({ minimum: 1, maximum: CLAIM_CODE_HOURS_MAX }) },
  { additionalProperties: false },
)
const Issued = Type.Object({
  code: Type.String({ examples: ['K7MP-2RAX'], description: 'To be read aloud; kept nowhere' }),
  lift: LiftId,
  expiresAt: Type.String({ format: 'date-time' }),
})
const Claim = Type.Object(
  { code: Type.String({ pattern: CLAIM_CODE_PATTERN, maxLength: 40 }), serial: TerminalSerial },
  { additionalProperties: false },
)

export function claimRoutes(app: ApiApp, parts: AppParts): void {
  const claims = openClaims(parts)
  app.post(
    '/api/v1/claim-codes',
    {
      config: { act: 'terminals.write' },
      schema: {
        tags: ['terminals'],
        summary: 'A claim code for a lift, in place of one that was not used',
        body: Issue,
        response: { 201: Issued, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { lift, validForHours } = request.body
      const by = signedInOf(request).user.name
      const issued = valueOf(await claims.issue({ lift, by, validForMs: validForHours * HOUR_MS }))
      return reply.code(201).send({ code: issued.code, lift, expiresAt: new Date(issued.expiresAtMs).toISOString() })
    },
  )
  app.post(
    '/api/v1/terminals/claim',
    {
      config: { open: true, rateLimit: { max: CLAIMS_PER_MINUTE_MAX, timeWindow: '1 minute' } },
      schema: {
        tags: ['terminals'],
        summary: 'Use a claim code: the terminal gets a secret and takes the place of the one that the lift had',
        description: 'The same terminal may use the same code again within 10 minutes and gets another secret.',
        security: [],
        body: Claim,
        response: { 200: TerminalAccess, ...problemAnswers },
      },
    },
    async (request) => {
      const result = await claims.claim({ ...request.body, address: request.ip })
      if (!result.ok && result.code === 'claim.lockedOut')
        throw new Refusal(result.code, result.detail, { retryAfterS: LOCKED_OUT_MS / 1_000 })
      if (!result.ok && result.code === 'request.tooMany')
        throw new Refusal(result.code, result.detail, { retryAfterS: TOO_MANY_RETRY_S })
      const { terminal, secret } = valueOf(result)
      return accessAnswer(terminal, secret, parts.deviceDoors)
    },
  )
}
