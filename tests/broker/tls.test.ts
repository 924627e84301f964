import { X509Certificate as IssuerCertificate } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type ConnectionOptions } from 'node:tls'
import mqtt from 'mqtt'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readRevocationsAside } from '#broker/lists-thread'
import type { TerminalSerial } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { tempFolder } from '../servers/temp-folder.ts'
import {
  brokerUnderTest,
  eventually,
  SECRET,
  SERIAL,
  STATUS_TOPIC,
  terminalRow,
  TerminalTable,
  type UnderTest,
} from './broker-under-test.ts'
import { Authority, CertificateFolder, type Issued } from './certificate-files.ts'
import { connack, connectPacket, PINGREQ, puback, publishPacket, RawTerminal } from './raw-terminal.ts'

const DAY_MS = 86_400_000
const PONG = Buffer.from([0xd0, 0])
let authority: Authority
let server: Issued
let own: Issued
beforeAll(async () => {
  authority = await Authority.found()
  server = await authority.issue('CN=localhost', { usage: 'serverAuth' })
  own = await authority.issue(`CN=${SERIAL}`)
})

let temp: Awaited<ReturnType<typeof tempFolder>>
let folder: CertificateFolder
let under: UnderTest
const opened: RawTerminal[] = []
beforeEach(async () => {
  temp = await tempFolder('certificates')
  folder = new CertificateFolder(temp.path)
  await folder.write({
    certificate: server.cert,
    key: server.key,
    issuers: authority.certificate.toString('pem'),
    revocations: await authority.list([]),
  })
  under = await brokerUnderTest({
    more: { tls: { port: 0, files: folder.files } },
    timeouts: { watchMs: 20, feedMs: 20 },
    limits: { connectMs: 1_500 },
    terminals: new TerminalTable().put(
      await terminalRow(),
      await terminalRow({ serial: 'TJ-REVOKED' as TerminalSerial, revokedAtMs: 1 }),
      await terminalRow({ serial: 'TJ-UNBOUND' as TerminalSerial, lift: null }),
    ),
  })
})
afterEach(async () => {
  for (const terminal of opened.splice(0)) await terminal[Symbol.asyncDispose]()
  await under[Symbol.asyncDispose]()
  await temp[Symbol.asyncDispose]()
})

const tlsPort = () => Number(new URL(under.broker.mqttTlsUrl ?? '').port)

type Shown = Partial<Issued> & ConnectionOptions
/** A connection whose handshake is done, and the ticket that it was given. */
async function openTls({ cert, key, ...options }: Shown = {}) {
  const shown = cert === undefined || key === undefined ? {} : { cert, key }
  const ca = authority.certificate.toString('pem')
  const socket = connect({ host: '127.0.0.1', servername: 'localhost', port: tlsPort(), ca, ...shown, ...options })
  const tickets: Buffer[] = []
  socket.on('session', (ticket: Buffer) => void tickets.push(ticket))
  const terminal = Object.assign(new RawTerminal(socket), { socket, tickets })
  opened.push(terminal)
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  return terminal
}

/** The CONNACK code that a CONNECT gets; 'closed' when it gets none. */
async function answerTo(shown: Shown, packet: Parameters<typeof connectPacket>[0] = {}): Promise<number | 'closed'> {
  const terminal = await openTls(shown)
  terminal.send(connectPacket(packet))
  return (await terminal.next())?.[3] ?? 'closed'
}

async function admitted(shown: Shown = own) {
  const terminal = await openTls(shown)
  terminal.send(connectPacket({}))
  expect(await terminal.next()).toEqual(connack(0))
  return terminal
}

const reloads = (result: 'taken' | 'kept') => under.metric('tiwang_broker_tls_reloads_total', { result })
/** Writes files and waits until the broker has made up its mind about them. */
async function rewrite(content: Parameters<CertificateFolder['write']>[0], result: 'taken' | 'kept'): Promise<void> {
  const before = await reloads(result)
  await folder.write(content)
  await eventually(`files are ${result}`, async () => (await reloads(result)) > before)
}

