/** The file that says which past the demonstration town was given, and whether all of it is there. */
import { readFile } from 'node:fs/promises'
import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { writeWhole } from '../whole-file.ts'

const HistoryRecord = Type.Object({
  seed: Type.Integer(),
  fromMs: Type.Integer({ minimum: 0, description: 'First instant, the begin of an hour' }),
  untilMs: Type.Integer({
    minimum: 0,
    description: 'When the town was founded: from then on its lifts are simulated live',
  }),
  statusesFromMs: Type.Integer({ minimum: 0 }),
  isWhole: Type.Boolean({ description: 'All of it is stored' }),
})
export type HistoryRecord = Static<typeof HistoryRecord>
const validator = Compile(HistoryRecord)

const HOUR_MS = 3600_000
const DAY_MS = 24 * HOUR_MS
/**
 * Days of which each status is kept. Of the days before there are hourly figures, counter readings and messages: 30 days of
 * statuses of 120 lifts are 2.4 million rows, and storing them takes longer than anybody waits.
 */
export const STATUS_DAYS = 1

/** The past of a town that is founded at `untilMs`; nothing of it is stored yet. */
export function newHistoryRecord(o: { seed: number; dayCount: number; untilMs: number }): HistoryRecord {
  const { seed, dayCount, untilMs } = o
  const hourAtMs = untilMs - (untilMs % HOUR_MS)
  return {
    seed,
    fromMs: hourAtMs - dayCount * DAY_MS,
    untilMs,
    statusesFromMs: hourAtMs - Math.min(dayCount, STATUS_DAYS) * DAY_MS,
    isWhole: false,
  }
}

export const writeHistoryRecord = (path: string, record: HistoryRecord): Promise<void> =>
  writeWhole(path, JSON.stringify(record) + '\n')

/** Undefined when there is none. Rejects when it cannot be read, or is not what `writeHistoryRecord` writes. */
export async function readHistoryRecord(path: string): Promise<HistoryRecord | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const content: unknown = JSON.parse(text)
  if (!validator.Check(content)) throw new Error(`${path} is no record of a simulated history`)
  return content
}
