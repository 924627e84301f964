/**
 * The thread that owns the embedded tables, seen from outside: asks with an answer each, a bound on how many wait, an
 * end to every wait, and a new thread when the old one died.
 */
import { Worker } from 'node:worker_threads'
import { HOUR_FIELDS } from '#contract/figures'
import { MEASUREMENTS, type FieldType, type HistoryPoint, type StateSpans } from '#contract/history'
import type { Log } from '#contract/log-events'
import type { FleetHour, FleetQuery, LastQuery } from './fleet-questions.ts'
import type { FiguresQuery, HourColumns } from './hour-rows.ts'
import type { Summed, SumsQuery } from './hour-sums.ts'
import type { HourFields } from './hour-table.ts'
import { buffersOf, type PointColumns } from './point-columns.ts'
import {
  TelemetryStoreError,
  type HistoryQuery,
  type PointsQuery,
  type RangeQuery,
  type SpansQuestion,
} from './points.ts'
import type { StretchQuery } from './stretch-questions.ts'
import type { Expiry } from './tables-expiry.ts'
import type { MeasurementFields, Row } from './tables.ts'

/** At most this many asks wait for an answer; further ones are turned away. */
const ASKS_MAX = 64
/** Opening may have to replay what the last process had written but not yet put in its place. */
const OPEN_MS_MAX = 60_000
const CLOSE_MS_MAX = 10_000
const ANSWER_MS_MAX: Readonly<Record<Question['kind'], number>> = {
  append: 30_000,
  history: 30_000,
  spans: 30_000,
  points: 30_000,
  count: 30_000,
  putFigures: 30_000,
  figures: 30_000,
  sums: 30_000,
  last: 30_000,
  fleet: 30_000,
  oldest: 30_000,
  tally: 30_000,
  stretch: 30_000,
  expire: 30_000,
  check: 5_000,
}
/** These wait for each other; reading goes on beside them. */
const WRITING: ReadonlySet<Question['kind']> = new Set(['append', 'putFigures', 'expire', 'check'])
const RESTART_MS_MIN = 100
const RESTART_MS_MAX = 30_000

export type Question =
  | { readonly kind: 'append'; readonly batches: readonly PointColumns[] }
  | { readonly kind: 'history'; readonly query: HistoryQuery }
  | { readonly kind: 'spans'; readonly query: SpansQuestion }
  | { readonly kind: 'points'; readonly query: PointsQuery }
  | { readonly kind: 'count'; readonly query: RangeQuery }
  | { readonly kind: 'putFigures'; readonly rows: HourColumns }
  | { readonly kind: 'figures'; readonly query: FiguresQuery }
  | { readonly kind: 'sums'; readonly query: SumsQuery; readonly summed: Summed }
  | { readonly kind: 'last'; readonly query: LastQuery; readonly type: FieldType }
  | { readonly kind: 'fleet'; readonly query: FleetQuery }
  | { readonly kind: 'oldest'; readonly query: StretchQuery }
  | { readonly kind: 'tally'; readonly query: StretchQuery }
  | { readonly kind: 'stretch'; readonly query: StretchQuery; readonly limit: number }
  | { readonly kind: 'expire'; readonly expiry: Expiry; readonly rowsMax: number }
  | { readonly kind: 'check' }
type Answers = {
  append: undefined
  history: HistoryPoint[]
  spans: StateSpans
  points: Row[]
  count: number
  putFigures: undefined
  figures: HourColumns
  sums: Row[]
  last: Row[]
  fleet: FleetHour[]
  oldest: number | undefined
  tally: Row[]
  stretch: PointColumns
  expire: number
  check: undefined
}

export type WorkerData = {
  readonly folder: string
  readonly measurements: MeasurementFields
  readonly hourFields: HourFields
}
export type Ask = { readonly kind: 'ask'; readonly id: number; readonly question: Question }
export type ToWorker = Ask | { readonly kind: 'cancel'; readonly id: number } | { readonly kind: 'close' }
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'notOpened'; readonly message: string }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  /** `ending`: the worker ends after it. */
  | {
      readonly kind: 'failure'
      readonly id: number
      readonly refused: boolean
      readonly ending: boolean
      readonly message: string
    }

type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }

/**
 * Never terminates its worker: taking a thread away under DuckDB ends the whole process. A worker that does not answer
 * is left alone and waited for; meanwhile the store is away.
 */
export class TablesThread implements AsyncDisposable {
  readonly #folder: string
  readonly #log: Log
  readonly #waiting = new Map<number, Waiting>()
  /** Writing that was given up but that the worker is still at. */
  readonly #overdue = new Set<number>()
  #worker: Worker | undefined
  /** Why there is no worker to ask. */
  #away = 'the telemetry files are being opened'
  #lastId = 0
  #closing = false
  #restartMs = RESTART_MS_MIN
  #restart: NodeJS.Timeout | undefined
  #exited: Promise<void> = Promise.resolve()

  constructor(folder: string, log: Log) {
    this.#folder = folder
    this.#log = log
  }

  /** Resolves when the last worker has let go of the files. */
  get exited(): Promise<void> {
    return this.#exited
  }

