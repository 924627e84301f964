/** Cursors as clients pass them on, unread: a list of values in base64url. Pure. */

export const cursorText = (parts: readonly unknown[]): string =>
  Buffer.from(JSON.stringify(parts)).toString('base64url')

/** The values of a cursor, of any kind: it may have been made by anybody. Undefined when it is no list. */
export function partsOfCursor(text: string): unknown[] | undefined {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    return Array.isArray(parts) ? (parts as unknown[]) : undefined
  } catch {
    return undefined
  }
}
