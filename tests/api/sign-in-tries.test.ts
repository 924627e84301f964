import { describe, expect, it } from 'vitest'
import { LOCKED_OUT_MS, SignInTries, TRIES_MAX, TRIES_WINDOW_MS, TRY_KEYS_MAX } from '#api/sign-in-tries'

const tryOften = (tries: SignInTries, times: number, atMs: number, account = 'a', address = '1.1.1.1') =>
  Array.from({ length: times }, () => tries.begin(account, address, atMs).lockedOut)

describe('sign-in tries', () => {
  it('takes ten wrong tries in a minute and locks the account from that address out for five minutes at the eleventh', () => {
    const tries = new SignInTries()
    expect(tryOften(tries, TRIES_MAX, 1_000)).not.toContain(true)
    expect(tries.begin('a', '1.1.1.1', 1_000)).toEqual({
      lockedOut: true,
      firstTime: true,
      untilMs: 1_000 + LOCKED_OUT_MS,
    })
    expect(tries.begin('a', '1.1.1.1', 1_000 + LOCKED_OUT_MS - 1)).toMatchObject({ lockedOut: true, firstTime: false })
    expect(tries.begin('a', '1.1.1.1', 1_000 + LOCKED_OUT_MS)).toEqual({ lockedOut: false })
  })

  it('locks out neither another account nor another address', () => {
    const tries = new SignInTries()
    tryOften(tries, TRIES_MAX + 1, 1_000)
    expect(tries.begin('b', '1.1.1.1', 1_000).lockedOut).toBe(false)
    expect(tries.begin('a', '2.2.2.2', 1_000).lockedOut).toBe(false)
  })

  it('forgets tries after a minute and after a right password', () => {
    const tries = new SignInTries()
    tryOften(tries, TRIES_MAX, 1_000)
    expect(tries.begin('a', '1.1.1.1', 1_000 + TRIES_WINDOW_MS).lockedOut).toBe(false)
    tryOften(tries, TRIES_MAX - 1, 1_000 + TRIES_WINDOW_MS)
    tries.succeeded('a', '1.1.1.1')
    expect(tryOften(tries, TRIES_MAX, 1_000 + TRIES_WINDOW_MS)).not.toContain(true)
  })

  it('do not count when nothing was looked at, and end a lock that stood on such a try', () => {
    const tries = new SignInTries()
    for (let number = 0; number < 3 * TRIES_MAX; number += 1) {
      expect(tries.begin('a', '1.1.1.1', 1_000).lockedOut).toBe(false)
      tries.takeBack('a', '1.1.1.1', 1_000)
    }
    tryOften(tries, TRIES_MAX, 2_000)
    expect(tries.begin('a', '1.1.1.1', 2_000).lockedOut).toBe(true)
    tries.takeBack('a', '1.1.1.1', 1_000) // none that counted
    expect(tries.begin('a', '1.1.1.1', 2_000).lockedOut).toBe(true)
    tries.takeBack('a', '1.1.1.1', 2_000)
    expect(tries.begin('a', '1.1.1.1', 2_000).lockedOut).toBe(false)
    expect(tries.begin('a', '1.1.1.1', 2_000)).toMatchObject({ lockedOut: true, firstTime: true })
  })

  it('have a lock that could not be told told at the next one', () => {
    const tries = new SignInTries()
    tryOften(tries, TRIES_MAX, 1_000)
    const locks = Array.from({ length: 4 }, (_, number) => {
      const begun = tries.begin('a', '1.1.1.1', 1_000)
      if (number === 1) tries.notTold('a', '1.1.1.1')
      return begun
    })
    expect(locks).toMatchObject([{ firstTime: true }, { firstTime: false }, { firstTime: true }, { firstTime: false }])
  })

  it('count for all addresses of one IPv6 network, and for an IPv4 address however it is written', () => {
    const tries = new SignInTries()
    for (let number = 0; number < TRIES_MAX; number += 1) tries.begin('a', `2001:db8:0:1::${number}`, 1_000)
    expect(tries.begin('a', '2001:db8:0:1:ffff::1', 1_000).lockedOut).toBe(true)
    expect(tries.begin('a', '2001:db8:0:2::1', 1_000).lockedOut).toBe(false)
    tryOften(tries, TRIES_MAX, 1_000, 'a', '1.1.1.1')
    expect(tries.begin('a', '::ffff:1.1.1.1', 1_000).lockedOut).toBe(true)
  })

  it('remembers a bounded number of pairs and counts what it forgot', () => {
    const tries = new SignInTries()
    for (let number = 0; number < TRY_KEYS_MAX + 5; number += 1) tries.begin(`account-${number}`, '1.1.1.1', 1_000)
    expect(tries.forgottenCount).toBe(5)
  })
})
