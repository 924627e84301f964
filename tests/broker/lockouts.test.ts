import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ConnectRates,
  LOCKED_TRIES_PER_ADDRESS,
  LOCKED_TRIES_PER_PAIR,
  Lockouts,
  WRONG_PAIRS_MAX,
} from '#broker/lockouts'
import type { TerminalSerial } from '#contract/ids'
import {
  brokerUnderTest,
  eventually,
  SECRET,
  SERIAL,
  terminalRow,
  TerminalTable,
  type UnderTest,
} from './broker-under-test.ts'
import { connectPacket } from './raw-terminal.ts'

const OTHER = 'TJ-0002' as TerminalSerial
const limits = { wrongSignInsPerMinuteMax: 10, wrongSignInsPerAddressMax: 200, lockoutS: 300 }

function lockouts() {
  const clock = { nowMs: 0 }
  return { clock, lockouts: new Lockouts({ limits, elapsedMs: () => clock.nowMs }) }
}

/** A lockout shows in what becomes of a serial that is not registered. */
const isLockedOut = (door: Lockouts, address: string, serial: TerminalSerial) => !door.mayTry(address, serial, false)

describe('a lockout', () => {
  it('begins with the tenth wrong sign-in within a minute, and ends after its time', () => {
    const { clock, lockouts: door } = lockouts()
    for (let count = 0; count < 9; count += 1) door.noteWrong('192.0.2.1', SERIAL)
    expect(isLockedOut(door, '192.0.2.1', SERIAL)).toBe(false)
    clock.nowMs = 59_000
    door.noteWrong('192.0.2.1', SERIAL)
    expect(isLockedOut(door, '192.0.2.1', SERIAL)).toBe(true)
    expect(isLockedOut(door, '192.0.2.2', SERIAL)).toBe(false)
    expect(isLockedOut(door, '192.0.2.1', OTHER)).toBe(false)
    clock.nowMs = 59_000 + 299_999
    expect(isLockedOut(door, '192.0.2.1', SERIAL)).toBe(true)
    clock.nowMs += 1
    expect(isLockedOut(door, '192.0.2.1', SERIAL)).toBe(false)
    door.noteWrong('192.0.2.1', SERIAL)
    expect(isLockedOut(door, '192.0.2.1', SERIAL)).toBe(false)
  })

  it('does not meet who is wrong once in a while', () => {
    const { clock, lockouts: door } = lockouts()
    for (let count = 0; count < 100; count += 1) {
      clock.nowMs += 7_000
      door.noteWrong('192.0.2.1', SERIAL)
      expect(isLockedOut(door, '192.0.2.1', SERIAL)).toBe(false)
    }
  })

  it('meets a whole address after 200 in a minute, whatever the serials are; this machine never', () => {
    const { lockouts: door } = lockouts()
    for (let count = 0; count < 200; count += 1)
      for (const address of ['192.0.2.1', '127.0.0.1', '::1', '::ffff:127.0.0.1'])
        door.noteWrong(address, `TJ-${count}` as TerminalSerial)
    expect(isLockedOut(door, '192.0.2.1', SERIAL)).toBe(true)
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1'])
      expect(isLockedOut(door, address, SERIAL)).toBe(false)
  })

  it('remembers a bounded number of pairs, and counts what it forgets', () => {
    const { lockouts: door } = lockouts()
    for (let count = 0; count < WRONG_PAIRS_MAX + 7; count += 1)
      door.noteWrong('127.0.0.1', `TJ-${count}` as TerminalSerial)
    expect(door.droppedCount).toBe(7)
  })

  it('counts addresses of one IPv6 network as one, and an IPv4 address however it is written', () => {
    const { lockouts: door } = lockouts()
    for (let count = 0; count < 10; count += 1) {
      door.noteWrong(`2001:db8:1:2::${count + 1}`, SERIAL)
      door.noteWrong('::ffff:192.0.2.1', SERIAL)
    }
    expect(isLockedOut(door, '2001:db8:1:2:ffff::1', SERIAL)).toBe(true)
    expect(isLockedOut(door, '2001:db8:1:3::1', SERIAL)).toBe(false)
    expect(isLockedOut(door, '192.0.2.1', SERIAL)).toBe(true)
  })

  it('still lets a registered terminal try, a few times at once and then four times a second', () => {
    const { clock, lockouts: door } = lockouts()
    for (let count = 0; count < 10; count += 1) door.noteWrong('192.0.2.1', SERIAL)
    const triedOf = (tryCount: number) =>
      Array.from({ length: tryCount }, () => door.mayTry('192.0.2.1', SERIAL, true)).filter(Boolean).length
    expect(triedOf(50)).toBe(LOCKED_TRIES_PER_PAIR.burstMax)
    clock.nowMs += LOCKED_TRIES_PER_PAIR.everyMs - 1
    expect(triedOf(50)).toBe(0)
    clock.nowMs += 1
    expect(triedOf(50)).toBe(1)
    clock.nowMs += 60_000
    expect(triedOf(50)).toBe(LOCKED_TRIES_PER_PAIR.burstMax)
  })

  it('of an address lets its registered terminals try, each beside the others, and bounds what all of them cost', () => {
    const { clock, lockouts: door } = lockouts()
    for (let count = 0; count < 200; count += 1) door.noteWrong('192.0.2.1', `TJ-${count}` as TerminalSerial)
    // One serial that is tried without end takes nothing from the others.
    for (let count = 0; count < 1_000; count += 1) door.mayTry('192.0.2.1', SERIAL, true)
    expect(door.mayTry('192.0.2.1', OTHER, true)).toBe(true)
    const triedOf = (name: string) =>
      Array.from({ length: 500 }, (_, index) =>
        door.mayTry('192.0.2.1', `${name}-${index}` as TerminalSerial, true),
      ).filter(Boolean).length
    expect(triedOf('A')).toBe(LOCKED_TRIES_PER_ADDRESS.burstMax - LOCKED_TRIES_PER_PAIR.burstMax - 1)
    clock.nowMs += 10 * LOCKED_TRIES_PER_ADDRESS.everyMs
    expect(triedOf('B')).toBe(10)
  })

  it('lasts on when its tries are wrong as well', () => {
    const { clock, lockouts: door } = lockouts()
    for (let count = 0; count < 10; count += 1) door.noteWrong('192.0.2.1', SERIAL)
    clock.nowMs = 100_000
    door.noteWrong('192.0.2.1', SERIAL)
    expect(isLockedOut(door, '192.0.2.1', SERIAL)).toBe(true)
  })
})

