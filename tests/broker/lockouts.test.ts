import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConnectRates, Lockouts, WRONG_PAIRS_MAX } from '#broker/lockouts'
import type { TerminalSerial } from '#contract/ids'
import { brokerUnderTest, SECRET, SERIAL, terminalRow, TerminalTable, type UnderTest } from './broker-under-test.ts'
import { connectPacket } from './raw-terminal.ts'

const OTHER = 'TJ-0002' as TerminalSerial
const limits = { wrongSignInsPerMinuteMax: 10, wrongSignInsPerAddressMax: 200, lockoutS: 300 }

function lockouts() {
  const clock = { nowMs: 0 }
  return { clock, lockouts: new Lockouts({ limits, elapsedMs: () => clock.nowMs }) }
}

describe('a lockout', () => {
  it('begins with the tenth wrong sign-in within a minute, and ends after its time', () => {
    const { clock, lockouts: door } = lockouts()
    for (let count = 0; count < 9; count += 1) door.noteWrong('192.0.2.1', SERIAL)
    expect(door.isLockedOut('192.0.2.1', SERIAL)).toBe(false)
    clock.nowMs = 59_000
    door.noteWrong('192.0.2.1', SERIAL)
    expect(door.isLockedOut('192.0.2.1', SERIAL)).toBe(true)
    expect(door.isLockedOut('192.0.2.2', SERIAL)).toBe(false)
    expect(door.isLockedOut('192.0.2.1', OTHER)).toBe(false)
    clock.nowMs = 59_000 + 299_999
    expect(door.isLockedOut('192.0.2.1', SERIAL)).toBe(true)
    clock.nowMs += 1
    expect(door.isLockedOut('192.0.2.1', SERIAL)).toBe(false)
    door.noteWrong('192.0.2.1', SERIAL)
    expect(door.isLockedOut('192.0.2.1', SERIAL)).toBe(false)
  })

  it('does not meet who is wrong once in a while', () => {
    const { clock, lockouts: door } = lockouts()
    for (let count = 0; count < 100; count += 1) {
      clock.nowMs += 7_000
      door.noteWrong('192.0.2.1', SERIAL)
      expect(door.isLockedOut('192.0.2.1', SERIAL)).toBe(false)
    }
  })

  it('meets a whole address after 200 in a minute, whatever the serials are; this machine never', () => {
    const { lockouts: door } = lockouts()
    for (let count = 0; count < 200; count += 1)
      for (const address of ['192.0.2.1', '127.0.0.1', '::1', '::ffff:127.0.0.1'])
        door.noteWrong(address, `TJ-${count}` as TerminalSerial)
    expect(door.isLockedOut('192.0.2.1', SERIAL)).toBe(true)
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1'])
      expect(door.isLockedOut(address, SERIAL)).toBe(false)
  })

  it('remembers a bounded number of pairs, and counts what it forgets', () => {
    const { lockouts: door } = lockouts()
    for (let count = 0; count < WRONG_PAIRS_MAX + 7; count += 1)
      door.noteWrong('127.0.0.1', `TJ-${count}` as TerminalSerial)
    expect(door.droppedCount).toBe(7)
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

  it('who was wrong ten times is refused without a look-up or a hash, and a terminal that is known there is not', async () => {
    await using under = await brokerUnderTest({
      terminals: new TerminalTable().put(await terminalRow(), await terminalRow({ serial: OTHER })),
      limits: { lockoutS: 3_600 },
    })
    expect(await answerTo(under, OTHER, SECRET)).toBe(0)
    for (const serial of [SERIAL, OTHER, 'TJ-9999'])
      for (let count = 0; count < 10; count += 1) expect(await answerTo(under, serial, `wrong ${count}`)).toBe(4)
    const { askedCount } = under.terminals
    for (const serial of [SERIAL, OTHER, 'TJ-9999']) expect(await answerTo(under, serial, 'wrong again')).toBe(5)
    expect(await answerTo(under, SERIAL, SECRET)).toBe(5) // right, but nobody looked
    expect(await answerTo(under, OTHER, SECRET)).toBe(0) // proved before
    expect(under.terminals.askedCount).toBe(askedCount)
    expect(await under.refusals()).toEqual({ 'admission.badCredentials': 30, 'admission.lockedOut': 4 })
  })
})
