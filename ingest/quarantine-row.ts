import type { QuarantineReason } from '#contract/errors'
import { isTerminalSerial } from '#contract/ids'
import type { QuarantineRow } from '#contract/register'
import type { JournalRecord } from '#storage/journal/journal'

/** Bytes of the payload that a quarantine row shows. */
const SHOWN_BYTES_MAX = 2_048

/** The row that tells an administrator what came, from whom, and the first thing that was wrong with it. */
export function quarantineRowOf(record: JournalRecord, reason: QuarantineReason, detail: string): QuarantineRow {
  return {
    position: record.position,
    receivedAtMs: record.receivedAtMs,
    terminal: isTerminalSerial(record.terminal) ? record.terminal : null,
    topic: record.topic,
    reason,
    detail,
    // A text column takes no U+0000, and control characters would play tricks on whoever reads the list.
    payload: Buffer.from(record.payload.subarray(0, SHOWN_BYTES_MAX))
      .toString('utf8')
      .replace(/\p{Cc}/gu, '\ufffd'),
  }
}
