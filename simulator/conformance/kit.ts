/** One run of the kit: it opens the bench, goes through the phases, and judges what was seen. */
import { readDeviceTopic } from '#contract/topics'
import type { Clock } from './clock.ts'
import { openBench, type Bench } from './bench.ts'
import { judgeAll, outcomeOf, type Judged, type Outcome } from './checks.ts'
import { RETURN_MS_MAX } from './checks-reconnect.ts'
import { readCourse, type Course, type Subject } from './course.ts'
import { FactLog, type Fact, type PhaseName } from './facts.ts'
import { readPayload } from './reading.ts'
import type { Transcript } from './transcript.ts'

/** How long each phase takes, ms. */
export type Timings = {
  /** Waiting for the first CONNECT. */
  readonly connectMs: number
  readonly observeMs: number
  /** Waiting for something whose acknowledgement can be withheld. */
  readonly publishMs: number
  /** From there to the cut. */
  readonly withholdMs: number
  /** Waiting for the terminal to come back. */
  readonly returnMs: number
  /** Left alone after it came back. */
  readonly settleMs: number
  readonly outageMs: number
  readonly backfillMs: number
  /** Waiting for a restart by hand; 0 = it is not asked for. */
  readonly restartMs: number
}

const MINUTE_MS = 60_000
export const TIMINGS: Timings = {
  connectMs: 10 * MINUTE_MS,
  observeMs: 5 * MINUTE_MS,
  publishMs: 75_000,
  withholdMs: 10_000,
  returnMs: RETURN_MS_MAX + 5000,
  settleMs: 20_000,
  outageMs: 90_000,
  backfillMs: 75_000,
  restartMs: 0,
}
/** For automatic runs against a terminal that is known to move. */
export const QUICK_TIMINGS: Timings = {
  ...TIMINGS,
  connectMs: MINUTE_MS,
  observeMs: 45_000,
  withholdMs: 3000,
  settleMs: 5000,
  outageMs: 30_000,
  backfillMs: 15_000,
}
export const RESTART_MS = 10 * MINUTE_MS

export type KitRun = {
  readonly course: Course
  readonly judged: readonly Judged[]
  readonly outcome: Outcome
  readonly startedAtMs: number
  /** Why the run is not whole; undefined when it is. */
  readonly unfinished: 'stopped' | 'neverConnected' | 'tooMuch' | 'notRestarted' | undefined
  readonly droppedFactCount: number
}

export type KitEvents = {
  /** The terminal can be pointed at this port. */
  readonly onListening: (port: number) => void
  /** A phase begins; `lastsMs` at most. */
  readonly onPhase: (phase: PhaseName, lastsMs: number) => void
  readonly onFact: (fact: Fact) => void
}

/** Runs through the phases. An aborted signal ends it at once, with what was seen so far. Rejects only when it cannot listen. */
export async function runKit(o: {
  subject: Subject
  host: string
  port: number
  tls: { readonly certPem: string; readonly keyPem: string } | undefined
  timings: Timings
  clock: Clock
  transcript: Transcript
  stop: AbortSignal
  events: KitEvents
}): Promise<KitRun> {
  const { clock, events } = o
  const startedAtMs = clock.nowMs()
  const log = new FactLog({ nowMs: clock.nowMs })
  log.listen((fact) => {
    o.transcript.add(fact)
    events.onFact(fact)
  })
  const bench = await openBench({ host: o.host, port: o.port, tls: o.tls, terminal: o.subject.terminal, log })
  let hasConnected: boolean
  try {
    events.onListening(bench.port)
    hasConnected = await new Phases({ ...o, bench, log }).run()
  } finally {
    log.add({ what: 'phase', phase: 'end' })
    await bench[Symbol.asyncDispose]()
  }
  const course = readCourse(log.facts, o.subject, clock.nowMs())
  const judged = judgeAll(course)
  const unfinished = unfinishedOf({
    isStopped: o.stop.aborted,
    hasConnected,
    droppedCount: log.droppedCount,
    isRestartMissing: o.timings.restartMs > 0 && !wasObserved(judged, 'boot.restart'),
  })
  return {
    course,
    judged,
    outcome: outcomeOf(judged, unfinished === undefined),
    startedAtMs,
    unfinished,
    droppedFactCount: log.droppedCount,
  }
}

const wasObserved = (judged: readonly Judged[], id: string): boolean =>
  judged.some(({ check, verdict }) => check.id === id && verdict.state !== 'notObserved')

