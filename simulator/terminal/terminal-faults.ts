/**
 * What goes wrong with a terminal and its sensors, as a table. The lift knows nothing of it: what a terminal with a fault says
 * is still well formed, and that is the difficulty of it. Several may be on at once, but only one in each part.
 */
import type { StatusFields } from '../lift/lift-status.ts'
import { unit } from '../random.ts'
import { UNKNOWN_LABEL } from './sensing.ts'

/** A fault that is on. `untilMs` is Infinity while it waits for its moment. True time. */
export type TerminalFault = {
  readonly name: TerminalFaultName
  readonly durationMs: number
  readonly sinceMs: number
  readonly untilMs: number
  /** What was sensed when it began. */
  readonly held: StatusFields
}

/** What a fault may depend on. */
export type FaultMoment = {
  readonly atMs: number
  /** The terminal's own seed. */
  readonly word: number
  /** The terminal runs on its battery, because the mains of the lift are off. */
  readonly isOnBattery: boolean
  /** Since when somebody is inside a car that stands with its doors closed; null when nobody is. */
  readonly shutInSinceMs: number | null
}

type Part = 'presence' | 'door' | 'door-zone' | 'position' | 'temperature' | 'clock' | 'power' | 'count'

type FaultRow = {
  readonly zh: string
  readonly en: string
  readonly cause: string
  readonly durationMs: number
  readonly spreadMs: number
  /** Of the draw of random faults; 0 = only when asked for. */
  readonly weight: number
  readonly part: Part
  /** When it begins, as far as can be foreseen; Infinity when it cannot. Without it, at once. */
  readonly beginsAtMs?: (moment: FaultMoment) => number
  /** The field that must be measured for the fault to be possible. */
  readonly needs?: keyof StatusFields
  /** Changes the fields, which are a copy of what the sensors say. It may take a field away and never adds one. */
  readonly distort?: (fields: StatusFields, fault: TerminalFault, moment: FaultMoment) => void
  /** The terminal is without power or hangs: it says nothing and knows of nothing. */
  readonly isDown?: (fault: TerminalFault, moment: FaultMoment) => boolean
  /** When the fault changes what is sensed, or whether the terminal is down, by itself; later than `atMs`. */
  readonly dueAtMs?: (fault: TerminalFault, atMs: number) => number
}

const FLICKER_MS = 1000
const FLICKER_SHARE = 0.35
const REBOOT_EVERY_MS = 45_000
const REBOOT_DOWN_MS = 6_000
/** A person must have been shut in for so long before the terminal dies with them. */
export const SHUT_IN_MS = 20_000

const MINUTE_MS = 60_000
const HOUR_MS = 3600_000

