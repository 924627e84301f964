/** Lists page by page: `next` names the last row of a page, and the page behind it begins there, whatever was added since. */
import type { Page } from './register.ts'

/** Where a page ended: one or two numbers and perhaps an id. People pass it on unread. */
export type Cursor = readonly (string | number)[]

/** Makes the page of rows that were asked for with a limit one too high. */
export function pageOf<Row>(rows: readonly Row[], limit: number, cursorOf: (row: Row) => Cursor): Page<Row> {
  const kept = rows.slice(0, limit)
  const last = kept.at(-1)
  const isMore = rows.length > limit && last !== undefined
  return { rows: kept, next: isMore ? Buffer.from(JSON.stringify(cursorOf(last))).toString('base64url') : null }
}

/** The cursor in the text; undefined when it is none of ours. `shape` gives the type of each of its parts. */
export function readCursor(text: string, shape: readonly ('string' | 'number')[]): Cursor | undefined {
  try {
    const cursor: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (!Array.isArray(cursor) || cursor.length !== shape.length) return undefined
    const fits = cursor.every(
      (part, index) => typeof part === shape[index] && (typeof part === 'string' || Number.isSafeInteger(part)),
    )
    return fits ? (cursor as Cursor) : undefined // checked part by part in the line above
  } catch {
    return undefined
  }
}

/** No row lies behind a cursor that is none of ours. */
export const EMPTY_PAGE = { rows: [], next: null } as const