describe('the CONNECTs of a terminal', () => {
  it('are never more than allowed within any minute, and one is always free again after its time', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 400 }), (waits) => {
        let nowMs = 0
        const rates = new ConnectRates({ limits: { connectsPerMinuteMax: 30 }, elapsedMs: () => nowMs })
        const takenAtMs: number[] = []
        for (const waitMs of waits) {
          nowMs += waitMs % 3 === 0 ? waitMs : waitMs % 50
          if (rates.take(SERIAL)) takenAtMs.push(nowMs)
          expect(takenAtMs.filter((atMs) => atMs > nowMs - 60_000).length).toBeLessThanOrEqual(30)
        }
        nowMs += 4_000
        expect(rates.take(SERIAL)).toBe(true)
      }),
      { seed: 4, numRuns: 200 },
    )
  })

  it('come in bursts of 15, then one every 4 s; another terminal is not slowed', () => {
    let nowMs = 0
    const rates = new ConnectRates({ limits: { connectsPerMinuteMax: 30 }, elapsedMs: () => nowMs })
    const takenOf = (tryCount: number) =>
      Array.from({ length: tryCount }, () => rates.take(SERIAL)).filter(Boolean).length
    expect(takenOf(40)).toBe(15)
    expect(rates.take(OTHER)).toBe(true)
    nowMs += 3_999
    expect(takenOf(5)).toBe(0)
    nowMs += 1
    expect(takenOf(5)).toBe(1)
  })
})

describe('at the broker', () => {
  const answerTo = async (under: UnderTest, username: string, password: string) => {
    const terminal = await under.raw()
    terminal.send(connectPacket({ username, password }))
    return (await terminal.next())?.[3]
  }

  it('after ten wrong sign-ins who is not registered is refused without a look-up, and the right secret still comes in', async () => {
    await using under = await brokerUnderTest({
      terminals: new TerminalTable().put(await terminalRow(), await terminalRow({ serial: OTHER })),
      limits: { lockoutS: 3_600 },
    })
    expect(await answerTo(under, OTHER, SECRET)).toBe(0)
    for (const serial of [SERIAL, OTHER, 'TJ-9999'])
      for (let count = 0; count < 10; count += 1) expect(await answerTo(under, serial, `wrong ${count}`)).toBe(4)
    const { askedCount } = under.terminals
    expect(await answerTo(under, 'TJ-9999', 'wrong again')).toBe(5)
    expect(under.terminals.askedCount).toBe(askedCount)
    expect(await answerTo(under, SERIAL, SECRET)).toBe(0) // never proved before
    expect(await answerTo(under, OTHER, SECRET)).toBe(0) // proved before
    expect(await under.refusals()).toEqual({ 'admission.badCredentials': 30, 'admission.lockedOut': 1 })
  })

  it('a registered terminal that is guessed without end is mostly refused unread, and its right secret comes in soon', async () => {
    await using under = await brokerUnderTest({ limits: { lockoutS: 3_600, halfOpenMax: 1_000 } })
    for (let count = 0; count < 10; count += 1) expect(await answerTo(under, SERIAL, `wrong ${count}`)).toBe(4)
    const guesses = await Promise.all(Array.from({ length: 200 }, (_, index) => answerTo(under, SERIAL, `g${index}`)))
    expect(new Set(guesses)).toEqual(new Set([4, 5]))
    await eventually('it is in', async () => (await answerTo(under, SERIAL, SECRET)) === 0)
  })
})
