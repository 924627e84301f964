import { describe, expect, it } from 'vitest'
import { FactLog, type ConnectPacket } from '#simulator/conformance/facts'
import { Facts } from './facts-of.ts'
import { TERMINAL } from './kit-run.ts'

describe('who connects', () => {
  const judge = (id: string, packet: Partial<ConnectPacket>, certificateName?: string) => {
    const facts = new Facts()
    facts.connect(0, packet, certificateName === undefined ? {} : { certificateName })
    return facts.judge(id, 1).state
  }

  it('is known by its user name, or by its certificate alone', () => {
    expect(judge('connect.userName', {})).toBe('passed')
    expect(judge('connect.userName', { userName: undefined })).toBe('failed')
    expect(judge('connect.userName', { userName: undefined }, TERMINAL)).toBe('passed')
    expect(judge('connect.userName', { userName: 'TJ-0008' }, TERMINAL)).toBe('failed')
    expect(judge('connect.userName', { userName: undefined }, 'TJ-0008')).toBe('failed')
  })

  it('proves it with a password of a length that is taken, or with its own certificate', () => {
    expect(judge('connect.proof', {})).toBe('passed')
    for (const password of ['none', 'empty', 'tooLong'] as const)
      expect(judge('connect.proof', { password }), password).toBe('failed')
    expect(judge('connect.proof', { password: 'none' }, TERMINAL)).toBe('passed')
    expect(judge('connect.proof', { password: 'none' }, 'TJ-0008')).toBe('failed')
  })

  it('is not blamed for strangers', () => {
    const facts = new Facts()
    facts.broken(0, '10.0.0.9')
    facts.connect(1)
    facts.connect(2, { userName: 'TJ-0008' }, { address: '10.0.0.9', returnCode: 4 })
    expect(facts.judge('mqtt.rules', 3).state).toBe('passed')
    expect(facts.judge('connect.userName', 3).state).toBe('passed')
    facts.broken(3, '10.0.0.2')
    expect(facts.judge('mqtt.rules', 4)).toMatchObject({ state: 'failed', faultCount: 1 })
  })
})

describe('the heartbeat', () => {
  it('counts a status that was sampled in time and came over the next connection', () => {
    const facts = new Facts()
    facts.connect(0)
    for (const atS of [1, 9, 17]) facts.status(atS, { passengerPresent: true })
    facts.closed(40, 'terminal')
    facts.connect(41)
    facts.status(41, { passengerPresent: true }, 25)
    facts.status(41, { passengerPresent: true }, 33)
    for (const atS of [42, 50]) facts.status(atS, { passengerPresent: true })
    expect(facts.judge('heartbeat.busy', 51)).toMatchObject({ state: 'passed' })
  })

  it('misses one that was never sampled', () => {
    const facts = new Facts()
    facts.connect(0)
    for (const atS of [1, 9, 17]) facts.status(atS, { passengerPresent: true })
    facts.closed(40, 'terminal')
    facts.connect(41)
    facts.status(42, { passengerPresent: true })
    expect(facts.judge('heartbeat.busy', 43)).toMatchObject({ state: 'failed' })
  })
})

describe('back-fill', () => {
  function afterOutage(): Facts {
    const facts = new Facts()
    facts.phase(0, 'observe')
    facts.connect(0)
    facts.say(0, 'connection', { state: 'online', terminal: TERMINAL })
    facts.status(1)
    facts.phase(10, 'outage')
    facts.closed(10, 'kit')
    facts.phase(50, 'backfill')
    facts.connect(51)
    facts.say(51, 'connection', { state: 'online', terminal: TERMINAL })
    return facts
  }

  it('is not asked of a terminal that samples fast when its lift moves long after the outage', () => {
    const facts = afterOutage()
    for (let index = 0; index < 30; index += 1) facts.status(60 + index / 5, { carStatus: 1 })
    expect(facts.judge('backfill.time', 90).state).toBe('notObserved')
    expect(facts.judge('backfill.complete', 90).state).toBe('notObserved')
  })

  it('with times of sending is found right after the return', () => {
    const facts = afterOutage()
    for (let index = 0; index < 8; index += 1) facts.status(51.2, { carPosition: String(index) })
    expect(facts.judge('backfill.time', 90).state).toBe('failed')
  })

  it('is complete when something was kept and nothing is missing', () => {
    const facts = afterOutage()
    facts.status(52, {}, 30)
    expect(facts.judge('backfill.complete', 90).state).toBe('passed')
  })
})

