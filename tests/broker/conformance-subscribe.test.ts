import { describe, expect, it } from 'vitest'
import { BROKER_LIMITS } from '#broker/limits'
import { STATUS_TOPIC } from './broker-under-test.ts'
import { conformanceBroker, FORBIDDEN, ILL_FORMED, PINGRESP } from './conformance.ts'
import { packet, PINGREQ, subscribePacket, text, uint16 } from './raw-terminal.ts'

const { broker, cuts } = conformanceBroker()
const suback = (id: number, filterCount: number) => packet(0x90, uint16(id), Buffer.alloc(filterCount, 0x80))
const unsubscribePacket = (id: number, ...filters: (string | Buffer)[]) =>
  packet(0xa2, uint16(id), ...filters.map(text))
const unsuback = (id: number) => packet(0xb0, uint16(id))
const MALFORMED = ['a#', 'a/#/b', '#/a', 'a+', 'a/b+/c', '+a', 'ab/+e', '##', '++']

describe('SUBSCRIBE', () => {
  it('[MQTT-3.8.4-1, MQTT-3.8.4-2, MQTT-2.3.1-7] is answered with a SUBACK of its packet id', async () => {
    const terminal = await broker().admitted()
    for (const id of [1, 256, 65_535]) {
      terminal.send(subscribePacket(id, STATUS_TOPIC))
      expect(await terminal.next()).toEqual(suback(id, 1))
    }
  })

  it('[MQTT-3.8.4-4, MQTT-3.8.4-5, MQTT-3.9.3-1] is answered with one code for each filter, also for one that comes twice', async () => {
    const terminal = await broker().admitted()
    terminal.send(subscribePacket(7, 'a', '#', 'a', '+/b', '#', '$SYS/#'))
    expect(await terminal.next()).toEqual(suback(7, 6))
  })

  for (const filter of [
    '#',
    '+',
    '+/+',
    '/+',
    'lifts/v1/+/status',
    '$SYS/#',
    '$share/group/#',
    STATUS_TOPIC,
    '/',
    'a//b',
    ' ',
  ])
    it(`[MQTT-3.8.3-2, MQTT-3.9.3-2] to ${filter} is answered with 0x80, because devices subscribe to nothing`, async () => {
      const terminal = await broker().admitted()
      terminal.send(subscribePacket(9, filter), PINGREQ)
      const answers = [await terminal.next(), await terminal.next()]
      expect(answers).toContainEqual(suback(9, 1))
      expect(answers).toContainEqual(PINGRESP)
    })

  for (const flags of [0, 1, 3, 6, 10, 15])
    it(`[MQTT-3.8.1-1] with the flags ${flags} closes the connection`, () =>
      cuts('admission.protocol', packet(0x80 | flags, uint16(1), text('a'), Buffer.from([0]))))

  it('[MQTT-2.3.1-1] with packet id 0 or without one closes the connection', async () => {
    await cuts('admission.protocol', subscribePacket(0, 'a'))
    await cuts('admission.protocol', packet(0x82))
    await cuts('admission.protocol', packet(0x82, Buffer.from([1])))
  })

  it('[MQTT-3.8.3-3] without a filter closes the connection', () => cuts('admission.protocol', packet(0x82, uint16(1))))

  for (const qos of [3, 4, 0x80, 0xff])
    it(`[MQTT-3.8.3-4] with the requested QoS byte ${qos} closes the connection`, () =>
      cuts('admission.protocol', packet(0x82, uint16(1), text('a'), Buffer.from([qos]))))

  it('[MQTT-3.8.3-4] with a filter that has no QoS byte, or is cut short, closes the connection', async () => {
    await cuts('admission.protocol', packet(0x82, uint16(1), text('a')))
    await cuts('admission.protocol', packet(0x82, uint16(1), text('a'), Buffer.from([0, 0])))
    await cuts('admission.protocol', packet(0x82, uint16(1), uint16(9), Buffer.from('a')))
  })

  for (const [what, bytes] of ILL_FORMED)
    it(`[MQTT-3.8.3-1, MQTT-1.5.3-1] to a filter with ${what} closes the connection`, () =>
      cuts('admission.badString', subscribePacket(1, 'a', bytes)))

  it('[MQTT-1.5.3-2] to a filter with U+0000 or another forbidden character closes the connection', async () => {
    for (const filter of ['a\u0000', ...FORBIDDEN.map(([, string]) => string)])
      await cuts('admission.badString', subscribePacket(1, filter))
  })

  for (const filter of MALFORMED)
    it(`[MQTT-4.7.1-2, MQTT-4.7.1-3] to the malformed filter ${filter} closes the connection`, () =>
      cuts('admission.protocol', subscribePacket(1, 'fine', filter)))

  it('[MQTT-4.7.3-1] to an empty filter closes the connection', () =>
    cuts('admission.protocol', subscribePacket(1, '')))

  it('[MQTT-4.7.3-3] to a filter that is too long or too deep closes the connection', async () => {
    await cuts('admission.tooLarge', subscribePacket(1, 'x'.repeat(BROKER_LIMITS.topicBytesMax + 1)))
    await cuts('admission.foreignTopic', subscribePacket(1, 'a/'.repeat(BROKER_LIMITS.topicLevelsMax)))
  })
})

