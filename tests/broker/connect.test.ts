import mqtt from 'mqtt'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Doorway, isLoopback } from '#broker/doorway'
import { BROKER_LIMITS } from '#broker/limits'
import type { LiftId, TerminalSerial } from '#contract/ids'
import {
  brokerUnderTest,
  CONNECTION_TOPIC,
  eventually,
  hashOf,
  SECRET,
  SERIAL,
  STATUS_TOPIC,
  terminalRow,
  TerminalTable,
  type UnderTest,
} from './broker-under-test.ts'
import { connack, connectPacket, PINGREQ, puback, publishPacket, subscribePacket } from './raw-terminal.ts'

const good = { username: SERIAL, password: SECRET }
let under: UnderTest
beforeEach(async () => {
  under = await brokerUnderTest({
    terminals: new TerminalTable().put(
      await terminalRow(),
      await terminalRow({ serial: 'TJ-0002' as TerminalSerial, lift: 'lift-0002' as LiftId }),
      await terminalRow({ serial: 'TJ-REVOKED' as TerminalSerial, revokedAtMs: 1 }),
      await terminalRow({ serial: 'TJ-UNBOUND' as TerminalSerial, lift: null }),
    ),
  })
})
afterEach(() => under[Symbol.asyncDispose]())

describe('a CONNECT', () => {
  it('with serial and secret is accepted, and counted as a connection until it ends', async () => {
    const terminal = await under.raw()
    terminal.send(connectPacket(good))
    expect(await terminal.next()).toEqual(connack(0))
    await eventually('one is connected', () => under.broker.status().connectedCount === 1)
    expect(await under.metric('tiwang_broker_connections')).toBe(1)
    terminal.send(PINGREQ)
    expect(await terminal.next()).toEqual(Buffer.from([0xd0, 0]))
    terminal.socket.destroy()
    await eventually('none is connected', () => under.broker.status().connectedCount === 0)
    expect(await under.metric('tiwang_broker_connections')).toBe(0)
    expect(await under.refusals()).toEqual({})
  })

  it.each([
    ['a wrong secret', { ...good, password: 'wrong' }, 4, 'admission.badCredentials'],
    ['an unknown serial', { ...good, username: 'TJ-9999' }, 4, 'admission.badCredentials'],
    ['no user name and no secret', {}, 4, 'admission.badCredentials'],
    ['a revoked terminal', { ...good, username: 'TJ-REVOKED' }, 5, 'admission.revoked'],
    ['a terminal bound to no lift', { ...good, username: 'TJ-UNBOUND' }, 5, 'admission.revoked'],
    ['an empty client id and a kept session', { ...good, clientId: '', clean: false }, 2, 'admission.badClientId'],
    ['MQTT 5', { ...good, level: 5 }, 1, 'admission.version'],
    ['MQTT 3.1', { ...good, level: 3, protocol: 'MQIsdp' }, 1, 'admission.version'],
    [
      'the will on another topic of its lift',
      { ...good, will: { topic: STATUS_TOPIC, payload: '{}' } },
      5,
      'admission.foreignWill',
    ],
    [
      'the will on another lift',
      { ...good, will: { topic: 'lifts/v1/lift-0002/connection', payload: '{}' } },
      5,
      'admission.foreignWill',
    ],
    ['a will with QoS 2', { ...good, will: { topic: CONNECTION_TOPIC, payload: '{}', qos: 2 } }, 5, 'admission.qos'],
  ] as const)('with %s gets its CONNACK code, is counted and closed', async (_what, packet, code, refusal) => {
    const terminal = await under.raw()
    terminal.send(connectPacket(packet))
    expect(await terminal.next()).toEqual(connack(code))
    expect(await terminal.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ [refusal]: 1 })
  })

  it.each([
    ['U+0000 in the client id', { ...good, clientId: 'a\u0000b' }],
    ['a control character in the user name', { ...good, username: 'TJ-0001\u0007' }],
    ['a non-character in the client id', { ...good, clientId: 'a\uffff' }],
    ['a surrogate in the will topic', { ...good, will: { topic: Buffer.from([0x61, 0xed, 0xa0, 0x80]), payload: '' } }],
  ])('with %s is closed without an answer and counted', async (_what, packet) => {
    const terminal = await under.raw()
    terminal.send(connectPacket(packet))
    expect(await terminal.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ 'admission.badString': 1 })
  })

  it('of a protocol that is none is closed and counted', async () => {
    const terminal = await under.raw()
    terminal.send(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
    expect(await terminal.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ 'admission.protocol': 1 })
  })

  it('that does not come first, or comes twice, costs the connection', async () => {
    const early = await under.raw()
    early.send(publishPacket({ topic: STATUS_TOPIC, payload: '{}' }))
    expect(await early.next()).toBeUndefined()
    const twice = await under.admitted()
    twice.send(connectPacket(good))
    expect(await twice.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ 'admission.protocol': 2 })
    expect(await under.records()).toEqual([])
  })

  it('from mqtt.js in version 5 is refused in words that the library understands as a refusal', async () => {
    const client = mqtt.connect(under.broker.mqttUrl, { ...good, protocolVersion: 5, reconnectPeriod: 0 })
    client.on('error', () => {})
    await new Promise<void>((resolve) => client.once('close', () => resolve()))
    expect(client.connected).toBe(false)
    await client.endAsync(true)
    expect(await under.refusalCount('admission.version')).toBe(1)
  })

  it('never keeps a session, even when one is asked for', async () => {
    const first = await under.admitted({ clean: false })
    first.socket.destroy()
    await first.closed
    const second = await under.raw()
    second.send(connectPacket({ ...good, clean: false }))
    expect(await second.next()).toEqual(connack(0)) // the third byte, session present, is 0
  })

  it('that asks for no keep alive is held to the longest one', async () => {
    await under.admitted({ keepalive: 0 })
    expect(await under.refusals()).toEqual({})
  })
})

