/** Whether a copy says what its source says: row by row, told by measurement, day and lift. Pure. */
import { HOUR_FIELDS, type HourFigures } from '#contract/figures'
import { MEASUREMENTS, type Measurement } from '#contract/history'
import { HEADER_FIELDS, type TelemetryPoint } from './points.ts'

/** Lifts and days whose differences are told one by one; what is beyond them is in the sums alone. */
const TOLD_MAX = 10_000

/** Hourly figures are compared like one more measurement. */
export type Compared = Measurement | 'hour'
/** How many rows stand how, of one lift and day or of all. */
export type Differences = {
  /** In the source, not in the target. */
  missing: number
  /** In both, with different values. */
  changed: number
  /** In both, equal but for `receivedAtMs`: the target got the same sample by another way. Nothing is lost. */
  receivedOtherwise: number
  /** In the target alone: it may have samples of its own. */
  extra: number
}
export type LiftDay = Differences & { readonly what: Compared; readonly day: string; readonly lift: string }
export type ComparedCount = { rowCount: number; readonly days: Set<string>; readonly lifts: Set<string> }

const NONE: Differences = { missing: 0, changed: 0, receivedOtherwise: 0, extra: 0 }
const FIELDS: ReadonlyMap<Measurement, readonly string[]> = new Map(
  (Object.keys(MEASUREMENTS) as Measurement[]).map((measurement) => [
    measurement,
    Object.keys(MEASUREMENTS[measurement]).filter((name) => !HEADER_FIELDS.has(name)),
  ]),
)

export class Comparison {
  readonly counts = new Map<Compared, ComparedCount>()
  readonly sums: Differences = { ...NONE }
  readonly #liftDays = new Map<string, LiftDay>()
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
    this.#take('hour', day, { source, target, keyOf: keyOfHour, likenessOf: hourLikeness })
  }

  /** Nothing of the source is missing or different. */
  get isWhole(): boolean {
    return this.sums.missing === 0 && this.sums.changed === 0
  }

  /** Lifts and days with differences; a bounded list when `isBounded`. */
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
    const key = `${what} ${day} ${lift}`
    const liftDay = this.#liftDays.get(key) ?? { ...NONE, what, day, lift }
    liftDay[difference] += 1
    if (this.#liftDays.size < TOLD_MAX) this.#liftDays.set(key, liftDay)
    else this.#isBounded ||= !this.#liftDays.has(key)
  }
}

const keyOfPoint = ({ lift, sampledAtMs, boot, seq }: TelemetryPoint): string => `${lift} ${sampledAtMs} ${boot} ${seq}`
const keyOfHour = ({ lift, hourAtMs }: HourFigures): string => `${lift} ${hourAtMs}`

function pointLikeness(
  names: readonly string[],
  a: TelemetryPoint,
  b: TelemetryPoint,
): 'changed' | 'receivedOtherwise' | undefined {
  for (const name of names) if (a.fields[name] !== b.fields[name]) return 'changed'
  return a.receivedAtMs === b.receivedAtMs ? undefined : 'receivedOtherwise'
}

/** Both have passed through a store, which keeps the fields of the contract alone. */
export function hourLikeness(a: HourFigures, b: HourFigures): 'changed' | undefined {
  const valueOf = (row: HourFigures, name: string): unknown => row[name as keyof HourFigures]
  return Object.keys(HOUR_FIELDS).some((name) => valueOf(a, name) !== valueOf(b, name)) ? 'changed' : undefined
}
