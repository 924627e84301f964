/** Questions to the server. A refusal arrives as a `Problem` that can be told in words. */
import { ERRORS, type ErrorCode } from '#contract/errors'
import { language, nameOf, words } from '../words/words.ts'

const REQUEST_MS_MAX = 15_000

/** Why a request did not succeed: a code of the contract, or what happened on the way. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ErrorCode | 'unreachable' | 'unreadable'
  readonly traceId: string | undefined
  readonly retryAfterS: number | undefined
  constructor(code: Problem['code'], o: { traceId?: string; retryAfterS?: number } = {}) {
    super(code)
    this.code = code
    this.traceId = o.traceId
    this.retryAfterS = o.retryAfterS
  }
}

/** The problem in the language in use, with the number under which the server's log knows it. */
export function problemWords(error: unknown): string {
  if (!(error instanceof Problem) || error.code === 'unreadable') return words.value.problemUnreadable
  if (error.code === 'unreachable') return words.value.problemUnreachable
  const trace =
    ERRORS[error.code].status >= 500 && error.traceId !== undefined
      ? ` (${words.value.problemTrace(error.traceId)})`
      : ''
  return nameOf(ERRORS[error.code]) + trace
}

type Listener = () => void
const sessionEndListeners = new Set<Listener>()
/** Called whenever the server says that there is no session any more. Returns how to stop listening. */
export function onSessionEnd(listener: Listener): () => void {
  sessionEndListeners.add(listener)
  return () => sessionEndListeners.delete(listener)
}

/** Asks and reads JSON; throws a `Problem` otherwise. The answer's shape is the server's promise in the contract. */
export async function ask<T>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  o: { body?: object; signal?: AbortSignal } = {},
): Promise<T> {
  const timeout = AbortSignal.timeout(REQUEST_MS_MAX)
  const signal = o.signal === undefined ? timeout : AbortSignal.any([timeout, o.signal])
  let response: Response
  try {
    response = await fetch(path, {
      method,
      signal,
      credentials: 'same-origin',
      cache: 'no-store',
      headers: {
        accept: 'application/json',
        'accept-language': language.value,
        ...(o.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(o.body === undefined ? {} : { body: JSON.stringify(o.body) }),
    })
  } catch {
    throw new Problem('unreachable')
  }
  if (!response.ok) throw await readProblem(response)
  if (response.status === 204) return undefined as T
  try {
    return (await response.json()) as T
  } catch {
    throw new Problem('unreadable')
  }
}

async function readProblem(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => undefined)
  const { code, traceId } = (typeof body === 'object' && body !== null ? body : {}) as {
    code?: unknown
    traceId?: unknown
  }
  const retryAfter = Number(response.headers.get('retry-after'))
  const known = typeof code === 'string' && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : undefined
  if (known === 'session.missing') for (const listener of sessionEndListeners) listener()
  // A proxy that answers for a server that is down knows none of our codes.
  return new Problem(known ?? (response.status >= 502 ? 'unreachable' : 'unreadable'), {
    ...(typeof traceId === 'string' ? { traceId } : {}),
    ...(Number.isFinite(retryAfter) && retryAfter > 0 ? { retryAfterS: retryAfter } : {}),
  })
}
