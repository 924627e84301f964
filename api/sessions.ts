/**
 * Sign-in and sessions (会话). A session is a random token in a cookie; the register keeps only its SHA-256. The token
 * carries its own last instant behind a dot: the hash covers it too, so that nobody can lengthen a session.
 */
import { createHash, randomBytes } from 'node:crypto'
import { accept, refuse, type Result } from '#contract/errors'
import type { Log } from '#contract/log-events'
import { scopeOf, type LiftScope, type User } from '#contract/register'
import type { Register } from '#storage/register/register'
import { hashPassword, SecretsBusyError, verifyPassword } from '#storage/register/secrets'
import { SignInTries } from './sign-in-tries.ts'

/** A session that was not used for this long is over: a wall runs for a whole shift. */
export const SESSION_IDLE_MS_MAX = 12 * 3600_000
/** A session is over after this long, whatever happens. */
export const SESSION_MS_MAX = 24 * 3600_000

/**
 * Passwords that are looked at or wait for it at one time; more are refused. Terminals have their secrets checked by the
 * same threads: people who guess must not slow them down.
 */
export const SIGN_INS_UNDER_WAY_MAX = 8

/** Who asks, and what that person may see. */
export type SignedIn = {
  readonly user: User
  readonly scope: LiftScope
  readonly tokenHash: string
  readonly expiresAtMs: number
}

const TOKEN = /^[A-Za-z0-9_-]{43}\.([0-9a-z]{1,11})$/
const hashOf = (token: string) => createHash('sha256').update(token).digest('hex')

export type Sessions = {
  /** Signs in and opens a session with a token of its own. Unknown names cost the same time as wrong passwords. */
  signIn(o: {
    username: string
    password: string
    address: string
  }): Promise<
    Result<{ token: string; signedIn: SignedIn }, 'session.refused' | 'session.lockedOut' | 'request.tooMany'>
  >
  /** Whose session the cookie speaks of; undefined when it is over or never was. Marks it as used. */
  read(token: string | undefined): Promise<SignedIn | undefined>
  /** The same for a session that is already known by its hash. */
  stillOpen(signedIn: SignedIn): Promise<User | undefined>
  close(tokenHash: string): Promise<void>
  /** Calls the listener whenever a session was closed here. */
  onClosed(listener: (tokenHash: string) => void): void
  /** Deletes what is over. */
  sweep(): Promise<void>
}

export async function openSessions(o: {
  register: Pick<Register, 'users' | 'sessions' | 'audit'>
  log: Log
  nowMs: () => number
}): Promise<Sessions> {
  const { register, log, nowMs } = o
  const tries = new SignInTries()
  // Verified in place of the hash of an unknown person, so that time does not tell which names exist.
  const nobodysHash = await hashPassword(randomBytes(24).toString('base64url'))
  const listeners: ((tokenHash: string) => void)[] = []
  let underWay = 0

  const refused = async (by: string, address: string, detail: string) => {
    log.warn('session.refused', { by, address, detail })
    await register.audit.add({ atMs: nowMs(), by, act: 'session.refused', subject: address, detail })
  }

  const compare = async (account: string, password: string) => {
    const found = await register.users.byUsername(account)
    return { found, matches: await verifyPassword(found?.passwordHash ?? nobodysHash, password) }
  }

  const open = async (user: User) => {
    const openedAtMs = nowMs()
    const expiresAtMs = openedAtMs + SESSION_MS_MAX
    const token = `${randomBytes(32).toString('base64url')}.${expiresAtMs.toString(36)}`
    const tokenHash = hashOf(token)
    await register.sessions.open({ tokenHash, user: user.id, openedAtMs, expiresAtMs })
    return { token, signedIn: { user, scope: scopeOf(user), tokenHash, expiresAtMs } }
  }

  return {
    async signIn({ username, password, address }) {
      const account = username.trim().toLowerCase()
      const tried = tries.begin(account, address, nowMs())
      if (tried.lockedOut) {
        // One row for the lock, not one for every knock on the locked door.
        if (tried.firstTime) await refused(await nameFor(register, account), address, 'locked out after too many tries')
        return refuse('session.lockedOut', 'Too many wrong tries of this account from this address')
      }
      if (underWay >= SIGN_INS_UNDER_WAY_MAX) return tooMany()
      underWay += 1
      const compared = await compare(account, password)
        .catch(unlessBusy)
        .finally(() => (underWay -= 1))
      if (compared === 'busy') return tooMany()
      const { found, matches } = compared
      if (found === undefined || !matches) {
        await refused(
          found?.name ?? UNKNOWN_NAME,
          address,
          found === undefined ? 'unknown user name' : 'wrong password',
        )
        return refuse('session.refused', 'User name or password is wrong')
      }
      tries.succeeded(account, address)
      const { passwordHash: _, ...user } = found
      const opened = await open(user)
      await register.audit.add({
        atMs: nowMs(),
        by: user.name,
        act: 'session.opened',
        subject: user.id,
        detail: address,
      })
      log.info('session.opened', { user: user.id, address })
      return accept(opened)
    },
    async read(token) {
      const match = token === undefined ? null : TOKEN.exec(token)
      if (token === undefined || match === null) return undefined
      const expiresAtMs = parseInt(match[1] ?? '', 36)
      const tokenHash = hashOf(token)
      const user = await register.sessions.use(tokenHash, { nowMs: nowMs(), idleMsMax: SESSION_IDLE_MS_MAX })
      return user === undefined ? undefined : { user, scope: scopeOf(user), tokenHash, expiresAtMs }
    },
    stillOpen: (signedIn) =>
      register.sessions.use(signedIn.tokenHash, { nowMs: nowMs(), idleMsMax: SESSION_IDLE_MS_MAX }),
    async close(tokenHash) {
      await register.sessions.close(tokenHash)
      for (const listener of listeners) listener(tokenHash)
    },
    onClosed: (listener) => void listeners.push(listener),
    async sweep() {
      await register.sessions.sweep({ nowMs: nowMs(), idleMsMax: SESSION_IDLE_MS_MAX })
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