describe('coming back', () => {
  it('is not the fault of the terminal while the kit lets nobody in', () => {
    const facts = new Facts()
    facts.connect(0)
    facts.phase(10, 'cut')
    facts.closed(10, 'kit')
    facts.phase(20, 'outage')
    facts.phase(620, 'backfill')
    facts.connect(630)
    expect(facts.judge('reconnect.return', 640)).toMatchObject({ state: 'passed', lookedAtCount: 2 })
  })

  it('is judged of a terminal that needs too long', () => {
    const facts = new Facts()
    facts.connect(0)
    facts.phase(10, 'cut')
    facts.closed(10, 'kit')
    facts.phase(320, 'outage')
    facts.phase(400, 'backfill')
    facts.connect(401)
    expect(facts.judge('reconnect.return', 410)).toMatchObject({ state: 'failed', faultCount: 1 })
  })
})

describe('messages and counters', () => {
  const fault = { codeSet: 'gbt24476', code: 2, kind: 'fault', snapshot: { carPosition: '1', doorClosed: true } }

  it('an end of something older is not held against what was cleared already', () => {
    const facts = new Facts()
    facts.connect(0)
    facts.say(1, 'message', { ...fault, id: 'b', raised: true })
    facts.say(2, 'message', { ...fault, id: 'b', raised: false })
    facts.say(3, 'message', { ...fault, id: 'a', raised: false })
    expect(facts.judge('message.pair', 4)).toMatchObject({ state: 'passed', lookedAtCount: 1 })
    facts.say(5, 'message', { ...fault, id: 'c', raised: true })
    facts.say(6, 'message', { ...fault, id: 'd', raised: false })
    expect(facts.judge('message.pair', 7)).toMatchObject({ state: 'failed', faultCount: 1 })
  })

  it('the first statistics are due an interval after the connect', () => {
    const facts = new Facts()
    facts.connect(0)
    facts.say(30 * 60, 'statistics', { runCount: 1 })
    expect(facts.judge('statistics.cadence', 31 * 60).state).toBe('failed')
  })

  it('a time of more than 30 days past is found', () => {
    const facts = new Facts()
    facts.connect(0)
    facts.status(1)
    expect(facts.judge('clock.past', 2).state).toBe('passed')
    facts.status(2, {}, -31 * 24 * 3600)
    expect(facts.judge('clock.past', 3)).toMatchObject({ state: 'failed', faultCount: 1 })
  })
})

describe('the bounds of a run', () => {
  it('counts wills, names and filters among the bytes that it keeps', () => {
    const log = new FactLog({ nowMs: () => 0, bytesMax: 1000 })
    for (let index = 0; index < 10; index += 1)
      log.add({ what: 'subscribe', connection: 1, filters: ['x'.repeat(100)] })
    expect(log.droppedCount).toBe(5)
  })

  it('judges a terminal of many thousand sessions in the time of one look at each fact', () => {
    const facts = new Facts()
    for (let index = 0; index < 20_000; index += 1) {
      facts.connect(index)
      facts.closed(index, 'terminal')
    }
    expect(facts.judge('mqtt.flood', 20_000)).toMatchObject({ state: 'passed', lookedAtCount: 20_000 })
    expect(facts.judge('connect.silence', 20_000).state).toBe('passed')
  })
})
