/**
 * What a terminal can know of its lift. A terminal on the controller's bus reads every field and hears the controller's codes;
 * one that was added without touching the controller has its own few sensors; the simplest says no more than the contract
 * demands. What is not measured is left out, never guessed; a required field that cannot be known says so (`serviceMode` 7).
 *
 * `sense` takes the fields as they truly are to those that the terminal sees. It is pure: what sensors remember is an argument.
 */
import { nearestLanding } from '../lift/lift-state.ts'
import type { StatusFields } from '../lift/lift-status.ts'
import { textWord, unit } from '../random.ts'
import type { CounterFields } from './own-counters.ts'

type KindRow = {
  readonly zh: string
  readonly en: string
  /** Per cent of the terminals of a town. */
  readonly weight: number
  /** Hears what the controller raises and clears, and shows the controller's counters. */
  readonly hearsController: boolean
  /** Optional fields of a status that it measures; null = all that the controller knows. */
  readonly measures: readonly (keyof StatusFields)[] | null
  /** Counters that it keeps itself; null = it shows the controller's. */
  readonly counts: readonly (keyof CounterFields)[] | null
}

export const TERMINAL_KINDS = {
  controller: {
    zh: '接控制器总线',
    en: "reads the controller's bus: every field, its codes and its counters",
    weight: 70,
    hearsController: true,
    measures: null,
    counts: null,
  },
  retrofit: {
    zh: '加装传感器',
    en: 'door magnet, presence radar, barometer and accelerometer, magnetic switch of the door zone',
    weight: 25,
    hearsController: false,
    measures: [
      'floorIndex',
      'positionMm',
      'speedMps',
      'powerSource',
      'temperatureC',
      'vibrationMg',
      'rssiDbm',
      'batteryPct',
    ],
    counts: ['runCount', 'runTimeS', 'doorOpenCount', 'distanceM'],
  },
  basic: {
    zh: '基本型',
    en: 'only what the contract demands of a status',
    weight: 5,
    hearsController: false,
    measures: [],
    counts: ['runCount', 'doorOpenCount'],
  },
} as const satisfies Record<string, KindRow>
export type TerminalKind = keyof typeof TERMINAL_KINDS
export const TERMINAL_KIND_NAMES = Object.keys(TERMINAL_KINDS) as TerminalKind[]

export const kindRow = (kind: TerminalKind): KindRow => TERMINAL_KINDS[kind]

/** The kind of a terminal, by weight. */
export function drawKind(chance: number): TerminalKind {
  let left = chance * TERMINAL_KIND_NAMES.reduce((sum, kind) => sum + TERMINAL_KINDS[kind].weight, 0)
  return TERMINAL_KIND_NAMES.find((kind) => (left -= TERMINAL_KINDS[kind].weight) < 0) ?? 'controller'
}

/** The kind of this terminal in a town of this seed. */
export const kindOf = (seed: number, serial: string): TerminalKind => drawKind(unit(seed, textWord(serial), 21))

/** The presence sensor goes on saying that somebody is there for this long after it last saw somebody. */
const HOLD_MS = 20_000
/** Of a person who does not move the sensor loses sight in some of these spans of time. */
const GLANCE_MS = 30_000
const BLIND_SHARE = 0.12
/** Slower than this the accelerometer takes for standing. */
const MOVING_MPS_MIN = 0.05
const SAMPLE_MS = 250
/** Air pressure changes: so fast, at most, and so far, at most, does the height run away until the car is at the reference landing. */
const DRIFT_MM_PER_HOUR_MAX = 400
const DRIFT_MM_MAX = 1500
/** What a required field says that cannot be known. */
export const UNKNOWN_MODE = 7
export const UNKNOWN_LABEL = '?'

/** What the sensors of a terminal remember. */
export type SenseMemory = {
  /** Somebody is taken to be there until then. */
  readonly presentUntilMs: number
  /** The presence sensor saw somebody when it last looked. */
  readonly isSeen: boolean
  /** When the car last stood at the reference landing, which is the lowest. */
  readonly referenceAtMs: number
}
export const sensedNothing = (atMs: number): SenseMemory => ({
  presentUntilMs: -Infinity,
  isSeen: false,
  referenceAtMs: atMs,
})

export type Sensed = {
  readonly fields: StatusFields
  readonly memory: SenseMemory
  /** When the sensors may show something else although nothing happens to the lift; later than `atMs`. */
  readonly dueAtMs: number
}

