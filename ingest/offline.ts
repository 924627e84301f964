/**
 * Terminal offline (物联网设备离线) as a pure step: silence, counted by the platform's clock from the last message that the
 * terminal itself sent. A last will tells the wall at once, but is no alarm before the delay has passed. Time in which the
 * platform was not listening is not the terminal's silence.
 */
import { ALARM_KINDS, OFFLINE_ESCALATION_MS, type AlarmChange, type Priority } from '#contract/alarms'
import { alarmIdOf, type LiftId } from '#contract/ids'

const KIND = 'terminal-offline'
const { delayMs: THRESHOLD_MS, priority: PRIORITY } = ALARM_KINDS[KIND]

const CLOCK_SET_BACK_MS = 60_000

export type OfflineMemory = {
  /** Platform clock; null until the terminal was heard for the first time. */
  readonly heardAtMs: number | null
  readonly raised: { readonly onsetAtMs: number; readonly priority: Priority } | null
}
export const neverHeard: OfflineMemory = { heardAtMs: null, raised: null }

export type OfflineStep = { readonly memory: OfflineMemory; readonly changes: readonly AlarmChange[] }

/** The terminal said something at `atMs`. */
export function nextHeard(memory: OfflineMemory, lift: LiftId, atMs: number): OfflineStep {
  // A platform clock that was set back must not make the terminal look heard in the future.
  const wasAhead = memory.heardAtMs !== null && memory.heardAtMs - atMs > CLOCK_SET_BACK_MS
  const heardAtMs = wasAhead ? atMs : Math.max(memory.heardAtMs ?? 0, atMs)
  const { raised } = memory
  if (raised === null) return { memory: { heardAtMs, raised: null }, changes: [] }
  // What was said before the silence and is read again does not end it.
  if (!wasAhead && atMs <= raised.onsetAtMs) return { memory: { heardAtMs, raised }, changes: [] }
  return { memory: { heardAtMs, raised: null }, changes: [changeOf('return', lift, raised, atMs, heardAtMs, 0)] }
}

/** Time has passed. `listeningSinceMs` is since when the platform has been able to hear. */
export function tickOffline(memory: OfflineMemory, lift: LiftId, nowMs: number, listeningSinceMs: number): OfflineStep {
  const { heardAtMs, raised } = memory
  if (heardAtMs === null) return { memory, changes: [] }
  const silentMs = nowMs - Math.max(heardAtMs, listeningSinceMs)
  if (raised === null) {
    if (silentMs < THRESHOLD_MS) return { memory, changes: [] }
    const next = { onsetAtMs: heardAtMs, priority: PRIORITY }
    return { memory: { heardAtMs, raised: next }, changes: [changeOf('raise', lift, next, nowMs, heardAtMs)] }
  }
  const due = OFFLINE_ESCALATION_MS.filter(({ afterMs }) => silentMs >= afterMs).at(-1)
  if (due === undefined || due.priority >= raised.priority) return { memory, changes: [] }
  const next = { ...raised, priority: due.priority }
  return {
    memory: { heardAtMs, raised: next },
    changes: [changeOf('escalate', lift, next, nowMs, heardAtMs, due.afterMs)],
  }
}

function changeOf(
  event: AlarmChange['event'],
  lift: LiftId,
  raised: { onsetAtMs: number; priority: Priority },
  atMs: number,
  heardAtMs: number,
  thresholdMs: number = THRESHOLD_MS,
): AlarmChange {
  return {
    event,
    id: alarmIdOf(lift, KIND, raised.onsetAtMs),
    lift,
    kind: KIND,
    priority: raised.priority,
    certainty: 'confirmed',
    onsetAtMs: raised.onsetAtMs,
    atMs,
    summary: { carPosition: null, passengerCount: null, lastHeardAtMs: heardAtMs },
    trace: {
      rule: KIND,
      sinceAtMs: raised.onsetAtMs,
      decidedAtMs: atMs,
      thresholdMs,
      samples: [],
      byClock: event !== 'return',
    },
  }
}
