/**
 * The fleet as ingest knows it: for each registered lift its live state and what the rules remember. In memory only; the
 * register keeps a checkpoint of it, and the journal what came after.
 */
import type { AlarmChange } from '#contract/alarms'
import type { LiftId } from '#contract/ids'
import { silentLift, type LiveState } from '#contract/live'
import type { Connection, Status } from '#contract/telemetry'
import type { Decoded } from './decode.ts'
import {
  COUNT_ANEW_MS,
  entrapmentSampleOf,
  isEntrapmentPending,
  nextEntrapment,
  noEntrapment,
  tickEntrapment,
  withOtherTerminal,
  type EntrapmentMemory,
} from './entrapment.ts'
import { neverHeard, nextHeard, tickOffline, type OfflineMemory } from './offline.ts'

/** What must survive a restart beside the live state. Plain JSON. */
export type LiftMemory = {
  readonly entrapment: EntrapmentMemory
  readonly offline: OfflineMemory
  /** Local day (Asia/Shanghai, days since 1970) that `runsToday` counts. */
  readonly day: number
}
const blank: LiftMemory = { entrapment: noEntrapment, offline: neverHeard, day: 0 }

type Entry = { state: LiveState; memory: LiftMemory }

export type Fleet = {
  /** Applies a decoded message. Undefined when the lift is not registered. */
  apply(decoded: Decoded): readonly AlarmChange[] | undefined
  /** Lets time pass up to `nowMs` (platform clock). */
  tick(nowMs: number, listeningSinceMs: number): readonly AlarmChange[]
  register(lifts: readonly LiftId[]): void
  restore(rows: readonly { state: LiveState; memory: unknown }[]): void
  /** Makes the rules know of an alarm that the register holds open. */
  adopt(alarm: {
    lift: LiftId
    kind: string
    onsetAtMs: number
    certainty: 'suspected' | 'confirmed'
    priority: 1 | 2 | 3 | 4
  }): void
  has(lift: LiftId): boolean
  all(): LiveState[]
  /** Lifts that changed since this was asked before, for viewers. */
  takeChanged(): LiveState[]
  /** Lifts that changed since this was asked before, for the checkpoint. */
  takeUnsaved(): { state: LiveState; memory: LiftMemory }[]
  /** Puts rows back that could not be saved. */
  giveBackUnsaved(rows: readonly { state: LiveState }[]): void
}

const DAY_MS = 86_400_000
const SHANGHAI_OFFSET_MS = 8 * 3_600_000
/** Days since 1970 in Asia/Shanghai, which has had no summer time since 1991. */
export const localDayOf = (atMs: number): number => Math.floor((atMs + SHANGHAI_OFFSET_MS) / DAY_MS)

export function newFleet(): Fleet {
  const entries = new Map<LiftId, Entry>()
  const changed = new Set<LiftId>()
  const unsaved = new Set<LiftId>()
  const entriesOf = (ids: Iterable<LiftId>) => [...ids].flatMap((id) => entries.get(id) ?? [])

  const keep = (entry: Entry, state: LiveState, memory: LiftMemory): void => {
    if (state !== entry.state) changed.add(state.lift)
    if (state !== entry.state || memory !== entry.memory) unsaved.add(state.lift)
    entry.state = state
    entry.memory = memory
  }

  return {
    has: (lift) => entries.has(lift),
    all: () => [...entries.values()].map(({ state }) => state),
    register(lifts) {
      for (const lift of lifts) {
        if (entries.has(lift)) continue
        entries.set(lift, { state: silentLift(lift), memory: blank })
        changed.add(lift)
      }
    },
    restore(rows) {
      for (const { state, memory } of rows) {
        // The register gives back what `takeUnsaved` handed out; an older shape starts blank and is learnt anew.
        const known = isLiftMemory(memory) ? memory : blank
        if (entries.has(state.lift)) entries.set(state.lift, { state, memory: known })
      }
    },
    adopt({ lift, kind, onsetAtMs, certainty, priority }) {
      const entry = entries.get(lift)
      if (entry === undefined) return
      const { entrapment, offline } = entry.memory
      if (kind === 'entrapment-between-floors' && entrapment.raised === null)
        keep(entry, entry.state, { ...entry.memory, entrapment: { ...entrapment, raised: { onsetAtMs, certainty } } })
      if (kind === 'terminal-offline' && offline.raised === null)
        keep(entry, entry.state, {
          ...entry.memory,
          offline: { heardAtMs: offline.heardAtMs ?? onsetAtMs, raised: { onsetAtMs, priority } },
        })
    },
    apply(decoded) {
      const entry = entries.get(decoded.lift)
      if (entry === undefined) return undefined
      const { state, memory, changes } = nextLift(entry, decoded)
      keep(entry, state, memory)
      return changes
    },
    tick(nowMs, listeningSinceMs) {
      const changes: AlarmChange[] = []
      for (const [lift, entry] of entries) {
        if (isEntrapmentPending(entry.memory.entrapment)) {
          const step = tickEntrapment(entry.memory.entrapment, lift, nowMs)
          if (step.memory !== entry.memory.entrapment)
            keep(entry, entry.state, { ...entry.memory, entrapment: step.memory })
          changes.push(...step.changes)
        }
        const step = tickOffline(entry.memory.offline, lift, nowMs, listeningSinceMs)
        if (step.memory !== entry.memory.offline) keep(entry, entry.state, { ...entry.memory, offline: step.memory })
        changes.push(...step.changes)
      }
      return changes
    },
    takeChanged() {
      const states = entriesOf(changed).map(({ state }) => state)
      changed.clear()
      return states
    },
    takeUnsaved() {
      const rows = entriesOf(unsaved).map(({ state, memory }) => ({ state, memory }))
      unsaved.clear()
      return rows
    },
    giveBackUnsaved(rows) {
      for (const { state } of rows) unsaved.add(state.lift)
    },
  }
}

