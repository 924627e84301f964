/**
 * Moves what one telemetry store has into another, and proves that it is there. No state is kept anywhere: the target
 * itself says how far a copy came, because a day of which it has as many points of each lift as the source is not copied
 * again, and a point that is copied twice is one point.
 */
import type { HourFigures } from '#contract/figures'
import { FIGURES_LIMIT_MAX } from '#contract/figures'
import { MEASUREMENTS, type Measurement } from '#contract/history'
import { Comparison, hourLikeness } from './copy-compare.ts'
import { daysOf, END_MS, nextDayMs, stretchesOf, toDay, type Asked, type Day } from './copy-days.ts'
import { BATCH_POINTS_MAX, TelemetryStoreError, type TelemetryPoint, type TelemetryStore } from './points.ts'
import { withPatience, type Patience } from './patience.ts'
import type { StretchPoints } from './stretch-questions.ts'

/** While the target takes one batch the next is made ready for it. */
const BATCHES_MAX = 2
/** The same for what is read to be compared. */
const READS_MAX = 2

export type CopyPhase = 'counting' | 'copying' | 'comparing' | 'figures'
export type CopyProgress = {
  readonly phase: CopyPhase
  readonly day: string
  /** Rows of this phase that are done, and all that there are; of counting and figures both are what was found so far. */
  readonly doneCount: number
  readonly totalCount: number
}
export type CopyOptions = {
  readonly source: TelemetryStore
  readonly target: TelemetryStore
  /** What is older is not looked at. */
  readonly fromMs: number
  /** Samples and figures that are older are not kept by the target: they are counted and left out. */
  readonly samplesKeptFromMs: number
  readonly figuresKeptFromMs: number
  /** Only compares. */
  readonly verifyOnly: boolean
  readonly patience: Patience
  readonly onProgress: (progress: CopyProgress) => void
}
export type CopyResult = {
  readonly copiedCount: number
  /** Days of a measurement that the target had already, and the points in them. */
  readonly skippedDayCount: number
  readonly skippedCount: number
  readonly figuresPutCount: number
  readonly leftOutCount: number
  readonly leftOutFiguresCount: number
  readonly comparison: Comparison
}

/** The target will never take this point. */
export class PointRefused extends Error {
  override readonly name = 'PointRefused'
}

type Plan = { readonly days: readonly (Day & { readonly isThere: boolean })[]; readonly leftOutCount: number }
type Job = CopyOptions & { readonly asked: Asked }

/** Rejects with `TelemetryStoreError`, with `PointRefused`, and with the reason of the signal of `patience`. */
export async function copyTelemetry(options: CopyOptions): Promise<CopyResult> {
  const job: Job = { ...options, asked: (attempt) => withPatience(attempt, options.patience) }
  const plan = await planDays(job)
  const todo = job.verifyOnly ? [] : plan.days.filter(({ isThere }) => !isThere)
  const skipped = job.verifyOnly ? [] : plan.days.filter(({ isThere }) => isThere)
  const copiedCount = await copyDays(job, todo)
  const comparison = new Comparison()
  await compareDays(job, plan.days, comparison)
  const figures = await moveFigures(job, comparison)
  return {
    copiedCount,
    skippedDayCount: skipped.length,
    skippedCount: sumOf(skipped),
    figuresPutCount: figures.putCount,
    leftOutCount: plan.leftOutCount,
    leftOutFiguresCount: figures.leftOutCount,
    comparison,
  }
}

const sumOf = (days: readonly { readonly count: number }[]): number => days.reduce((sum, { count }) => sum + count, 0)

