import { describe, expect, it } from 'vitest'
import { BROKER_LIMITS } from '#broker/limits'
import { PAYLOAD_BYTES_MAX } from '#contract/topics'
import { brokerUnderTest, eventually, LIFT, STATUS_TOPIC } from './broker-under-test.ts'
import { conformanceBroker, FORBIDDEN, ILL_FORMED, PINGRESP } from './conformance.ts'
import { DISCONNECT, packet, PINGREQ, puback, publishPacket, text, uint16 } from './raw-terminal.ts'

const { broker, cuts, payloads } = conformanceBroker()
const to = (topic: string | Buffer) => publishPacket({ topic, payload: '{}' })
const status = (payload: string, id: number) => publishPacket({ topic: STATUS_TOPIC, payload, id })
/** A PUBLISH whose first byte is as given. */
const publishAs = (header: number, ...parts: Buffer[]) => packet(header, text(STATUS_TOPIC), ...parts)

describe('the fixed header of a PUBLISH', () => {
  it('[MQTT-3.3.1-1] with DUP and QoS 1 is taken and acknowledged', async () => {
    const terminal = await broker().admitted()
    terminal.send(publishAs(0x3a, uint16(7), Buffer.from('again')))
    expect(await terminal.next()).toEqual(puback(7))
    expect(await payloads()).toContain('again')
  })

  it('[MQTT-3.3.1-2] with DUP and QoS 0 closes the connection', async () => {
    await cuts('admission.protocol', publishAs(0x38, Buffer.from('{}')))
    await cuts('admission.protocol', publishAs(0x39, Buffer.from('{}')))
  })

  it('[MQTT-3.3.1-4] with both QoS bits closes the connection', async () => {
    for (const header of [0x36, 0x37, 0x3e, 0x3f])
      await cuts('admission.protocol', publishAs(header, uint16(1), Buffer.from('{}')))
  })

  it('[MQTT-3.3.1-5] with retain is taken and acknowledged like any other; nothing is retained', async () => {
    const terminal = await broker().admitted()
    terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: 'retained', id: 3, retain: true }))
    expect(await terminal.next()).toEqual(puback(3))
  })

  it('[MQTT-4.3.3-2] with QoS 2 closes the connection: it is not taken here', async () => {
    await cuts('admission.qos', publishPacket({ topic: STATUS_TOPIC, payload: '{}', qos: 2 }))
  })
})

describe('the topic of a PUBLISH', () => {
  it('[MQTT-3.3.2-1] that is missing or longer than the packet closes the connection', async () => {
    await cuts('admission.protocol', packet(0x30))
    await cuts('admission.protocol', packet(0x30, Buffer.from([0])))
    await cuts('admission.protocol', packet(0x30, uint16(100), Buffer.from(STATUS_TOPIC)))
  })

  for (const [what, bytes] of ILL_FORMED)
    it(`[MQTT-1.5.3-1, MQTT-3.3.2-1] that holds ${what} closes the connection`, () =>
      cuts('admission.badString', to(bytes)))

  it('[MQTT-1.5.3-2, MQTT-4.7.3-2] that holds U+0000 closes the connection', () =>
    cuts('admission.badString', to(`${STATUS_TOPIC}\u0000`)))

  for (const [what, string] of FORBIDDEN)
    it(`[MQTT-1.5.3-2] that holds ${what} closes the connection`, () => cuts('admission.badString', to(string)))

  it('[MQTT-1.5.3-3] that begins with U+FEFF is another topic', () =>
    cuts('admission.foreignTopic', to(`\ufeff${STATUS_TOPIC}`)))

  for (const topic of ['#', '+', 'lifts/v1/+/status', 'lifts/#', `${STATUS_TOPIC}#`, 'a+b'])
    it(`[MQTT-3.3.2-2, MQTT-4.7.1-1] that is ${topic} closes the connection`, () =>
      cuts('admission.foreignTopic', to(topic)))

  it('[MQTT-4.7.3-1] that is empty closes the connection', () => cuts('admission.foreignTopic', to('')))

  it('[MQTT-4.7.3-3] that is longer than the bound closes the connection', async () => {
    await cuts('admission.tooLarge', to('x'.repeat(BROKER_LIMITS.topicBytesMax + 1)))
    await cuts('admission.foreignTopic', to('x'.repeat(BROKER_LIMITS.topicBytesMax)))
    await cuts('admission.foreignTopic', to('a/'.repeat(BROKER_LIMITS.topicLevelsMax)))
  })

  for (const topic of [
    STATUS_TOPIC.toUpperCase(),
    `${STATUS_TOPIC}/`,
    `/${STATUS_TOPIC}`,
    STATUS_TOPIC.replace('/', '//'),
  ])
    it(`[MQTT-4.7.3-4] is compared byte by byte: ${topic} is another topic`, () =>
      cuts('admission.foreignTopic', to(topic)))

  it('[MQTT-3.3.5-2] that the terminal may not publish to closes the connection', async () => {
    for (const topic of [
      '$SYS/broker/uptime',
      'lifts/v1/lift-0002/status',
      `lifts/v1/${LIFT}/command`,
      'alarms/v1/a/b',
    ])
      await cuts('admission.foreignTopic', to(topic))
  })
})

