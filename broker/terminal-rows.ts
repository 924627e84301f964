/**
 * The rows of terminals as the register has them. The change feed keeps them up to date, so a CONNECT of a known terminal
 * asks nobody; only a serial that is not known is looked up.
 */
import { accept, refuse, type AdmissionRefusal, type Result } from '#contract/errors'
import type { TerminalSerial } from '#contract/ids'
import type { Log } from '#contract/log-events'
import type { KnownTerminal, Register } from '#storage/register/register'
import { RecentMap } from '#contract/recent-map'
import { answerWithin } from '#storage/within'

/** The part of the register that the broker asks. */
export type Terminals = Pick<Register['terminals'], 'bySerial' | 'changedAfter'>
export type TerminalRow = KnownTerminal

/** Rows kept, about 400 bytes each. A terminal beyond this bound is looked up at its CONNECT. */
export const ROWS_MAX = 200_000
/** Serials kept that the register does not have. */
const UNKNOWN_MAX = 10_000
/** For how long such a serial is not looked up again, ms. A terminal that is registered meanwhile comes by the feed. */
export const UNKNOWN_MS = 5_000
/** Look-ups at one time; serials that nobody knows must not keep the register from those who work with it. */
export const LOOKUPS_MAX = 64

/** The rows that the broker keeps, and the look-up of the others. */
export class TerminalRows {
  readonly #terminals: Pick<Terminals, 'bySerial'>
  readonly #lookupMs: number
  readonly #elapsedMs: () => number
  readonly #log: Log
  readonly #rows = new RecentMap<TerminalSerial, TerminalRow>(ROWS_MAX)
  readonly #unknown = new RecentMap<TerminalSerial, { readonly untilMs: number }>(UNKNOWN_MAX)
  #lookupCount = 0
  #registerIsAway = false

  constructor(o: {
    terminals: Pick<Terminals, 'bySerial'>
    /** How long the register may take, ms. */
    lookupMs: number
    /** A clock that never goes back, ms. */
    elapsedMs: () => number
    log: Log
  }) {
    this.#terminals = o.terminals
    this.#lookupMs = o.lookupMs
    this.#elapsedMs = o.elapsedMs
    this.#log = o.log
  }

  /** Rows that had to make room. */
  get droppedCount(): number {
    return this.#rows.droppedCount
  }

  get size(): number {
    return this.#rows.size
  }

  /** The row as it was last seen. */
  known(serial: TerminalSerial): TerminalRow | undefined {
    return this.#rows.get(serial)
  }

  /** Takes in what the register said; of two rows of one terminal the newer one stays. */
  put(row: TerminalRow): void {
    const known = this.#rows.get(row.serial)
    if (known !== undefined && known.revision > row.revision) return
    this.#rows.set(row.serial, row)
    this.#unknown.delete(row.serial)
  }

  /** Forgets everything: the register is another one. */
  clear(): void {
    this.#rows.clear()
    this.#unknown.clear()
  }

  /** The row of a terminal, undefined when the register has none. Asks only about a serial that is not known. Never rejects. */
  async row(serial: TerminalSerial): Promise<Result<TerminalRow | undefined, AdmissionRefusal>> {
    const known = this.#rows.get(serial)
    if (known !== undefined) return accept(known)
    const unknown = this.#unknown.get(serial)
    if (unknown !== undefined && unknown.untilMs > this.#elapsedMs()) return accept(undefined)
    if (this.#lookupCount >= LOOKUPS_MAX) return refuse('admission.busy', 'too many unknown serials are looked up')
    return this.askedRow(serial)
  }

  /** The row as the register has it at this moment. Never rejects; when the register is away, that is the refusal. */
  async askedRow(serial: TerminalSerial): Promise<Result<TerminalRow | undefined, AdmissionRefusal>> {
    this.#lookupCount += 1
    try {
      const row = await answerWithin(this.#lookupMs, this.#terminals.bySerial(serial))
      this.noteAnswer()
      if (row !== undefined) this.put(row)
      else {
        this.#rows.delete(serial)
        this.#unknown.set(serial, { untilMs: this.#elapsedMs() + UNKNOWN_MS })
      }
      // The feed may have brought a newer row meanwhile.
      return accept(row === undefined ? undefined : (this.#rows.get(serial) ?? row))
    } catch (error) {
      this.noteSilence(error)
      return refuse('admission.registerAway', 'not known, and the register gives no answer')
    } finally {
      this.#lookupCount -= 1
    }
  }

  /** The register has answered. Its going and its coming are each told once. */
  noteAnswer(): void {
    if (this.#registerIsAway) this.#log.info('register.back', { part: 'broker' })
    this.#registerIsAway = false
  }

  noteSilence(error: unknown): void {
    if (!this.#registerIsAway) this.#log.warn('register.away', { part: 'broker', err: error })
    this.#registerIsAway = true
  }
}