/** What the source has, day by day, oldest day first, and which of it the target has as often. */
async function planDays(job: Job): Promise<Plan> {
  const { source, target, asked, onProgress } = job
  const days: (Day & { isThere: boolean })[] = []
  const keptFromMs = Math.max(job.fromMs, job.samplesKeptFromMs)
  let leftOutCount = 0
  let foundCount = 0
  const found = (day: Day): void => {
    foundCount += day.count
    onProgress({ phase: 'counting', day: toDay(day.fromMs), doneCount: foundCount, totalCount: foundCount })
  }
  for (const measurement of Object.keys(MEASUREMENTS) as Measurement[]) {
    for await (const day of daysOf(source, { measurement, fromMs: job.fromMs, toMs: keptFromMs, asked })) {
      leftOutCount += day.count
      found(day)
    }
    for await (const day of daysOf(source, { measurement, fromMs: keptFromMs, toMs: END_MS, asked })) {
      const there = job.verifyOnly ? [] : await asked(() => target.tally(day))
      const countOf = new Map(there.map(({ lift, count }) => [lift, count]))
      days.push({ ...day, isThere: day.lifts.every(({ lift, count }) => countOf.get(lift) === count) })
      found(day)
    }
  }
  return { days: days.sort((a, b) => a.fromMs - b.fromMs), leftOutCount }
}

/** Resolves to how many points the target took. What was begun is waited for, also when it ends with an error. */
async function copyDays(job: Job, days: readonly Day[]): Promise<number> {
  const { source, target, asked, patience } = job
  const totalCount = sumOf(days)
  const underWay = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  let doneCount = 0

  function begin(day: Day, batch: readonly TelemetryPoint[]): void {
    const work = append(target, batch, asked)
      .then(() => {
        doneCount += batch.length
        job.onProgress({ phase: 'copying', day: toDay(day.fromMs), doneCount, totalCount })
      })
      .catch((error: unknown) => void (failure ??= { error }))
      .finally(() => underWay.delete(work))
    underWay.add(work)
  }

  try {
    for (const day of days) {
      for await (const { points } of stretchesOf(source, day, asked)) {
        for (let from = 0; from < points.length; from += BATCH_POINTS_MAX) {
          if (underWay.size >= BATCHES_MAX) await Promise.race(underWay)
          if (failure !== undefined) throw failure.error
          patience.signal.throwIfAborted()
          begin(day, points.slice(from, from + BATCH_POINTS_MAX))
        }
      }
    }
  } finally {
    await Promise.all(underWay)
  }
  if (failure !== undefined) throw failure.error
  return doneCount
}

/** A batch that is refused is halved until the point is found that is to blame. */
async function append(target: TelemetryStore, batch: readonly TelemetryPoint[], asked: Asked): Promise<void> {
  try {
    await asked(() => target.append(batch))
  } catch (error) {
    if (!(error instanceof TelemetryStoreError) || error.kind !== 'refused') throw error
    const [point] = batch
    if (batch.length === 1 && point !== undefined)
      throw new PointRefused(
        `the target refuses ${point.measurement} of lift ${point.lift}, sampled ${new Date(point.sampledAtMs).toISOString()}, boot ${point.boot}, seq ${point.seq}: ${error.message}`,
      )
    const half = Math.ceil(batch.length / 2)
    await append(target, batch.slice(0, half), asked)
    await append(target, batch.slice(half), asked)
  }
}

async function compareDays(job: Job, days: readonly Day[], comparison: Comparison): Promise<void> {
  const totalCount = sumOf(days)
  let doneCount = 0
  for (const day of days) {
    const label = toDay(day.fromMs)
    for await (const { points, copies } of pairsOf(job, day)) {
      comparison.takePoints(day.measurement, label, points, copies)
      doneCount += points.length
      job.onProgress({ phase: 'comparing', day: label, doneCount, totalCount })
    }
  }
}

