/** The work on one share: its lifts, their rules, both readers, what waits for the register, and its checkpoint. */
import type { Alarm } from '#contract/alarms'
import type { LiftId, OrganisationId } from '#contract/ids'
import type { Log } from '#contract/log-events'
import type { HeldShare } from '#contract/shares'
import type { Bus } from '#storage/bus/bus'
import type { Journal } from '#storage/journal/journal'
import type { Checkpoint, Register } from '#storage/register/register'
import type { TelemetryStore } from '#storage/telemetry/telemetry-store'
import type { Counters } from './counters.ts'
import { detect, type BrokerHeard } from './detect.ts'
import { newFleet, type Fleet } from './fleet.ts'
import { HourMarks } from './hour-marks.ts'
import { newLedger } from './ledger.ts'
import type { Outages } from './outages.ts'
import { storeTelemetry } from './store-telemetry.ts'

export type ShareWorkOptions = {
  /** The share as this worker holds it; undefined when the journal is not divided, and nobody else works on it. */
  readonly held: HeldShare | undefined
  readonly journal: Pick<Journal, 'reader' | 'status'>
  readonly register: Pick<Register, 'alarms' | 'liveStates' | 'quarantine' | 'staleHours'>
  readonly telemetry: Pick<TelemetryStore, 'append'>
  /** How long samples are kept: older hours are not marked. */
  readonly retentionDays: number
  /** So many marks are remembered at most. */
  readonly marksMax: number
  readonly bus: Bus
  readonly outages: Outages
  readonly counters: Counters
  readonly log: Log
  readonly nowMs: () => number
  readonly brokerHeard: BrokerHeard
  /** The registered lifts of this share, read again. */
  readonly readLifts: () => Promise<LiftsOfShare>
}
export type LiftsOfShare = readonly { readonly id: LiftId; readonly contractor: OrganisationId | null }[]
/** What is brought back: the lifts, their last checkpoint, and the alarms that stand open on them. */
export type Restored = {
  readonly lifts: LiftsOfShare
  readonly checkpoint: Checkpoint
  readonly openAlarms: readonly Alarm[]
}

export interface ShareWork extends AsyncDisposable {
  readonly held: HeldShare
  readonly fleet: Fleet
  /** The lifts of the share, as far as they are known; undefined when they are all that there are. */
  lifts(): readonly LiftId[] | undefined
  /** Records that are not read, or not taken by the store behind, of each reader; NaN while the journal has not said how many. */
  lag(): { readonly detect: number; readonly telemetry: number }
  /** Rejects when the journal cannot be read. */
  readonly failed: Promise<never>
}

const WHOLE: HeldShare = { share: 0, worker: '', epoch: 0 }

export async function startShareWork(o: ShareWorkOptions, restored: Restored): Promise<ShareWork> {
  const { held, journal, register } = o
  const share = held?.share ?? 0
  const fleet = newFleet()
  const contractors = new Map<LiftId, OrganisationId | null>()
  const know = (lifts: LiftsOfShare): void => {
    for (const { id, contractor } of lifts) contractors.set(id, contractor)
    fleet.register(lifts.map(({ id }) => id))
  }
  know(restored.lifts)
  fleet.restore(restored.checkpoint.lifts)
  fleet.takeChanged()

  const stopping = new AbortController()
  const { signal } = stopping
  const onLost = (): void => stopping.abort()
  const ledger = ledgerOf(o, { onLost, contractorOf: (lift) => contractors.get(lift) ?? null })
  const { position } = restored.checkpoint
  const detectReader = await journal.reader('detect', { after: position, share })
  const telemetryReader = await journal.reader('telemetry', { share })
  const unsettled = { detect: 0, telemetry: 0 }
  const shared = { outages: o.outages, counters: o.counters, log: o.log, nowMs: o.nowMs, signal }
  const running = Promise.all([
    detect({
      ...shared,
      reader: detectReader,
      save: (checkpoint) => register.liveStates.save(checkpoint, held),
      onLost,
      fleet,
      ledger,
      brokerHeard: o.brokerHeard,
      reloadLifts: async () => know(await o.readLifts()),
      position,
      openAlarms: restored.openAlarms,
      isJournalWell: () => journal.status().degraded === undefined,
      onUnsettled: (count) => (unsettled.detect = count),
    }),
    storeTelemetry({
      ...shared,
      reader: telemetryReader,
      telemetry: o.telemetry,
      staleHours: register.staleHours,
      hourMarks: new HourMarks(o),
      quarantine: (rows) => register.quarantine.put(rows),
      onUnsettled: (count) => (unsettled.telemetry = count),
    }),
  ])
  const failed = running.then(() => new Promise<never>(() => {}))
  failed.catch(() => {}) // whoever awaits `failed` hears of it; nobody has to
  return {
    held: held ?? WHOLE,
    fleet,
    failed,
    lifts: () => (held === undefined ? undefined : [...contractors.keys()]),
    lag: () => ({
      detect: (detectReader.unread()?.count ?? NaN) + unsettled.detect,
      telemetry: (telemetryReader.unread()?.count ?? NaN) + unsettled.telemetry,
    }),
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await running.catch(() => {})
      await detectReader[Symbol.asyncDispose]()
      await telemetryReader[Symbol.asyncDispose]()
    },
  }
}

type Own = { readonly onLost: () => void; readonly contractorOf: (lift: LiftId) => OrganisationId | null }

const ledgerOf = ({ held, register, bus, outages, counters }: ShareWorkOptions, own: Own) =>
  newLedger({
    ...own,
    register: {
      alarms: { apply: (change) => register.alarms.apply(change, held) },
      quarantine: register.quarantine,
    },
    outages,
    onDropped: () => counters.quarantineDropped.inc(),
    publish: (alarm, occurrence) => bus.publish('alarm', { alarm, occurrence }),
  })
