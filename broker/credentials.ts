/** Whether a claim is true: the terminal's row, read again at each CONNECT, and the proof of its secret. */
import { createHmac, randomBytes } from 'node:crypto'
import { accept, refuse, type AdmissionRefusal, type Result } from '#contract/errors'
import type { TerminalSerial } from '#contract/ids'
import type { Log } from '#contract/log-events'
import type { Register } from '#storage/register/register'
import type { Claim } from './admission.ts'
import { RecentMap } from './recent-map.ts'

/** The part of the register that the broker asks. */
export type Terminals = Pick<Register['terminals'], 'bySerial'>
export type TerminalRow = NonNullable<Awaited<ReturnType<Terminals['bySerial']>>>

/** Rows kept for the time when the register is away. A terminal beyond this bound must then wait until it is back. */
export const ROWS_MAX = 50_000
/** Proofs and disproofs kept; beyond it a secret is hashed again. */
export const PROOFS_MAX = 50_000
export const DISPROOFS_MAX = 10_000

export class Credentials {
  readonly #terminals: Terminals
  readonly #verifySecret: (hash: string, secret: string) => Promise<boolean>
  readonly #lookupMs: number
  readonly #log: Log
  // Known to this process alone, so that a memory dump of the cache says nothing about secrets without it.
  readonly #proofKey = randomBytes(32)
  readonly #rows = new RecentMap<TerminalSerial, TerminalRow>(ROWS_MAX)
  readonly #proofs = new RecentMap<string, true>(PROOFS_MAX)
  // A terminal with a wrong secret comes back every few seconds for weeks: it must not be hashed each time.
  readonly #disproofs = new RecentMap<string, true>(DISPROOFS_MAX)
  #registerIsAway = false

  constructor(o: {
    terminals: Terminals
    verifySecret: (hash: string, secret: string) => Promise<boolean>
    /** How long the register may take, ms; after that the last row seen counts. */
    lookupMs: number
    log: Log
  }) {
    this.#terminals = o.terminals
    this.#verifySecret = o.verifySecret
    this.#lookupMs = o.lookupMs
    this.#log = o.log
  }

  /** The row of the terminal that this claim is about, when its secret is right. Never rejects. */
  async prove(claim: Pick<Claim, 'serial' | 'secret'>): Promise<Result<TerminalRow, AdmissionRefusal>> {
    const found = await this.row(claim.serial)
    if (!found.ok) return found
    const row = found.value
    if (row === undefined) return refuse('admission.badCredentials', 'unknown terminal')
    const key = this.#proofOf(row, claim.secret)
    if (this.#proofs.get(key) !== undefined) return accept(row)
    if (this.#disproofs.get(key) !== undefined) return refuse('admission.badCredentials', 'wrong secret, as before')
    let isRight: boolean
    try {
      isRight = await this.#verifySecret(row.secretHash, claim.secret)
    } catch (error) {
      return refuse('admission.busy', error instanceof Error ? error.message : 'secret could not be verified')
    }
    const answers = isRight ? this.#proofs : this.#disproofs
    answers.set(key, true)
    return isRight ? accept(row) : refuse('admission.badCredentials', 'wrong secret')
  }

  /** The stored hash is part of the key, so that a new secret in the register ends every proof of the old one. */
  #proofOf(row: TerminalRow, secret: string): string {
    return createHmac('sha256', this.#proofKey)
      .update(JSON.stringify([row.serial, secret, row.secretHash]))
      .digest('base64')
  }

  /** The row as the register has it now, or as it was last seen when the register is away. Never rejects. */
  async row(serial: TerminalSerial): Promise<Result<TerminalRow | undefined, AdmissionRefusal>> {
    try {
      const row = await this.#lookUp(serial)
      if (this.#registerIsAway) this.#log.info('register.back', { part: 'broker' })
      this.#registerIsAway = false
      if (row === undefined) this.#rows.delete(serial)
      else this.#rows.set(serial, row)
      return accept(row)
    } catch (error) {
      if (!this.#registerIsAway) this.#log.warn('register.away', { part: 'broker', err: error })
      this.#registerIsAway = true
      const lastSeen = this.#rows.get(serial)
      return lastSeen === undefined ? refuse('admission.registerAway', 'no row seen before') : accept(lastSeen)
    }
  }

  async #lookUp(serial: TerminalSerial): Promise<TerminalRow | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${this.#lookupMs} ms`)), this.#lookupMs)
    })
    try {
      return await Promise.race([this.#terminals.bySerial(serial), late])
    } finally {
      clearTimeout(timer)
    }
  }
}
