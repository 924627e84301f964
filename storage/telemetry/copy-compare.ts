/** Whether a copy says what its source says: row by row, told by measurement, day and lift. Pure. */
import { HOUR_FIELDS, type HourFigures } from '#contract/figures'
import { MEASUREMENTS, type Measurement } from '#contract/history'
import { hourKeyOf } from './hour-rows.ts'
import { HEADER_FIELDS, type TelemetryPoint } from './points.ts'

/** Lifts and days whose losses are told one by one; what is beyond them is in the sums alone. */
const TOLD_MAX = 10_000

/** Hourly figures are compared like one more measurement. */
export type Compared = Measurement | 'hour'
/** How many rows stand how, of one lift and day or of all. */
export type Differences = {
  /** In the source, not in the target. */
  missing: number
  /** In both, with different values. Of hourly figures only when those of the source are better. */
  changed: number
  /** In both, equal but for `receivedAtMs`: the target got the same sample by another way. Nothing is lost. */
  receivedOtherwise: number
  /** Hourly figures that are in both with different values, those of the source not being better. Nothing is lost. */
  kept: number
  /** In the target alone: it may have samples of its own. */
  extra: number
}
/** What a day of a lift has lost. */
export type LiftDay = Pick<Differences, 'missing' | 'changed'> & {
  readonly what: Compared
  readonly day: string
  readonly lift: string
}
export type ComparedCount = { rowCount: number; readonly days: Set<string>; readonly lifts: Set<string> }

const DIFFERENCES = ['missing', 'changed', 'receivedOtherwise', 'kept', 'extra'] as const
const NONE: Differences = { missing: 0, changed: 0, receivedOtherwise: 0, kept: 0, extra: 0 }
const FIELDS: ReadonlyMap<Measurement, readonly string[]> = new Map(
  (Object.keys(MEASUREMENTS) as Measurement[]).map((measurement) => [
    measurement,
    Object.keys(MEASUREMENTS[measurement]).filter((name) => !HEADER_FIELDS.has(name)),
  ]),
)

export class Comparison {
  readonly counts = new Map<Compared, ComparedCount>()
  readonly sums: Differences = { ...NONE }
  /** Days on which hourly figures are kept. */
  readonly keptDays = new Set<string>()
  readonly #liftDays = new Map<string, LiftDay>()
  readonly #lossy = new Set<Compared>()
  #isBounded = false

  /** All rows of a stretch of one day, of both sides. */
  takePoints(
    measurement: Measurement,
    day: string,
    source: readonly TelemetryPoint[],
    target: readonly TelemetryPoint[],
  ) {
    const names = FIELDS.get(measurement) ?? []
    this.#take(measurement, day, {
      source,
      target,
      keyOf: keyOfPoint,
      likenessOf: (a, b) => pointLikeness(names, a, b),
    })
  }

  takeFigures(day: string, source: readonly HourFigures[], target: readonly HourFigures[]): void {
    this.#take('hour', day, { source, target, keyOf: hourKeyOf, likenessOf: hourLikeness })
  }

  /** Nothing of the source is missing or different. */
  get isWhole(): boolean {
    return this.sums.missing === 0 && this.sums.changed === 0
  }

  /** Takes in what was compared elsewhere: rows of its own. */
  add(other: Comparison): void {
    for (const [what, { rowCount, days, lifts }] of other.counts) {
      const count = this.#countOf(what)
      count.rowCount += rowCount
      for (const day of days) count.days.add(day)
      for (const lift of lifts) count.lifts.add(lift)
    }
    for (const name of DIFFERENCES) this.sums[name] += other.sums[name]
    for (const day of other.keptDays) this.keptDays.add(day)
    for (const what of other.#lossy) this.#lossy.add(what)
    for (const liftDay of other.#liftDays.values()) this.#addLoss(liftDay)
    this.#isBounded ||= other.#isBounded
  }

  /** Something of it is missing or different. */
  hasLoss(what: Compared): boolean {
    return this.#lossy.has(what)
  }

  /** Lifts and days with losses; a bounded list when `isBounded`. */
  get liftDays(): readonly LiftDay[] {
    return [...this.#liftDays.values()]
  }
  get isBounded(): boolean {
    return this.#isBounded
  }

  #take<Row extends { readonly lift: string }>(
    what: Compared,
    day: string,
    o: {
      source: readonly Row[]
      target: readonly Row[]
      keyOf: (row: Row) => string
      likenessOf: (a: Row, b: Row) => keyof Differences | undefined
    },
  ): void {
    const left = new Map(o.source.map((row) => [o.keyOf(row), row]))
    const count = this.#countOf(what)
    count.rowCount += o.source.length
    if (o.source.length > 0) count.days.add(day)
    for (const { lift } of o.source) count.lifts.add(lift)
    for (const row of o.target) {
      const key = o.keyOf(row)
      const original = left.get(key)
      const difference = original === undefined ? 'extra' : o.likenessOf(original, row)
      if (difference !== undefined) this.#note(what, day, row.lift, difference)
      left.delete(key)
    }
    for (const { lift } of left.values()) this.#note(what, day, lift, 'missing')
  }

  #countOf(what: Compared): ComparedCount {
    const count = this.counts.get(what) ?? { rowCount: 0, days: new Set<string>(), lifts: new Set<string>() }
    this.counts.set(what, count)
    return count
  }

  #note(what: Compared, day: string, lift: string, difference: keyof Differences): void {
    this.sums[difference] += 1
    if (difference === 'kept') this.keptDays.add(day)
    if (difference !== 'missing' && difference !== 'changed') return
    this.#lossy.add(what)
    this.#addLoss({ what, day, lift, missing: 0, changed: 0, [difference]: 1 })
  }

  #addLoss(loss: LiftDay): void {
    const key = `${loss.what} ${loss.day} ${loss.lift}`
    const liftDay = this.#liftDays.get(key)
    if (liftDay !== undefined) {
      liftDay.missing += loss.missing
      liftDay.changed += loss.changed
    } else if (this.#liftDays.size < TOLD_MAX) this.#liftDays.set(key, loss)
    else this.#isBounded = true
  }
}

const keyOfPoint = ({ lift, sampledAtMs, boot, seq }: TelemetryPoint): string => `${lift} ${sampledAtMs} ${boot} ${seq}`

function pointLikeness(
  names: readonly string[],
  a: TelemetryPoint,
  b: TelemetryPoint,
): 'changed' | 'receivedOtherwise' | undefined {
  for (const name of names) if (a.fields[name] !== b.fields[name]) return 'changed'
  return a.receivedAtMs === b.receivedAtMs ? undefined : 'receivedOtherwise'
}

/**
 * Both have passed through a store, which keeps the fields of the contract alone. The better of two are those that were
 * computed from more samples and cover no less time: a program that runs on the target computes an hour anew when a
 * sample of it comes late, and the source never learns of that.
 */
export function hourLikeness(source: HourFigures, target: HourFigures): 'changed' | 'kept' | undefined {
  const valueOf = (row: HourFigures, name: string): unknown => row[name as keyof HourFigures]
  if (Object.keys(HOUR_FIELDS).every((name) => valueOf(source, name) === valueOf(target, name))) return undefined
  const isBetter = source.sampleCount > target.sampleCount && source.countedMs >= target.countedMs
  return isBetter ? 'changed' : 'kept'
}
