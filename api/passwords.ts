/**
 * Whether a person is who they say: one place for HTTP and MQTT, so that tries and lock-outs count for both. A try is counted
 * before its password is looked at; unknown names cost the same time as wrong passwords.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { addressGroupOf } from '#contract/address-group'
import { accept, refuse, type Result } from '#contract/errors'
import type { Log } from '#contract/log-events'
import { RecentMap } from '#contract/recent-map'
import type { User } from '#contract/register'
import type { Register } from '#storage/register/register'
import { hashPassword, SecretsBusyError, verifyPassword } from '#storage/register/secrets'
import { SignInTries } from './sign-in-tries.ts'

/**
 * Passwords that are looked at or wait for it at one time; more are refused. Terminals have their secrets checked by the
 * same threads: people who guess must not slow them down.
 */
export const SIGN_INS_UNDER_WAY_MAX = 8
/** Proofs that are remembered; beyond it a password is hashed again. */
const PROOFS_MAX = 1_000
/** Disproofs that are remembered; beyond it a repetition is looked at, counted and told again. */
const DISPROOFS_MAX = 1_000

/** A person who proved who they are, and the hash that the proof stands on. */
export type ProvenPerson = { readonly user: User; readonly passwordHash: string; readonly isRemembered: boolean }
export type PasswordRefusal = 'session.refused' | 'session.lockedOut' | 'request.tooMany'

export type Passwords = {
  /**
   * Proves a person by the password. `mayRemember` is for programs that connect again and again: while the hash in the
   * register is the same, a password that was right before is not hashed again, and one that was wrong before from the same
   * address is refused without a try or a line of audit, so that a program with an old password never locks the person out.
   * Rejects when the register is away; no try is counted then, nor when too many are looked at.
   */
  prove(o: {
    username: string
    password: string
    address: string
    mayRemember?: boolean
  }): Promise<Result<ProvenPerson, PasswordRefusal>>
}

type Attempt = {
  readonly account: string
  readonly password: string
  readonly address: string
  readonly mayRemember: boolean
}
/** `isRemembered`: the password was not looked at, because the same one was before. */
type Compared = {
  readonly found: Awaited<ReturnType<Register['users']['byUsername']>>
  readonly matches: boolean
  readonly isRemembered: boolean
  readonly disproof: string
}

/** Passwords of one process: tries and remembered proofs are in memory and begin anew with it. Hashes once before it resolves. */
export async function openPasswords(o: {
  register: Pick<Register, 'users' | 'audit'>
  log: Log
  nowMs: () => number
}): Promise<Passwords> {
  const { register, log, nowMs } = o
  const tries = new SignInTries()
  // Verified in place of the hash of an unknown person, so that time does not tell which names exist.
  const nobodysHash = await hashPassword(randomBytes(24).toString('base64url'))
  // Known to this process alone: what is remembered says nothing about passwords without it.
  const proofKey = randomBytes(32)
  const proofs = new RecentMap<string, true>(PROOFS_MAX)
  const disproofs = new RecentMap<string, true>(DISPROOFS_MAX)
  let underWay = 0

  const refused = async (by: string, address: string, detail: string) => {
    log.warn('session.refused', { by, address, detail })
    await register.audit.add({ atMs: nowMs(), by, act: 'session.refused', subject: address, detail })
  }
  const proofOf = (...facts: readonly string[]) =>
    createHmac('sha256', proofKey).update(JSON.stringify(facts)).digest('base64')

  const compare = async ({ account, password, address, mayRemember }: Attempt): Promise<Compared> => {
    const found = await register.users.byUsername(account)
    const passwordHash = found?.passwordHash ?? nobodysHash
    const proof = proofOf(account, password, passwordHash)
    const disproof = proofOf(account, password, passwordHash, addressGroupOf(address))
    if (mayRemember && found !== undefined && proofs.get(proof) !== undefined)
      return { found, matches: true, isRemembered: true, disproof }
    if (mayRemember && disproofs.get(disproof) !== undefined)
      return { found, matches: false, isRemembered: true, disproof }
    const matches = await verifyPassword(passwordHash, password)
    if (mayRemember && found !== undefined && matches) proofs.set(proof, true)
    return { found, matches, isRemembered: false, disproof }
  }

  /** One row for the lock, not one for every knock on the locked door; a row that could not be written is tried again. */
  const tellLock = async (account: string, address: string) => {
    try {
      await refused(await nameFor(register, account), address, 'locked out after too many tries')
    } catch (error) {
      tries.notTold(account, address)
      throw error
    }
  }

  return {
    async prove({ username, password, address, mayRemember = false }) {
      const account = username.trim().toLowerCase()
      // Before the try is counted: many programs of one person may come back at the same moment.
      if (underWay >= SIGN_INS_UNDER_WAY_MAX) return tooMany()
      const atMs = nowMs()
      const tried = tries.begin(account, address, atMs)
      if (tried.lockedOut) {
        if (tried.firstTime) await tellLock(account, address)
        return refuse('session.lockedOut', 'Too many wrong tries of this account from this address')
      }
      underWay += 1
      const compared = await compare({ account, password, address, mayRemember })
        .catch((error: unknown) => {
          tries.takeBack(account, address, atMs)
          return unlessBusy(error)
        })
        .finally(() => (underWay -= 1))
      if (compared === 'busy') return tooMany()
      const { found, matches, isRemembered, disproof } = compared
      if (found === undefined || !matches) {
        if (isRemembered) tries.takeBack(account, address, atMs)
        else {
          await refused(found?.name ?? UNKNOWN_NAME, address, found ? 'wrong password' : 'unknown user name')
          if (mayRemember) disproofs.set(disproof, true)
        }
        return refuse('session.refused', 'User name or password is wrong')
      }
      tries.succeeded(account, address)
      const { passwordHash, ...user } = found
      return accept({ user, passwordHash, isRemembered })
    },
  }
}

const tooMany = () => refuse('request.tooMany', 'Too many people sign in at this moment')

function unlessBusy(error: unknown): 'busy' {
  if (error instanceof SecretsBusyError) return 'busy'
  throw error
}

// People type passwords into the wrong box: a name that nobody has is not written down.
const UNKNOWN_NAME = '(unknown)'

async function nameFor(register: Pick<Register, 'users'>, account: string): Promise<string> {
  return (await register.users.byUsername(account))?.name ?? UNKNOWN_NAME
}