describe('a terminal', () => {
  it('holds one connection, and the newest wins, whatever the client ids are', async () => {
    const first = await under.admitted({ clientId: 'first' })
    const second = await under.admitted({ clientId: 'second' })
    expect(await first.next()).toBeUndefined()
    second.send(PINGREQ)
    expect(await second.next()).toEqual(Buffer.from([0xd0, 0]))
    await eventually('one is connected', () => under.broker.status().connectedCount === 1)
  })

  it('cannot end the connection of another terminal by its client id', async () => {
    const first = await under.admitted({ clientId: 'same' })
    const second = await under.admitted({ clientId: 'same', username: 'TJ-0002' })
    for (const terminal of [first, second]) {
      terminal.send(PINGREQ)
      expect(await terminal.next()).toEqual(Buffer.from([0xd0, 0]))
    }
    expect(under.broker.status().connectedCount).toBe(2)
  })

  it('keeps its connection when somebody with a wrong secret claims to be it', async () => {
    const terminal = await under.admitted()
    const liar = await under.raw()
    liar.send(connectPacket({ ...good, password: 'wrong' }))
    expect(await liar.next()).toEqual(connack(4))
    terminal.send(PINGREQ)
    expect(await terminal.next()).toEqual(Buffer.from([0xd0, 0]))
  })

  it('may subscribe to nothing: every filter is answered with 0x80 and counted', async () => {
    const terminal = await under.admitted()
    terminal.send(subscribePacket(7, '#', '$SYS/#', STATUS_TOPIC))
    expect(await terminal.next()).toEqual(Buffer.from([0x90, 5, 0, 7, 0x80, 0x80, 0x80]))
    expect(await under.refusals()).toEqual({ 'admission.subscribe': 3 })
    terminal.send(subscribePacket(8, 'a\u0000'))
    expect(await terminal.next()).toBeUndefined()
    expect(await under.refusalCount('admission.badString')).toBe(1)
  })

  it('loses its way in with a new secret, a revocation or another lift in the register', async () => {
    const before = await under.admitted()
    before.socket.destroy()
    const answerTo = async (packet: Parameters<typeof connectPacket>[0]) => {
      const terminal = await under.raw()
      terminal.send(connectPacket(packet))
      return (await terminal.next())?.[3]
    }
    const change = async (row: Parameters<typeof terminalRow>[0]) => {
      under.terminals.put(await terminalRow(row))
      const { feedCount } = under.terminals
      await eventually('the feed has brought it', () => under.terminals.feedCount >= feedCount + 2)
    }
    await change({ secretHash: await hashOf('a-new-secret') })
    expect(await answerTo(good)).toBe(4)
    expect(await answerTo({ ...good, password: 'a-new-secret' })).toBe(0)
    await change({ revokedAtMs: 5 })
    expect(await answerTo(good)).toBe(5)
    await change({ lift: 'lift-0003' as LiftId })
    const rebound = await under.admitted()
    rebound.send(publishPacket({ topic: STATUS_TOPIC, payload: '{}' }))
    expect(await rebound.next()).toBeUndefined()
    expect(await under.refusalCount('admission.foreignTopic')).toBe(1)
  })
})