function isLiftMemory(value: unknown): value is LiftMemory {
  if (typeof value !== 'object' || value === null) return false
  return 'entrapment' in value && 'offline' in value && 'day' in value && typeof value.day === 'number'
}

function nextLift(
  { state, memory }: Entry,
  decoded: Decoded,
): { state: LiveState; memory: LiftMemory; changes: readonly AlarmChange[] } {
  const heard = saidByTerminal(decoded)
    ? nextHeard(memory.offline, decoded.lift, decoded.receivedAtMs)
    : { memory: memory.offline, changes: [] }
  // The terminal was replaced: what the old one counted and measured says nothing about what the new one does.
  const isOther = saidByTerminal(decoded) && state.terminal !== null && state.terminal !== decoded.terminal
  const base: LiveState = {
    ...state,
    status: isOther ? null : state.status,
    position: decoded.position,
    terminal: decoded.terminal,
    receivedAtMs: Math.max(state.receivedAtMs ?? 0, decoded.receivedAtMs),
  }
  const offline = heard.memory
  const entrapment = isOther ? withOtherTerminal(memory.entrapment) : memory.entrapment
  switch (decoded.kind) {
    case 'status': {
      const step = nextEntrapment(entrapment, decoded.lift, entrapmentSampleOf(decoded.body, decoded.receivedAtMs))
      const isNew = isNewer(decoded.body, decoded.receivedAtMs, base)
      const next = isNew
        ? withStatus(base, memory.day, decoded.body, decoded.receivedAtMs)
        : { state: base, day: memory.day }
      return {
        state: online(next.state, decoded.receivedAtMs),
        memory: { entrapment: step.memory, offline, day: next.day },
        changes: [...heard.changes, ...step.changes],
      }
    }
    case 'statistics': {
      const runCount = decoded.body.runCount ?? state.runCount
      return {
        state: online({ ...base, runCount }, decoded.receivedAtMs),
        memory: { ...memory, entrapment, offline },
        changes: heard.changes,
      }
    }
    case 'message':
      return {
        state: online(base, decoded.receivedAtMs),
        memory: { ...memory, entrapment, offline },
        changes: heard.changes,
      }
    case 'connection':
      return {
        state: withConnection(base, state, decoded.body, decoded.receivedAtMs),
        memory: { ...memory, entrapment, offline },
        changes: heard.changes,
      }
  }
}

/** A will is the broker's word about a terminal that is gone, not the terminal's. */
const saidByTerminal = (decoded: Decoded): boolean => decoded.kind !== 'connection' || decoded.body.state === 'online'

/** Whoever speaks is online, also when the connection message itself was lost. */
const online = (state: LiveState, atMs: number): LiveState =>
  state.link === 'online' ? state : { ...state, link: 'online', linkAtMs: atMs }

function withConnection(base: LiveState, before: LiveState, body: Connection, atMs: number): LiveState {
  if (body.state === 'online') return online(base, atMs)
  // The will of a terminal that has been replaced must not darken its successor.
  if (before.terminal !== null && before.terminal !== body.terminal) return before
  return { ...base, receivedAtMs: before.receivedAtMs, link: 'offline', linkAtMs: atMs }
}

/**
 * Newer by the terminal's count or by its clock, or the first after a long silence. Only what is older by all of them is a
 * repeat or a late sample: so neither a corrected clock nor a count that began anew freezes the picture.
 */
function isNewer(status: Status, receivedAtMs: number, { status: known, statusReceivedAtMs }: LiveState): boolean {
  if (known === null) return true
  const isAfter = status.boot > known.boot || (status.boot === known.boot && status.seq > known.seq)
  const isAfterSilence = receivedAtMs - (statusReceivedAtMs ?? 0) >= COUNT_ANEW_MS
  return isAfter || isAfterSilence || status.sampledAtMs > known.sampledAtMs
}

function withStatus(
  base: LiveState,
  day: number,
  status: Status,
  receivedAtMs: number,
): { state: LiveState; day: number } {
  const today = localDayOf(status.sampledAtMs)
  const runsBefore = today > day ? 0 : (base.runsToday ?? 0)
  const hasStarted = base.status?.carStatus === 0 && status.carStatus === 1
  return {
    state: { ...base, status, statusReceivedAtMs: receivedAtMs, runsToday: runsBefore + (hasStarted ? 1 : 0) },
    day: Math.max(today, day),
  }
}
