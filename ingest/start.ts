/** Ingest: journal → live states, alarms, telemetry, hourly figures. The only part that writes what machines say. */
import { randomUUID } from 'node:crypto'
import type { Registry } from 'prom-client'
import { DELTAS_PER_SECOND_MAX } from '#contract/live'
import type { LiftId } from '#contract/ids'
import type { Log } from '#contract/log-events'
import type { HeldShare } from '#contract/shares'
import type { Bus } from '#storage/bus/bus'
import type { Journal } from '#storage/journal/journal'
import type { Register } from '#storage/register/register'
import type { TelemetryStore } from '#storage/telemetry/telemetry-store'
import { newCounters, type Counters } from './counters.ts'
import type { Fleet } from './fleet.ts'
import { marksMaxOf } from './hour-marks.ts'
import { computeHours } from './hour-work.ts'
import { newOutages, type Outages } from './outages.ts'
import { Pace } from './pace.ts'
import { readLifts, restore } from './restore.ts'
import { startShareWork, type ShareWork } from './share-work.ts'
import { Shares } from './shares.ts'

const HEALTH_EVERY_MS = 5_000
/** Rows in one bus message, so that a whole fleet never makes one message of megabytes. */
const LIVE_ROWS_MAX = 500

export type IngestOptions = {
  readonly journal: Pick<Journal, 'reader' | 'status' | 'shareCount'>
  readonly register: Pick<Register, 'lifts' | 'alarms' | 'liveStates' | 'quarantine' | 'shares' | 'staleHours'>
  readonly telemetry: Pick<TelemetryStore, 'append' | 'points' | 'figures' | 'putFigures'>
  /** Whole days that the telemetry store keeps samples. */
  readonly retentionDays: number
  /** How long an hour is quiet before it is computed; shorter than it is only for tests that cannot wait. */
  readonly quietMs?: number
  readonly bus: Bus
  readonly metrics: Registry
  readonly log: Log
  readonly nowMs: () => number
}
export interface Ingest extends AsyncDisposable {
  /** Rejects when ingest cannot go on. */
  readonly failed: Promise<never>
}

/** All of the work of one process: one journal that is not divided, or the shares of it that are this worker's. */
type Work = { readonly works: () => readonly ShareWork[]; readonly stop: () => Promise<void> }

/**
 * Resolves when the states of the last checkpoint are restored and reading goes on behind it. Where the journal is divided,
 * work begins with the first shares that are free.
 */
export async function startIngest(o: IngestOptions): Promise<Ingest> {
  const { journal, bus, log, nowMs } = o
  const counters = newCounters(o.metrics)
  const worker = `ingest-${randomUUID()}`
  let startedAtMs = nowMs()
  const health = (): void =>
    bus.publish('health', { part: 'ingest', worker, startedAtMs, atMs: nowMs(), degraded: outages.current() })
  const outages = newOutages({ log, nowMs, onChange: () => health() })

  const stopping = new AbortController()
  let fail: (error: unknown) => void = () => {}
  const failed = new Promise<never>((_, reject) => (fail = reject))
  failed.catch(() => {}) // whoever awaits `failed` hears of it; nobody has to
  const brokerHeard = { atMs: nowMs() }
  const marksMax = marksMaxOf(journal.shareCount)
  const begin = async (held: readonly (HeldShare | undefined)[]): Promise<ShareWork[]> => {
    const restored = await restore(o.register, journal.shareCount, held)
    const works = await Promise.all(
      restored.map((each, index) => {
        const share = held[index]
        const lifts = () => readLifts(o.register, journal.shareCount, share?.share ?? 0)
        return startShareWork({ ...o, counters, outages, brokerHeard, marksMax, held: share, readLifts: lifts }, each)
      }),
    )
    for (const work of works) work.failed.catch(fail)
    startedAtMs = nowMs()
    health() // viewers learn at once that detection began anew
    log.info('ingest.restored', {
      shares: held.map((each) => each?.share ?? 0),
      position: Math.min(...restored.map(({ checkpoint }) => checkpoint.position)),
      liftCount: restored.reduce((sum, { lifts }) => sum + lifts.length, 0),
      alarmCount: restored.reduce((sum, { openAlarms }) => sum + openAlarms.length, 0),
    })
    return works
  }
  const { works, stop } = await beginWork({ ...o, worker, outages, begin })

  const publishLive = (states: States): void => publishStates(o, states)
  const publishChanged = (): void => publishLive(works().flatMap(({ fleet }) => fleet.takeChanged()))
  const wanted = await bus.subscribe('live.wanted', () => publishLive(works().flatMap(({ fleet }) => fleet.all())))
  const liveTimer = setInterval(publishChanged, 1_000 / DELTAS_PER_SECOND_MAX)
  const healthTimer = setInterval(() => {
    noteJournal(journal, outages)
    noteLags(works(), counters)
    health()
  }, HEALTH_EVERY_MS)
  // For all shares together: one question at a time, and one owner of what is told about figures.
  const hours = computeHours({
    ...o,
    ...{ staleHours: o.register.staleHours, pace: new Pace(), outages, counters, signal: stopping.signal },
    lifts: () => liftsOf(works()),
    onWaiting: (count) => counters.hoursWaiting.set(count),
  })

  return {
    failed,
    async [Symbol.asyncDispose]() {
      if (stopping.signal.aborted) return
      stopping.abort()
      clearInterval(liveTimer)
      clearInterval(healthTimer)
      const last = works()
      await Promise.all([stop(), hours])
      publishLive(last.flatMap(({ fleet }) => fleet.takeChanged()))
      await wanted[Symbol.asyncDispose]()
    },
  }
}

type States = ReturnType<Fleet['all']>
function publishStates({ bus, nowMs }: IngestOptions, states: States): void {
  for (let index = 0; index < states.length; index += LIVE_ROWS_MAX)
    bus.publish('live', { atMs: nowMs(), states: states.slice(index, index + LIVE_ROWS_MAX) })
}

function noteJournal(journal: IngestOptions['journal'], outages: Outages): void {
  const { degraded } = journal.status()
  if (degraded === undefined) outages.ended('journal')
  else outages.began('journal', degraded)
}

function noteLags(works: readonly ShareWork[], counters: Counters): void {
  const lags = works.map((work) => work.lag())
  counters.detectLag.set(lags.reduce((sum, { detect }) => sum + detect, 0))
  counters.telemetryLag.set(lags.reduce((sum, { telemetry }) => sum + telemetry, 0))
  counters.shares.set(lags.length)
}

/** Undefined when one of the works has all lifts that there are. */
function liftsOf(works: readonly ShareWork[]): readonly LiftId[] | undefined {
  const lifts: LiftId[] = []
  for (const work of works) {
    const ofShare = work.lifts()
    if (ofShare === undefined) return undefined
    for (const lift of ofShare) lifts.push(lift)
  }
  return lifts
}

async function beginWork(
  o: IngestOptions & {
    worker: string
    outages: ReturnType<typeof newOutages>
    begin: (held: readonly (HeldShare | undefined)[]) => Promise<ShareWork[]>
  },
): Promise<Work> {
  if (o.journal.shareCount > 1) {
    const shares = new Shares({ ...o, shareCount: o.journal.shareCount })
    await shares.begun
    return { works: () => shares.works(), stop: () => shares.stop() }
  }
  // Nobody to share with: held from the start, without a lease.
  const works = await o.begin([undefined])
  return {
    works: () => works,
    async stop() {
      for (const work of works) await work[Symbol.asyncDispose]()
    },
  }
}