const NEVER_MS = 3_600_000

describe('a connected terminal', () => {
  describe.each([
    ['the change feed', { feedMs: 20, recheckMs: NEVER_MS }],
    ['reading rows in turn', { feedMs: NEVER_MS, recheckMs: 20 }],
  ])('by %s', (_line, timeouts) => {
    it.each([
      ['revoked', 'no', { revokedAtMs: 5 }],
      ['bound to another lift', 'no', { lift: 'lift-0009' as LiftId }],
      ['bound to none', 'no', { lift: null }],
      ['given a new secret', 'its', { secretHash: 'another' }],
    ])('that is %s is cut without waiting for its next CONNECT, with %s will', async (_what, whose, change) => {
      const terminals = new TerminalTable().put(
        await terminalRow(),
        await terminalRow({ serial: 'TJ-0002' as TerminalSerial, lift: 'lift-0002' as LiftId }),
      )
      await using quick = await brokerUnderTest({ terminals, timeouts })
      const terminal = await quick.admitted({ will: { topic: CONNECTION_TOPIC, payload: '{"gone":true}' } })
      const { askedCount, feedCount } = quick.terminals
      await eventually('the register was asked again', () => {
        const { terminals } = quick
        return terminals.askedCount + terminals.feedCount > askedCount + feedCount + 2
      })
      expect(terminal.isClosed).toBe(false)
      quick.terminals.put(await terminalRow(change))
      expect(await terminal.next()).toBeUndefined()
      expect(await quick.refusals()).toEqual({ 'admission.revoked': 1 })
      await eventually('none is connected', () => quick.broker.status().connectedCount === 0)
      const later = await quick.admitted({ username: 'TJ-0002' })
      later.send(publishPacket({ topic: 'lifts/v1/lift-0002/status', payload: '{}', id: 3 }))
      expect(await later.next()).toEqual(puback(3))
      const topics = (await quick.records()).map(({ topic }) => topic)
      expect(topics.filter((topic) => topic === CONNECTION_TOPIC)).toHaveLength(whose === 'its' ? 1 : 0)
    })
  })

  it('keeps its connection while the register is away, and falls when it is back', async () => {
    await using quick = await brokerUnderTest({ timeouts: { feedMs: 20, recheckMs: 20 } })
    const terminal = await quick.admitted()
    const { askedCount, feedCount } = quick.terminals
    quick.terminals.obstacle = () => Promise.reject(new Error('away'))
    quick.terminals.put(await terminalRow({ revokedAtMs: 5 }))
    await eventually('its row was asked for', () => quick.terminals.askedCount > askedCount + 2)
    await eventually('changes were asked for', () => quick.terminals.feedCount > feedCount + 2)
    terminal.send(PINGREQ)
    expect(await terminal.next()).toEqual(Buffer.from([0xd0, 0]))
    quick.terminals.obstacle = async () => {}
    expect(await terminal.next()).toBeUndefined()
  })
})