describe('the packet id of a PUBLISH', () => {
  it('[MQTT-2.3.1-1] that is 0 or missing closes the connection', async () => {
    await cuts('admission.protocol', publishAs(0x32, uint16(0), Buffer.from('{}')))
    await cuts('admission.protocol', publishAs(0x32))
    await cuts('admission.protocol', publishAs(0x32, Buffer.from([1])))
  })

  it('[MQTT-2.3.1-5] is absent with QoS 0: what follows the topic is the payload', async () => {
    const terminal = await broker().admitted()
    terminal.send(publishAs(0x30, Buffer.from('\u0000\u0001 no id')), PINGREQ)
    expect(await terminal.next()).toEqual(PINGRESP)
    await eventually('it is in the journal', async () => (await payloads()).includes('\u0000\u0001 no id'))
  })

  it('[MQTT-2.3.1-6, MQTT-4.3.2-2] comes back in the PUBACK, from 1 to 65535', async () => {
    const terminal = await broker().admitted()
    for (const id of [1, 255, 256, 65_535]) {
      terminal.send(status('{}', id))
      expect(await terminal.next()).toEqual(puback(id))
    }
  })

  it('[MQTT-4.3.2-2] that was acknowledged stands for a new publication when it comes again, with DUP or without', async () => {
    const terminal = await broker().admitted()
    for (const [header, payload] of [
      [0x32, 'first'],
      [0x3a, 'second'],
      [0x32, 'third'],
    ] as const) {
      terminal.send(publishAs(header, uint16(5), Buffer.from(payload)))
      expect(await terminal.next()).toEqual(puback(5))
    }
    expect((await payloads()).slice(-3)).toEqual(['first', 'second', 'third'])
  })
})

describe('taking a PUBLISH', () => {
  it('[MQTT-3.3.4-1] QoS 1 is answered with a PUBACK, QoS 0 with nothing', async () => {
    const terminal = await broker().admitted()
    terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: 'a', qos: 0 }), status('b', 2))
    expect(await terminal.next()).toEqual(puback(2))
    expect(terminal.packets).toEqual([])
  })

  it('[MQTT-3.3.4-1] an empty payload and one of 16 KiB are taken, in one piece or byte by byte', async () => {
    const terminal = await broker().admitted()
    const large = 'x'.repeat(PAYLOAD_BYTES_MAX)
    terminal.send(status('', 1), status(large, 2))
    expect([await terminal.next(), await terminal.next()]).toEqual([puback(1), puback(2)])
    for (const byte of status('piece by piece', 3)) {
      terminal.socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await terminal.next()).toEqual(puback(3))
    expect((await payloads()).slice(-3)).toEqual(['', large, 'piece by piece'])
  })

  it('[MQTT-4.6.0-5] publications are kept and acknowledged in the order in which they came', async () => {
    const terminal = await broker().admitted()
    const ids = Array.from({ length: 500 }, (_, index) => index + 1)
    terminal.send(...ids.map((id) => status(`order ${id}`, id)))
    for (const id of ids) expect(await terminal.next()).toEqual(puback(id))
    expect((await payloads()).filter((payload) => payload.startsWith('order '))).toEqual(ids.map((id) => `order ${id}`))
  })

  it('[MQTT-4.8.0-2] a publication that cannot be kept closes the connection without a PUBACK', async () => {
    await using full = await brokerUnderTest({
      journal: (real) => ({
        status: () => real.status(),
        append: (_entry, done) => setImmediate(done, new Error('full'), 0),
      }),
    })
    const terminal = await full.admitted()
    terminal.send(status('{}', 1))
    expect(await terminal.next()).toBeUndefined()
    expect(await full.refusals()).toEqual({ 'admission.storeAway': 1 })
  })
})

