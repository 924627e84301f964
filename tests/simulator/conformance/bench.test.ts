import { connect as connectTcp } from 'node:net'
import { connect, type IClientOptions } from 'mqtt'
import { generate } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { openBench, type Bench } from '#simulator/conformance/bench'
import { FactLog, type Fact } from '#simulator/conformance/facts'
import { Authority } from '../../broker/certificate-files.ts'
import { TERMINAL } from './kit-run.ts'
import { until } from '../terminal/plain-broker.ts'

const STRANGER = { protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 60, clientId: 'other' } as const

type Tls = { certPem: string; keyPem: string }
async function openIt(
  tls?: Tls,
  signInMsMax?: number,
): Promise<{ bench: Bench; facts: readonly Fact[] } & AsyncDisposable> {
  const log = new FactLog({ nowMs: Date.now })
  const bench = await openBench({
    host: '127.0.0.1',
    port: 0,
    tls,
    terminal: TERMINAL,
    log,
    ...(signInMsMax === undefined ? {} : { signInMsMax }),
  })
  return { bench, facts: log.facts, [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose]() }
}

async function connectTo(url: string, options: IClientOptions) {
  const client = connect(url, { reconnectPeriod: 0, clientId: TERMINAL, username: TERMINAL, password: 'x', ...options })
  client.on('error', () => {})
  await new Promise<void>((resolve) => void client.once('connect', () => resolve()).once('close', () => resolve()))
  return client
}
const whats = (facts: readonly Fact[], what: Fact['what']) => facts.filter((fact) => fact.what === what)

describe('the bench', () => {
  it('answers another version of MQTT with 1 and closes', async () => {
    await using it = await openIt()
    const client = await connectTo(`mqtt://127.0.0.1:${it.bench.port}`, { protocolVersion: 5 })
    client.end(true)
    expect(whats(it.facts, 'connect')).toMatchObject([{ packet: { protocol: 'MQTT', level: 5 }, returnCode: 1 }])
    expect(it.bench.signedIn).toBeUndefined()
  })

  it('tells a platform that is away from one that is busy', async () => {
    await using it = await openIt()
    const url = `mqtt://127.0.0.1:${it.bench.port}`
    it.bench.state.mode = 'closed'
    ;(await connectTo(url, { protocolVersion: 4 })).end(true)
    expect(whats(it.facts, 'attempt')).toMatchObject([{ isTaken: false }])
    it.bench.state.mode = 'busy'
    ;(await connectTo(url, { protocolVersion: 4 })).end(true)
    expect(whats(it.facts, 'connect')).toMatchObject([{ returnCode: 3 }])
  })

  it('lets the newest connection of the terminal take over', async () => {
    await using it = await openIt()
    const url = `mqtt://127.0.0.1:${it.bench.port}`
    const first = await connectTo(url, { protocolVersion: 4 })
    const second = await connectTo(url, { protocolVersion: 4 })
    await until('the first is closed', () => !first.connected)
    expect(second.connected).toBe(true)
    expect(whats(it.facts, 'closed')).toMatchObject([{ connection: 1, by: 'takeover' }])
    second.end(true)
  })

  it.each([
    ['something that is no CONNECT', Buffer.from([0xc0, 0])],
    ['a packet without end', Buffer.concat([Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), Buffer.alloc(400_000)])],
    ['rubbish', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ])('closes on %s and says why', async (_what, bytes) => {
    await using it = await openIt()
    const socket = connectTcp(it.bench.port, '127.0.0.1').on('error', () => {})
    socket.write(bytes)
    await new Promise<void>((resolve) => socket.on('close', () => resolve()))
    expect(whats(it.facts, 'broken').length).toBe(1)
  })

  it('speaks TLS, and notes whether the terminal showed a certificate', async () => {
    const authority = await Authority.found()
    const server = await authority.issue('CN=127.0.0.1', { usage: 'serverAuth' })
    const terminal = await authority.issue(`CN=${TERMINAL}`)
    await using it = await openIt({ certPem: server.cert, keyPem: server.key })
    const url = `mqtts://127.0.0.1:${it.bench.port}`
    const bare = await connectTo(url, { protocolVersion: 4, rejectUnauthorized: false })
    bare.end(true)
    const { cert, key } = terminal
    const shown = await connectTo(url, { protocolVersion: 4, rejectUnauthorized: false, cert, key })
    shown.end(true)
    expect(whats(it.facts, 'connect')).toMatchObject([
      { returnCode: 0, certificate: { isShown: false } },
      { returnCode: 0, certificate: { isShown: true, commonName: TERMINAL } },
    ])
  })

  it('forgets a connection the moment it cuts it', async () => {
    await using it = await openIt()
    const client = await connectTo(`mqtt://127.0.0.1:${it.bench.port}`, { protocolVersion: 4 })
    await until('it is signed in', () => it.bench.signedIn !== undefined)
    it.bench.cut()
    expect(it.bench.signedIn).toBeUndefined()
    client.end(true)
  })

  it('closes a socket on which nobody signs in', async () => {
    await using it = await openIt(undefined, 50)
    const socket = connectTcp(it.bench.port, '127.0.0.1').on('error', () => {})
    await new Promise<void>((resolve) => socket.on('close', () => resolve()))
    const client = await connectTo(`mqtt://127.0.0.1:${it.bench.port}`, { protocolVersion: 4 })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(client.connected).toBe(true)
    client.end(true)
  })

  it('refuses a stranger from elsewhere, and the terminal stays', async () => {
    await using it = await openIt()
    const url = `mqtt://127.0.0.1:${it.bench.port}`
    const stranger = { username: 'TJ-9999', clientId: 'TJ-9999', protocolVersion: 4 } as const
    ;(await connectTo(url, stranger)).end(true)
    expect(whats(it.facts, 'connect')).toMatchObject([{ returnCode: 4 }])
    const client = await connectTo(url, { protocolVersion: 4 })
    const other = connectTcp({ port: it.bench.port, host: '127.0.0.1', localAddress: '127.0.0.2' })
    const answer = new Promise<Buffer>((resolve) => other.once('data', resolve))
    other.on('error', () => {}).write(generate({ cmd: 'connect', ...STRANGER }))
    expect([...(await answer)]).toEqual([0x20, 2, 0, 4])
    expect(client.connected).toBe(true)
    client.end(true)
  })

  it('takes a TLS connection that it closed itself for no broken rule, and rubbish for one', async () => {
    const server = await (await Authority.found()).issue('CN=127.0.0.1', { usage: 'serverAuth' })
    await using it = await openIt({ certPem: server.cert, keyPem: server.key })
    it.bench.state.mode = 'closed'
    const url = `mqtts://127.0.0.1:${it.bench.port}`
    ;(await connectTo(url, { protocolVersion: 4, rejectUnauthorized: false })).end(true)
    it.bench.state.mode = 'open'
    const socket = connectTcp(it.bench.port, '127.0.0.1').on('error', () => {})
    await until('it has arrived', () => whats(it.facts, 'attempt').length === 2)
    it.bench.cut()
    await new Promise<void>((resolve) => socket.on('close', () => resolve()))
    expect(whats(it.facts, 'broken')).toEqual([])
    const rude = connectTcp(it.bench.port, '127.0.0.1').on('error', () => {})
    rude.write('GET / HTTP/1.1\r\n\r\n')
    await new Promise<void>((resolve) => rude.on('close', () => resolve()))
    expect(whats(it.facts, 'broken')).toMatchObject([{ connection: 3 }])
  })
})
