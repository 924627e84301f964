/**
 * Entrapment between floors (非平层困人) as a pure step over samples. A person in a car that stands outside the unlocking
 * zone for 15 s of event time is suspected to be trapped, and for 60 s, or with the alarm button pressed, confirmed.
 *
 * What a poor link does must not decide: a duplicate changes nothing, a late sample takes its place, a gap resets no timer,
 * and a terminal that falls silent while the condition holds is judged by the platform's clock.
 */
import {
  ALARM_KINDS,
  ENTRAPMENT_CONFIRMED_MS,
  ENTRAPMENT_EMPTY_MS,
  type AlarmChange,
  type Certainty,
  type DecisionTrace,
} from '#contract/alarms'
import { alarmIdOf, type LiftId } from '#contract/ids'
import type { Status } from '#contract/telemetry'

const KIND = 'entrapment-between-floors'
const { delayMs: THRESHOLD_MS, priority: PRIORITY } = ALARM_KINDS[KIND]
/** Samples kept for disorder and for the decision trace. */
const SAMPLES_MAX = 32

/** What the rule needs of one status. */
export type EntrapmentSample = {
  readonly boot: number
  readonly seq: number
  readonly sampledAtMs: number
  readonly receivedAtMs: number
  readonly stopped: boolean
  readonly inZone: boolean
  readonly doorClosed: boolean
  readonly present: boolean
  readonly button: boolean
  readonly carPosition: string
  readonly passengerCount: number | null
}

export type EntrapmentMemory = {
  /** The newest samples in the order in which the terminal took them. */
  readonly samples: readonly EntrapmentSample[]
  /** The sample with which the condition began; it may be older than `samples`. */
  readonly since: EntrapmentSample | null
  /** Last sample that saw a person while the condition held. */
  readonly seen: EntrapmentSample | null
  /** The alarm that this rule holds open. */
  readonly raised: { readonly onsetAtMs: number; readonly certainty: Certainty } | null
  /** Since when, in event time, an open alarm has seen nobody. */
  readonly emptySinceMs: number | null
}
export const noEntrapment: EntrapmentMemory = { samples: [], since: null, seen: null, raised: null, emptySinceMs: null }

/** Another terminal counts on its own: nothing that the old one said can be compared with it, but an alarm stays open. */
export const withOtherTerminal = ({ raised }: EntrapmentMemory): EntrapmentMemory => ({ ...noEntrapment, raised })

export type EntrapmentStep = { readonly memory: EntrapmentMemory; readonly changes: readonly AlarmChange[] }

export const entrapmentSampleOf = (status: Status, receivedAtMs: number): EntrapmentSample => ({
  boot: status.boot,
  seq: status.seq,
  sampledAtMs: status.sampledAtMs,
  receivedAtMs,
  stopped: status.carStatus === 0,
  inZone: status.doorZone,
  doorClosed: status.doorClosed,
  present: status.passengerPresent,
  button: status.alarmButton === true,
  carPosition: status.carPosition,
  passengerCount: status.passengerCount ?? null,
})

/** Takes one status. A sample that is known already changes nothing. */
export function nextEntrapment(memory: EntrapmentMemory, lift: LiftId, sample: EntrapmentSample): EntrapmentStep {
  const last = memory.samples.at(-1)
  if (last === undefined || isAfter(sample, last)) {
    const samples = [...memory.samples, sample].slice(-SAMPLES_MAX)
    return judge({ ...memory, samples }, lift, sample)
  }
  if (memory.samples.some((known) => known.boot === sample.boot && known.seq === sample.seq))
    return { memory, changes: [] }
  return placeLate(memory, lift, sample)
}

/** Ticks by the platform's clock: fires the timer of a condition that no message has ended. */
export function tickEntrapment(memory: EntrapmentMemory, lift: LiftId, nowMs: number): EntrapmentStep {
  const { since, raised } = memory
  if (since === null || raised !== null || nowMs - since.receivedAtMs < THRESHOLD_MS) return { memory, changes: [] }
  return raise(memory, lift, since, nowMs, true)
}

/** True while the clock alone may still change something. */
export const isEntrapmentPending = (memory: EntrapmentMemory): boolean =>
  memory.since !== null && memory.raised === null

/** Heartbeats come every minute: a lower count that comes this long after the newest one is a count that began anew. */
export const COUNT_ANEW_MS = 10 * 60_000

/** In the order of the terminal's own count; a terminal whose count began anew is ordered by its clock, or by receipt. */
function isAfter(sample: EntrapmentSample, other: EntrapmentSample): boolean {
  if (sample.receivedAtMs - other.receivedAtMs >= COUNT_ANEW_MS) return true
  if (sample.boot === other.boot) return sample.seq > other.seq
  return sample.boot > other.boot || sample.sampledAtMs > other.sampledAtMs
}

/** A late sample takes its place among the others: since when the condition holds is found again, from the newest that we know. */
function placeLate(memory: EntrapmentMemory, lift: LiftId, late: EntrapmentSample): EntrapmentStep {
  const index = memory.samples.findIndex((known) => isAfter(known, late))
  if (index <= 0) return { memory, changes: [] } // older than all we remember: it cannot tell anything about now
  const samples = [...memory.samples.slice(0, index), late, ...memory.samples.slice(index)]
  const { since } = memory
  const sinceIsOlder = since !== null && !samples.some(({ boot, seq }) => boot === since.boot && seq === since.seq)
  const start: Track = sinceIsOlder ? { since, seen: since } : { since: null, seen: null }
  const track = samples.reduce(nextTrack, start)
  const last = samples[samples.length - 1] ?? late
  const placed = { ...memory, ...track, samples: samples.slice(-SAMPLES_MAX) }
  return overdue(placed, lift, last)
}

