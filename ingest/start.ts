/** Ingest: journal → live states, alarms, telemetry. The only part that writes what machines say. */
import type { Registry } from 'prom-client'
import { ALARM_STATE_NAMES, ALARM_STATES, type Alarm } from '#contract/alarms'
import type { LiftId, OrganisationId } from '#contract/ids'
import { DELTAS_PER_SECOND_MAX } from '#contract/live'
import type { Log } from '#contract/log-events'
import type { Bus } from '#storage/bus/bus'
import type { Journal } from '#storage/journal/journal'
import type { Page, Register } from '#storage/register/register'
import type { TelemetryStore } from '#storage/telemetry/telemetry-store'
import { newCounters } from './counters.ts'
import { detect } from './detect.ts'
import { newFleet, type Fleet } from './fleet.ts'
import { newLedger } from './ledger.ts'
import { newOutages } from './outages.ts'
import { storeTelemetry } from './store-telemetry.ts'

const HEALTH_EVERY_MS = 5_000
/** Rows in one bus message, so that a whole fleet never makes one message of megabytes. */
const LIVE_ROWS_MAX = 500

export type IngestOptions = {
  readonly journal: Pick<Journal, 'reader' | 'status'>
  readonly register: Pick<Register, 'lifts' | 'alarms' | 'liveStates' | 'quarantine'>
  readonly telemetry: Pick<TelemetryStore, 'append'>
  readonly bus: Bus
  readonly metrics: Registry
  readonly log: Log
  readonly nowMs: () => number
}
export interface Ingest extends AsyncDisposable {
  /** Rejects when ingest cannot go on. */
  readonly failed: Promise<never>
}

/** Resolves when the states of the last checkpoint are restored and reading goes on behind it. */
export async function startIngest(o: IngestOptions): Promise<Ingest> {
  const { journal, register, bus, log, nowMs } = o
  const counters = newCounters(o.metrics)
  const fleet = newFleet()
  const contractors = new Map<LiftId, OrganisationId | null>()
  const reloadLifts = async (): Promise<void> => {
    const lifts = await register.lifts.all({ all: true })
    for (const { id, contractor } of lifts) contractors.set(id, contractor)
    fleet.register(lifts.map(({ id }) => id))
  }
  const startedAtMs = nowMs()
  const { position, openAlarms } = await restore(o, fleet, reloadLifts)

  const health = (): void =>
    bus.publish('health', { part: 'ingest', startedAtMs, atMs: nowMs(), degraded: outages.current() })
  const outages = newOutages({ log, nowMs, onChange: () => health() })
  health() // viewers learn at once that detection began anew
  const ledger = newLedger({
    register,
    outages,
    onDropped: () => counters.quarantineDropped.inc(),
    contractorOf: (lift) => contractors.get(lift) ?? null,
    publish: (alarm, occurrence) => bus.publish('alarm', { alarm, occurrence }),
  })

  const publishLive = (states: ReturnType<Fleet['all']>): void => {
    for (let index = 0; index < states.length; index += LIVE_ROWS_MAX)
      bus.publish('live', { atMs: nowMs(), states: states.slice(index, index + LIVE_ROWS_MAX) })
  }
  const wanted = await bus.subscribe('live.wanted', () => publishLive(fleet.all()))
  const liveTimer = setInterval(() => publishLive(fleet.takeChanged()), 1_000 / DELTAS_PER_SECOND_MAX)
  const healthTimer = setInterval(() => {
    const { degraded } = journal.status()
    if (degraded === undefined) outages.ended('journal')
    else outages.began('journal', degraded)
    noteLag(o, counters)
    health()
  }, HEALTH_EVERY_MS)

  const stopping = new AbortController()
  const { signal } = stopping
  const detectReader = await journal.reader('detect', { after: position })
  const telemetryReader = await journal.reader('telemetry')
  const running = Promise.all([
    detect({
      ...o,
      reader: detectReader,
      fleet,
      ledger,
      outages,
      counters,
      reloadLifts,
      position,
      signal,
      openAlarms,
      journalStatus: () => journal.status(),
    }),
    storeTelemetry({
      reader: telemetryReader,
      telemetry: o.telemetry,
      quarantine: (rows) => register.quarantine.put(rows),
      outages,
      counters,
      log,
      nowMs,
      signal,
    }),
  ])
  const failed = running.then(() => new Promise<never>(() => {}))
  failed.catch(() => {}) // whoever awaits `failed` hears of it; nobody has to

  return {
    failed,
    async [Symbol.asyncDispose]() {
      stopping.abort()
      clearInterval(liveTimer)
      clearInterval(healthTimer)
      await running.catch(() => {})
      publishLive(fleet.takeChanged())
      await wanted[Symbol.asyncDispose]()
      await detectReader[Symbol.asyncDispose]()
      await telemetryReader[Symbol.asyncDispose]()
    },
  }
}

/** Brings back the states of the last checkpoint; tells from which position to go on, and which alarms stand open. */
async function restore(
  { register, log }: IngestOptions,
  fleet: Fleet,
  reloadLifts: () => Promise<void>,
): Promise<{ position: number; openAlarms: Alarm[] }> {
  await reloadLifts()
  // Positions are never used twice, not even by a journal that was begun anew: the checkpoint's stays true.
  const { position, lifts } = await register.liveStates.load()
  fleet.restore(lifts)
  fleet.takeChanged()
  // An alarm that has returned waits for a person only: the rules have nothing more to say about it.
  const states = ALARM_STATE_NAMES.filter((state) => ALARM_STATES[state].open && state !== 'returned-unacknowledged')
  const openAlarms: Alarm[] = []
  let after: string | null = null
  do {
    const page: Page<Alarm> = await register.alarms.list({
      scope: { all: true },
      states,
      limit: 500,
      ...(after === null ? {} : { after }),
    })
    openAlarms.push(...page.rows)
    after = page.next
  } while (after !== null)
  log.info('ingest.restored', { position, liftCount: fleet.all().length, alarmCount: openAlarms.length })
  return { position, openAlarms }
}

function noteLag({ journal }: IngestOptions, counters: ReturnType<typeof newCounters>): void {
  const { lastPosition, committed } = journal.status()
  counters.detectLag.set(Math.max(0, lastPosition - committed.detect))
  counters.telemetryLag.set(Math.max(0, lastPosition - committed.telemetry))
}