describe('a terminal with a certificate', () => {
  it.each([
    ['no user name', {}],
    ['its serial as user name', { username: SERIAL }],
    ['a password that is not looked at', { username: SERIAL, password: 'whatever' }],
  ])('comes in with %s, and publishes', async (_what, packet) => {
    const terminal = await openTls(own)
    terminal.send(connectPacket(packet))
    expect(await terminal.next()).toEqual(connack(0))
    terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: '{}', id: 3 }))
    expect(await terminal.next()).toEqual(puback(3))
    expect(await under.records()).toMatchObject([{ terminal: SERIAL, topic: STATUS_TOPIC }])
    expect(await under.refusals()).toEqual({})
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('comes in over %s, and TLS 1.1 does not shake hands', async (version) => {
    expect(await answerTo({ ...own, minVersion: version, maxVersion: version })).toBe(0)
    await expect(
      openTls({ ...own, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).rejects.toThrow()
    await eventually('it is counted', async () => (await under.refusalCount('admission.badHandshake')) === 1)
  })

  it('works with mqtt.js as it is', async () => {
    const client = await mqtt.connectAsync(`mqtts://localhost:${tlsPort()}`, {
      ca: authority.certificate.toString('pem'),
      cert: own.cert,
      key: own.key,
      reconnectPeriod: 0,
    })
    await client.publishAsync(STATUS_TOPIC, '{}', { qos: 1 })
    await client.endAsync()
  })

  it('is refused with the user name of another', async () => {
    expect(await answerTo(own, { username: 'TJ-REVOKED', password: SECRET })).toBe(5)
    expect(await under.refusals()).toEqual({ 'admission.badCertificate': 1 })
  })

  it.each([
    ['expired', () => authority.issue(`CN=${SERIAL}`, { toMs: Date.now() - DAY_MS / 2 })],
    ['not valid yet', () => authority.issue(`CN=${SERIAL}`, { fromMs: Date.now() + DAY_MS })],
    ['of another authority', async () => (await Authority.found()).issue(`CN=${SERIAL}`)],
    ['for servers only', () => authority.issue(`CN=${SERIAL}`, { usage: 'serverAuth' })],
    ['whose CN is no serial', () => authority.issue('CN=somebody else')],
    ['with two names', () => authority.issue(`CN=${SERIAL}, CN=TJ-REVOKED`)],
    ['without a CN', () => authority.issue('O=Somebody')],
  ])('that is %s is refused, also with the right secret', async (_what, issue) => {
    expect(await answerTo(await issue(), { username: SERIAL, password: SECRET })).toBe(5)
    expect(await under.refusals()).toEqual({ 'admission.badCertificate': 1 })
  })

  it.each([
    ['unknown', 'TJ-9999', 4, 'admission.badCredentials'],
    ['revoked in the register', 'TJ-REVOKED', 5, 'admission.revoked'],
    ['bound to no lift', 'TJ-UNBOUND', 5, 'admission.revoked'],
  ])('whose serial is %s is refused by the register', async (_what, serial, code, refusal) => {
    expect(await answerTo(await authority.issue(`CN=${serial}`))).toBe(code)
    expect(await under.refusals()).toEqual({ [refusal]: 1 })
  })

  it('that the register does not know locks nobody out, however often it comes', async () => {
    const unknown = await authority.issue('CN=TJ-9999')
    for (let count = 0; count < 12; count += 1) expect(await answerTo(unknown)).toBe(4)
    expect(await answerTo({}, { username: 'TJ-9999', password: 'guess' })).toBe(4)
    expect(await under.refusals()).toEqual({ 'admission.badCredentials': 13 })
  })

  it('stays when its secret changes, and falls when the register revokes it', async () => {
    const terminal = await admitted()
    under.terminals.put(await terminalRow({ secretHash: 'another' }))
    const { feedCount } = under.terminals
    await eventually('the feed has brought it', () => under.terminals.feedCount >= feedCount + 2)
    terminal.send(PINGREQ)
    expect(await terminal.next()).toEqual(PONG)
    under.terminals.put(await terminalRow({ revokedAtMs: 1 }))
    expect(await terminal.next()).toBeUndefined()
  })
})

describe('an issuer that is no root', () => {
  it('is enough by itself in the CA file, at the start and after a change, and its root alone lets nobody in', async () => {
    const below = await authority.foundBelow('Issuing CA')
    const issued = await below.issue(`CN=${SERIAL}`)
    expect(await answerTo(issued)).toBe(5) // The root is in the file, its issuer is not.
    const issuers = below.certificate.toString('pem')
    await folder.write({ revocations: await below.list([]) })
    await rewrite({ issuers }, 'taken')
    expect(await answerTo(issued)).toBe(0)
    expect(await answerTo(own)).toBe(5)
    await using another = await brokerUnderTest({ more: { tls: { port: 0, files: folder.files } } })
    expect(await answerTo({ ...issued, port: Number(new URL(another.broker.mqttTlsUrl ?? '').port) })).toBe(0)
  })
})

describe('a terminal without a certificate', () => {
  it('signs in by its secret, as on the plain port', async () => {
    expect(await answerTo({}, { username: SERIAL, password: SECRET })).toBe(0)
    expect(await answerTo({}, { username: SERIAL, password: 'wrong' })).toBe(4)
    expect(await answerTo({}, {})).toBe(4)
  })
})

describe('a resumed session', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'of %s carries the certificate of its first handshake, which is judged again at each CONNECT',
    async (version) => {
      const pinned = { minVersion: version, maxVersion: version }
      const first = await openTls({ ...own, ...pinned })
      first.send(connectPacket({}))
      expect(await first.next()).toEqual(connack(0))
      await eventually('there is a ticket', () => first.tickets.length > 0)
      const session = first.tickets[0] ?? Buffer.alloc(0)

      const resumed = await openTls({ ...pinned, session })
      expect(resumed.socket.isSessionReused()).toBe(true)
      resumed.send(connectPacket({}))
      expect(await resumed.next()).toEqual(connack(0))

      await rewrite({ revocations: await authority.list([own]) }, 'taken')
      expect(await resumed.next()).toBeUndefined()
      const again = await openTls({ ...pinned, session })
      expect(again.socket.isSessionReused()).toBe(false)
      again.send(connectPacket({}))
      expect((await again.next())?.[3]).toBe(4) // A full handshake without a certificate, and without a secret.
    },
  )
})

