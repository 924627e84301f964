import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { TakeoverAudit } from '#broker/takeover-audit'
import type { TerminalSerial } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { openBus, type Bus } from '#storage/bus/bus'
import type { AuditRow } from '#storage/register/register'
import { natsServer } from '../servers/nats.ts'
import { memoryRegister } from '../servers/register.ts'
import { brokerUnderTest, CONNECTION_TOPIC, eventually, SECRET, SERIAL, type UnderTest } from './broker-under-test.ts'
import { connack, connectPacket, DISCONNECT, PINGREQ } from './raw-terminal.ts'

const PONG = Buffer.from([0xd0, 0])
const will = { topic: CONNECTION_TOPIC, payload: '{"gone":true}' }
const until: AsyncDisposable[] = []
afterEach(async () => {
  for (const disposable of until.splice(0).reverse()) await disposable[Symbol.asyncDispose]()
})
const kept = <T extends AsyncDisposable>(disposable: T): T => {
  until.push(disposable)
  return disposable
}
const takeovers = (under: UnderTest, where: 'here' | 'elsewhere') =>
  under.metric('tiwang_broker_takeovers_total', { where })

describe('a terminal that connects again', () => {
  it('ends its older connection without that will, is counted, and leaves a line of audit', async () => {
    const register = kept(await memoryRegister())
    const under = kept(await brokerUnderTest({ more: { audit: register.audit } }))
    const older = await under.admitted({ will })
    const newer = await under.admitted({ will })
    expect(await older.next()).toBeUndefined()
    newer.send(PINGREQ)
    expect(await newer.next()).toEqual(PONG)
    expect(await takeovers(under, 'here')).toBe(1)
    expect(await under.records()).toEqual([])
    await eventually('there is a line', async () => (await register.audit.list({ limit: 9 })).rows.length > 0)
    const { rows } = await register.audit.list({ limit: 9 })
    expect(rows).toMatchObject([{ by: SERIAL, act: 'terminal.takeover', subject: SERIAL }])
    expect(JSON.parse(rows[0]?.detail ?? '')).toMatchObject({ from: '127.0.0.1', to: '127.0.0.1', count: 1 })
  })

  it('still has a will: when the newest connection breaks, it is told', async () => {
    const under = kept(await brokerUnderTest())
    await under.admitted({ will })
    const newest = await under.admitted({ will })
    newest.socket.destroy()
    await eventually('the will is in the journal', async () => (await under.records()).length > 0)
    expect(await under.records()).toMatchObject([{ topic: CONNECTION_TOPIC, terminal: SERIAL }])
  })

  it('after its connection has ended takes nothing over', async () => {
    const under = kept(await brokerUnderTest())
    const older = await under.admitted()
    older.send(DISCONNECT)
    await older.closed
    await eventually('none is connected', () => under.broker.status().connectedCount === 0)
    await under.admitted()
    expect(await takeovers(under, 'here')).toBe(0)
  })

  it('in a loop is slowed with “server unavailable” after its burst, and is never shut out', async () => {
    const under = kept(await brokerUnderTest({ limits: { connectsPerMinuteMax: 20 } }))
    const codes: (number | undefined)[] = []
    for (let count = 0; count < 14; count += 1) {
      const terminal = await under.raw()
      terminal.send(connectPacket({ username: SERIAL, password: SECRET }))
      codes.push((await terminal.next())?.[3])
    }
    expect(codes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 0))
    expect(codes.slice(10)).toContain(3)
    expect(await under.refusalCount('admission.tooOften')).toBe(codes.filter((code) => code === 3).length)
    const other = await under.raw()
    other.send(connectPacket({ username: SERIAL, password: 'wrong' }))
    expect(await other.next()).toEqual(connack(4))
    expect(under.broker.status().connectedCount).toBe(1)
  })
})

