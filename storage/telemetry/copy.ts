/**
 * Moves what one telemetry store has into another, and proves that it is there. No state is kept anywhere: the target
 * itself says how far a copy came, because a day of which it has as many points of each lift as the source is not copied
 * again unless the comparison finds that they are others, and a point that is copied twice is one point.
 */
import { MEASUREMENTS, type Measurement } from '#contract/history'
import { Comparison } from './copy-compare.ts'
import { daysOf, END_MS, stretchesOf, toDay, type Asked, type Day } from './copy-days.ts'
import { moveFigures, watchFigures } from './copy-figures.ts'
import { PointRefused, SourceShrunk, type CopyJob, type CopyOptions } from './copy-job.ts'
import { BATCH_POINTS_MAX, TelemetryStoreError, type TelemetryPoint, type TelemetryStore } from './points.ts'
import { withPatience } from './patience.ts'
import type { StretchPoints } from './stretch-questions.ts'

/** While the target takes one batch the next is made ready for it. */
const BATCHES_MAX = 2
/** The same for what is read to be compared. */
const READS_MAX = 2

export type CopyResult = {
  readonly copiedCount: number
  /** Days of a measurement that the target had already, and the points in them. Other points in the same number do not count. */
  readonly skippedDayCount: number
  readonly skippedCount: number
  readonly figuresPutCount: number
  readonly leftOutCount: number
  readonly leftOutFiguresCount: number
  readonly comparison: Comparison
}

type Plan = { readonly days: readonly (Day & { readonly isThere: boolean })[]; readonly leftOutCount: number }

/** Rejects with `TelemetryStoreError`, with `PointRefused`, with `SourceShrunk`, and with the reason of the signal of `patience`. */
export async function copyTelemetry(options: CopyOptions): Promise<CopyResult> {
  const job: CopyJob = { ...options, asked: (attempt) => withPatience(attempt, options.patience) }
  const assertFiguresStay = await watchFigures(job)
  const plan = await planDays(job)
  const todo = job.verifyOnly ? [] : plan.days.filter(({ isThere }) => !isThere)
  const skipped = new Set<Day>(job.verifyOnly ? [] : plan.days.filter(({ isThere }) => isThere))
  let copiedCount = await copyDays(job, todo)
  const comparison = new Comparison()
  // The target may have as many points, but others: such days are copied after all, and compared once more.
  const others = await compareDays(job, plan.days, comparison, skipped)
  copiedCount += await copyDays(job, others)
  await compareDays(job, others, comparison)
  for (const day of others) skipped.delete(day)
  const figures = await moveFigures(job, comparison)
  await assertFiguresStay()
  return {
    copiedCount,
    skippedDayCount: skipped.size,
    skippedCount: sumOf([...skipped]),
    figuresPutCount: figures.putCount,
    leftOutCount: plan.leftOutCount,
    leftOutFiguresCount: figures.leftOutCount,
    comparison,
  }
}

const sumOf = (days: readonly { readonly count: number }[]): number => days.reduce((sum, { count }) => sum + count, 0)

/** What the source has, day by day, oldest day first, and which of it the target has as often. */
async function planDays(job: CopyJob): Promise<Plan> {
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
async function copyDays(job: CopyJob, days: readonly Day[]): Promise<number> {
  const { target, asked, patience } = job
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
      for await (const { points } of stretchesOfSource(job, day)) {
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

/** Resolves to those of the skipped days in which something is missing; they are not in the comparison. */
async function compareDays(
  job: CopyJob,
  days: readonly Day[],
  comparison: Comparison,
  skipped: ReadonlySet<Day> = new Set(),
): Promise<Day[]> {
  const totalCount = sumOf(days)
  const others: Day[] = []
  let doneCount = 0
  for (const day of days) {
    const label = toDay(day.fromMs)
    const ofDay = new Comparison()
    for await (const { points, copies } of pairsOf(job, day)) {
      ofDay.takePoints(day.measurement, label, points, copies)
      doneCount += points.length
      job.onProgress({ phase: 'comparing', day: label, doneCount, totalCount })
    }
    if (ofDay.sums.missing > 0 && skipped.has(day)) others.push(day)
    else comparison.add(ofDay)
  }
  return others
}

/** What `stretchesOf` gives of the source. Throws `SourceShrunk` when it ends before as many points as were counted. */
async function* stretchesOfSource({ source, asked }: CopyJob, day: Day): ReturnType<typeof stretchesOf> {
  let count = 0
  for await (const stretch of stretchesOf(source, day, asked)) {
    count += stretch.points.length
    yield stretch
  }
  if (count < day.count)
    throw new SourceShrunk(
      `has ${count} rows of ${day.measurement} on ${toDay(day.fromMs)}, where ${day.count} were counted before`,
    )
}

/** What both stores have in each stretch of a day, several stretches being read at a time. */
async function* pairsOf(
  job: CopyJob,
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
  for await (const stretch of stretchesOfSource(job, day)) {
    const pair = readCopies(stretch)
    // It is looked at when its turn comes, or never when an earlier one failed.
    pair.catch(() => {})
    underWay.push(pair)
    const first = underWay.length >= READS_MAX ? underWay.shift() : undefined
    if (first !== undefined) yield await first
  }
  for (const pair of underWay) yield await pair
}