describe('UNSUBSCRIBE', () => {
  it('[MQTT-3.10.4-4, MQTT-3.10.4-5, MQTT-2.3.1-7] is answered with an UNSUBACK of its packet id, though there is nothing to end', async () => {
    const terminal = await broker().admitted()
    for (const id of [1, 65_535]) {
      terminal.send(unsubscribePacket(id, STATUS_TOPIC))
      expect(await terminal.next()).toEqual(unsuback(id))
    }
  })

  it('[MQTT-3.10.4-6] of several filters is answered once', async () => {
    const terminal = await broker().admitted()
    terminal.send(unsubscribePacket(4, 'a', '#', 'a', '+/b'), PINGREQ)
    const answers = [await terminal.next(), await terminal.next()]
    expect(answers).toContainEqual(unsuback(4))
    expect(answers).toContainEqual(PINGRESP)
  })

  for (const flags of [0, 1, 3, 15])
    it(`[MQTT-3.10.1-1] with the flags ${flags} closes the connection`, () =>
      cuts('admission.protocol', packet(0xa0 | flags, uint16(1), text('a'))))

  it('[MQTT-2.3.1-1] with packet id 0 or without one closes the connection', async () => {
    await cuts('admission.protocol', unsubscribePacket(0, 'a'))
    await cuts('admission.protocol', packet(0xa2))
  })

  it('[MQTT-3.10.3-2] without a filter closes the connection', () =>
    cuts('admission.protocol', packet(0xa2, uint16(1))))

  for (const [what, bytes] of ILL_FORMED)
    it(`[MQTT-3.10.3-1, MQTT-1.5.3-1] from a filter with ${what} closes the connection`, () =>
      cuts('admission.badString', unsubscribePacket(1, bytes)))

  it('[MQTT-4.7.1-2, MQTT-4.7.1-3, MQTT-4.7.3-1] from a malformed or empty filter closes the connection', async () => {
    for (const filter of [...MALFORMED, '']) await cuts('admission.protocol', unsubscribePacket(1, filter))
  })
})

describe('too many filters', () => {
  it('in one SUBSCRIBE or UNSUBSCRIBE close the connection, and as many as may be do not', async () => {
    const filters = (count: number) => Array.from({ length: count }, (_, index) => `f/${index}`)
    const terminal = await broker().admitted()
    terminal.send(subscribePacket(1, ...filters(BROKER_LIMITS.filtersPerSubscribeMax)))
    expect(await terminal.next()).toEqual(suback(1, BROKER_LIMITS.filtersPerSubscribeMax))
    const tooMany = filters(BROKER_LIMITS.filtersPerSubscribeMax + 1)
    await cuts('admission.tooManyFilters', subscribePacket(1, ...tooMany))
    await cuts('admission.tooManyFilters', unsubscribePacket(1, ...tooMany))
  })
})