describe('two brokers', () => {
  async function pair(openOne: () => Promise<Bus>) {
    const register = kept(await memoryRegister())
    const start = async () =>
      kept(await brokerUnderTest({ more: { audit: register.audit, bus: kept(await openOne()) } }))
    return { register, first: await start(), second: await start() }
  }

  it('over NATS: the newest connection wins on whichever of them, without the will of the other', async () => {
    const nats = kept(await natsServer())
    const { register, first, second } = await pair(() => openBus(nats.url, { log: silentLog }))
    const onFirst = await first.admitted({ will })
    const onSecond = await second.admitted({ will })
    expect(await onFirst.next()).toBeUndefined()
    onSecond.send(PINGREQ)
    expect(await onSecond.next()).toEqual(PONG)
    const back = await first.admitted({ will })
    expect(await onSecond.next()).toBeUndefined()
    back.send(PINGREQ)
    expect(await back.next()).toEqual(PONG)
    expect([await takeovers(first, 'elsewhere'), await takeovers(second, 'elsewhere')]).toEqual([1, 1])
    expect([await takeovers(first, 'here'), await takeovers(second, 'here')]).toEqual([0, 0])
    expect([...(await first.records()), ...(await second.records())]).toEqual([])
    await eventually('both are written', async () => (await register.audit.list({ limit: 9 })).rows.length === 2)
  })

  it('whose clocks differ still agree: word of an older connection ends no newer one', async () => {
    const bus = kept(await openBus('local:', { log: silentLog }))
    const under = kept(await brokerUnderTest({ more: { bus } }))
    const terminal = await under.admitted()
    const word = { serial: SERIAL, broker: randomUUID(), address: '192.0.2.1' }
    bus.publish('terminal.connected', { ...word, atMs: Date.now() - 60_000 })
    bus.publish('terminal.connected', { ...word, serial: 'TJ-0002' as TerminalSerial, atMs: Date.now() + 1 })
    terminal.send(PINGREQ)
    expect(await terminal.next()).toEqual(PONG)
    bus.publish('terminal.connected', { ...word, atMs: Date.now() + 1 })
    expect(await terminal.next()).toBeUndefined()
  })
})

describe('the audit of takeovers', () => {
  const takeover = (serial: string, atMs = 0) => ({ serial: serial as TerminalSerial, from: 'a', to: 'b', atMs })
  /** An audit whose clock and register belong to the test. */
  function audited() {
    const rows: AuditRow[] = []
    const world = { nowMs: 0, isAway: false, rows }
    const audit = new TakeoverAudit({
      audit: {
        add: async (row) => {
          if (world.isAway) throw new Error('away')
          rows.push(row)
        },
      },
      writeMs: 1_000,
      elapsedMs: () => world.nowMs,
      onFault: () => {},
      roundMs: 1,
    })
    const counts = () => rows.map(({ detail }) => (JSON.parse(detail) as { count: number }).count)
    return { audit, world, counts }
  }

  it('has one line per terminal and minute, with how often it happened', async () => {
    const { audit, world, counts } = audited()
    audit.note(takeover('TJ-1'))
    await eventually('the first is written at once', () => counts().length === 1)
    for (let count = 0; count < 500; count += 1) audit.note(takeover('TJ-1', count))
    audit.note(takeover('TJ-2'))
    await eventually('the other terminal is written', () => counts().length === 2)
    expect(counts()).toEqual([1, 1])
    world.nowMs = 60_000
    await eventually('the rest is written as one line', () => counts().length === 3)
    expect(counts()).toEqual([1, 1, 500])
    await audit.stop(1_000)
  })

  it('loses nothing when it stops in the middle of a round, and counts what the register does not take in time', async () => {
    const written: string[] = []
    const answers: (() => void)[] = []
    const audit = new TakeoverAudit({
      audit: {
        add: ({ subject }) => {
          written.push(subject)
          return new Promise((resolve) => answers.push(resolve))
        },
      },
      writeMs: 60_000,
      elapsedMs: () => 0,
      onFault: () => {},
      roundMs: 1,
    })
    audit.note(takeover('TJ-1'))
    await eventually('a round is under way', () => written.length === 1)
    audit.note(takeover('TJ-2'))
    audit.note(takeover('TJ-3'))
    const stopped = audit.stop(500)
    answers[0]?.()
    await eventually('the rest is written', () => written.length === 2)
    answers[1]?.()
    await stopped // The third gets no answer.
    expect(written).toEqual(['TJ-1', 'TJ-2', 'TJ-3'])
    expect(audit.droppedCount).toBe(1)
  })

  it('keeps what it cannot write, and writes all of it before the end', async () => {
    const { audit, world, counts } = audited()
    world.isAway = true
    for (let count = 0; count < 3; count += 1) audit.note(takeover('TJ-1'))
    await new Promise((resolve) => setTimeout(resolve, 20))
    world.isAway = false
    await eventually('it is written', () => counts().length === 1)
    audit.note(takeover('TJ-1'))
    await audit.stop(1_000)
    expect(counts()).toEqual([3, 1])
  })
})
