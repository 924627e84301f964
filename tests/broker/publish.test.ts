import mqtt from 'mqtt'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BROKER_LIMITS } from '#broker/limits'
import { PAYLOAD_BYTES_TAKEN_MAX } from '#contract/topics'
import {
  brokerUnderTest,
  CONNECTION_TOPIC,
  eventually,
  heldBack,
  SECRET,
  SERIAL,
  STATUS_TOPIC,
  type UnderTest,
} from './broker-under-test.ts'
import { connectPacket, DISCONNECT, puback, publishPacket } from './raw-terminal.ts'

const good = { username: SERIAL, password: SECRET }
const OFFLINE = JSON.stringify({ v: 1, state: 'offline', terminal: SERIAL })
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const texts = async (under: UnderTest) => (await under.records()).map(({ payload }) => Buffer.from(payload).toString())

describe('a publication', () => {
  let under: UnderTest
  beforeEach(async () => void (under = await brokerUnderTest()))
  afterEach(() => under[Symbol.asyncDispose]())

  it('with QoS 1 is in the journal as it was said, with who said it and when', async () => {
    const client = await mqtt.connectAsync(under.broker.mqttUrl, { ...good, clientId: 'terminal' })
    const beforeMs = Date.now()
    await client.publishAsync(STATUS_TOPIC, '{"v":1,"楼层":"3"}', { qos: 1, retain: true })
    const [record] = await under.records()
    expect(record).toMatchObject({ topic: STATUS_TOPIC, terminal: SERIAL })
    expect(Buffer.from(record?.payload ?? []).toString()).toBe('{"v":1,"楼层":"3"}')
    expect(record?.receivedAtMs).toBeGreaterThanOrEqual(beforeMs)
    await client.endAsync()
    expect(await under.metric('tiwang_broker_published_total', { kind: 'status' })).toBe(1)
    expect(await under.metric('tiwang_broker_acknowledged_total')).toBe(1)
    expect(await under.metric('tiwang_broker_bytes_total')).toBe(Buffer.byteLength('{"v":1,"楼层":"3"}'))
    expect(await under.metric('tiwang_broker_ack_seconds', { le: '5' })).toBe(1)
    expect(await under.refusals()).toEqual({})
  })

  it('with QoS 0 is in the journal too, without an acknowledgement', async () => {
    const terminal = await under.admitted()
    terminal.send(
      publishPacket({ topic: STATUS_TOPIC, payload: 'zero', qos: 0 }),
      publishPacket({ topic: STATUS_TOPIC, payload: 'one', id: 5 }),
    )
    expect(await terminal.next()).toEqual(puback(5))
    expect(await texts(under)).toEqual(['zero', 'one'])
    expect(await under.metric('tiwang_broker_acknowledged_total')).toBe(1)
    expect(await under.metric('tiwang_broker_published_total', { kind: 'status' })).toBe(2)
  })

  it('with a payload of exactly 16 KiB is taken', async () => {
    const terminal = await under.admitted()
    terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: Buffer.alloc(PAYLOAD_BYTES_TAKEN_MAX, 'a'), id: 2 }))
    expect(await terminal.next()).toEqual(puback(2))
  })

  it.each([
    ['to the topic of another lift', { topic: 'lifts/v1/lift-0002/status', payload: '{}' }, 'admission.foreignTopic'],
    ['to a kind that does not exist', { topic: 'lifts/v1/lift-0001/command', payload: '{}' }, 'admission.foreignTopic'],
    ['to a topic of the platform', { topic: 'alarms/v1/town/lift-0001', payload: '{}' }, 'admission.foreignTopic'],
    ['to $SYS', { topic: '$SYS/broker', payload: '{}' }, 'admission.foreignTopic'],
    ['to a filter', { topic: 'lifts/v1/+/status', payload: '{}' }, 'admission.foreignTopic'],
    ['to a topic of eleven levels', { topic: 'a/b/c/d/e/f/g/h/i/j/k', payload: '{}' }, 'admission.foreignTopic'],
    ['to an empty topic', { topic: '', payload: '{}' }, 'admission.foreignTopic'],
    ['to a topic with U+0000', { topic: `${STATUS_TOPIC}\u0000`, payload: '{}' }, 'admission.badString'],
    [
      'to a topic with a control character',
      { topic: 'lifts/v1/lift-0001\n/status', payload: '{}' },
      'admission.badString',
    ],
    ['to a topic that is not UTF-8', { topic: Buffer.from([0x6c, 0xff]), payload: '{}' }, 'admission.badString'],
    ['with QoS 2', { topic: STATUS_TOPIC, payload: '{}', qos: 2 }, 'admission.qos'],
    [
      'with a payload of one byte more than 16 KiB',
      { topic: STATUS_TOPIC, payload: Buffer.alloc(PAYLOAD_BYTES_TAKEN_MAX + 1) },
      'admission.tooLarge',
    ],
    [
      'in a packet beyond the bound',
      { topic: STATUS_TOPIC, payload: Buffer.alloc(BROKER_LIMITS.packetBytesMax) },
      'admission.tooLarge',
    ],
    ['with packet id 0', { topic: STATUS_TOPIC, payload: '{}', id: 0 }, 'admission.protocol'],
  ])('%s closes the connection, is counted once and never reaches the journal', async (_what, packet, code) => {
    const terminal = await under.admitted()
    terminal.send(publishPacket(packet))
    expect(await terminal.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ [code]: 1 })
    expect(await under.records()).toEqual([])
  })

  it('that was sent before a refused one in the same breath is still in the journal', async () => {
    const terminal = await under.admitted()
    terminal.send(
      publishPacket({ topic: STATUS_TOPIC, payload: 'good', id: 1 }),
      publishPacket({ topic: 'x/y', payload: 'bad', id: 2 }),
    )
    await terminal.closed
    await eventually('the good one is in the journal', async () => (await under.records()).length === 1)
    expect(await texts(under)).toEqual(['good'])
  })
})

