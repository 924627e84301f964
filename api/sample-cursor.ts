/** Where a page of samples ended. The next one begins there, in the range of the first, whatever arrived meanwhile. Pure. */
import { accept, refuse, type Result } from '#contract/errors'
import { HISTORY_RANGE_MS_MAX, MEASUREMENTS, type Measurement } from '#contract/history'
import type { PointPosition } from '#storage/telemetry/telemetry-store'
import { cursorText, partsOfCursor } from './cursor-text.ts'
import { readRange, type HistoryRange } from './history-range.ts'

export type SamplesRange = HistoryRange & {
  readonly lift: string
  readonly measurement: Measurement
  readonly after?: PointPosition
}

/** As clients pass it on, unread. */
export function cursorOf(range: SamplesRange, { sampledAtMs, boot, seq }: PointPosition): string {
  const { lift, measurement, fromMs, toMs } = range
  return cursorText([lift, measurement, fromMs, toMs, sampledAtMs, boot, seq])
}

/**
 * What a page is asked for. With a cursor the range is that of the first page; said again, it must be the same, and so
 * must lift and measurement: a cursor of another list would leave samples out in silence.
 */
export function readSamplesRange(o: {
  lift: string
  measurement: Measurement | undefined
  from: string | undefined
  to: string | undefined
  after: string | undefined
  nowMs: number
}): Result<SamplesRange, 'history.badRange' | 'history.badCursor'> {
  const { lift, from, to, nowMs } = o
  if (o.after === undefined) {
    const range = readRange({ from, to, nowMs })
    return range.ok ? accept({ ...range.value, lift, measurement: o.measurement ?? 'status' }) : range
  }
  const cursor = readCursor(o.after)
  if (cursor === undefined) return refuse('history.badCursor', 'after is not the `next` of a page of samples')
  if (cursor.lift !== lift) return refuse('history.badCursor', 'after is of another lift')
  if (o.measurement !== undefined && cursor.measurement !== o.measurement)
    return refuse('history.badCursor', `after is of the measurement ${cursor.measurement}`)
  const iso = (atMs: number): string => new Date(atMs).toISOString()
  const said = readRange({ from: from ?? iso(cursor.fromMs), to: to ?? iso(cursor.toMs), nowMs })
  if (!said.ok) return said
  if (said.value.fromMs !== cursor.fromMs || said.value.toMs !== cursor.toMs)
    return refuse('history.badCursor', 'after is of another range; leave from and to out, or say them as before')
  return accept(cursor)
}

function readCursor(text: string): (SamplesRange & { readonly after: PointPosition }) | undefined {
  const parts = partsOfCursor(text)
  if (parts?.length !== 7) return undefined
  const [lift, measurement, ...numbers] = parts
  const [fromMs, toMs, sampledAtMs, boot, seq] = numbers.filter(isCount)
  if (fromMs === undefined || toMs === undefined || toMs - fromMs > HISTORY_RANGE_MS_MAX) return undefined
  if (sampledAtMs === undefined || boot === undefined || seq === undefined) return undefined
  if (sampledAtMs < fromMs || sampledAtMs >= toMs || toMs > LAST_MS) return undefined
  if (typeof lift !== 'string' || !isMeasurement(measurement)) return undefined
  return { lift, measurement, fromMs, toMs, after: { sampledAtMs, boot, seq } }
}

/** Beyond it there is no date to write. */
const LAST_MS = 8.64e15
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const isMeasurement = (name: unknown): name is Measurement =>
  typeof name === 'string' && Object.hasOwn(MEASUREMENTS, name)
