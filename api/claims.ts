/**
 * Claiming (认领): a terminal, or the phone of its installer, shows a claim code and is given a secret, without a session. The
 * code is hashed as dearly as a password, so tries are counted by address before one is looked at, and few are at one time.
 */
import { accept, refuse, type Result } from '#contract/errors'
import type { LiftId, TerminalSerial } from '#contract/ids'
import type { Log } from '#contract/log-events'
import type { KnownTerminal, Register } from '#storage/register/register'
import {
  hashClaimCode,
  hashTerminalSecret,
  newClaimCode,
  newTerminalSecret,
  SecretsBusyError,
} from '#storage/register/secrets'
import { SignInTries } from './sign-in-tries.ts'

/** Codes that are looked at at one time, all addresses together; more are refused. People who sign in share the threads. */
const CLAIMS_UNDER_WAY_MAX = 4

export type Claims = {
  /** A new code for a lift, in place of one that was not used. The code itself is kept nowhere. */
  issue(o: {
    lift: LiftId
    by: string
    validForMs: number
  }): Promise<Result<{ code: string; lift: LiftId; expiresAtMs: number }>>
  /** Takes a code for a terminal. Wrong, used and expired codes are refused in the same words. */
  claim(o: {
    code: string
    serial: TerminalSerial
    address: string
  }): Promise<Result<{ terminal: KnownTerminal; secret: string }>>
}

/** Claims of one process: its tries are in memory and begin anew with it. */
export function openClaims(o: {
  register: Pick<Register, 'claimCodes' | 'audit'>
  log: Log
  nowMs: () => number
}): Claims {
  const { register, log, nowMs } = o
  const tries = new SignInTries()
  let underWay = 0

  const take = async (code: string, serial: TerminalSerial) => {
    const secret = newTerminalSecret()
    const [codeHash, secretHash] = await Promise.all([hashClaimCode(code), hashTerminalSecret(secret)])
    return { secret, taken: await register.claimCodes.claim({ codeHash, serial, secretHash, atMs: nowMs() }) }
  }

  /** One row for the lock; one that could not be written is tried again at the next claim. */
  const tellLock = async (address: string) => {
    const detail = 'locked out after too many wrong codes'
    log.warn('claim.refused', { address, detail })
    const row = { atMs: nowMs(), by: '(unknown)', act: 'terminals.claimRefused', subject: address, detail }
    await register.audit.add(row).catch((error: unknown) => {
      tries.notTold('', address)
      throw error
    })
  }

  return {
    async issue({ lift, by, validForMs }) {
      const code = newClaimCode()
      const codeHash = await hashClaimCode(code).catch(unlessBusy)
      if (codeHash === 'busy') return tooMany()
      const atMs = nowMs()
      const expiresAtMs = atMs + validForMs
      const issued = await register.claimCodes.issue({ codeHash, lift, by, atMs, expiresAtMs })
      return issued.ok ? accept({ code, lift, expiresAtMs }) : issued
    },
    async claim({ code, serial, address }) {
      // Before the try is counted: many terminals behind one address may come at the same moment.
      if (underWay >= CLAIMS_UNDER_WAY_MAX) return tooMany()
      const atMs = nowMs()
      const tried = tries.begin('', address, atMs)
      if (tried.lockedOut) {
        if (tried.firstTime) await tellLock(address)
        return refuse('claim.lockedOut', 'Too many wrong codes from this address')
      }
      underWay += 1
      const answer = await take(code, serial)
        .catch((error: unknown) => {
          tries.takeBack('', address, atMs)
          return unlessBusy(error)
        })
        .finally(() => (underWay -= 1))
      if (answer === 'busy') return tooMany()
      const { taken, secret } = answer
      if (!taken.ok) {
        log.warn('claim.refused', { address, terminal: serial })
        return taken
      }
      tries.succeeded('', address)
      log.info('claim.taken', { address, terminal: serial, lift: taken.value.lift })
      return accept({ terminal: taken.value, secret })
    },
  }
}

const tooMany = () => refuse('request.tooMany', 'Too many codes are looked at just now')

function unlessBusy(error: unknown): 'busy' {
  if (error instanceof SecretsBusyError) return 'busy'
  throw error
}