describe('an acknowledgement', () => {
  it('comes only after the journal has said that the record is durable', async () => {
    let held: ReturnType<typeof heldBack> | undefined
    await using under = await brokerUnderTest({ journal: (real) => (held = heldBack(real)) })
    const terminal = await under.admitted()
    terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: '{}', id: 9 }))
    await eventually('the journal has it', () => held?.waitingCount === 1)
    await pause(300)
    expect(terminal.packets).toEqual([])
    expect(await under.metric('tiwang_broker_acknowledged_total')).toBe(0)
    held?.release()
    expect(await terminal.next()).toEqual(puback(9))
    expect(await under.metric('tiwang_broker_acknowledged_total')).toBe(1)
  })

  it('keeps the order of the publications', async () => {
    await using under = await brokerUnderTest()
    const terminal = await under.admitted()
    const ids = Array.from({ length: 300 }, (_, index) => index + 1)
    terminal.send(...ids.map((id) => publishPacket({ topic: STATUS_TOPIC, payload: String(id), id })))
    for (const id of ids) expect(await terminal.next()).toEqual(puback(id))
    expect(await texts(under)).toEqual(ids.map(String))
  })

  it('never comes when the journal fails: the connection is closed and the refusal counted', async () => {
    await using under = await brokerUnderTest({
      journal: (real) => ({
        status: () => real.status(),
        append: (_entry, done) => setImmediate(done, new Error('no space left'), 0),
      }),
    })
    const terminal = await under.admitted()
    terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: '{}' }))
    expect(await terminal.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ 'admission.storeAway': 1 })
    expect(await under.metric('tiwang_broker_acknowledged_total')).toBe(0)
  })

  it('never comes when the journal refuses at once, and the broker lives on', async () => {
    let isFull = true
    await using under = await brokerUnderTest({
      journal: (real) => ({
        status: () => real.status(),
        append: (entry, done) => (isFull ? done(new Error('full'), 0) : real.append(entry, done)),
      }),
    })
    const terminal = await under.admitted()
    terminal.send(
      publishPacket({ topic: STATUS_TOPIC, payload: 'a', id: 1 }),
      publishPacket({ topic: STATUS_TOPIC, payload: 'b', id: 2 }),
    )
    expect(await terminal.next()).toBeUndefined()
    isFull = false
    const again = await under.admitted()
    again.send(publishPacket({ topic: STATUS_TOPIC, payload: 'a', id: 1 }))
    expect(await again.next()).toEqual(puback(1))
  })
})

