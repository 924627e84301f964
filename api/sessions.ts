/**
 * Sign-in and sessions (会话). A session is a random token in a cookie; the register keeps only its SHA-256. The token
 * carries its own last instant behind a dot: the hash covers it too, so that nobody can lengthen a session.
 */
import { createHash, randomBytes } from 'node:crypto'
import { accept, type Result } from '#contract/errors'
import type { Log } from '#contract/log-events'
import { scopeOf, type LiftScope, type User } from '#contract/register'
import type { Register } from '#storage/register/register'
import type { PasswordRefusal, Passwords } from './passwords.ts'

/** A session that was not used for this long is over: a wall runs for a whole shift. */
export const SESSION_IDLE_MS_MAX = 12 * 3600_000
/** A session is over after this long, whatever happens. */
export const SESSION_MS_MAX = 24 * 3600_000

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
  /** Signs in and opens a session with a token of its own. */
  signIn(o: {
    username: string
    password: string
    address: string
  }): Promise<Result<{ token: string; signedIn: SignedIn }, PasswordRefusal>>
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

export function openSessions(o: {
  register: Pick<Register, 'sessions' | 'audit'>
  passwords: Passwords
  log: Log
  nowMs: () => number
}): Sessions {
  const { register, passwords, log, nowMs } = o
  const listeners: ((tokenHash: string) => void)[] = []

  const open = async (user: User) => {
    const openedAtMs = nowMs()
    const expiresAtMs = openedAtMs + SESSION_MS_MAX
    const token = `${randomBytes(32).toString('base64url')}.${expiresAtMs.toString(36)}`
    const tokenHash = hashOf(token)
    await register.sessions.open({ tokenHash, user: user.id, openedAtMs, expiresAtMs })
    return { token, signedIn: { user, scope: scopeOf(user), tokenHash, expiresAtMs } }
  }

  return {
    async signIn(given) {
      const proven = await passwords.prove(given)
      if (!proven.ok) return proven
      const { user } = proven.value
      const { address } = given
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
