/** Secrets of terminals and passwords of people: made at random, kept only as argon2id in PHC form. */
import { randomBytes } from 'node:crypto'
import { hash, hashRaw, verify } from '@node-rs/argon2'

/** A password may be guessed, so a guess must be dear: 19 MiB, two passes. */
const PASSWORD_COST = { memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 }
/** Nobody guesses 192 random bits; this much is for whoever reads the table, and a whole town must connect within seconds. */
const TERMINAL_SECRET_COST = { memoryCost: 4 * 1024, timeCost: 1, parallelism: 1 }

/** Hashing runs on the threads that also sync the journal: so few at a time that some are always left for it. */
const AT_ONCE_MAX = 2
/**
 * Verifications that may wait for their turn; beyond it they are refused. The answer is remembered by who asked, also when it
 * comes too late for the connection that waited: so a town that comes back at once costs each terminal one hash, not one
 * per try.
 */
const TERMINALS_WAITING_MAX = 4_096
/** People have places of their own: a town of terminals that comes back must not keep out who looks after it. */
const PEOPLE_WAITING_MAX = 32

/** Too many are waiting to be verified; nothing was looked at, and the same question may be asked again soon. */
export class SecretsBusyError extends Error {
  override readonly name = 'SecretsBusyError'
}

type Queue = (() => void)[]
const terminals: Queue = []
const people: Queue = []
let runningCount = 0
let lastServed: Queue = terminals

/** The next to run. When terminals and people both wait they take turns, so that neither waits for all of the other. */
function takeNext(): (() => void) | undefined {
  const [first, second] = lastServed === terminals ? [people, terminals] : [terminals, people]
  lastServed = first.length > 0 ? first : second
  return lastServed.shift()
}

async function inTurn<T>(queue: Queue, task: () => Promise<T>): Promise<T> {
  if (runningCount >= AT_ONCE_MAX) await new Promise<void>((go) => queue.push(go))
  else runningCount += 1
  try {
    return await task()
  } finally {
    const next = takeNext() // whoever is next takes over our place
    if (next === undefined) runningCount -= 1
    else next()
  }
}

/** The PHC string of a terminal's secret. */
export const hashTerminalSecret = (secret: string): Promise<string> =>
  inTurn(terminals, () => hash(secret, TERMINAL_SECRET_COST))

/** The PHC string of a person's password. */
export const hashPassword = (password: string): Promise<string> => inTurn(people, () => hash(password, PASSWORD_COST))

/**
 * Whether the secret of a terminal is the one that the PHC string was made from. Rejects with `SecretsBusyError` when too
 * many terminals are waiting already.
 */
export async function verifySecret(phc: string, secret: string): Promise<boolean> {
  if (terminals.length >= TERMINALS_WAITING_MAX) throw new SecretsBusyError('too many terminals wait to be verified')
  return inTurn(terminals, () => verify(phc, secret))
}

/** The same for the password of a person; people do not wait behind all terminals. */
export async function verifyPassword(phc: string, password: string): Promise<boolean> {
  if (people.length >= PEOPLE_WAITING_MAX) throw new SecretsBusyError('too many sign-ins wait to be verified')
  return inTurn(people, () => verify(phc, password))
}

/** A secret for a terminal: 192 random bits in base64url. */
export const newTerminalSecret = (): string => randomBytes(24).toString('base64url')

// 32 letters and digits that are not mistaken for one another when read aloud or copied from paper.
const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789'

// Capitals and digits without I, O, 0 and 1: 32, so that each stands for five random bits.
const CODE_LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const CODE_SALT = Buffer.from('tiwang claim code')

/** A claim code (认领码) that people can read aloud, 40 random bits, such as `K7MP-2RAX`. */
export function newClaimCode(): string {
  const letters = [...randomBytes(8)].map((byte) => CODE_LETTERS.charAt(byte % CODE_LETTERS.length)).join('')
  return `${letters.slice(0, 4)}-${letters.slice(4)}`
}

/** The letters of a code as a person may have typed them: small, with blanks or without the hyphen. */
const codeLetters = (code: string): string => code.toUpperCase().replaceAll(/[\s-]/g, '')

/**
 * What is kept of a claim code: argon2id as dear as for a password, because 40 bits can be tried one by one. The salt is the
 * same for all, so that a code is found by its hash; trying all of them costs decades, and a code lives for a week. Rejects
 * with `SecretsBusyError` when too many are waiting already.
 */
export async function hashClaimCode(code: string): Promise<string> {
  if (people.length >= PEOPLE_WAITING_MAX) throw new SecretsBusyError('too many sign-ins wait to be verified')
  const raw = await inTurn(people, () => hashRaw(codeLetters(code), { ...PASSWORD_COST, salt: CODE_SALT }))
  return raw.toString('base64url')
}

/** A password that people can read and type, 80 random bits, such as `k7mp-x2ra-9tqe-h4vd`. */
export function newPassword(): string {
  const letters = [...randomBytes(16)].map((byte) => LETTERS.charAt(byte % LETTERS.length))
  return [0, 4, 8, 12].map((begin) => letters.slice(begin, begin + 4).join('')).join('-')
}
