import { describe, expect, it } from 'vitest'
import { CLIENT_ID_LENGTH_MAX } from '#broker/admission'
import { CONNECTION_TOPIC, eventually, SECRET, SERIAL, STATUS_TOPIC } from './broker-under-test.ts'
import {
  conformanceBroker,
  connectBytes,
  FORBIDDEN,
  good,
  ILL_FORMED,
  PINGRESP,
  SIGN_IN,
  signIn,
} from './conformance.ts'
import {
  connack,
  connectPacket,
  DISCONNECT,
  packet,
  PINGREQ,
  puback,
  publishPacket,
  subscribePacket,
  text,
} from './raw-terminal.ts'

const { broker, closes, refuses, cuts, accepts, payloads } = conformanceBroker()
const id = text('raw')
const will = { topic: CONNECTION_TOPIC, payload: 'offline', qos: 1 }
const status = (payload: string, packetId: number) => publishPacket({ topic: STATUS_TOPIC, payload, id: packetId })

describe('strings of a CONNECT', () => {
  for (const [what, bytes] of ILL_FORMED)
    it(`[MQTT-1.5.3-1] ${what} in client id, user name or will topic closes the connection`, async () => {
      await closes('admission.badString', connectPacket({ ...good, clientId: bytes }))
      await closes('admission.badString', connectPacket({ ...good, username: bytes }))
      await closes('admission.badString', connectPacket({ ...good, will: { topic: bytes, payload: '' } }))
    })

  it('[MQTT-1.5.3-2] U+0000 in client id, user name or will topic closes the connection', async () => {
    await closes('admission.badString', connectPacket({ ...good, clientId: 'a\u0000' }))
    await closes('admission.badString', connectPacket({ ...good, username: `${SERIAL}\u0000` }))
    await closes(
      'admission.badString',
      connectPacket({ ...good, will: { topic: `${CONNECTION_TOPIC}\u0000`, payload: '' } }),
    )
  })

  for (const [what, string] of FORBIDDEN)
    it(`[MQTT-1.5.3-2] ${what}, which may be refused, is refused like U+0000`, async () => {
      await closes('admission.badString', connectPacket({ ...good, clientId: string }))
      await closes('admission.badString', connectPacket({ ...good, username: string }))
      await closes('admission.badString', connectPacket({ ...good, will: { topic: string, payload: '' } }))
    })

  it('[MQTT-1.5.3-3] U+FEFF before a user name is not stripped: it is the name of nobody', async () => {
    await refuses(4, 'admission.badCredentials', connectPacket({ ...good, username: `\ufeff${SERIAL}` }))
  })

  it('[MQTT-3.1.3-4, MQTT-3.1.3-10, MQTT-3.1.3-11] client id, will topic and user name beyond ASCII are taken as UTF-8', async () => {
    await accepts(connectPacket({ ...good, clientId: '樱花苑7号楼😀' }))
    await refuses(4, 'admission.badCredentials', connectPacket({ ...good, username: '终端' }))
    await refuses(5, 'admission.foreignWill', connectPacket({ ...good, will: { topic: '楼/电梯', payload: '' } }))
  })
})

describe('the first packet', () => {
  for (const [what, bytes] of [
    ['PUBLISH', status('early', 1)],
    ['SUBSCRIBE', subscribePacket(1, 'a')],
    ['PINGREQ', PINGREQ],
    ['DISCONNECT', DISCONNECT],
    ['CONNACK', connack(0)],
    ['packet of type 0', Buffer.from([0, 0])],
    ['packet of type 15', Buffer.from([0xf0, 0])],
  ] as const)
    it(`[MQTT-3.1.0-1] that is a ${what} closes the connection, also with a CONNECT behind it`, () =>
      closes('admission.protocol', bytes, connectPacket(good)))

  it('[MQTT-3.1.0-2] a second CONNECT closes the connection', () => cuts('admission.protocol', connectPacket(good)))

  it('[MQTT-3.1.0-2] a second CONNECT in one breath with the first is answered once', async () => {
    const terminal = await broker().raw()
    terminal.send(connectPacket(good), connectPacket(good))
    expect(await terminal.next()).toEqual(connack(0))
    expect(await terminal.next()).toBeUndefined()
  })
})