describe('while the register is away', () => {
  it('every terminal that was registered before is served, and one that is not known is told to come later', async () => {
    under.terminals.obstacle = () => Promise.reject(new Error('away'))
    await under.admitted()
    await under.admitted({ username: 'TJ-0002' })
    const wrong = await under.raw()
    wrong.send(connectPacket({ ...good, password: 'wrong' }))
    expect(await wrong.next()).toEqual(connack(4))
    const unknown = await under.raw()
    unknown.send(connectPacket({ ...good, username: 'TJ-0003' }))
    expect(await unknown.next()).toEqual(connack(3))
    expect(await under.refusals()).toEqual({ 'admission.badCredentials': 1, 'admission.registerAway': 1 })
    under.terminals.put(await terminalRow({ serial: 'TJ-0003' as TerminalSerial }))
    under.terminals.obstacle = async () => {}
    await under.admitted({ username: 'TJ-0003' })
  })

  it('known terminals come and go without a question to the register', async () => {
    for (let count = 0; count < 5; count += 1) await under.admitted()
    expect(under.terminals.askedCount).toBe(0)
  })
})

describe('when no answer comes', () => {
  it('a register that never answers counts as away after its time', async () => {
    await using slow = await brokerUnderTest({ timeouts: { lookupMs: 100 } })
    const seen = await slow.admitted()
    seen.socket.destroy()
    slow.terminals.obstacle = () => new Promise(() => {})
    await slow.admitted()
    slow.terminals.rows.clear()
    const unseen = await slow.raw()
    unseen.send(connectPacket({ ...good, username: 'TJ-0002' }))
    expect(await unseen.next()).toEqual(connack(3))
    expect(await slow.refusals()).toEqual({ 'admission.registerAway': 1 })
  })

  it('a CONNECT that nobody answers is cut, also when its packets go on coming', async () => {
    const terminals = new TerminalTable()
    await using stuck = await brokerUnderTest({ terminals, timeouts: { answerMs: 200, lookupMs: 60_000 } })
    terminals.obstacle = () => new Promise(() => {})
    const terminal = await stuck.raw()
    terminal.send(connectPacket(good))
    terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: '{}' }))
    expect(await terminal.next()).toBeUndefined()
    expect(await stuck.refusals()).toEqual({ 'admission.timeout': 1 })
    expect(await stuck.records()).toEqual([])
  })

  it('a socket that says nothing is cut', async () => {
    await using impatient = await brokerUnderTest({ limits: { connectMs: 200 } })
    const terminal = await impatient.raw()
    expect(await terminal.next()).toBeUndefined()
    expect(await impatient.refusals()).toEqual({ 'admission.timeout': 1 })
  })
})

describe('while the journal takes nothing', () => {
  it('a CONNECT is answered with “server unavailable”', async () => {
    await using degraded = await brokerUnderTest({
      journal: (real) => ({
        append: real.append.bind(real),
        status: () => ({ ...real.status(), takes: 'nothing', degraded: 'disk full' }),
      }),
    })
    const terminal = await degraded.raw()
    terminal.send(connectPacket(good))
    expect(await terminal.next()).toEqual(connack(3))
    expect(await degraded.refusals()).toEqual({ 'admission.storeAway': 1 })
    expect(degraded.broker.status().degraded).toBe('disk full')
  })

  it('but one that still takes what is urgent lets terminals in', async () => {
    await using short = await brokerUnderTest({
      journal: (real) => ({
        append: real.append.bind(real),
        status: () => ({ ...real.status(), takes: 'urgent', degraded: 'disk nearly full' }),
      }),
    })
    await short.admitted()
    expect(await short.refusals()).toEqual({})
  })
})