describe('the revocation list', () => {
  it('keeps out whom it names, closes the connection that stands, and lets the others be', async () => {
    const other = await authority.issue('CN=TJ-0002')
    under.terminals.put(await terminalRow({ serial: 'TJ-0002' as TerminalSerial }))
    const { feedCount } = under.terminals
    await eventually('the feed has brought it', () => under.terminals.feedCount >= feedCount + 2)
    const falls = await admitted()
    const stays = await admitted(other)
    await rewrite({ revocations: await authority.list([own]) }, 'taken')
    expect(await falls.next()).toBeUndefined()
    stays.send(PINGREQ)
    expect(await stays.next()).toEqual(PONG)
    expect(await answerTo(own)).toBe(5)
    expect(await under.refusals()).toEqual({ 'admission.badCertificate': 2 })
    await rewrite({ revocations: await authority.list([]) }, 'taken')
    expect(await answerTo(own)).toBe(0)
  })

  it('that is past its next update stays in force, locks nobody out, and is counted', async () => {
    const revoked = await authority.issue(`CN=${SERIAL}`)
    await rewrite({ revocations: await authority.list([revoked], { nextMs: Date.now() - DAY_MS }) }, 'taken')
    expect(await answerTo(own)).toBe(0)
    expect(await answerTo(revoked)).toBe(5)
    expect(await under.metric('tiwang_broker_tls_overdue_list_total')).toBe(1)
  })

  it.each([
    ['is no list', async () => 'nonsense'],
    ['is cut short', async () => (await authority.list([])).slice(0, 200)],
    ['is signed by another authority of the same name', async () => (await Authority.found()).list([own])],
    ['is signed by the right key in the name of another', () => authority.list([own], { issuer: 'CN=Other' })],
    ['is a delta', () => authority.list([own], { isDelta: true })],
    ['is too large', async () => Buffer.alloc(5 * 1024 * 1024)],
  ])('that %s is not taken: the old one stays in force', async (_what, list) => {
    const revoked = await authority.issue(`CN=${SERIAL}`)
    await rewrite({ revocations: await authority.list([revoked]) }, 'taken')
    await rewrite({ revocations: await list() }, 'kept')
    expect(await answerTo(own)).toBe(0)
    expect(await answerTo(revoked)).toBe(5)
  })

  it('may be DER, and its numbers may have leading zeros', async () => {
    const high = await authority.issue(`CN=${SERIAL}`, { number: '00ff01' })
    const low = await authority.issue(`CN=${SERIAL}`, { number: '0a' })
    const pem = await authority.list([high, low])
    const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    await rewrite({ revocations: der }, 'taken')
    expect(await answerTo(high)).toBe(5)
    expect(await answerTo(low)).toBe(5)
    expect(await answerTo(own)).toBe(0)
  })
})