describe('protocol name, level and flags', () => {
  for (const name of ['', 'MQTt', 'mqtt', 'MQTTX', 'HTTP'])
    it(`[MQTT-3.1.2-1] the protocol name “${name}” closes the connection`, () =>
      closes('admission.protocol', connectPacket({ ...good, protocol: name })))

  for (const level of [0, 1, 2, 3, 5, 6, 0x84, 0xff])
    it(`[MQTT-3.1.2-2] level ${level} of MQTT is answered with CONNACK 1 and closed`, () =>
      refuses(1, 'admission.version', connectPacket({ ...good, level })))

  for (const level of [3, 4, 0x83])
    it(`[MQTT-3.1.2-2] MQIsdp level ${level} (MQTT 3.1) is answered with CONNACK 1 and closed`, () =>
      refuses(1, 'admission.version', connectPacket({ ...good, level, protocol: 'MQIsdp' })))

  it('[MQTT-3.1.2-3] the reserved connect flag closes the connection', () =>
    closes('admission.protocol', connectBytes({ flags: SIGN_IN | 1, fields: [id, ...signIn] })))

  for (const flags of [1, 2, 4, 8, 15])
    it(`[MQTT-2.2.2-1, MQTT-2.2.2-2] CONNECT with the fixed header flags ${flags} closes the connection`, () =>
      closes('admission.protocol', packet(0x10 | flags, connectPacket(good).subarray(2))))

  it('[MQTT-3.1.2-9] a will flag without will fields closes the connection', () =>
    closes('admission.protocol', connectBytes({ flags: 0x06, fields: [id] })))

  it('[MQTT-3.1.2-11, MQTT-3.1.2-13] will QoS without a will flag closes the connection', async () => {
    for (const qos of [1, 2, 3])
      await closes('admission.protocol', connectBytes({ flags: SIGN_IN | (qos << 3), fields: [id, ...signIn] }))
  })

  it('[MQTT-3.1.2-11] will fields without a will flag close the connection', () =>
    closes('admission.protocol', connectBytes({ flags: 0x02, fields: [id, text(CONNECTION_TOPIC), text('offline')] })))

  it('[MQTT-3.1.2-14] will QoS 3 closes the connection', () =>
    closes('admission.protocol', connectPacket({ ...good, will: { ...will, qos: 3 } })))

  it('[MQTT-3.1.2-15] will retain without a will flag closes the connection', () =>
    closes('admission.protocol', connectBytes({ flags: SIGN_IN | 0x20, fields: [id, ...signIn] })))

  it('[MQTT-3.1.2-18, MQTT-3.1.2-20] user name and password without their flags close the connection', async () => {
    await closes('admission.protocol', connectBytes({ flags: 0x02, fields: [id, ...signIn] }))
    await closes('admission.protocol', connectBytes({ flags: 0x82, fields: [id, ...signIn] }))
  })

  it('[MQTT-3.1.2-19, MQTT-3.1.2-21] flags without user name or password close the connection', async () => {
    await closes('admission.protocol', connectBytes({ flags: SIGN_IN, fields: [id] }))
    await closes('admission.protocol', connectBytes({ flags: SIGN_IN, fields: [id, text(SERIAL)] }))
  })

  it('[MQTT-3.1.2-22] a password flag without a user name flag closes the connection', () =>
    closes('admission.protocol', connectBytes({ flags: 0x42, fields: [id, text(SECRET)] })))
})