function unfinishedOf(o: {
  isStopped: boolean
  hasConnected: boolean
  droppedCount: number
  /** It was asked for, and the terminal was not restarted. */
  isRestartMissing: boolean
}): KitRun['unfinished'] {
  if (o.isStopped) return 'stopped'
  if (!o.hasConnected) return 'neverConnected'
  if (o.droppedCount > 0) return 'tooMuch'
  return o.isRestartMissing ? 'notRestarted' : undefined
}

class Phases {
  readonly #bench: Bench
  readonly #log: FactLog
  readonly #clock: Clock
  readonly #stop: AbortSignal
  readonly #timings: Timings
  readonly #onPhase: KitEvents['onPhase']

  constructor(o: { bench: Bench; log: FactLog; clock: Clock; stop: AbortSignal; timings: Timings; events: KitEvents }) {
    this.#bench = o.bench
    this.#log = o.log
    this.#clock = o.clock
    this.#stop = o.stop
    this.#timings = o.timings
    this.#onPhase = o.events.onPhase
  }

  /** False when the terminal never connected. */
  async run(): Promise<boolean> {
    const { connectMs, observeMs, restartMs } = this.#timings
    this.#begin('connect', connectMs)
    if (!(await this.#next(isSignIn, connectMs))) return false
    this.#begin('observe', observeMs)
    await this.#wait(observeMs)
    await this.#withhold()
    await this.#cut()
    await this.#outage()
    if (restartMs > 0) await this.#restart()
    return true
  }

  async #withhold(): Promise<void> {
    const { publishMs, withholdMs, settleMs } = this.#timings
    if (this.#stop.aborted) return
    this.#begin('withhold', publishMs + withholdMs)
    this.#bench.state.isWithholding = true
    const isHeld = await this.#next((fact) => fact.what === 'publish' && !fact.isAnswered, publishMs)
    if (isHeld) await this.#wait(withholdMs)
    this.#bench.cut()
    this.#bench.state.isWithholding = false
    await this.#return()
    await this.#wait(settleMs)
  }

  async #cut(): Promise<void> {
    const { returnMs, settleMs } = this.#timings
    if (this.#stop.aborted) return
    this.#begin('cut', returnMs)
    this.#bench.cut()
    await this.#return()
    await this.#wait(settleMs)
  }

  /** First nobody gets in, then everybody is told to come later: both happen to a platform. */
  async #outage(): Promise<void> {
    const { outageMs, backfillMs } = this.#timings
    if (this.#stop.aborted) return
    this.#begin('outage', outageMs)
    this.#bench.state.mode = 'closed'
    this.#bench.cut()
    await this.#wait(outageMs / 2)
    this.#bench.state.mode = 'busy'
    await this.#wait(outageMs / 2)
    this.#bench.state.mode = 'open'
    if (this.#stop.aborted) return
    this.#begin('backfill', backfillMs)
    await this.#return()
    await this.#wait(backfillMs)
  }

  async #restart(): Promise<void> {
    const { restartMs, settleMs } = this.#timings
    if (this.#stop.aborted) return
    // A connection alone is no restart: the link may have broken, or the terminal comes back while it still starts.
    const before = bootMaxOf(this.#log.facts)
    this.#begin('restart', restartMs)
    await this.#next((fact) => (bootOf(fact) ?? -1) > before, restartMs)
    await this.#wait(settleMs)
  }

  #begin(phase: PhaseName, lastsMs: number): void {
    this.#log.add({ what: 'phase', phase })
    this.#onPhase(phase, lastsMs)
  }

  #wait(ms: number): Promise<void> {
    return this.#stop.aborted ? Promise.resolve() : this.#clock.wait(ms, this.#stop)
  }

  async #return(): Promise<void> {
    if (this.#bench.signedIn === undefined) await this.#next(isSignIn, this.#timings.returnMs)
  }

  /** Whether such a fact came in time. */
  async #next(isWanted: (fact: Fact) => boolean, ms: number): Promise<boolean> {
    if (this.#stop.aborted) return false
    const found = new AbortController()
    const ended = this.#clock.wait(ms, AbortSignal.any([this.#stop, found.signal]))
    const fact = await this.#log.next(isWanted, ended)
    found.abort()
    return fact !== undefined
  }
}

const bootOf = (fact: Fact): number | undefined =>
  fact.what === 'publish' ? readPayload(readDeviceTopic(fact.topic)?.kind, fact.payload).boot : undefined
const bootMaxOf = (facts: readonly Fact[]): number =>
  facts.reduce((highest, fact) => Math.max(highest, bootOf(fact) ?? -1), -1)
const isSignIn = (fact: Fact): boolean => fact.what === 'connect' && fact.returnCode === 0
