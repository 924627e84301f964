/**
 * By how much the counters of a lift grew within a span of time, from readings (`statistics`) at other times. Pure.
 *
 * Readings come in order of sample time. Between two of them the growth is taken as even, so that hours share it and the
 * hours of a day sum up to what the day counted. Where that would be a guess nothing is counted, and the time is missing
 * from `countedMs`: between readings more than `READING_GAP_MS_MAX` apart; where any counter went back or grew faster than
 * it can (controller or terminal replaced or reset, a value that was read wrong); where the terminal's count of its
 * starts leaps; where the readings contradict each other about their order (a clock that was set).
 */
import { COUNTER_FIGURES, READING_GAP_MS_MAX, type CounterFigure } from '#contract/figures'
import type { TelemetryPoint } from './points.ts'

export type Increases = { readonly countedMs: number } & { readonly [Name in CounterFigure]?: number }

const FIGURES = Object.keys(COUNTER_FIGURES) as CounterFigure[]
/** Controllers add a run when it ends: a counter may be this much behind, in time. */
const BEHIND_S_MAX = 60

type Reading = {
  readonly atMs: number
  readonly boot: number
  readonly values: ReadonlyMap<CounterFigure, number>
}
/** Readings of one count: no counter goes back, none leaps, and their order is not in doubt. */
type Stretch = readonly Reading[]

/**
 * What was counted in `[fromMs, toMs)`. `points` are statistics of one lift, ordered by (`sampledAtMs`, `boot`, `seq`),
 * each once; those up to `READING_GAP_MS_MAX` before and after the span matter. A counter that was not read as completely
 * as the others, or that cannot have grown so far in the time, is absent.
 */
export function increasesWithin(points: readonly TelemetryPoint[], fromMs: number, toMs: number): Increases {
  const stretches = stretchesOf(points)
  const all = FIGURES.map((name) => ({ name, ...increaseOf(stretches, name, fromMs, toMs) }))
  const countedMs = Math.max(...all.map((one) => one.coveredMs))
  const known = all.filter(
    ({ name, coveredMs, increase }) =>
      coveredMs > 0 && coveredMs === countedMs && increase <= (COUNTER_FIGURES[name].perSMax * (toMs - fromMs)) / 1000,
  )
  return { countedMs, ...Object.fromEntries(known.map(({ name, increase }) => [name, tidy(increase)])) }
}

/** Without the noise of binary fractions: six places are a millimetre of a kilometre. Whole numbers stay whole. */
export const tidy = (value: number): number => Math.round(value * 1e6) / 1e6

function increaseOf(
  stretches: readonly Stretch[],
  name: CounterFigure,
  fromMs: number,
  toMs: number,
): { increase: number; coveredMs: number } {
  let increase = 0
  let coveredMs = 0
  for (const stretch of stretches) {
    let earlier: { atMs: number; value: number } | undefined
    for (const { atMs, values } of stretch) {
      const value = values.get(name)
      if (value === undefined) continue
      const later = { atMs, value }
      if (earlier !== undefined && atMs - earlier.atMs <= READING_GAP_MS_MAX) {
        increase += growthWithin(name, earlier, later, fromMs, toMs)
        coveredMs += Math.max(0, Math.min(atMs, toMs) - Math.max(earlier.atMs, fromMs))
      }
      earlier = later
    }
  }
  return { increase, coveredMs }
}

type Value = { readonly atMs: number; readonly value: number }

/** The part of the growth between two readings that falls into the span. What is cut at an instant is cut alike from both sides. */
function growthWithin(name: CounterFigure, earlier: Value, later: Value, fromMs: number, toMs: number): number {
  if (earlier.atMs === later.atMs) return later.atMs >= fromMs && later.atMs < toMs ? later.value - earlier.value : 0
  return growthUntil(name, earlier, later, toMs) - growthUntil(name, earlier, later, fromMs)
}

function growthUntil(name: CounterFigure, earlier: Value, later: Value, atMs: number): number {
  const share = Math.min(Math.max((atMs - earlier.atMs) / (later.atMs - earlier.atMs), 0), 1)
  const growth = (later.value - earlier.value) * share
  // Runs and cycles are whole: half a run falls into the later hour.
  return name.endsWith('Count') ? Math.floor(growth) : growth
}

function stretchesOf(points: readonly TelemetryPoint[]): Stretch[] {
  const stretches: Reading[][] = []
  /** The newest value of each counter in the present stretch. */
  let newest = new Map<CounterFigure, Value>()
  for (const { point, isAfterDoubt } of withoutContradictions(points)) {
    const values = valuesOf(point)
    const reading = { atMs: point.sampledAtMs, boot: point.boot, values }
    const stretch = stretches.at(-1)
    const before = stretch?.at(-1)
    if (stretch && before && !isAfterDoubt && follows(before, reading) && continues(newest, reading))
      stretch.push(reading)
    else {
      stretches.push([reading])
      newest = new Map()
    }
    for (const [name, value] of values) newest.set(name, { atMs: reading.atMs, value })
  }
  return stretches
}

/** The same start of the terminal, or the next one; a start that nothing was read of may have been another terminal's. */
const follows = (before: Reading, { boot }: Reading): boolean => boot === before.boot || boot === before.boot + 1

function continues(newest: ReadonlyMap<CounterFigure, Value>, { atMs, values }: Reading): boolean {
  for (const [name, value] of values) {
    const before = newest.get(name)
    if (before === undefined) continue
    const growth = value - before.value
    const growthMax = COUNTER_FIGURES[name].perSMax * ((atMs - before.atMs) / 1000 + BEHIND_S_MAX)
    if (growth < 0 || growth > growthMax) return false
  }
  return true
}

/** What is no counter's value (NaN, below 0, another type) is as if it had not been measured. */
function valuesOf(point: TelemetryPoint): ReadonlyMap<CounterFigure, number> {
  const values = new Map<CounterFigure, number>()
  for (const name of FIGURES) {
    const value = point.fields[COUNTER_FIGURES[name].field]
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) values.set(name, value)
  }
  return values
}

type Ordered = { readonly point: TelemetryPoint; readonly isAfterDoubt: boolean }

/**
 * Sample time and the terminal's own count must tell the same order: within a boot `seq` never falls, and a boot that has
 * passed does not return. Where a reading contradicts the one before it, it is not known which clock was right: both are
 * left out, and what follows begins anew.
 */
function withoutContradictions(points: readonly TelemetryPoint[]): Ordered[] {
  const kept: Ordered[] = []
  const countByBoot = new Map<number, number>()
  const addTo = (boot: number, count: number): void => void countByBoot.set(boot, (countByBoot.get(boot) ?? 0) + count)
  let isAfterDoubt = false
  for (const point of points) {
    const before = kept.at(-1)?.point
    const contradicts =
      before !== undefined &&
      (before.boot === point.boot ? point.seq < before.seq : (countByBoot.get(point.boot) ?? 0) > 0)
    if (contradicts) {
      kept.pop()
      addTo(before.boot, -1)
      isAfterDoubt = true
      continue
    }
    kept.push({ point, isAfterDoubt })
    addTo(point.boot, 1)
    isAfterDoubt = false
  }
  return kept
}