describe('a slow journal', () => {
  it('is not flooded by one terminal: its socket is read no more, and nothing is lost afterwards', async () => {
    let held: ReturnType<typeof heldBack> | undefined
    await using under = await brokerUnderTest({ journal: (real) => (held = heldBack(real)) })
    const terminal = await under.admitted()
    const count = BROKER_LIMITS.inFlightMax * 3
    for (let id = 1; id <= count; id += 1) {
      terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: String(id), id }))
      await pause(2) // one by one, so that each comes in a chunk of its own
    }
    await eventually('the socket is held', () => (held?.waitingCount ?? 0) >= BROKER_LIMITS.inFlightMax)
    await pause(100)
    expect(held?.waitingCount).toBe(BROKER_LIMITS.inFlightMax)
    held?.release()
    for (let id = 1; id <= count; id += 1) expect(await terminal.next()).toEqual(puback(id))
    expect(await texts(under)).toEqual(Array.from({ length: count }, (_, index) => String(index + 1)))
  })
})

describe('a will', () => {
  const will = { topic: CONNECTION_TOPIC, payload: OFFLINE, qos: 1, retain: true }

  it('reaches the journal when the connection breaks, and counts as no acknowledgement', async () => {
    await using under = await brokerUnderTest()
    const terminal = await under.admitted({ will })
    terminal.socket.destroy()
    await eventually('the will is in the journal', async () => (await under.records()).length === 1)
    expect(await under.records()).toMatchObject([{ topic: CONNECTION_TOPIC, terminal: SERIAL }])
    expect(await texts(under)).toEqual([OFFLINE])
    expect(await under.metric('tiwang_broker_acknowledged_total')).toBe(0)
    expect(await under.metric('tiwang_broker_published_total', { kind: 'connection' })).toBe(1)
  })

  it('reaches the journal when the keep alive runs out and when the terminal is cut for a refusal', async () => {
    await using under = await brokerUnderTest()
    await under.admitted({ will, keepalive: 1 })
    await eventually('the will is in the journal', async () => (await under.records()).length === 1, 8_000)
    const cut = await under.admitted({ will })
    cut.send(publishPacket({ topic: 'x', payload: '' }))
    await eventually('the second will is in the journal', async () => (await under.records()).length === 2)
    expect(await texts(under)).toEqual([OFFLINE, OFFLINE])
  })

  it('of a connection that is taken over is not said: its terminal speaks on the newer one', async () => {
    await using under = await brokerUnderTest()
    const first = await under.admitted({ will })
    const second = await under.admitted({ will })
    await first.closed
    second.send(publishPacket({ topic: CONNECTION_TOPIC, payload: 'online', id: 1 }))
    expect(await second.next()).toEqual(puback(1))
    expect(await texts(under)).toEqual(['online'])
  })

  it('is not said after a DISCONNECT, nor for a CONNECT that was refused', async () => {
    await using under = await brokerUnderTest()
    const polite = await under.admitted({ will })
    polite.send(DISCONNECT)
    await polite.closed
    const refused = await under.raw()
    refused.send(connectPacket({ ...good, password: 'wrong', will }))
    await refused.closed
    await pause(100)
    expect(await under.records()).toEqual([])
  })
})