export const TERMINAL_FAULTS = {
  'presence-stuck-true': {
    zh: '人感常有',
    en: 'the presence sensor sees somebody although nobody is there',
    cause: 'a radar that looks through the door at the landing, or dirt on an infrared sensor',
    durationMs: 30 * MINUTE_MS,
    spreadMs: 20 * MINUTE_MS,
    weight: 1,
    part: 'presence',
    distort: (fields) => {
      fields.passengerPresent = true
    },
  },
  'presence-stuck-false': {
    zh: '人感失效',
    en: 'the presence sensor sees nobody although somebody is there',
    cause: 'a sensor that is covered, turned away or broken',
    durationMs: 30 * MINUTE_MS,
    spreadMs: 20 * MINUTE_MS,
    weight: 1,
    part: 'presence',
    distort: (fields) => {
      fields.passengerPresent = false
      if (fields.passengerCount !== undefined) fields.passengerCount = 0
    },
  },
  'door-switch-flickers': {
    zh: '门磁抖动',
    en: 'the closed doors are reported as not closed, again and again',
    cause: 'a magnet that has shifted, or a worn contact',
    durationMs: 10 * MINUTE_MS,
    spreadMs: 8 * MINUTE_MS,
    weight: 1,
    part: 'door',
    distort: (fields, _fault, { atMs, word }) => {
      if (unit(word, Math.floor(atMs / FLICKER_MS), 41) < FLICKER_SHARE) fields.doorClosed = false
    },
    dueAtMs: (_fault, atMs) => (Math.floor(atMs / FLICKER_MS) + 1) * FLICKER_MS,
  },
  'door-zone-dead': {
    zh: '门区开关失效',
    en: 'the switch of the door zone never closes: the car is nowhere in a door zone',
    cause: 'a magnetic switch that is torn off or dead',
    durationMs: 30 * MINUTE_MS,
    spreadMs: 20 * MINUTE_MS,
    weight: 1,
    part: 'door-zone',
    distort: (fields) => {
      fields.doorZone = false
    },
  },
  'position-lost': {
    zh: '位置丢失',
    en: 'the terminal does not know where the car is',
    cause: 'a barometer or an encoder that no longer answers',
    durationMs: 20 * MINUTE_MS,
    spreadMs: 15 * MINUTE_MS,
    weight: 1,
    part: 'position',
    distort: (fields) => {
      delete fields.floorIndex
      delete fields.positionMm
      delete fields.speedMps
      fields.carPosition = UNKNOWN_LABEL
    },
  },
  'position-frozen': {
    zh: '位置冻结',
    en: 'the position stays what it was, wherever the car goes',
    cause: 'firmware that repeats the last reading of a sensor that has gone',
    durationMs: 20 * MINUTE_MS,
    spreadMs: 15 * MINUTE_MS,
    weight: 1,
    part: 'position',
    distort: (fields, { held }) => {
      fields.carPosition = held.carPosition
      if (fields.floorIndex !== undefined && held.floorIndex !== undefined) fields.floorIndex = held.floorIndex
      if (fields.positionMm !== undefined && held.positionMm !== undefined) fields.positionMm = held.positionMm
    },
  },
  'temperature-absurd': {
    zh: '温度异常值',
    en: 'the temperature is one that cannot be',
    cause: 'a broken wire, or a sensor short-circuited by water',
    durationMs: 30 * MINUTE_MS,
    spreadMs: 20 * MINUTE_MS,
    weight: 1,
    part: 'temperature',
    needs: 'temperatureC',
    distort: (fields, { sinceMs }, { word }) => {
      fields.temperatureC = unit(word, Math.floor(sinceMs / 1000), 42) < 0.5 ? -55 : 149.9
    },
  },
  'clock-jumps': {
    zh: '时钟跳变',
    en: 'the clock is suddenly minutes or hours wrong, until it is corrected',
    cause: 'an empty button cell, or a time zone taken for another',
    durationMs: 30 * MINUTE_MS,
    spreadMs: 20 * MINUTE_MS,
    weight: 1,
    part: 'clock',
  },
  'terminal-reboots': {
    zh: '终端反复重启',
    en: 'the terminal starts again every 45 s and loses what it had not sent',
    cause: 'a weak power supply, or a watchdog that bites after every start',
    durationMs: 6 * MINUTE_MS,
    spreadMs: 4 * MINUTE_MS,
    weight: 1,
    part: 'power',
    isDown: ({ sinceMs }, { atMs }) => (atMs - sinceMs) % REBOOT_EVERY_MS < REBOOT_DOWN_MS,
    dueAtMs: ({ sinceMs }, atMs) => {
      const beganMs = atMs - ((atMs - sinceMs) % REBOOT_EVERY_MS)
      return atMs - beganMs < REBOOT_DOWN_MS ? beganMs + REBOOT_DOWN_MS : beganMs + REBOOT_EVERY_MS
    },
  },
  'terminal-dies': {
    zh: '终端失联',
    en: 'the terminal falls silent without a goodbye; the lift goes on unseen',
    cause: 'hung firmware or a dead radio; the connection stays open until the broker finds out',
    durationMs: 480_000,
    spreadMs: 240_000,
    weight: 2,
    part: 'power',
    isDown: () => true,
  },
  'terminal-dies-occupied': {
    zh: '困人时终端失联',
    en: 'the terminal falls silent once somebody has been shut in a standing car for 20 s',
    cause: 'what stopped the car also took the supply of the terminal',
    durationMs: 10 * MINUTE_MS,
    spreadMs: 6 * MINUTE_MS,
    weight: 0,
    part: 'power',
    beginsAtMs: ({ shutInSinceMs }) => (shutInSinceMs === null ? Infinity : shutInSinceMs + SHUT_IN_MS),
    isDown: () => true,
  },
  'terminal-without-battery': {
    zh: '终端电池失效',
    en: 'the battery of the terminal is dead: it goes off with the mains of the lift',
    cause: 'a battery that nobody has changed for years',
    durationMs: 24 * HOUR_MS,
    spreadMs: 12 * HOUR_MS,
    weight: 1,
    part: 'power',
    isDown: (_fault, { isOnBattery }) => isOnBattery,
  },
  'sequence-repeats': {
    zh: '序号重复',
    en: 'the terminal counts some sequence numbers a second time for other messages',
    cause: 'firmware that restores an old count without counting a start',
    durationMs: MINUTE_MS,
    spreadMs: 0,
    weight: 1,
    part: 'count',
  },
  'counters-restart': {
    zh: '计数器归零',
    en: 'the counters begin at zero again, and stay so',
    cause: 'a controller or a terminal that was replaced',
    durationMs: MINUTE_MS,
    spreadMs: 0,
    weight: 1,
    part: 'count',
  },
} as const satisfies Record<string, FaultRow>
export type TerminalFaultName = keyof typeof TERMINAL_FAULTS
export const TERMINAL_FAULT_NAMES = Object.keys(TERMINAL_FAULTS) as TerminalFaultName[]
export const isTerminalFaultName = (text: string): text is TerminalFaultName => Object.hasOwn(TERMINAL_FAULTS, text)