/** What both stores have in each stretch of a day, several stretches being read at a time. */
async function* pairsOf(
  job: Job,
  day: Day,
): AsyncGenerator<{ points: readonly TelemetryPoint[]; copies: TelemetryPoint[] }> {
  const readCopies = async ({ points, fromMs, untilMs }: StretchPoints & { readonly fromMs: number }) => {
    const copies: TelemetryPoint[] = []
    const stretch = { measurement: day.measurement, fromMs, toMs: untilMs, count: points.length }
    for await (const part of stretchesOf(job.target, stretch, job.asked))
      for (const point of part.points) copies.push(point)
    return { points, copies }
  }
  const underWay: ReturnType<typeof readCopies>[] = []
  for await (const stretch of stretchesOf(job.source, day, job.asked)) {
    const pair = readCopies(stretch)
    // It is looked at when its turn comes, or never when an earlier one failed.
    pair.catch(() => {})
    underWay.push(pair)
    const first = underWay.length >= READS_MAX ? underWay.shift() : undefined
    if (first !== undefined) yield await first
  }
  for (const pair of underWay) yield await pair
}

/** Hourly figures, day by day: those that the target has not, or otherwise, are put and read again. */
async function moveFigures(job: Job, comparison: Comparison): Promise<{ putCount: number; leftOutCount: number }> {
  const { source, target, asked } = job
  let putCount = 0
  let leftOutCount = 0
  let doneCount = 0
  for (let atMs = job.fromMs; atMs < END_MS;) {
    const from = atMs
    const [oldest] = await asked(() => source.figures({ fromMs: from, toMs: END_MS, limit: 1 }))
    if (oldest === undefined) break
    for (let isEmpty = false, fromMs = oldest.hourAtMs; !isEmpty; fromMs = atMs) {
      atMs = nextDayMs(fromMs)
      const all = await readFigures(source, { fromMs, toMs: atMs }, asked)
      isEmpty = all.length === 0
      if (isEmpty) break
      const rows = all.filter(({ hourAtMs }) => hourAtMs >= job.figuresKeptFromMs)
      leftOutCount += all.length - rows.length
      if (rows.length > 0) {
        const there = await readFigures(target, { fromMs, toMs: atMs }, asked)
        const missing = job.verifyOnly ? [] : rowsToCopy(rows, there)
        for (let first = 0; first < missing.length; first += BATCH_POINTS_MAX)
          await asked(() => target.putFigures(missing.slice(first, first + BATCH_POINTS_MAX)))
        putCount += missing.length
        const after = missing.length === 0 ? there : await readFigures(target, { fromMs, toMs: atMs }, asked)
        comparison.takeFigures(toDay(fromMs), rows, after)
      }
      doneCount += all.length
      job.onProgress({ phase: 'figures', day: toDay(fromMs), doneCount, totalCount: doneCount })
    }
  }
  return { putCount, leftOutCount }
}

function rowsToCopy(rows: readonly HourFigures[], there: readonly HourFigures[]): HourFigures[] {
  const keyOf = ({ lift, hourAtMs }: HourFigures): string => `${lift} ${hourAtMs}`
  const known = new Map(there.map((row) => [keyOf(row), row]))
  return rows.filter((row) => {
    const copy = known.get(keyOf(row))
    return copy === undefined || hourLikeness(row, copy) !== undefined
  })
}

/** All rows of a stretch, in as many questions as it takes: the last hour of a full answer may go on behind it. */
async function readFigures(
  store: TelemetryStore,
  { fromMs, toMs }: { fromMs: number; toMs: number },
  asked: Asked,
): Promise<HourFigures[]> {
  const found: HourFigures[] = []
  for (let atMs = fromMs; ;) {
    const from = atMs
    const page = await asked(() => store.figures({ fromMs: from, toMs, limit: FIGURES_LIMIT_MAX }))
    const lastHourAtMs = page.at(-1)?.hourAtMs
    if (page.length < FIGURES_LIMIT_MAX || lastHourAtMs === undefined) return [...found, ...page]
    if (lastHourAtMs === page[0]?.hourAtMs)
      throw new RangeError(`there are ${FIGURES_LIMIT_MAX} or more rows of figures in one hour`)
    for (const row of page) if (row.hourAtMs < lastHourAtMs) found.push(row)
    atMs = lastHourAtMs
  }
}