type Track = Pick<EntrapmentMemory, 'since' | 'seen'>

/**
 * Since when the condition holds. Nobody can leave a car between floors: a presence sensor that blinks does not end the
 * condition, only half a minute without anyone does.
 */
function nextTrack(track: Track, sample: EntrapmentSample): Track {
  const standing = sample.stopped && !sample.inZone
  const seen = standing && sample.present ? sample : track.seen
  const holds = standing && seen !== null && sample.sampledAtMs - seen.sampledAtMs < ENTRAPMENT_EMPTY_MS
  return holds ? { since: track.since ?? sample, seen } : { since: null, seen: null }
}

function judge(memory: EntrapmentMemory, lift: LiftId, sample: EntrapmentSample): EntrapmentStep {
  const late = overdue(memory, lift, sample)
  const track = nextTrack(memory, sample)
  const current = { ...late.memory, ...track }
  const step =
    track.since === null ? release(current, lift, sample) : confirm({ ...current, emptySinceMs: null }, lift, sample)
  return { memory: step.memory, changes: [...late.changes, ...step.changes] }
}

/** Raises when the condition has held for the threshold up to this sample. */
function overdue(memory: EntrapmentMemory, lift: LiftId, sample: EntrapmentSample): EntrapmentStep {
  const { since, raised } = memory
  if (since === null || raised !== null || sample.sampledAtMs - since.sampledAtMs < THRESHOLD_MS)
    return { memory, changes: [] }
  return raise(memory, lift, since, sample.receivedAtMs, false)
}

function raise(
  memory: EntrapmentMemory,
  lift: LiftId,
  since: EntrapmentSample,
  atMs: number,
  byClock: boolean,
): EntrapmentStep {
  const raised = { onsetAtMs: since.sampledAtMs, certainty: 'suspected' } as const
  const change = changeOf('raise', memory, lift, raised, since.sampledAtMs + THRESHOLD_MS, atMs, THRESHOLD_MS, byClock)
  return { memory: { ...memory, raised }, changes: [change] }
}

function confirm(memory: EntrapmentMemory, lift: LiftId, sample: EntrapmentSample): EntrapmentStep {
  const { raised } = memory
  if (raised === null || raised.certainty === 'confirmed') return { memory, changes: [] }
  if (!sample.button && sample.sampledAtMs - raised.onsetAtMs < ENTRAPMENT_CONFIRMED_MS) return { memory, changes: [] }
  const confirmed = { ...raised, certainty: 'confirmed' } as const
  const change = changeOf(
    'confirm',
    memory,
    lift,
    confirmed,
    sample.sampledAtMs,
    sample.receivedAtMs,
    sample.button ? 0 : ENTRAPMENT_CONFIRMED_MS,
    false,
  )
  return { memory: { ...memory, raised: confirmed }, changes: [change] }
}

/** People are out when the doors open at a landing; a car that merely moves again keeps its alarm until they do. */
function release(memory: EntrapmentMemory, lift: LiftId, sample: EntrapmentSample): EntrapmentStep {
  const { raised } = memory
  if (raised === null) return { memory: { ...memory, emptySinceMs: null }, changes: [] }
  const emptySinceMs = sample.present ? null : (memory.emptySinceMs ?? sample.sampledAtMs)
  const isOut = sample.inZone && !sample.doorClosed
  const isEmpty = emptySinceMs !== null && sample.sampledAtMs - emptySinceMs >= ENTRAPMENT_EMPTY_MS
  if (!isOut && !isEmpty) return { memory: { ...memory, emptySinceMs }, changes: [] }
  const change = changeOf(
    'return',
    memory,
    lift,
    raised,
    sample.sampledAtMs,
    sample.receivedAtMs,
    isOut ? 0 : ENTRAPMENT_EMPTY_MS,
    false,
  )
  return { memory: { ...memory, raised: null, emptySinceMs: null }, changes: [change] }
}

function changeOf(
  event: AlarmChange['event'],
  memory: EntrapmentMemory,
  lift: LiftId,
  raised: { onsetAtMs: number; certainty: Certainty },
  decidedAtMs: number,
  atMs: number,
  thresholdMs: number,
  byClock: boolean,
): AlarmChange {
  const last = memory.samples.at(-1)
  const trace: DecisionTrace = {
    rule: KIND,
    sinceAtMs: raised.onsetAtMs,
    decidedAtMs,
    thresholdMs,
    samples: memory.samples.map(({ boot, seq, sampledAtMs }) => ({ boot, seq, sampledAtMs })),
    byClock,
  }
  return {
    event,
    id: alarmIdOf(lift, KIND, raised.onsetAtMs),
    lift,
    kind: KIND,
    priority: PRIORITY,
    certainty: raised.certainty,
    onsetAtMs: raised.onsetAtMs,
    atMs,
    summary: {
      carPosition: last?.carPosition ?? null,
      passengerCount: last?.passengerCount ?? null,
      lastHeardAtMs: last?.receivedAtMs ?? null,
    },
    trace,
  }
}