describe('a file that somebody is writing', () => {
  it('is not taken while its last block is cut short, and is taken when it is whole', async () => {
    const next = await Authority.found('Next CA')
    const pem = authority.certificate.toString('pem').trimEnd()
    const more = next.certificate.toString('pem').trimEnd()
    for (const length of [1, 5, 12, 40, more.length - 30, more.length - 1])
      await rewrite({ issuers: `${pem}\n${more.slice(0, length)}` }, 'kept')
    await rewrite({ issuers: `A comment - of the operator\n${pem}\n${more}\n` }, 'taken')

    const list = (await authority.list([])).trimEnd()
    const other = (await next.list([])).trimEnd()
    for (const length of [1, 5, 12, 40, other.length - 1])
      await rewrite({ revocations: `${list}\n${other.slice(0, length)}` }, 'kept')
    await rewrite({ revocations: `${list}\n${other}` }, 'taken')

    await rewrite({ certificate: `${server.cert}\n${more.slice(0, 60)}` }, 'kept')
    await rewrite({ certificate: `${server.cert}\n${more}` }, 'taken')
    expect(await answerTo(own)).toBe(0)
  })

  it('is not taken when it holds something else', async () => {
    await rewrite({ issuers: `${authority.certificate.toString('pem')}\n${own.key}` }, 'kept')
    await rewrite({ issuers: own.key }, 'kept')
  })
})

describe('a long revocation list', () => {
  it('is read aside: terminals go on speaking meanwhile', async () => {
    const inside = await admitted()
    const many = Array.from({ length: 5_000 }, (_, number) => ({
      ...own,
      certificate: { serialNumber: (0x1000000000000000n + BigInt(number)).toString(16) },
    }))
    const authorityList = await authority.list([...many, own])
    const issuer = new IssuerCertificate(authority.certificate.toString('pem'))
    const ended: string[] = []
    const reading = readRevocationsAside(Buffer.from(authorityList), [issuer]).then(() => void ended.push('read'))
    inside.send(PINGREQ)
    expect(await inside.next()).toEqual(PONG)
    ended.push('answered')
    await reading
    // In one thread the answer would have to wait until all of the list is read.
    expect(ended).toEqual(['answered', 'read'])
    await rewrite({ revocations: authorityList }, 'taken')
    expect(await answerTo(own)).toBe(5)
    expect(await inside.next()).toBeUndefined()
  })
})