export const faultRow = (name: TerminalFaultName): FaultRow => TERMINAL_FAULTS[name]

/** How far a clock jumps: back and ahead, within and beyond what the platform takes, and a whole time zone. */
const CLOCK_JUMPS_MS = [-HOUR_MS, -90_000, 90_000, 240_000, 15 * MINUTE_MS, 8 * HOUR_MS] as const
export const clockJumpMs = (word: number, atMs: number): number =>
  CLOCK_JUMPS_MS[Math.floor(unit(word, Math.floor(atMs / 1000), 43) * CLOCK_JUMPS_MS.length)] ?? 90_000

/** Numbers that are counted twice. */
export const REPEATED_COUNT = 20

/** What the terminal takes for true with these faults on; `fields` itself when none of them touches it. */
export function distorted(fields: StatusFields, faults: readonly TerminalFault[], moment: FaultMoment): StatusFields {
  let copy: StatusFields | undefined
  for (const fault of faults) {
    const { distort } = faultRow(fault.name)
    if (distort === undefined || fault.untilMs === Infinity) continue
    copy ??= { ...fields }
    distort(copy, fault, moment)
  }
  return copy ?? fields
}

export const isDown = (faults: readonly TerminalFault[], moment: FaultMoment): boolean =>
  faults.some((fault) => fault.untilMs !== Infinity && (faultRow(fault.name).isDown?.(fault, moment) ?? false))

/** When one of the settled faults begins, ends or changes something by itself; later than the moment. */
export function faultsDueAtMs(faults: readonly TerminalFault[], moment: FaultMoment): number {
  let dueAtMs = Infinity
  for (const fault of faults)
    if (fault.untilMs === Infinity) dueAtMs = Math.min(dueAtMs, faultRow(fault.name).beginsAtMs?.(moment) ?? Infinity)
    else dueAtMs = Math.min(dueAtMs, fault.untilMs, faultRow(fault.name).dueAtMs?.(fault, moment.atMs) ?? Infinity)
  return dueAtMs
}

/** Faults that have had their time go, and one that waited for its moment begins when it has come. */
export function settledFaults(faults: readonly TerminalFault[], moment: FaultMoment): readonly TerminalFault[] {
  const { atMs } = moment
  const begins = ({ name, untilMs }: TerminalFault): boolean =>
    untilMs === Infinity && (faultRow(name).beginsAtMs?.(moment) ?? Infinity) <= atMs
  if (faults.every((fault) => fault.untilMs > atMs && !begins(fault))) return faults
  return faults
    .filter(({ untilMs }) => untilMs > atMs)
    .map((fault) => (begins(fault) ? { ...fault, sinceMs: atMs, untilMs: atMs + fault.durationMs } : fault))
}

/** The faults with one more; undefined when that part of the terminal has one already, or does not exist. */
export function withFault(
  faults: readonly TerminalFault[],
  o: { name: TerminalFaultName; durationMs: number; atMs: number; held: StatusFields },
): readonly TerminalFault[] | undefined {
  const { name, atMs, held } = o
  const { part, needs, beginsAtMs } = faultRow(name)
  const durationMs = Math.max(1, Math.round(o.durationMs))
  if (faults.some((other) => faultRow(other.name).part === part)) return undefined
  if (needs !== undefined && held[needs] === undefined) return undefined
  const untilMs = beginsAtMs === undefined ? atMs + durationMs : Infinity
  return [...faults, { name, durationMs, sinceMs: atMs, untilMs, held }]
}
