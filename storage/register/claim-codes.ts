/**
 * Claim codes (认领码): who installs a terminal at a lift shows one instead of a session. A code is for one lift, is used once,
 * and is over in time; only its hash is kept (see `hashClaimCode`).
 */
import { type Kysely, type Selectable, type Transaction } from 'kysely'
import { accept, refuse, type Result } from '#contract/errors'
import type { TerminalSerial } from '#contract/ids'
import type { KnownTerminal, Register } from './register.ts'
import type { ClaimCodesTable, Tables } from './tables.ts'
import { bindTo, change, isLift, note, terminalOf, underTerminalsLock, type TerminalAct } from './terminals.ts'

/**
 * How long the same terminal may use the same code again, ms. The answer with the secret may be lost on its way, and a
 * terminal without a secret would need somebody to come once more.
 */
export const CLAIM_AGAIN_MS_MAX = 10 * 60_000

export function claimCodesOn(kysely: Kysely<Tables>): Register['claimCodes'] {
  return {
    issue: (o) => underTerminalsLock(kysely, (transaction) => issue(transaction, o)),
    claim: (o) => underTerminalsLock(kysely, (transaction) => claim(transaction, o)),
  }
}

async function issue(
  transaction: Transaction<Tables>,
  { codeHash, lift, by, atMs, expiresAtMs }: Parameters<Register['claimCodes']['issue']>[0],
): Promise<Result<void>> {
  if (!(await isLift(transaction, lift))) return refuse('notFound', 'There is no such lift')
  // Nothing can be done any more with codes that are over; the audit says that they were. A new code replaces an open one.
  await transaction
    .deleteFrom('claimCodes')
    .where((where) =>
      where.or([
        where('expiresAtMs', '<=', atMs - CLAIM_AGAIN_MS_MAX),
        where('claimedAtMs', '<=', atMs - CLAIM_AGAIN_MS_MAX),
        where.and([where('lift', '=', lift), where('claimedAtMs', 'is', null)]),
      ]),
    )
    .execute()
  await transaction
    .insertInto('claimCodes')
    .values({ codeHash, lift, issuedBy: by, issuedAtMs: atMs, expiresAtMs, claimedAtMs: null, claimedBy: null })
    .execute()
  const detail = `until ${new Date(expiresAtMs).toISOString()}`
  await transaction.insertInto('audit').values({ atMs, by, act: 'claimCodes.issue', subject: lift, detail }).execute()
  return accept(undefined)
}

const NOT_TAKEN = refuse('claim.refused', 'The code is wrong, used or expired')

async function claim(
  transaction: Transaction<Tables>,
  o: Parameters<Register['claimCodes']['claim']>[0],
): Promise<Result<KnownTerminal>> {
  const { codeHash, serial, secretHash, atMs } = o
  const code = await transaction
    .selectFrom('claimCodes')
    .selectAll()
    .where('codeHash', '=', codeHash)
    .executeTakeFirst()
  if (code === undefined) return NOT_TAKEN
  const act: TerminalAct = { serial, atMs, by: `${code.issuedBy} (claim code)` }
  const terminal = await terminalOf(transaction, serial)
  const reason = reasonAgainst(code, terminal, o)
  if (reason !== undefined) {
    // Whoever asks holds a code that was ours: the administrator may read why it was of no use.
    await note(transaction, act, 'terminals.claimRefused', `${code.lift}: ${reason}`)
    return NOT_TAKEN
  }
  const row = terminal === undefined ? await insert(transaction, o) : await change(transaction, serial, { secretHash })
  const isAgain = code.claimedBy !== null
  if (!isAgain)
    await transaction
      .updateTable('claimCodes')
      .set({ claimedAtMs: atMs, claimedBy: serial })
      .where('codeHash', '=', codeHash)
      .execute()
  await note(transaction, act, 'terminals.claim', isAgain ? `${code.lift}, again: a new secret` : code.lift)
  return row.lift === code.lift ? accept(row) : bindTo(transaction, { ...act, lift: code.lift })
}

const insert = (
  transaction: Transaction<Tables>,
  { serial, secretHash, atMs }: { serial: TerminalSerial; secretHash: string; atMs: number },
): Promise<KnownTerminal> =>
  transaction
    .insertInto('terminals')
    .values({ serial, lift: null, boundAtMs: atMs, revokedAtMs: null, secretHash })
    .returningAll()
    .executeTakeFirstOrThrow()

/** Why a code that is ours does not let this terminal in; undefined when it does. */
function reasonAgainst(
  code: Selectable<ClaimCodesTable>,
  terminal: KnownTerminal | undefined,
  { serial, atMs }: { serial: string; atMs: number },
): string | undefined {
  if (terminal !== undefined && terminal.revokedAtMs !== null) return 'the terminal is revoked'
  if (code.claimedAtMs !== null) {
    if (code.claimedBy !== serial) return 'used by another terminal'
    if (atMs - code.claimedAtMs > CLAIM_AGAIN_MS_MAX) return 'used'
    // What was decided since then by a person counts more than an old code.
    return terminal?.lift === code.lift ? undefined : 'the terminal was bound elsewhere since'
  }
  if (code.expiresAtMs <= atMs) return 'expired'
  // A code opens one lift; it must not take the terminal away from another one.
  if (terminal !== undefined && terminal.lift !== null && terminal.lift !== code.lift)
    return 'the terminal is bound to another lift'
  return undefined
}
