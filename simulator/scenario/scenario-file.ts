/**
 * A scenario (演练脚本) as people write it: what goes wrong, where and when, and which alarms it must raise. A small YAML file;
 * everything in it is checked before anything runs, and what is wrong is said with the place in the file.
 */
import { ALARM_KINDS, type AlarmKind } from '#contract/alarms'
import { dayStartOf } from '#contract/calendar'
import { isScenarioName, SCENARIOS, type ScenarioName } from '../scenarios.ts'
import { impairmentOf, isImpairmentName, type Impairment, type ImpairmentName } from '../terminal/link.ts'
import { TERMINAL_KIND_NAMES, type TerminalKind } from '../terminal/sensing.ts'
import { generateTown } from '../town/town.ts'
import {
  parseScenario,
  ScenarioError,
  type EventInFile,
  type ExpectationInFile,
  type RideInFile,
  type ScenarioInFile,
  type WhereInFile,
} from './scenario-format.ts'

export { SCENARIO_BYTES_MAX, ScenarioError } from './scenario-format.ts'

const LASTS_MS_MAX = 7 * 24 * 3600_000

/** Somebody comes to a landing and wants to ride; landings are labels of the lift, or `bottom` and `top`. */
export type Ride = {
  readonly from: string
  readonly to: string
  readonly count: number
  /** How long they need through the door; undefined = as grown-ups do. */
  readonly boardingMs: number | undefined
}
/** `lifts` are numbers from 1 in the order of the town, `atMs` counts from the begin. */
export type ScenarioEvent = { readonly atMs: number; readonly lifts: readonly number[] } & (
  | { readonly do: 'fault'; readonly fault: ScenarioName; readonly durationMs: number }
  | { readonly do: 'rescue' }
  | { readonly do: 'ride'; readonly ride: Ride }
)
/**
 * An alarm that has to be raised, not before `afterMs` and not later than `byMs`, and to be over by `clearedByMs`, all counted
 * in ms from the begin, by the platform's clock.
 */
export type ExpectedAlarm = {
  readonly alarm: AlarmKind
  readonly lift: number
  readonly afterMs: number
  readonly byMs: number
  readonly clearedByMs: number | undefined
}
/** An alarm that is neither expected nor allowed must not be raised. */
export type ScenarioPlan = {
  readonly zh: string
  readonly en: string
  readonly seed: number
  /** The file names no seed: what it says of alarms holds for any. */
  readonly isForAnySeed: boolean
  /** Unix ms. The hour decides how busy the residents are. */
  readonly startsAtMs: number
  readonly lastsMs: number
  readonly liftCount: number
  /** Of each lift; null = as drawn from the seed. */
  readonly terminals: readonly (TerminalKind | null)[]
  readonly link: ImpairmentName
  /** That of the link, with the outages of the file. */
  readonly impairment: Impairment
  readonly events: readonly ScenarioEvent[]
  readonly expected: readonly ExpectedAlarm[]
  /** Kinds that may be raised or not, on any lift: where chance, or whoever reads the alarm list, decides. */
  readonly allowed: readonly AlarmKind[]
}

/** A Wednesday morning between the rush hours. */
const STARTS = '2026-03-04 10:00'

/** Reads the text of a scenario file. Throws `ScenarioError`. */
export function readScenario(text: string): ScenarioPlan {
  const file = parseScenario(text)
  const reader = new Reader(file)
  const { zh, en, seed = 1, lifts: liftCount = 1, link = 'none' } = file
  if (!isImpairmentName(link)) throw new ScenarioError(`link: there is no impairment “${link}”.`)
  const { outages } = impairmentOf(link)
  return {
    ...{ zh, en, seed, liftCount, link, lastsMs: reader.lastsMs },
    isForAnySeed: file.seed === undefined,
    startsAtMs: instantOf(file.starts ?? STARTS),
    terminals: terminalsOf(file.terminals, liftCount),
    impairment: { ...impairmentOf(link), outages: [...outages, ...reader.outages()] },
    events: file.events.map((event, index) => reader.event(`events[${index}]`, event)),
    expected: file.expect.flatMap((one, index) => reader.expectation(`expect[${index}]`, one)),
    allowed: (file.allow ?? []).map((kind, index) => alarmKindOf(`allow[${index}]`, kind)),
  }
}

class Reader {
  readonly lastsMs: number
  readonly #file: ScenarioInFile
  readonly #liftCount: number
  #compounds: readonly (readonly number[])[] | undefined

  constructor(file: ScenarioInFile) {
    this.#file = file
    this.#liftCount = file.lifts ?? 1
    this.lastsMs = durationMs(file.lasts)
    if (this.lastsMs > LASTS_MS_MAX)
      throw new ScenarioError(`lasts: a scenario lasts 7 days at most, not ${file.lasts}.`)
  }

