import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { duplexPair } from './duplex-pair.ts'
import { Aedes } from 'aedes'
import { describe, expect, it } from 'vitest'
import { guardClient, GUARDED_AEDES_VERSION } from '#broker/guard'
import { BROKER_LIMITS } from '#broker/limits'
import { refusalOf } from '#broker/clients'
import { brokerUnderTest, SECRET, SERIAL } from './broker-under-test.ts'
import { connectPacket, lengthBytes, puback, subscribePacket } from './raw-terminal.ts'

describe('the parser guard', () => {
  it('stands on exactly this Aedes: its version, the private field and the parser steps are as they were read', async () => {
    const require = createRequire(import.meta.url)
    const read = async (name: string) =>
      JSON.parse(await readFile(require.resolve(`../../node_modules/${name}/package.json`), 'utf8')) as {
        version: string
      }
    expect((await read('aedes')).version).toBe(GUARDED_AEDES_VERSION)
    expect((await read('mqtt-packet')).version).toBe('9.0.2')
    const aedes = await Aedes.createBroker()
    const [conn, other] = duplexPair()
    const client = aedes.handle(conn)
    const parser: unknown = Reflect.get(client, '_parser')
    if (typeof parser !== 'object' || parser === null) throw new Error('there is no _parser any more')
    expect(Reflect.get(parser, '_states')).toEqual(['_parseHeader', '_parseLength', '_parsePayload', '_newPacket'])
    for (const step of ['parse', '_parseHeader', '_parseLength', '_parsePayload', '_newPacket', '_emitError'])
      expect(typeof Reflect.get(parser, step), step).toBe('function')
    expect(typeof Reflect.get(client, '_nextBatch')).toBe('function')
    other.destroy()
    await new Promise<void>((resolve) => aedes.close(resolve))
  })

  it('refuses to stand on anything else', () => {
    const [conn] = duplexPair()
    const nothing = () => {}
    expect(() =>
      guardClient(
        {},
        {
          conn,
          limits: BROKER_LIMITS,
          isHeld: () => false,
          elapsedMs: () => 0,
          onConnect: nothing,
          onRefused: nothing,
          onFault: nothing,
        },
      ),
    ).toThrow(/Aedes 1\.2\.0/)
  })

  it('cuts whoever announces a giant packet before anything of it is read', async () => {
    await using under = await brokerUnderTest()
    const stranger = await under.raw()
    stranger.send(Buffer.concat([Buffer.from([0x10]), lengthBytes(268_435_455)]))
    expect(await stranger.next()).toBeUndefined()
    const terminal = await under.admitted()
    terminal.send(Buffer.concat([Buffer.from([0x32]), lengthBytes(268_435_455)]))
    expect(await terminal.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ 'admission.tooLarge': 2 })
  })

  it('takes a CONNECT of 4 KiB and none that is larger', async () => {
    await using under = await brokerUnderTest()
    const sized = (bytes: number) => {
      const will = { topic: 'lifts/v1/lift-0001/connection', payload: '' }
      const bare = connectPacket({ username: SERIAL, password: SECRET, will }).length - 2
      return connectPacket({ username: SERIAL, password: SECRET, will: { ...will, payload: 'x'.repeat(bytes - bare) } })
    }
    const fits = await under.raw()
    fits.send(sized(BROKER_LIMITS.connectBytesMax))
    expect((await fits.next())?.[3]).toBe(0)
    const larger = await under.raw()
    larger.send(sized(BROKER_LIMITS.connectBytesMax + 1))
    expect(await larger.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ 'admission.tooLarge': 1 })
  })

  it('refuses packet id 0 wherever it stands', async () => {
    await using under = await brokerUnderTest()
    for (const packet of [subscribePacket(0, 'a'), puback(0)]) {
      const terminal = await under.admitted()
      terminal.send(packet)
      expect(await terminal.next()).toBeUndefined()
    }
    expect(await under.refusals()).toEqual({ 'admission.protocol': 2 })
  })
})

describe('an error of Aedes', () => {
  it('counts as a refusal only when the device is to blame', () => {
    expect(refusalOf(new Error('connect did not arrive in time'))).toBe('admission.timeout')
    expect(refusalOf(new Error('+ is not allowed in PUBLISH'))).toBe('admission.foreignTopic')
    expect(refusalOf(new Error('Cannot parse protocolId'))).toBe('admission.protocol')
    expect(refusalOf(new Error('keep alive timeout'))).toBe('admission.silent')
    expect(refusalOf(new Error('drain timeout'))).toBe('admission.slowReader')
    expect(refusalOf(new Error('connection closed'))).toBeUndefined()
    expect(refusalOf(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))).toBeUndefined()
  })

  it('is no refusal when the link was reset', async () => {
    await using under = await brokerUnderTest()
    const terminal = await under.admitted()
    terminal.socket.resetAndDestroy()
    await once(terminal.socket, 'close')
    expect(await under.refusals()).toEqual({})
  })
})