describe('the doorway', () => {
  it('turns away what is more than the most connections, counts it, and has room again when one leaves', async () => {
    await using small = await brokerUnderTest({ limits: { connectionsMax: 1, connectionsPerAddressMax: 1 } })
    const first = await small.admitted()
    const second = await small.raw()
    expect(await second.next()).toBeUndefined()
    expect(await small.refusals()).toEqual({ 'admission.full': 1 })
    first.socket.destroy()
    await eventually('none is connected', () => small.broker.status().connectedCount === 0)
    await small.admitted()
  })

  it('limits each address by itself, but not this machine', () => {
    const doorway = new Doorway({ ...BROKER_LIMITS, connectionsMax: 100, connectionsPerAddressMax: 2 })
    const places = [doorway.enter('192.0.2.1'), doorway.enter('192.0.2.1')]
    expect(doorway.enter('192.0.2.1')).toBe('admission.fullAddress')
    expect(typeof doorway.enter('192.0.2.2')).toBe('object')
    for (let index = 0; index < 10; index += 1) expect(typeof doorway.enter('::ffff:127.0.0.1')).toBe('object')
    for (const place of places)
      if (typeof place === 'object') {
        place.leave()
        place.leave()
      }
    expect(doorway.insideCount).toBe(11)
    expect(typeof doorway.enter('192.0.2.1')).toBe('object')
    expect([isLoopback('127.8.9.1'), isLoopback('::1'), isLoopback('10.0.0.1'), isLoopback('')]).toEqual([
      true,
      true,
      false,
      false,
    ])
  })

  it('counts all addresses of one IPv6 network as one', () => {
    const doorway = new Doorway({ ...BROKER_LIMITS, connectionsPerAddressMax: 2 })
    const places = [doorway.enter('2001:db8:1:2::1'), doorway.enter('2001:db8:1:2:ffff::2')]
    expect(doorway.enter('2001:db8:1:2::3')).toBe('admission.fullAddress')
    expect(typeof doorway.enter('2001:db8:1:3::1')).toBe('object')
    for (const place of places) if (typeof place === 'object') place.leave()
    expect(typeof doorway.enter('2001:db8:1:2::3')).toBe('object')
  })

  it('limits those who have not proved who they are: the oldest that said nothing gives way to a new one', () => {
    const doorway = new Doorway({
      ...BROKER_LIMITS,
      connectionsPerAddressMax: 9,
      halfOpenMax: 3,
      halfOpenPerAddressMax: 9,
    })
    const cut: string[] = []
    const enter = (name: string) => doorway.enter('192.0.2.1', () => cut.push(name))
    const [first] = [enter('first'), enter('second'), enter('third')]
    if (typeof first === 'object') first.ask()
    expect(typeof enter('fourth')).toBe('object')
    expect(cut).toEqual(['second'])
    expect([doorway.halfOpenCount, doorway.insideCount]).toEqual([3, 3])
    if (typeof first === 'object') first.admit()
    expect(doorway.halfOpenCount).toBe(2)
    expect(typeof enter('fifth')).toBe('object')
    expect(cut).toEqual(['second'])
  })

  it('turns a new one away while everybody who is half open has asked', () => {
    const doorway = new Doorway({ ...BROKER_LIMITS, halfOpenMax: 2 })
    for (const place of [doorway.enter('192.0.2.1'), doorway.enter('192.0.2.2')])
      if (typeof place === 'object') place.ask()
    expect(doorway.enter('192.0.2.3')).toBe('admission.halfOpen')
    expect(doorway.insideCount).toBe(2)
  })

  it('limits those of one address who have not proved who they are', () => {
    const doorway = new Doorway({ ...BROKER_LIMITS, halfOpenPerAddressMax: 1 })
    const place = doorway.enter('192.0.2.1')
    expect(doorway.enter('192.0.2.1')).toBe('admission.halfOpenAddress')
    expect(typeof doorway.enter('192.0.2.2')).toBe('object')
    if (typeof place === 'object') place.admit()
    expect(typeof doorway.enter('192.0.2.1')).toBe('object')
  })
})