  /** Opens the tables of the folder in a thread. Rejects with the reason when they cannot be opened. */
  async open(): Promise<void> {
    await this.#exited
    const worker = newWorker(this.#folder)
    this.#exited = new Promise((resolve) => worker.once('exit', () => resolve()))
    await whenReady(worker)
    if (this.#closing) return say(worker, { kind: 'close' })
    this.#worker = worker
    this.#away = 'the telemetry thread ended'
    worker.on('message', (message: FromWorker) => this.#take(message))
    worker.on('error', (error) => (this.#away = `the telemetry thread failed: ${error.message}`))
    worker.once('exit', () => this.#lost())
  }

  /** Rejects with `TelemetryStoreError`, or with the reason of the signal. */
  ask<Kind extends Question['kind']>(
    question: Question & { kind: Kind },
    signal?: AbortSignal,
  ): Promise<Answers[Kind]> {
    const worker = this.#worker
    const isWriting = WRITING.has(question.kind)
    if (!worker) return Promise.reject(away(this.#away))
    if (signal?.aborted) return Promise.reject(toError(signal.reason))
    if (isWriting && this.#overdue.size > 0)
      return Promise.reject(away('the telemetry store is still busy with an earlier batch'))
    if (this.#waiting.size >= ASKS_MAX)
      return Promise.reject(away(`the telemetry store has ${ASKS_MAX} questions waiting already`))
    this.#lastId += 1
    const id = this.#lastId
    return new Promise<Answers[Kind]>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timeout)
        signal?.removeEventListener('abort', onAbort)
        this.#waiting.delete(id)
      }
      const giveUp = (error: Error): void => {
        settle()
        if (isWriting) this.#overdue.add(id)
        else say(worker, { kind: 'cancel', id })
        reject(error)
      }
      const onAbort = (): void => giveUp(toError(signal?.reason))
      const limitMs = ANSWER_MS_MAX[question.kind]
      const timeout = setTimeout(() => giveUp(away(`the telemetry store gave no answer within ${limitMs} ms`)), limitMs)
      this.#waiting.set(id, {
        // The worker answers a question with the answer of its kind.
        resolve: (value) => (settle(), resolve(value as Answers[Kind])),
        reject: (error) => (settle(), reject(error)),
      })
      signal?.addEventListener('abort', onAbort, { once: true })
      say(worker, { kind: 'ask', id, question }, 'batches' in question ? buffersOf(question.batches) : [])
    })
  }

  #take(message: FromWorker): void {
    if (message.kind !== 'answer' && message.kind !== 'failure') return
    this.#overdue.delete(message.id)
    if (message.kind === 'failure' && message.ending) this.#away = message.message
    const waiting = this.#waiting.get(message.id)
    if (message.kind === 'answer') waiting?.resolve(message.value)
    else waiting?.reject(new TelemetryStoreError(message.refused ? 'refused' : 'away', message.message))
  }

  #lost(): void {
    this.#worker = undefined
    this.#overdue.clear()
    for (const waiting of [...this.#waiting.values()]) waiting.reject(away(this.#away))
    if (this.#closing) return
    this.#log.error('telemetry.away', { reason: this.#away, retryInMs: this.#restartMs })
    this.#scheduleRestart()
  }

  #scheduleRestart(): void {
    this.#restart = setTimeout(() => {
      this.open().then(
        () => {
          this.#restartMs = RESTART_MS_MIN
          this.#log.info('telemetry.back')
        },
        (error: unknown) => {
          this.#away = toError(error).message
          if (!this.#closing) this.#scheduleRestart()
        },
      )
    }, this.#restartMs)
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS_MAX)
  }

  /** Lets what was asked come to its end, then closes the files; after `CLOSE_MS_MAX` it no longer waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true
    clearTimeout(this.#restart)
    const worker = this.#worker
    this.#worker = undefined
    this.#away = 'the telemetry store is closed'
    if (worker) say(worker, { kind: 'close' })
    let tooLong: NodeJS.Timeout | undefined
    const waited = new Promise<void>((resolve) => (tooLong = setTimeout(resolve, CLOSE_MS_MAX)))
    await Promise.race([this.#exited, waited])
    clearTimeout(tooLong)
    worker?.unref()
  }
}

function say(worker: Worker, message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
  worker.postMessage(message, transfer)
}

const away = (reason: string): TelemetryStoreError => new TelemetryStoreError('away', reason)

/** Built code has a worker of JavaScript; source (tsx, tests) has one of TypeScript that needs its loader first. */
function newWorker(folder: string): Worker {
  const file = import.meta.url.endsWith('.ts') ? './tables-worker-source.mjs' : './tables-worker.js'
  const workerData: WorkerData = { folder, measurements: MEASUREMENTS, hourFields: HOUR_FIELDS }
  return new Worker(new URL(file, import.meta.url), { workerData, name: 'telemetry' })
}

function whenReady(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const timeout = setTimeout(() => {
      say(worker, { kind: 'close' })
      reject(new Error(`the telemetry files could not be opened within ${OPEN_MS_MAX} ms`))
    }, OPEN_MS_MAX)
    let reason = new Error('the telemetry thread ended while opening')
    worker.once('message', (message: FromWorker) => {
      if (message.kind === 'notOpened') reason = new Error(message.message)
      if (message.kind !== 'ready') return
      clearTimeout(timeout)
      resolve()
    })
    worker.once('error', (error) => (reason = error))
    // Only after its end the thread has let go of the files.
    worker.once('exit', () => (clearTimeout(timeout), reject(reason)))
  })
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