describe('packets that are not for a device to send', () => {
  for (const [what, bytes] of [
    ['CONNACK', Buffer.from([0x20, 2, 0, 0])],
    ['PUBACK for nothing', puback(1)],
    ['PUBREC for nothing', packet(0x50, uint16(1))],
    ['PUBREL for nothing', packet(0x62, uint16(1))],
    ['PUBCOMP for nothing', packet(0x70, uint16(1))],
    ['SUBACK', packet(0x90, uint16(1), Buffer.from([0]))],
    ['UNSUBACK', packet(0xb0, uint16(1))],
    ['PINGRESP', PINGRESP],
    ['type 0', Buffer.from([0, 0])],
    ['type 15', Buffer.from([0xf0, 0])],
  ] as const)
    it(`[MQTT-4.8.0-1] ${what} closes the connection`, () => cuts('admission.protocol', bytes))

  it('[MQTT-3.6.1-1] PUBREL with wrong flags closes the connection', () =>
    cuts('admission.protocol', packet(0x60, uint16(1))))

  it('[MQTT-4.8.0-1] PINGREQ and DISCONNECT with content close the connection', async () => {
    await cuts('admission.protocol', packet(0xc0, Buffer.from([0])))
    await cuts('admission.protocol', packet(0xe0, Buffer.from([0])))
  })

  it('[MQTT-4.8.0-1] a remaining length of five bytes closes the connection', () =>
    cuts('admission.protocol', Buffer.from([0x32, 0x80, 0x80, 0x80, 0x80, 0x01])))
})

describe('PINGREQ and DISCONNECT', () => {
  it('[MQTT-3.12.4-1] each PINGREQ is answered with a PINGRESP', async () => {
    const terminal = await broker().admitted()
    terminal.send(PINGREQ, PINGREQ, PINGREQ)
    for (let index = 0; index < 3; index += 1) expect(await terminal.next()).toEqual(PINGRESP)
  })

  for (const flags of [1, 2, 8, 15])
    it(`[MQTT-3.14.1-1, MQTT-2.2.2-2] DISCONNECT and PINGREQ with the flags ${flags} close the connection as a broken rule`, async () => {
      await cuts('admission.protocol', Buffer.from([0xe0 | flags, 0]))
      await cuts('admission.protocol', Buffer.from([0xc0 | flags, 0]))
    })

  it('[MQTT-3.14.4-1] DISCONNECT closes the connection and is no refusal', async () => {
    const before = await broker().refusals()
    const terminal = await broker().admitted()
    terminal.send(DISCONNECT)
    expect(await terminal.next()).toBeUndefined()
    expect(await broker().refusals()).toEqual(before)
  })

  it('[MQTT-3.14.4-2] what follows a DISCONNECT is not processed', async () => {
    const terminal = await broker().admitted()
    terminal.send(DISCONNECT, status('after the farewell', 1))
    expect(await terminal.next()).toBeUndefined()
    const later = await broker().admitted()
    later.send(status('later', 1))
    expect(await later.next()).toEqual(puback(1))
    expect(await payloads()).not.toContain('after the farewell')
  })
})
