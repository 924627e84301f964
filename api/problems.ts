/**
 * How refusals reach people: RFC 9457 problem details with a stable `code`. This is the one place that turns an error of any
 * kind into an HTTP answer; a stack never leaves the process.
 */
import { Type, type Static } from 'typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { ERRORS, type ErrorCode, type Result } from '#contract/errors'
import type { Log } from '#contract/log-events'
import { RegisterAwayError } from '#storage/register/register'
import { TelemetryStoreError } from '#storage/telemetry/telemetry-store'

/** At most this many mistakes of one request are told. */
const MISTAKES_MAX = 20

/** One part of the request that was wrong. `pointer` is a JSON pointer into the named part of the request. */
const RequestMistake = Type.Object({
  in: Type.String({ description: 'body, querystring or params' }),
  pointer: Type.String(),
  message: Type.String(),
})
type RequestMistake = Static<typeof RequestMistake>

const ProblemDetails = Type.Object(
  {
    type: Type.String({ description: 'urn:tiwang:problem:{code}' }),
    title: Type.String({
      description: 'What to say to people, in the language asked for by Accept-Language (zh or en)',
    }),
    status: Type.Integer(),
    detail: Type.String(),
    instance: Type.String({ description: 'Path that was asked for, without its query' }),
    code: Type.Unsafe<ErrorCode>(Type.Enum(Object.keys(ERRORS))),
    traceId: Type.String({ description: 'Id of the request; the log knows it too' }),
    errors: Type.Optional(Type.Array(RequestMistake, { maxItems: MISTAKES_MAX })),
  },
  { description: 'RFC 9457 problem details' },
)
type ProblemDetails = Static<typeof ProblemDetails>

/** A refusal on its way to the caller. Thrown inside a route or hook, answered by `answerError`. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: ErrorCode
  readonly errors: readonly RequestMistake[]
  readonly retryAfterS: number | undefined
  constructor(code: ErrorCode, detail: string, o: { errors?: readonly RequestMistake[]; retryAfterS?: number } = {}) {
    super(detail)
    this.code = code
    this.errors = o.errors ?? []
    this.retryAfterS = o.retryAfterS
  }
}

/** The value of a result, or its refusal thrown. */
export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Refusal(result.code, result.detail)
  return result.value
}

/** The language of titles that an Accept-Language header asks for. Chinese when it names neither. */
export function languageOf(acceptLanguage: string | undefined): 'zh' | 'en' {
  let best: { language: 'zh' | 'en'; weight: number } = { language: 'zh', weight: 0 }
  for (const part of (acceptLanguage ?? '').slice(0, 200).split(',')) {
    const [tag = '', ...parameters] = part.trim().toLowerCase().split(';')
    const language = tag.split('-')[0]
    if (language !== 'zh' && language !== 'en') continue
    const q = parameters
      .map((parameter) => /^\s*q=([0-9.]+)\s*$/.exec(parameter)?.[1])
      .find((text) => text !== undefined)
    const weight = q === undefined ? 1 : Number(q)
    if (weight > best.weight) best = { language, weight }
  }
  return best.language
}

type Known = FastifyError & { readonly validation?: unknown; readonly validationContext?: string }

/** The refusal that an error of any origin stands for. Everything that is not understood is `internal`. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof RegisterAwayError)
    return new Refusal('store.away', 'The register cannot be reached now', { retryAfterS: 5 })
  if (error instanceof TelemetryStoreError)
    return error.kind === 'away'
      ? new Refusal('store.away', 'The telemetry store cannot be reached now', { retryAfterS: 5 })
      : new Refusal('internal', 'The telemetry store refused the question')
  if (!(error instanceof Error)) return new Refusal('internal', 'Unexpected error')
  const known = error as Partial<Known>
  if (Array.isArray(known.validation)) return invalidRequest(known.validation, known.validationContext ?? 'request')
  const status = known.statusCode ?? 500
  if (status === 413) return new Refusal('request.tooLarge', 'The body is larger than this interface takes')
  if (status === 429) return new Refusal('request.tooMany', 'Too many requests from this address')
  if (status === 404) return new Refusal('notFound', 'There is nothing at this address')
  if (status >= 400 && status < 500) return new Refusal('request.invalid', error.message.slice(0, 300))
  return new Refusal('internal', 'Unexpected error')
}

function invalidRequest(validation: readonly unknown[], context: string): Refusal {
  const errors = validation.slice(0, MISTAKES_MAX).map((mistake): RequestMistake => {
    const { instancePath, message } = mistake as { instancePath?: unknown; message?: unknown }
    return {
      in: context,
      pointer: typeof instancePath === 'string' ? instancePath : '',
      message: typeof message === 'string' ? message : 'is wrong',
    }
  })
  const first = errors[0]
  const detail = first === undefined ? `The ${context} is wrong` : `${first.in}${first.pointer}: ${first.message}`
  return new Refusal('request.invalid', detail, { errors })
}

/** The problem details of a refusal, for one request. */
function problemOf(refusal: Refusal, request: FastifyRequest): ProblemDetails {
  const { status, ...titles } = ERRORS[refusal.code]
  return {
    type: `urn:tiwang:problem:${refusal.code}`,
    title: titles[languageOf(request.headers['accept-language'])],
    status,
    detail: refusal.message,
    instance: request.url.split('?')[0] ?? '/',
    code: refusal.code,
    traceId: request.id,
    ...(refusal.errors.length > 0 ? { errors: [...refusal.errors] } : {}),
  }
}

/** Answers an error of any kind; what is ours is logged with its stack. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  const refusal = refusalOf(error)
  if (refusal.code === 'internal')
    log.error('api.error', { traceId: request.id, route: request.routeOptions.url, err: error })
  else if (refusal.code === 'store.away')
    log.warn('api.error', {
      traceId: request.id,
      route: request.routeOptions.url,
      code: refusal.code,
      reason: String(error).slice(0, 300),
    })
  const problem = problemOf(refusal, request)
  if (refusal.retryAfterS !== undefined) void reply.header('retry-after', refusal.retryAfterS)
  return reply
    .code(problem.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .header('cache-control', 'no-store')
    .header('vary', 'Accept-Language')
    .send(problem)
}

/** For the `response` of route schemas: what every route may answer besides its own. */
export const problemAnswers = {
  '4xx': { description: 'Refused', content: { 'application/problem+json': { schema: ProblemDetails } } },
  '5xx': { description: 'Not possible now', content: { 'application/problem+json': { schema: ProblemDetails } } },
} as const