describe('certificates that change', () => {
  it('are taken without a restart, and those who are inside stay', async () => {
    const inside = await admitted()
    const renewed = await authority.issue('CN=localhost', { usage: 'serverAuth' })
    await folder.write({ certificate: renewed.cert })
    await rewrite({ key: renewed.key }, 'taken')
    const fresh = await openTls(own)
    expect(fresh.socket.getPeerCertificate().serialNumber.toLowerCase()).toContain(
      renewed.certificate.serialNumber.replace(/^0+/, ''),
    )
    inside.send(PINGREQ)
    expect(await inside.next()).toEqual(PONG)
  })

  it.each(['certificate', 'key', 'issuers'] as const)('are kept while the file of the %s is broken', async (name) => {
    const other = await authority.issue('CN=localhost', { usage: 'serverAuth' })
    await rewrite({ [name]: 'nonsense' }, 'kept')
    if (name === 'key') await rewrite({ key: other.key }, 'kept') // of another certificate
    expect(await answerTo(own)).toBe(0)
  })

  it('let a new authority in beside the old one, and cut those of an authority that is taken out', async () => {
    const next = await Authority.found('Next CA')
    const theirs = await next.issue('CN=TJ-0002')
    under.terminals.put(await terminalRow({ serial: 'TJ-0002' as TerminalSerial }))
    expect(await answerTo(theirs)).toBe(5)
    const both = authority.certificate.toString('pem') + '\n' + next.certificate.toString('pem')
    await rewrite({ issuers: both }, 'taken')
    const old = await admitted()
    const fresh = await admitted(theirs)
    await folder.write({ issuers: next.certificate.toString('pem') })
    await rewrite({ revocations: await next.list([]) }, 'taken')
    expect(await old.next()).toBeUndefined()
    fresh.send(PINGREQ)
    expect(await fresh.next()).toEqual(PONG)
    expect(await answerTo(own)).toBe(5)
  })
})

describe('a handshake', () => {
  it('that is never finished is cut in time, and holds a place while it lasts', async () => {
    const socket = connectTcp(tlsPort(), '127.0.0.1')
    const silent = new RawTerminal(socket)
    opened.push(silent)
    expect(await silent.next()).toBeUndefined()
    await eventually('it is counted', async () => (await under.refusalCount('admission.timeout')) === 1)
  })

  it('takes from the time until the CONNECT, so that slow ones have no more of it than others', async () => {
    const closed: string[] = []
    const silentSocket = (name: string) => {
      const socket = connectTcp(tlsPort(), '127.0.0.1')
      opened.push(new RawTerminal(socket))
      return {
        socket,
        done: new Promise<void>((resolve) => socket.once('close', () => resolve(void closed.push(name)))),
      }
    }
    const slow = silentSocket('slow')
    await sleep(700)
    const later = silentSocket('later')
    const tls = connect({ socket: slow.socket, servername: 'localhost', ca: authority.certificate.toString('pem') })
    tls.on('error', () => {})
    await new Promise((resolve) => tls.once('secureConnect', resolve))
    await Promise.all([slow.done, later.done])
    expect(closed).toEqual(['slow', 'later'])
    await eventually('both are counted', async () => (await under.refusalCount('admission.timeout')) === 2)
    expect(await under.refusals()).toEqual({ 'admission.timeout': 2 })
  })

  it('that fails is told with its address', async () => {
    const addresses: unknown[] = []
    await using heard = await brokerUnderTest({
      more: {
        tls: { port: 0, files: folder.files },
        log: { ...silentLog, warn: (_event, fields) => void addresses.push(fields?.['address']) },
      },
      limits: { connectMs: 300 },
    })
    const port = Number(new URL(heard.broker.mqttTlsUrl ?? '').port)
    const [silent, noisy] = [1, 2].map(() => new RawTerminal(connectTcp(port, '127.0.0.1')))
    if (silent === undefined || noisy === undefined) throw new Error('two were opened')
    opened.push(silent, noisy)
    noisy.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    expect([await noisy.next(), await silent.next()]).toEqual([undefined, undefined])
    await eventually('both are told', () => addresses.length === 2)
    expect(addresses).toEqual(['127.0.0.1', '127.0.0.1'])
    expect(await heard.refusals()).toEqual({ 'admission.badHandshake': 1, 'admission.timeout': 1 })
  })

  it('counts as a half-open connection', async () => {
    await using small = await brokerUnderTest({
      more: { tls: { port: 0, files: folder.files } },
      limits: { connectionsMax: 2 },
    })
    const port = Number(new URL(small.broker.mqttTlsUrl ?? '').port)
    const silent = [1, 2].map(() => new RawTerminal(connectTcp(port, '127.0.0.1')))
    opened.push(...silent)
    await Promise.all(silent.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))))
    const third = new RawTerminal(connectTcp(port, '127.0.0.1'))
    opened.push(third)
    expect(await third.next()).toBeUndefined()
    expect(await small.refusals()).toEqual({ 'admission.full': 1 })
    silent[0]?.socket.destroy()
    await eventually('its place is free again', async () => {
      const raw = await small.raw()
      raw.send(connectPacket({ username: SERIAL, password: SECRET }))
      return (await raw.next())?.[3] === 0
    })
  })

  it('of nonsense is counted and harms nobody', async () => {
    const inside = await admitted()
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      connectPacket({ username: SERIAL }),
      Buffer.alloc(300),
    ]) {
      const raw = new RawTerminal(connectTcp(tlsPort(), '127.0.0.1'))
      opened.push(raw)
      raw.send(bytes)
      expect(await raw.next()).toBeUndefined()
    }
    await eventually('all are counted', async () => (await under.refusalCount('admission.badHandshake')) === 3)
    inside.send(PINGREQ)
    expect(await inside.next()).toEqual(PONG)
  })
})

