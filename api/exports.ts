/** Exports (导出): how many run at one time, how long each may take, and the samples of a whole range page by page. */
import type { ServerResponse } from 'node:http'
import type { PointPosition, PointsQuery, TelemetryPoint, TelemetryStore } from '#storage/telemetry/telemetry-store'
import { Refusal } from './problems.ts'
import type { Questions } from './store-questions.ts'

export type ExportLimits = {
  /** Exports at one time. */
  readonly exportsMax: number
  /** Of one person. */
  readonly exportsOfOneMax: number
  /** Nobody reads longer than this. */
  readonly exportMsMax: number
  /** Samples that are read, and are in memory, at once. */
  readonly pageSamples: number
}
export const EXPORT_LIMITS: ExportLimits = {
  exportsMax: 4,
  exportsOfOneMax: 2,
  exportMsMax: 30 * 60_000,
  pageSamples: 2_000,
}
const RETRY_AFTER_S = 30

export interface ExportPlaces {
  /** Takes a place, which is free again when the answer is over, however it ends. Throws a refusal when there is none. */
  take(answerTo: ServerResponse, person: string): void
}

export function openExportPlaces(limits: ExportLimits): ExportPlaces {
  const countOf = new Map<string, number>()
  let takenCount = 0
  return {
    take(answerTo, person) {
      const own = countOf.get(person) ?? 0
      const refuse = (reason: string) => new Refusal('export.tooMany', reason, { retryAfterS: RETRY_AFTER_S })
      if (own >= limits.exportsOfOneMax)
        throw refuse(`You have ${own} exports under way; wait until one has ended, or end it`)
      if (takenCount >= limits.exportsMax) throw refuse(`${takenCount} exports are under way; wait until one has ended`)
      if (answerTo.closed) throw new Refusal('request.invalid', 'The asker has gone')
      takenCount += 1
      countOf.set(person, own + 1)
      // Cut off, the file is seen to be incomplete.
      const timer = setTimeout(() => answerTo.destroy(), limits.exportMsMax)
      answerTo.once('close', () => {
        clearTimeout(timer)
        takenCount -= 1
        const left = (countOf.get(person) ?? 1) - 1
        if (left === 0) countOf.delete(person)
        else countOf.set(person, left)
      })
    },
  }
}

/** All samples of a range, oldest first. The next page is read only when somebody takes it. */
export async function* pagesOf(
  telemetry: Pick<TelemetryStore, 'points'>,
  o: { query: PointsQuery; questions: Questions; answerTo: ServerResponse },
): AsyncGenerator<readonly TelemetryPoint[], void> {
  const { query, questions, answerTo } = o
  let after: PointPosition | undefined
  do {
    const position = after === undefined ? {} : { after }
    const page = await questions.ask(answerTo, (signal) => telemetry.points({ ...query, ...position, signal }))
    yield page
    after = page.length < query.limit ? undefined : page.at(-1)
  } while (after !== undefined)
}
