/** Hourly figures on their way from one store into another, and compared there. */
import { FIGURES_LIMIT_MAX, type HourFigures } from '#contract/figures'
import { hourLikeness, type Comparison } from './copy-compare.ts'
import { END_MS, nextDayMs, toDay, type Asked } from './copy-days.ts'
import { SourceShrunk, type CopyJob } from './copy-job.ts'
import { hourKeyOf } from './hour-rows.ts'
import { BATCH_POINTS_MAX, type TelemetryStore } from './points.ts'

/** Hourly figures, day by day: those that the target has not, or from fewer samples, are put and read again. */
export async function moveFigures(
  job: CopyJob,
  comparison: Comparison,
): Promise<{ putCount: number; leftOutCount: number }> {
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

/** What the target has better, or another way, stays there. */
function rowsToCopy(rows: readonly HourFigures[], there: readonly HourFigures[]): HourFigures[] {
  const known = new Map(there.map((row) => [hourKeyOf(row), row]))
  return rows.filter((row) => {
    const copy = known.get(hourKeyOf(row))
    return copy === undefined || hourLikeness(row, copy) === 'changed'
  })
}

/**
 * Resolves to a question whether the oldest figures that are copied are still in the source, which throws `SourceShrunk`
 * when they are not. Figures are not counted beforehand, so a source that is gone in the middle would look like their end.
 */
export async function watchFigures({ source, asked, ...job }: CopyJob): Promise<() => Promise<void>> {
  const fromMs = Math.max(job.fromMs, job.figuresKeptFromMs)
  const oldestKey = async (): Promise<string | undefined> => {
    const [row] = await asked(() => source.figures({ fromMs, toMs: END_MS, limit: 1 }))
    return row === undefined ? undefined : hourKeyOf(row)
  }
  const before = await oldestKey()
  return async () => {
    if (before === undefined || before === (await oldestKey())) return
    throw new SourceShrunk('has lost the oldest of its hourly figures since the beginning')
  }
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