describe('a broker', () => {
  it('without a certificate file has no TLS listener', async () => {
    const files = { certificate: '', key: '', issuers: '', revocations: '' }
    await using plain = await brokerUnderTest({ more: { tls: { port: 8883, files } } })
    expect(plain.broker.mqttTlsUrl).toBeUndefined()
  })

  it('without issuers asks for no certificate', async () => {
    await using temp = await tempFolder('certificates')
    const other = new CertificateFolder(temp.path, { withIssuers: false, withList: false })
    await other.write({ certificate: server.cert, key: server.key })
    await using plain = await brokerUnderTest({ more: { tls: { port: 0, files: other.files } } })
    const port = Number(new URL(plain.broker.mqttTlsUrl ?? '').port)
    const terminal = await openTls({ ...own, port })
    terminal.send(connectPacket({}))
    expect((await terminal.next())?.[3]).toBe(4)
  })

  it.each([
    ['MQTT_TLS_KEY_FILE', { key: 'nonsense' }],
    ['MQTT_TLS_CERT_FILE', { certificate: '' }],
    ['MQTT_TLS_CA_FILE', { issuers: 'nonsense' }],
    ['MQTT_TLS_CRL_FILE', { revocations: 'nonsense' }],
  ])('says which file cannot be used when it starts: %s', async (setting, content) => {
    await folder.write(content)
    const start = brokerUnderTest({ more: { tls: { port: 0, files: folder.files } } })
    await expect(start).rejects.toThrow(new RegExp(`^${setting}: the file .*${temp.path}`))
  })

  it.each([
    ['MQTT_TLS_CERT_FILE is set without MQTT_TLS_KEY_FILE', { key: '' }],
    ['MQTT_TLS_KEY_FILE is set without MQTT_TLS_CERT_FILE', { certificate: '' }],
    ['MQTT_TLS_CRL_FILE is set without MQTT_TLS_CA_FILE', { issuers: '' }],
  ])('does not guess: %s', async (sentence, lacking) => {
    const start = brokerUnderTest({ more: { tls: { port: 0, files: { ...folder.files, ...lacking } } } })
    await expect(start).rejects.toThrow(sentence)
  })

  it('names the setting of a port that is in use', async () => {
    const port = tlsPort()
    await expect(brokerUnderTest({ more: { tls: { port, files: folder.files } } })).rejects.toThrow(
      new RegExp(`${port}.*MQTT_TLS_PORT`),
    )
  })

  it('stops while handshakes are under way', async () => {
    const stuck = new RawTerminal(connectTcp(tlsPort(), '127.0.0.1'))
    opened.push(stuck)
    await new Promise((resolve) => stuck.socket.once('connect', resolve))
    await under.broker[Symbol.asyncDispose]()
    expect(await stuck.next()).toBeUndefined()
  })
})
