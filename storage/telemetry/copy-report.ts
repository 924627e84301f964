/** What the copying of a telemetry store says to people. Pure. */
import type { Compared, Comparison, LiftDay } from './copy-compare.ts'
import type { CopyResult } from './copy.ts'
import type { CopyProgress } from './copy-job.ts'

/** Lifts and days that are told one by one. */
const LINES_MAX = 20

export const toNumber = (count: number): string => Math.round(count).toLocaleString('en-US').replaceAll(',', ' ')
const nameOf = (what: Compared): string => (what === 'hour' ? 'hourly figures' : what)

/** One line. `spanMs`: how long the phase has lasted. */
export function progressLine({ phase, day, doneCount, totalCount }: CopyProgress, spanMs: number): string {
  if (phase === 'counting') return `counting ${day}: ${toNumber(doneCount)} rows found`
  if (phase === 'figures') return `hourly figures ${day}: ${toNumber(doneCount)} rows`
  const perS = spanMs > 0 ? (doneCount / spanMs) * 1_000 : 0
  const left = perS > 0 ? toSpan(((totalCount - doneCount) / perS) * 1_000) : 'unknown time'
  const share = totalCount === 0 ? 100 : Math.floor((doneCount / totalCount) * 1_000) / 10
  return `${phase} ${day}: ${toNumber(doneCount)} of ${toNumber(totalCount)} rows (${share.toFixed(1)} %), ${toNumber(perS)} rows/s, ${left} left`
}

function toSpan(ms: number): string {
  const seconds = Math.ceil(ms / 1_000)
  if (seconds < 90) return `${seconds} s`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** What was copied, left out and compared, and what is different. */
export function reportLines(
  { comparison, ...result }: CopyResult,
  o: { retentionDays: number; verifyOnly: boolean },
): string[] {
  const { sums } = comparison
  const lines: string[] = []
  if (!o.verifyOnly) lines.push(...copiedLines(result))
  if (result.leftOutCount > 0)
    lines.push(
      `Left out: ${toNumber(result.leftOutCount)} rows older than the ${o.retentionDays} days that samples are kept (TELEMETRY_RETENTION_DAYS). They are not in the comparison.`,
    )
  if (result.leftOutFiguresCount > 0)
    lines.push(
      `Left out: ${toNumber(result.leftOutFiguresCount)} hourly figures older than the 5 years that they are kept. They are not in the comparison.`,
    )
  lines.push(...tableOf(comparison))
  if (sums.receivedOtherwise > 0)
    lines.push(
      `${toNumber(sums.receivedOtherwise)} rows are equal but for the moment of their arrival (receivedAtMs): the target had them by another way. Nothing is lost.`,
    )
  if (sums.kept > 0)
    lines.push(
      `${toNumber(sums.kept)} hourly figures (${spanOf(comparison.keptDays)}) are different in the target and were kept: those of the source do not come from more samples, or cover less of the hour. Nothing is lost.`,
    )
  if (sums.extra > 0)
    lines.push(`${toNumber(sums.extra)} rows of the same days are in the target alone. They were left as they are.`)
  if (comparison.isWhole)
    lines.push(
      sums.kept === 0
        ? 'Equal: everything of the source is in the target, row by row.'
        : 'Whole: everything of the source is in the target, row by row, but for the hourly figures that it kept.',
    )
  else lines.push(...differenceLines(comparison, o))
  return lines
}

function copiedLines(result: Omit<CopyResult, 'comparison'>): string[] {
  const skipped =
    result.skippedDayCount === 0
      ? ''
      : `; skipped ${toNumber(result.skippedDayCount)} days of a measurement with ${toNumber(result.skippedCount)} rows that were there already`
  return [
    `Copied ${toNumber(result.copiedCount)} rows and ${toNumber(result.figuresPutCount)} hourly figures${skipped}.`,
  ]
}

/** The day, or the first and the last. */
function spanOf(days: ReadonlySet<string>): string {
  const [first = '', ...more] = [...days].sort()
  return more.length === 0 ? first : `${first} to ${more.at(-1)}`
}

function tableOf(comparison: Comparison): string[] {
  const standing = (what: Compared): string => {
    if (comparison.hasLoss(what)) return 'DIFFERENT'
    return what === 'hour' && comparison.sums.kept > 0 ? `equal but ${toNumber(comparison.sums.kept)} kept` : 'equal'
  }
  const rows = [...comparison.counts].map(([what, { days, lifts, rowCount }]) => [
    nameOf(what),
    toNumber(days.size),
    toNumber(lifts.size),
    toNumber(rowCount),
    standing(what),
  ])
  return ['Compared:', ...[['', 'days', 'lifts', 'rows', ''], ...rows].map(toTableLine)]
}

const toTableLine = ([name = '', days = '', lifts = '', rows = '', is = '']: readonly string[]): string =>
  `  ${name.padEnd(14)} ${days.padStart(7)} ${lifts.padStart(8)} ${rows.padStart(16)}  ${is}`.trimEnd()

function differenceLines({ sums, liftDays, isBounded }: Comparison, o: { verifyOnly: boolean }): string[] {
  const more = liftDays.length - LINES_MAX
  return [
    `Different: ${toNumber(sums.missing)} rows are missing in the target, ${toNumber(sums.changed)} have other values there.`,
    ...liftDays.slice(0, LINES_MAX).map(toDifferenceLine),
    ...(more > 0 || isBounded
      ? [`  and ${isBounded ? 'at least ' : ''}${toNumber(Math.max(more, 1))} more days of a lift`]
      : []),
    `${o.verifyOnly ? 'Run it without --verify-only' : 'Run the same command again'} for what is missing, and for hourly figures. For other values of samples remove that lift’s day from the target first, then run it again.`,
  ]
}

const toDifferenceLine = ({ what, day, lift, missing, changed }: LiftDay): string =>
  `  ${day} ${nameOf(what)} of ${lift}: ${toNumber(missing)} missing, ${toNumber(changed)} with other values`