describe('the payload of a CONNECT', () => {
  it('[MQTT-3.1.3-1, MQTT-3.1.4-4] client id, will topic, will message, user name, password in this order are accepted', () =>
    accepts(connectBytes({ flags: SIGN_IN | 0x2c, fields: [id, text(CONNECTION_TOPIC), text('offline'), ...signIn] })))

  it('[MQTT-3.1.3-2, MQTT-3.1.4-2] the newest connection of a terminal wins, whatever client ids it uses', async () => {
    const first = await accepts(connectPacket({ ...good, clientId: 'one' }))
    const second = await accepts(connectPacket({ ...good, clientId: 'two' }))
    expect(await first.next()).toBeUndefined()
    second.send(PINGREQ)
    expect(await second.next()).toEqual(PINGRESP)
  })

  it('[MQTT-3.1.3-3] a CONNECT without a client id field closes the connection', () =>
    closes('admission.protocol', connectBytes({ flags: 0x02, fields: [] })))

  it('[MQTT-3.1.3-5] client ids of 1 and 23 letters and digits, and up to 128, are accepted', async () => {
    for (const clientId of ['Z', '0123456789abcdefghijABC', 'x'.repeat(CLIENT_ID_LENGTH_MAX)])
      await accepts(connectPacket({ ...good, clientId }))
  })

  it('[MQTT-3.1.3-6, MQTT-3.1.3-7] an empty client id with clean session is accepted: the user name says who it is', () =>
    accepts(connectPacket({ ...good, clientId: '' })))

  it('[MQTT-3.1.3-8] an empty client id without clean session is answered with CONNACK 2 and closed', () =>
    refuses(2, 'admission.badClientId', connectPacket({ ...good, clientId: '', clean: false })))

  it('[MQTT-3.1.3-9] a client id that is too long is answered with CONNACK 2 and closed', () =>
    refuses(2, 'admission.badClientId', connectPacket({ ...good, clientId: 'x'.repeat(CLIENT_ID_LENGTH_MAX + 1) })))

  it('[MQTT-3.1.4-1] bytes after the last field close the connection without a CONNACK', () =>
    closes('admission.protocol', packet(0x10, connectPacket(good).subarray(2), Buffer.from([0]))))

  it('[MQTT-3.1.4-1] a CONNECT that is cut short anywhere closes the connection without a CONNACK', async () => {
    const body = connectPacket({ ...good, will }).subarray(2)
    for (let bytes = 0; bytes < body.length; bytes += 7)
      await closes('admission.protocol', packet(0x10, body.subarray(0, bytes)))
  })

  it('[MQTT-3.1.4-1] a remaining length of five bytes closes the connection without a CONNACK', () =>
    closes('admission.protocol', Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x01])))

  it('[MQTT-3.1.4-5] nothing that follows a refused CONNECT is processed', async () => {
    const before = (await payloads()).length
    await refuses(4, 'admission.badCredentials', connectPacket({ ...good, password: 'wrong' }), status('x', 1))
    await refuses(1, 'admission.version', connectPacket({ ...good, level: 5 }), status('x', 1))
    expect((await payloads()).length).toBe(before)
  })
})

