import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openClaims } from '#api/claims'
import { openPasswords } from '#api/passwords'
import { TRIES_MAX } from '#api/sign-in-tries'
import type { TerminalSerial } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { openPgliteDatabase } from '#storage/register/pglite-database'
import type { Register } from '#storage/register/register'
import { RegisterAwayError } from '#storage/register/register-away'
import { registerOn } from '#storage/register/register-on'
import { hashPassword } from '#storage/register/secrets'
import { fillRegister, PASSWORD } from './world.ts'

let register: Register
beforeAll(async () => {
  register = registerOn(await openPgliteDatabase('memory', { log: silentLog }))
  await fillRegister(register)
})
afterAll(() => register[Symbol.asyncDispose]())

const address = '192.0.2.7'
const beta = (password = PASSWORD) => ({ username: 'beta', password, address, mayRemember: true })
const auditOf = async (by: string) =>
  (await register.audit.list({ limit: 200 })).rows.filter((row) => row.by === by).map(({ detail }) => detail)

/** The real register, of which some questions fail while it is away. */
function awayAtTimes() {
  const line = { isAway: false }
  const orAway = <T>(ask: () => Promise<T>): Promise<T> =>
    line.isAway ? Promise.reject(new RegisterAwayError('away')) : ask()
  return {
    line,
    users: { ...register.users, byUsername: (name: string) => orAway(() => register.users.byUsername(name)) },
    audit: {
      ...register.audit,
      add: (row: Parameters<Register['audit']['add']>[0]) => orAway(() => register.audit.add(row)),
    },
    claimCodes: {
      ...register.claimCodes,
      claim: (o: Parameters<Register['claimCodes']['claim']>[0]) => orAway(() => register.claimCodes.claim(o)),
    },
  }
}

describe('a password', () => {
  it('that could not be looked at is no try: after the register was away the right one is taken', async () => {
    const away = awayAtTimes()
    const passwords = await openPasswords({ register: away, log: silentLog, nowMs: () => 1_000 })
    away.line.isAway = true
    for (let number = 0; number < 3 * TRIES_MAX; number += 1)
      await expect(passwords.prove(beta())).rejects.toBeInstanceOf(RegisterAwayError)
    away.line.isAway = false
    expect(await passwords.prove(beta())).toMatchObject({ ok: true })
  })

  it('that is wrong in the same way again and again is one try and one line of audit, and locks nobody out', async () => {
    const passwords = await openPasswords({ register, log: silentLog, nowMs: () => 1_000 })
    const before = (await auditOf('赵维保')).length
    for (let number = 0; number < 5 * TRIES_MAX; number += 1)
      expect(await passwords.prove(beta('the old one'))).toMatchObject({ ok: false, code: 'session.refused' })
    expect((await auditOf('赵维保')).length).toBe(before + 1)
    expect(await passwords.prove({ ...beta(), mayRemember: false })).toMatchObject({ ok: true })
  })

  it('that is guessed counts each time, from whatever address of a network', async () => {
    const passwords = await openPasswords({ register, log: silentLog, nowMs: () => 1_000 })
    for (let number = 0; number < TRIES_MAX; number += 1)
      expect(await passwords.prove({ ...beta(`guess ${number}`), address: `2001:db8::${number}` })).toMatchObject({
        code: 'session.refused',
      })
    const locked = await passwords.prove({ ...beta(), address: '2001:db8::ffff' })
    expect(locked).toMatchObject({ code: 'session.lockedOut' })
    // A repetition of a guess does not open the door either.
    expect(await passwords.prove({ ...beta('guess 1'), address: '2001:db8::1' })).toMatchObject({
      code: 'session.lockedOut',
    })
  })

  it('that was wrong before is looked at again when the person has another one', async () => {
    const passwords = await openPasswords({ register, log: silentLog, nowMs: () => 1_000 })
    expect(await passwords.prove(beta('soon right 9'))).toMatchObject({ code: 'session.refused' })
    const found = await register.users.byUsername('beta')
    if (found === undefined) throw new Error('beta is there')
    await register.users.put([{ ...found, passwordHash: await hashPassword('soon right 9') }])
    expect(await passwords.prove(beta('soon right 9'))).toMatchObject({ ok: true })
    await register.users.put([found])
  })

  it('locked out while the register is away is told to the audit when it is back', async () => {
    const away = awayAtTimes()
    const passwords = await openPasswords({ register: away, log: silentLog, nowMs: () => 1_000 })
    for (let number = 0; number < TRIES_MAX; number += 1) await passwords.prove(beta(`guess ${number}`))
    away.line.isAway = true
    await expect(passwords.prove(beta())).rejects.toBeInstanceOf(RegisterAwayError)
    away.line.isAway = false
    const before = (await auditOf('赵维保')).filter((detail) => detail.startsWith('locked out')).length
    for (let number = 0; number < 3; number += 1)
      expect(await passwords.prove(beta())).toMatchObject({ code: 'session.lockedOut' })
    const after = (await auditOf('赵维保')).filter((detail) => detail.startsWith('locked out')).length
    expect(after).toBe(before + 1)
  })
})

describe('a claim', () => {
  it('that could not be looked at is no try', async () => {
    const away = awayAtTimes()
    const claims = openClaims({ register: away, log: silentLog, nowMs: () => 1_000 })
    const claim = () => claims.claim({ code: 'ABCD-2345', serial: 'TJ-9999' as TerminalSerial, address })
    away.line.isAway = true
    for (let number = 0; number < TRIES_MAX + 2; number += 1)
      await expect(claim()).rejects.toBeInstanceOf(RegisterAwayError)
    away.line.isAway = false
    expect(await claim()).toMatchObject({ code: 'claim.refused' })
  })
})
