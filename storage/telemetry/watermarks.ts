/**
 * Which points are surely new. Samples of a lift arrive in order of time almost always, so a point that is younger
 * than everything the table has of its lift need not be looked up; only the others are.
 */
import type { PointColumns } from './point-columns.ts'

/** Lifts that are remembered one by one; beyond it everything up to the newest sample of all is looked up again. */
const LIFTS_MAX = 500_000

export interface Watermarks {
  /** Rows of the batch that are surely new, and rows that must be looked up. A row that repeats an earlier one is in neither. */
  split(batch: PointColumns): { fresh: number[]; doubtful: number[] }
  /** To be called when these rows are committed, not before. */
  advance(batch: PointColumns, rows: readonly number[]): void
}

/** `floorMs`: sample time of the newest row of the table when it was opened, -1 when it is empty. */
export function newWatermarks(floorMs: number): Watermarks {
  let floor = floorMs
  let newest = floorMs
  const newestByLift = new Map<string, number>()

  return {
    split(batch) {
      const fresh: number[] = []
      const doubtful: number[] = []
      const seen = new Set<string>()
      for (let row = 0; row < batch.count; row += 1) {
        const lift = batch.lift[row] ?? ''
        const atMs = batch.sampledAtMs[row] ?? 0
        const identity = `${lift} ${atMs} ${batch.numbers['boot']?.[row]} ${batch.numbers['seq']?.[row]}`
        if (seen.has(identity)) continue
        seen.add(identity)
        ;(atMs > (newestByLift.get(lift) ?? floor) ? fresh : doubtful).push(row)
      }
      return { fresh, doubtful }
    },
    advance(batch, rows) {
      for (const row of rows) {
        const lift = batch.lift[row] ?? ''
        const atMs = batch.sampledAtMs[row] ?? 0
        if (atMs > (newestByLift.get(lift) ?? floor)) newestByLift.set(lift, atMs)
        if (atMs > newest) newest = atMs
      }
      if (newestByLift.size > LIFTS_MAX) {
        newestByLift.clear()
        floor = newest
      }
    },
  }
}