describe('the CONNACK', () => {
  it('[MQTT-3.2.0-1] comes before the answers to packets that did not wait for it, however many', async () => {
    const count = 200
    const terminal = await broker().raw()
    terminal.send(
      connectPacket(good),
      ...Array.from({ length: count }, (_, index) => status(`early ${index}`, index + 1)),
      PINGREQ,
    )
    expect(await terminal.next()).toEqual(connack(0))
    const answers = []
    for (let index = 0; index <= count; index += 1) answers.push(await terminal.next())
    const pubacks = answers.filter((answer) => answer?.[0] === 0x40)
    expect(pubacks).toEqual(Array.from({ length: count }, (_, index) => puback(index + 1)))
    expect(answers).toContainEqual(PINGRESP)
  })

  it('[MQTT-3.2.2-1, MQTT-3.1.2-6, MQTT-3.1.4-3] with clean session says that no session is present, and nothing of an earlier one is kept', async () => {
    const first = await accepts(connectPacket({ ...good, clean: true }))
    first.send(subscribePacket(1, STATUS_TOPIC))
    await first.next()
    const second = await accepts(connectPacket({ ...good, clean: true }))
    second.send(status('to nobody', 1), PINGREQ)
    const answers = [await second.next(), await second.next()]
    expect(answers).toContainEqual(puback(1))
    expect(answers).toContainEqual(PINGRESP)
  })

  it('[MQTT-3.2.2-3] without clean session says that no session is present, because none is ever kept', async () => {
    await accepts(connectPacket({ ...good, clean: false }))
    await accepts(connectPacket({ ...good, clean: false }))
  })

  it('[MQTT-3.2.2-4, MQTT-3.2.2-5] with a refusal says that no session is present, and the connection is closed', async () => {
    await refuses(4, 'admission.badCredentials', connectPacket({ ...good, password: 'wrong', clean: false }))
    await refuses(5, 'admission.foreignWill', connectPacket({ ...good, will: { ...will, topic: STATUS_TOPIC } }))
  })

  it('[MQTT-3.2.2-6] is not sent where no return code fits: the connection is just closed', () =>
    closes('admission.tooLarge', connectPacket({ ...good, will: { ...will, payload: 'x'.repeat(5_000) } })))
})

describe('a will', () => {
  const count = async () => (await payloads()).filter((payload) => payload === will.payload).length

  it('[MQTT-3.1.2-8] is said when the connection breaks', async () => {
    const before = await count()
    const terminal = await accepts(connectPacket({ ...good, will }))
    terminal.socket.resetAndDestroy()
    await eventually('the will is in the journal', async () => (await count()) === before + 1)
  })

  it('[MQTT-3.1.2-8] is said when the terminal breaks a rule', async () => {
    const before = await count()
    const terminal = await accepts(connectPacket({ ...good, will }))
    terminal.send(Buffer.from([0xf0, 0]))
    expect(await terminal.next()).toBeUndefined()
    await eventually('the will is in the journal', async () => (await count()) === before + 1)
  })

  it('[MQTT-3.1.2-10, MQTT-3.14.4-3] is forgotten with a DISCONNECT, and said only once otherwise', async () => {
    const before = await count()
    const polite = await accepts(connectPacket({ ...good, will }))
    polite.send(DISCONNECT)
    await polite.closed
    const rude = await accepts(connectPacket({ ...good, will }))
    rude.socket.destroy()
    await eventually('the will is in the journal', async () => (await count()) > before)
    await accepts(connectPacket(good))
    expect(await count()).toBe(before + 1)
  })

  it('[MQTT-3.1.2-12] is not said for a terminal that left none', async () => {
    const before = (await payloads()).length
    const terminal = await accepts(connectPacket(good))
    terminal.socket.destroy()
    await eventually('it is gone', () => broker().broker.status().connectedCount === 0)
    await accepts(connectPacket(good))
    expect((await payloads()).length).toBe(before)
  })
})

describe('the keep alive', () => {
  it('[MQTT-3.1.2-24] closes a silent connection after one and a half times as long, not before', async () => {
    const terminal = await accepts(connectPacket({ ...good, keepalive: 1 }))
    const beganAtMs = performance.now()
    expect(await terminal.next(15_000)).toBeUndefined()
    expect(performance.now() - beganAtMs).toBeGreaterThan(1_400)
    expect(await broker().refusalCount('admission.silent')).toBeGreaterThan(0)
  })

  it('[MQTT-3.1.2-24] is kept alive by any packet', async () => {
    const terminal = await accepts(connectPacket({ ...good, keepalive: 3 }))
    for (let index = 1; index <= 4; index += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      terminal.send(status('alive', index))
      expect(await terminal.next()).toEqual(puback(index))
    }
  })
})
