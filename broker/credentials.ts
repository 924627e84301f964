/** Whether a claim is true: the terminal's row, and the proof of its secret. */
import { createHmac, randomBytes } from 'node:crypto'
import { accept, refuse, type AdmissionRefusal, type Result } from '#contract/errors'
import type { TerminalSerial } from '#contract/ids'
import type { Claim } from './admission.ts'
import { RecentMap } from '#contract/recent-map'
import type { TerminalRow, TerminalRows } from './terminal-rows.ts'

/** Proofs and disproofs kept; beyond it a secret is hashed again. */
export const PROOFS_MAX = 50_000
const DISPROOFS_MAX = 10_000

/** Proves claims, and remembers what was proved. */
export class Credentials {
  readonly #rows: Pick<TerminalRows, 'known' | 'row'>
  readonly #verifySecret: (hash: string, secret: string) => Promise<boolean>
  // Known to this process alone, so that a memory dump of the cache says nothing about secrets without it.
  readonly #proofKey = randomBytes(32)
  readonly #proofs = new RecentMap<string, true>(PROOFS_MAX)
  // A terminal with a wrong secret comes back every few seconds for weeks: it must not be hashed each time.
  readonly #disproofs = new RecentMap<string, true>(DISPROOFS_MAX)

  /** Verifications under way; as many at most as may wait for their turn. */
  readonly #underway = new Map<string, Promise<boolean>>()

  constructor(o: {
    rows: Pick<TerminalRows, 'known' | 'row'>
    verifySecret: (hash: string, secret: string) => Promise<boolean>
  }) {
    this.#rows = o.rows
    this.#verifySecret = o.verifySecret
  }

  /** Proofs and disproofs that had to make room. */
  get droppedCount(): number {
    return this.#proofs.droppedCount + this.#disproofs.droppedCount
  }

  /** The row of the terminal that this claim is about, when its proof is right. Never rejects. */
  async prove(claim: Pick<Claim, 'serial' | 'secret' | 'proof'>): Promise<Result<TerminalRow, AdmissionRefusal>> {
    const found = await this.#rows.row(claim.serial)
    if (!found.ok) return found
    const row = found.value
    if (row === undefined) return refuse('admission.badCredentials', 'unknown terminal')
    // The certificate was judged before; the register decides the rest.
    if (claim.proof === 'certificate') return accept(row)
    const { secretHash } = row
    if (secretHash === null) return refuse('admission.badCredentials', 'the terminal has no secret')
    const key = this.#proofOf(row, claim.secret)
    if (this.#proofs.get(key) !== undefined) return accept(row)
    if (this.#disproofs.get(key) !== undefined) return refuse('admission.badCredentials', 'wrong secret, as before')
    let isRight: boolean
    try {
      isRight = await this.#verified(key, secretHash, claim.secret)
    } catch (error) {
      return refuse('admission.busy', error instanceof Error ? error.message : 'secret could not be verified')
    }
    return isRight ? accept(row) : refuse('admission.badCredentials', 'wrong secret')
  }

  /**
   * Verifies once, also when the terminal gave up waiting and asks again meanwhile. What comes out is remembered even when
   * nobody waits for it any more, so after a restart each terminal costs one hash, however often it comes.
   */
  #verified(key: string, secretHash: string, secret: string): Promise<boolean> {
    const underway = this.#underway.get(key)
    if (underway !== undefined) return underway
    const verifying = this.#verifySecret(secretHash, secret)
      .then((isRight) => {
        const answers = isRight ? this.#proofs : this.#disproofs
        answers.set(key, true)
        return isRight
      })
      .finally(() => this.#underway.delete(key))
    this.#underway.set(key, verifying)
    return verifying
  }

  /** True when this process has proved this very secret already: that costs neither a look-up nor a hash. */
  remembers(claim: Pick<Claim, 'serial' | 'secret'>): boolean {
    const row = this.#rows.known(claim.serial)
    return row !== undefined && this.#proofs.get(this.#proofOf(row, claim.secret)) !== undefined
  }

  /** True when the register is known to have this terminal; one that it has only just got may be missing for a moment. */
  knows(serial: TerminalSerial): boolean {
    return this.#rows.known(serial) !== undefined
  }

  /** The row as it is at this moment: proving takes time, in which the register may have changed it. */
  newest(row: TerminalRow): Result<TerminalRow, AdmissionRefusal> {
    const newest = this.#rows.known(row.serial) ?? row
    return newest.secretHash === row.secretHash
      ? accept(newest)
      : refuse('admission.badCredentials', 'the secret was changed meanwhile')
  }

  /** The stored hash is part of the key, so that a new secret in the register ends every proof of the old one. */
  #proofOf(row: TerminalRow, secret: string): string {
    return createHmac('sha256', this.#proofKey)
      .update(JSON.stringify([row.serial, secret, row.secretHash]))
      .digest('base64')
  }
}
