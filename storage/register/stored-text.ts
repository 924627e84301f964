/**
 * Text on its way into the database. PostgreSQL takes no U+0000, and JSON in it no half of a surrogate pair; a terminal may
 * send both. They become U+FFFD here, because a row that can never be written would stand in the way of all that follow.
 */
const REPLACEMENT = '\ufffd'

/** Plain text that every text column takes. */
export const toStoredText = (text: string): string => text.replaceAll('\0', REPLACEMENT)

/** A value as the JSON text that a jsonb column takes. */
export function toJson(value: unknown): string {
  // JSON.stringify writes the two as \u0000 and \ud800…\udfff; a pair of backslashes before them is text, so it is consumed first.
  return JSON.stringify(value ?? null).replaceAll(/(\\\\)|\\u(?:0000|d[89a-f][0-9a-f]{2})/g, (match, pair?: string) =>
    pair === undefined ? REPLACEMENT : match,
  )
}
