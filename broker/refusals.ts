/** Every refusal at the door, counted by its code and told in the log a bounded number of times. */
import type { Counter } from 'prom-client'
import type { AdmissionRefusal } from '#contract/errors'
import type { Log } from '#contract/log-events'

/** Log lines per code and minute; what is beyond is counted only, so that a misbehaving device cannot fill the disk. */
export const REFUSAL_LINES_PER_MINUTE_MAX = 30
/** Longest detail in a log line, UTF-16 units. */
const DETAIL_LENGTH_MAX = 120
const MINUTE_MS = 60_000

type RefusalFields = {
  readonly terminal?: string | undefined
  readonly address?: string
  readonly detail?: string
}

/** Counts refusals and tells of them. */
export class Refusals {
  readonly #counter: Counter<'code'>
  readonly #log: Log
  readonly #nowMs: () => number
  readonly #linesByCode = new Map<AdmissionRefusal, { minute: number; lineCount: number; unloggedCount: number }>()

  constructor(o: { counter: Counter<'code'>; log: Log; nowMs: () => number }) {
    this.#counter = o.counter
    this.#log = o.log
    this.#nowMs = o.nowMs
  }

  /** Counts one refusal. Total: never throws. */
  count(code: AdmissionRefusal, fields: RefusalFields): void {
    this.#counter.inc({ code })
    const minute = Math.floor(this.#nowMs() / MINUTE_MS)
    const lines = this.#linesByCode.get(code) ?? { minute, lineCount: 0, unloggedCount: 0 }
    this.#linesByCode.set(code, lines)
    if (lines.minute !== minute) {
      lines.minute = minute
      lines.lineCount = 0
    }
    if (lines.lineCount >= REFUSAL_LINES_PER_MINUTE_MAX) {
      lines.unloggedCount += 1
      return
    }
    lines.lineCount += 1
    const detail = fields.detail?.slice(0, DETAIL_LENGTH_MAX)
    this.#log.warn('broker.refused', { ...fields, detail, code, unloggedCount: lines.unloggedCount })
    lines.unloggedCount = 0
  }
}
