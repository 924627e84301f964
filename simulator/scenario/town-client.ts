/** A program's way into a live town over its public HTTP API: signs in, asks, and waits when it is asked to wait. */
import { setTimeout as pause } from 'node:timers/promises'
import { isLiftId, isTerminalSerial, type LiftId, type TerminalSerial } from '#contract/ids'
import type { Measurement } from '#contract/history'

const ANSWER_MS_MAX = 30_000
/** Of a question, when the town is away for a while. Whoever signs in is told at once. */
const TRIES_MAX = 8
const WAIT_MS_MAX = 60_000
/** Samples of one page: as many as the API gives. */
const PAGE_SAMPLES = 5_000

/** The API said no, or nothing that can be understood. The message says what in one sentence. */
export class TownError extends Error {
  override readonly name = 'TownError'
}

export type StoredSample = {
  readonly sampledAtMs: number
  readonly receivedAtMs: number
  readonly boot: number
  readonly seq: number
  readonly fields: Readonly<Record<string, unknown>>
}
type Question = { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string }
export type StoredPage = { readonly items: readonly StoredSample[]; readonly next: string | null }

export class TownClient {
  readonly #apiUrl: string
  readonly #stop: AbortSignal
  #cookie = ''

  private constructor(apiUrl: string, stop: AbortSignal) {
    this.#apiUrl = apiUrl.replace(/\/+$/, '')
    this.#stop = stop
  }

  /** Rejects with `TownError`. */
  static async signIn(o: {
    apiUrl: string
    username: string
    password: string
    stop: AbortSignal
  }): Promise<TownClient> {
    const client = new TownClient(o.apiUrl, o.stop)
    const { username, password } = o
    const answer = await client.#ask('/api/v1/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username, password }),
      triesMax: 1,
    })
    client.#cookie = answer.headers
      .getSetCookie()
      .map((each) => each.split(';')[0] ?? '')
      .join('; ')
    return client
  }

  /** The lifts that this person may see. */
  async lifts(): Promise<LiftId[]> {
    const { items } = await this.#json('/api/v1/lifts')
    if (!Array.isArray(items)) throw new TownError('The answer about lifts cannot be understood.')
    return items.flatMap((item) =>
      isRecord(item) && typeof item['id'] === 'string' && isLiftId(item['id']) ? item['id'] : [],
    )
  }

  /** The terminal that spoke last for this lift; undefined when none has. */
  async terminalOf(lift: LiftId): Promise<TerminalSerial | undefined> {
    const { live } = await this.#json(`/api/v1/lifts/${lift}`)
    const serial = isRecord(live) ? live['terminal'] : undefined
    return typeof serial === 'string' && isTerminalSerial(serial) ? serial : undefined
  }

  /** One page of what was measured, oldest first. `after` is `next` of the page before. */
  async samples(o: {
    lift: LiftId
    measurement: Measurement
    fromMs: number
    toMs: number
    after: string | null
  }): Promise<StoredPage> {
    const { lift, measurement, fromMs, toMs, after } = o
    const query = new URLSearchParams({
      measurement,
      from: new Date(fromMs).toISOString(),
      to: new Date(toMs).toISOString(),
      limit: String(PAGE_SAMPLES),
      ...(after === null ? {} : { after }),
    })
    const { items, next } = await this.#json(`/api/v1/lifts/${lift}/samples?${query.toString()}`)
    if (!Array.isArray(items) || !(next === null || typeof next === 'string'))
      throw new TownError('The answer about samples cannot be understood.')
    return { items: items.map(sampleOf), next }
  }

  async signOut(): Promise<void> {
    await this.#ask('/api/v1/session', { method: 'DELETE' }).catch(() => {}) // it ends by itself
  }

  async #json(path: string): Promise<Record<string, unknown>> {
    const answer = await this.#ask(path, {})
    const body: unknown = await answer.json().catch(() => undefined)
    if (!isRecord(body)) throw new TownError(`${path} answered something that cannot be understood.`)
    return body
  }

  async #ask(path: string, { triesMax = TRIES_MAX, ...o }: Question & { triesMax?: number }): Promise<Response> {
    for (let tryCount = 1; ; tryCount += 1) {
      const { answer, reason } = await this.#tryOnce(path, o)
      if (answer?.ok === true) return answer
      if (this.#stop.aborted) throw new TownError('Stopped.')
      const isPassing = answer === undefined || answer.status === 429 || answer.status === 503
      if (!isPassing || tryCount === triesMax)
        throw new TownError(`${this.#apiUrl}${path.split('?')[0] ?? ''}: ${reason}.`)
      const askedS = Number(answer?.headers.get('retry-after') ?? NaN)
      const waitMs = Number.isFinite(askedS) ? askedS * 1_000 : 500 * 2 ** tryCount
      await pause(Math.min(WAIT_MS_MAX, waitMs), undefined, { signal: this.#stop }).catch(() => {}) // told at the next try
    }
  }

  async #tryOnce(path: string, o: Question): Promise<{ answer?: Response; reason: string }> {
    try {
      const answer = await fetch(this.#apiUrl + path, {
        ...o,
        headers: { ...o.headers, ...(this.#cookie === '' ? {} : { cookie: this.#cookie }), 'accept-language': 'en' },
        signal: AbortSignal.any([this.#stop, AbortSignal.timeout(ANSWER_MS_MAX)]),
      })
      return { answer, reason: answer.ok ? '' : await problemOf(answer) }
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
      const code = (cause as NodeJS.ErrnoException).code
      return { reason: code ?? (cause instanceof Error ? cause.message : 'no answer') }
    }
  }
}

async function problemOf(answer: Response): Promise<string> {
  const problem: unknown = await answer.json().catch(() => undefined)
  const title = isRecord(problem) && typeof problem['title'] === 'string' ? problem['title'] : answer.statusText
  return `${answer.status} ${title}`
}

function sampleOf(item: unknown): StoredSample {
  if (isRecord(item)) {
    const { sampledAt, receivedAt, boot, seq, fields } = item
    const [sampledAtMs, receivedAtMs] = [Date.parse(String(sampledAt)), Date.parse(String(receivedAt))]
    if (
      Number.isFinite(sampledAtMs) &&
      Number.isFinite(receivedAtMs) &&
      typeof boot === 'number' &&
      typeof seq === 'number' &&
      isRecord(fields)
    )
      return { sampledAtMs, receivedAtMs, boot, seq, fields }
  }
  throw new TownError('A sample cannot be understood.')
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
