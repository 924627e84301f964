/** Sign in, who am I, sign out. */
import { Type } from 'typebox'
import { User } from '#contract/register'
import type { ApiApp, AppParts } from '../api-app.ts'
import { problemAnswers, Refusal, valueOf } from '../problems.ts'
import { LOCKED_OUT_MS } from '../sign-in-tries.ts'
import type { SignedIn } from '../sessions.ts'

/** Sign-in tries of one address in a minute, whatever the account. */
const SIGN_INS_PER_MINUTE_MAX = 60
/** When too many sign in at one moment, it is over soon. */
const TOO_MANY_RETRY_S = 2

const SessionAnswer = Type.Object({ user: User, expiresAt: Type.String({ format: 'date-time' }) })
const Credentials = Type.Object(
  { username: Type.String({ minLength: 1, maxLength: 64 }), password: Type.String({ minLength: 1, maxLength: 256 }) },
  { additionalProperties: false },
)

const answerOf = ({ user, expiresAtMs }: SignedIn) => ({ user, expiresAt: new Date(expiresAtMs).toISOString() })

export function sessionRoutes(app: ApiApp, { sessions, cookie, register, nowMs }: AppParts): void {
  app.post(
    '/api/v1/session',
    {
      config: { open: true, rateLimit: { max: SIGN_INS_PER_MINUTE_MAX, timeWindow: '1 minute' } },
      schema: {
        tags: ['session'],
        summary: 'Sign in',
        security: [],
        body: Credentials,
        response: { 200: SessionAnswer, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const result = await sessions.signIn({ ...request.body, address: request.ip })
      if (!result.ok && result.code === 'session.lockedOut')
        throw new Refusal(result.code, result.detail, { retryAfterS: LOCKED_OUT_MS / 1_000 })
      if (!result.ok && result.code === 'request.tooMany')
        throw new Refusal(result.code, result.detail, { retryAfterS: TOO_MANY_RETRY_S })
      const { token, signedIn } = valueOf(result)
      const before = await sessions.read(request.cookies[cookie.name])
      if (before !== undefined) await sessions.close(before.tokenHash)
      void reply.setCookie(cookie.name, token, { ...cookie.options, expires: new Date(signedIn.expiresAtMs) })
      return answerOf(signedIn)
    },
  )
  app.get(
    '/api/v1/session',
    {
      config: { open: true },
      schema: { tags: ['session'], summary: 'Who is signed in', response: { 200: SessionAnswer, ...problemAnswers } },
    },
    async (request) => {
      const signedIn = await sessions.read(request.cookies[cookie.name])
      if (signedIn === undefined) throw new Refusal('session.missing', 'There is no session, or it is over')
      return answerOf(signedIn)
    },
  )
  app.delete(
    '/api/v1/session',
    {
      config: { open: true },
      schema: { tags: ['session'], summary: 'Sign out', response: { 204: Type.Null(), ...problemAnswers } },
    },
    async (request, reply) => {
      const signedIn = await sessions.read(request.cookies[cookie.name])
      if (signedIn !== undefined) {
        await sessions.close(signedIn.tokenHash)
        await register.audit.add({
          atMs: nowMs(),
          by: signedIn.user.name,
          act: 'session.closed',
          subject: signedIn.user.id,
          detail: request.ip,
        })
      }
      return reply.clearCookie(cookie.name, cookie.options).code(204).send(null)
    },
  )
}