/** What a terminal of `kind` makes of the lift at `atMs`. `word` is its own seed; `truth` is not changed. */
export function sense(
  kind: TerminalKind,
  truth: StatusFields,
  memory: SenseMemory,
  o: {
    atMs: number
    word: number
    labels: readonly string[]
    heightsMm: readonly number[]
    /** Where the car is, which the controller may not know. */
    trueMm: number
  },
): Sensed {
  const { measures } = kindRow(kind)
  if (measures === null) return { fields: truth, memory, dueAtMs: Infinity }
  const { atMs, word, heightsMm, trueMm } = o
  const trueLanding = nearestLanding(heightsMm, trueMm)
  const presence = sensePresence(truth, memory, atMs, word)
  const { referenceAtMs, heightMm } = senseHeight(truth, memory, { atMs, word, trueMm, trueLanding })
  const speedMps = Math.round((truth.speedMps ?? 0) * 20) / 20 + 0
  const isMoving = Math.abs(truth.speedMps ?? 0) >= MOVING_MPS_MIN
  // The simplest has magnets at the landings: it counts floors and does not drift.
  const floorIndex = kind === 'basic' ? trueLanding : nearestLanding(heightsMm, heightMm)
  const measured: StatusFields = {
    serviceMode: UNKNOWN_MODE,
    carStatus: isMoving ? 1 : 0,
    carDirection: !isMoving ? 0 : (truth.speedMps ?? 0) > 0 ? 1 : 2,
    doorZone: truth.doorZone,
    carPosition: o.labels[floorIndex] ?? UNKNOWN_LABEL,
    doorClosed: truth.doorClosed,
    passengerPresent: presence.isPresent,
  }
  if (kind === 'retrofit')
    Object.assign(measured, picked({ ...truth, floorIndex, positionMm: heightMm, speedMps }, measures))
  return {
    fields: measured,
    memory: { presentUntilMs: presence.presentUntilMs, isSeen: presence.isSeen, referenceAtMs },
    // A car that has begun to move, or creeps, is not yet felt: look again soon.
    dueAtMs: Math.min(presence.dueAtMs, truth.carStatus === 1 && !isMoving ? atMs + SAMPLE_MS : Infinity),
  }
}

/** The named fields, of those that there are. */
function picked(fields: StatusFields, names: readonly (keyof StatusFields)[]): Partial<StatusFields> {
  const kept: Record<string, unknown> = {}
  for (const name of names) if (fields[name] !== undefined) kept[name] = fields[name]
  return kept
}

function sensePresence(truth: StatusFields, memory: SenseMemory, atMs: number, word: number) {
  const glance = Math.floor(atMs / GLANCE_MS)
  const isStill = truth.carStatus === 0 && truth.doorClosed
  const isSeen = truth.passengerPresent && !(isStill && unit(word, glance, 31) < BLIND_SHARE)
  // Who was seen at the last look was there until now.
  const presentUntilMs = isSeen || memory.isSeen ? atMs + HOLD_MS : memory.presentUntilMs
  return {
    isSeen,
    presentUntilMs,
    isPresent: isSeen || atMs < presentUntilMs,
    dueAtMs: Math.min(
      truth.passengerPresent ? (glance + 1) * GLANCE_MS : Infinity,
      !isSeen && presentUntilMs > atMs ? presentUntilMs : Infinity,
    ),
  }
}

/** The height by the barometer, put right whenever the car stands at the lowest landing. */
function senseHeight(
  truth: StatusFields,
  memory: SenseMemory,
  o: { atMs: number; word: number; trueMm: number; trueLanding: number },
) {
  const { atMs, word, trueMm, trueLanding } = o
  const isAtReference = truth.doorZone && truth.carStatus === 0 && trueLanding === 0
  const referenceAtMs = isAtReference ? atMs : memory.referenceAtMs
  const rate = (unit(word, Math.floor(referenceAtMs / 3600_000), 32) * 2 - 1) * DRIFT_MM_PER_HOUR_MAX
  const driftMm = Math.max(-DRIFT_MM_MAX, Math.min(DRIFT_MM_MAX, ((atMs - referenceAtMs) / 3600_000) * rate))
  return { referenceAtMs, heightMm: Math.round(trueMm + driftMm) }
}