  outages(): Impairment['outages'] {
    return (this.#file.outages ?? []).map(({ at, for: length }, index) => ({
      afterMs: this.#within(`outages[${index}].at`, at),
      lastMs: durationMs(length),
    }))
  }

  event(name: string, event: EventInFile): ScenarioEvent {
    return { atMs: this.#within(`${name}.at`, event.at), lifts: this.#liftsOf(name, event), ...deedOf(name, event) }
  }

  expectation(name: string, { alarm, after, by, clearedBy, ...where }: ExpectationInFile): ExpectedAlarm[] {
    const kind = alarmKindOf(`${name}.alarm`, alarm)
    const afterMs = after === undefined ? 0 : durationMs(after)
    const byMs = this.#within(`${name}.by`, by)
    if (afterMs > byMs) throw new ScenarioError(`${name}: “after” is later than “by”.`)
    const clearedByMs = clearedBy === undefined ? undefined : this.#within(`${name}.clearedBy`, clearedBy)
    if (clearedByMs !== undefined && clearedByMs < afterMs)
      throw new ScenarioError(`${name}: “clearedBy” is earlier than “after”.`)
    return this.#liftsOf(name, where).map((lift) => ({ alarm: kind, lift, afterMs, byMs, clearedByMs }))
  }

  #within(name: string, text: string): number {
    const atMs = durationMs(text)
    if (atMs <= this.lastsMs) return atMs
    throw new ScenarioError(`${name}: ${text} is after the end of the scenario (lasts: ${this.#file.lasts}).`)
  }

  #liftsOf(name: string, { lift, lifts, compound }: WhereInFile): readonly number[] {
    if ([lift, lifts, compound].filter((where) => where !== undefined).length > 1)
      throw new ScenarioError(`${name}: give one of “lift”, “lifts” and “compound”.`)
    if (compound !== undefined) return this.#compound(name, compound)
    const numbers = lifts ?? [lift ?? 1]
    if (new Set(numbers).size < numbers.length) throw new ScenarioError(`${name}.lifts: a lift is named twice.`)
    for (const number of numbers)
      if (number > this.#liftCount)
        throw new ScenarioError(`${name}: there is no lift ${number}; the scenario has ${this.#liftCount}.`)
    return numbers
  }

  #compound(name: string, number: number): readonly number[] {
    this.#compounds ??= compoundsOf(this.#liftCount)
    const lifts = this.#compounds[number - 1]
    if (lifts === undefined)
      throw new ScenarioError(`${name}: there is no compound ${number}; the scenario has ${this.#compounds.length}.`)
    return lifts
  }
}

/** The numbers of the lifts of each compound. They follow from how many lifts there are, whatever the seed. */
function compoundsOf(liftCount: number): number[][] {
  const { compounds, lifts } = generateTown({ seed: 0, liftCount, boundAtMs: 0 })
  const numbers = new Map(lifts.map(({ id }, index) => [id, index + 1]))
  return compounds.map(({ buildings }) => buildings.flatMap((one) => one.lifts.map((id) => numbers.get(id) ?? 0)))
}

function deedOf(name: string, { fault, rescue, ride, for: length }: EventInFile) {
  if ([fault, rescue, ride].filter((deed) => deed !== undefined).length !== 1)
    throw new ScenarioError(`${name}: give one of “fault”, “rescue” and “ride”.`)
  if (length !== undefined && fault === undefined) throw new ScenarioError(`${name}: “for” belongs to a fault.`)
  if (ride !== undefined) return { do: 'ride' as const, ride: rideOf(name, ride) }
  if (fault === undefined) return { do: 'rescue' as const }
  if (!isScenarioName(fault)) throw new ScenarioError(`${name}.fault: there is no fault “${fault}”.`)
  const lastingMs = length === undefined ? SCENARIOS[fault].durationMs : durationMs(length)
  if (lastingMs > LASTS_MS_MAX) throw new ScenarioError(`${name}.for: a fault lasts 7 days at most, not ${length}.`)
  return { do: 'fault' as const, fault, durationMs: lastingMs }
}

function rideOf(name: string, { from, to, people = 1, boarding }: RideInFile): Ride {
  if (from === to) throw new ScenarioError(`${name}.ride: “from” and “to” are the same landing.`)
  return { from, to, count: people, boardingMs: boarding === undefined ? undefined : durationMs(boarding) }
}

function terminalsOf(names: readonly string[] | undefined, liftCount: number): (TerminalKind | null)[] {
  const kinds = (names ?? []).map((name): TerminalKind => {
    const kind = TERMINAL_KIND_NAMES.find((known) => known === name)
    if (kind !== undefined) return kind
    throw new ScenarioError(`terminals: there is no kind “${name}”; there are ${TERMINAL_KIND_NAMES.join(', ')}.`)
  })
  if (kinds.length > 1 && kinds.length !== liftCount)
    throw new ScenarioError(`terminals: give one kind, or one for each of the ${liftCount} lifts, not ${kinds.length}.`)
  return Array.from({ length: liftCount }, (_, index) => (kinds.length === 1 ? kinds[0] : kinds[index]) ?? null)
}

function alarmKindOf(name: string, text: string): AlarmKind {
  if (isAlarmKind(text)) return text
  throw new ScenarioError(`${name}: the alarm list has no “${text}”.`)
}
const isAlarmKind = (text: string): text is AlarmKind => Object.hasOwn(ALARM_KINDS, text)

const UNIT_MS = { s: 1000, min: 60_000, h: 3600_000 } as const

/** Of a text whose form is right. */
function durationMs(text: string): number {
  let sumMs = 0
  for (const [, count, unit] of text.matchAll(/([0-9]+) (s|min|h)/g))
    sumMs += Number(count) * (unit === 'h' ? UNIT_MS.h : unit === 'min' ? UNIT_MS.min : UNIT_MS.s)
  return sumMs
}

function instantOf(text: string): number {
  const [day = '', time = ''] = text.split(' ')
  const [hour = NaN, minute = NaN] = time.split(':').map(Number)
  const dayMs = dayStartOf(day)
  if (dayMs === undefined || !(hour < 24) || !(minute < 60))
    throw new ScenarioError(`starts: ${text} is no time of the calendar; write it as ${STARTS}.`)
  return dayMs + hour * UNIT_MS.h + minute * UNIT_MS.min
}
