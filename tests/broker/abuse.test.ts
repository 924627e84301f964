/** What hostile devices can make the broker hold, counted: bytes, packets, connections. The attack benchmark measures the same at size. */
import { Duplex } from 'node:stream'
import { Aedes, type AedesOptions } from 'aedes'
import { describe, expect, it } from 'vitest'
import type { AdmissionError } from '#broker/admission'
import { holdReading } from '#broker/connection'
import { EARLY_BYTES_MAX, guardClient, TURN_PACKETS_MAX } from '#broker/guard'
import { BROKER_LIMITS, type BrokerLimits } from '#broker/limits'
import type { LiftId, TerminalSerial } from '#contract/ids'
import { brokerUnderTest, eventually, STATUS_TOPIC, terminalRow, TerminalTable } from './broker-under-test.ts'
import { PINGRESP } from './conformance.ts'
import { connectPacket, packet, PINGREQ, puback, publishPacket, subscribePacket } from './raw-terminal.ts'

const CHUNK_BYTES = 64 * 1024
const turns = async (count = 50) => {
  for (let index = 0; index < count; index += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** A device's end whose bytes go in as they please, and which reads what it is sent only when told to. */
class StubbornConn extends Duplex {
  sentBytes = 0
  takenBytes = 0
  #isReader: boolean
  #isAskedFor = true
  #stalled: () => void = () => {}

  constructor(isReader: boolean) {
    super({ highWaterMark: 16 * 1024 })
    this.#isReader = isReader
  }

  override _read(): void {
    this.#isAskedFor = true
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.takenBytes += chunk.length
    if (this.#isReader) setImmediate(done)
    else this.#stalled = done
  }

  /** Sends as a socket does: while the other side asks for more. */
  flood(bytes: Buffer, upToBytes: number): void {
    while (this.#isAskedFor && this.sentBytes < upToBytes && !this.destroyed) {
      this.sentBytes += bytes.length
      this.#isAskedFor = false
      if (this.push(bytes)) this.#isAskedFor = true
    }
  }

  /** Reads what it is sent from here on. */
  startReading(): void {
    this.#isReader = true
    this.#stalled()
  }
}

/** Real Aedes with the guard on one connection. */
async function guarded(o: { isReader: boolean; limits?: Partial<BrokerLimits>; aedes?: AedesOptions }) {
  const aedes = await Aedes.createBroker({ drainTimeout: 60_000, ...o.aedes })
  aedes.on('clientError', () => {})
  aedes.on('connectionError', () => {})
  const conn = new StubbornConn(o.isReader)
  const client = aedes.handle(conn)
  const refusals: AdmissionError[] = []
  const faults: unknown[] = []
  const guard = guardClient(client, {
    conn,
    limits: { ...BROKER_LIMITS, ...o.limits },
    isHeld: () => false,
    elapsedMs: () => 0,
    onConnect: () => {},
    onRefused: (error) => void refusals.push(error),
    onFault: (fault) => void faults.push(fault),
  })
  holdReading(conn, guard)
  const parser = Reflect.get(client, '_parser') as { _list: { length: number } }
  return {
    conn,
    refusals,
    faults,
    /** What is held of the bytes that came in, wherever it stands. */
    heldBytes: () => parser._list.length + conn.readableLength,
    [Symbol.asyncDispose]: async () => {
      conn.destroy()
      await new Promise<void>((resolve) => aedes.close(() => resolve()))
    },
  }
}

const CONNECT = connectPacket({ keepalive: 0 })
const pings = (count: number) => Buffer.concat(Array.from({ length: count }, () => PINGREQ))

describe('a device that never reads', () => {
  it('is answered up to one full write buffer; then nothing more of it is taken', async () => {
    await using held = await guarded({ isReader: false, limits: { controlPacketsPerMinuteMax: 1e9 } })
    held.conn.push(CONNECT)
    await turns()
    const flood = pings(CHUNK_BYTES / 2)
    const go = async () => {
      held.conn.flood(flood, 100 * CHUNK_BYTES)
      await turns()
    }
    await eventually(
      'the buffer is full',
      async () => {
        await go()
        return held.conn.writableLength >= held.conn.writableHighWaterMark
      },
      20_000,
    )
    for (let round = 0; round < 20; round += 1) await go()
    expect(held.conn.writableLength).toBeLessThanOrEqual(held.conn.writableHighWaterMark + PINGRESP.length)
    expect(held.heldBytes()).toBeLessThanOrEqual(3 * CHUNK_BYTES)
    expect(held.conn.sentBytes).toBeLessThanOrEqual(3 * CHUNK_BYTES)
    expect([held.refusals, held.faults]).toEqual([[], []])
  })

  it('is served on when it reads at last, and nothing is left out', async () => {
    await using held = await guarded({ isReader: false, limits: { controlPacketsPerMinuteMax: 1e9 } })
    const count = 20_000
    held.conn.push(CONNECT)
    await turns()
    held.conn.push(pings(count))
    await turns()
    expect(held.conn.takenBytes).toBeLessThan(count)
    held.conn.startReading()
    await eventually('all are answered', () => held.conn.takenBytes === 4 + count * PINGRESP.length, 20_000)
  })
})

describe('many packets in one chunk', () => {
  it('are taken a few at a time, whatever they are', async () => {
    let askedCount = 0
    await using held = await guarded({
      isReader: true,
      aedes: { authorizePublish: () => void (askedCount += 1) },
    })
    held.conn.push(CONNECT)
    await turns()
    const tiny = publishPacket({ topic: 'a', payload: '' })
    held.conn.push(Buffer.concat(Array.from({ length: 5_000 }, () => tiny)))
    await turns()
    expect(askedCount).toBe(TURN_PACKETS_MAX)
    expect(held.heldBytes()).toBe((5_000 - TURN_PACKETS_MAX) * tiny.length)
    held.conn.flood(tiny, 1e6)
    await turns()
    expect(askedCount).toBe(TURN_PACKETS_MAX)
    expect(held.heldBytes()).toBeLessThanOrEqual(3 * CHUNK_BYTES)
  })

  it('of PINGREQ, SUBSCRIBE and UNSUBSCRIBE cost the connection when they are more than a terminal needs', async () => {
    for (const bytes of [PINGREQ, subscribePacket(1, 'a'), packet(0xa2, Buffer.from([0, 1, 0, 1, 0x61]))]) {
      await using held = await guarded({ isReader: true })
      held.conn.push(CONNECT)
      await turns()
      const max = BROKER_LIMITS.controlPacketsPerMinuteMax
      held.conn.push(Buffer.concat(Array.from({ length: max }, () => bytes)))
      await turns(200)
      expect(held.refusals).toEqual([])
      held.conn.push(bytes)
      await turns()
      expect(held.refusals.map(({ code }) => code)).toEqual(['admission.flood'])
      expect(held.conn.destroyed).toBe(true)
    }
  })

  it('of thousands of filters are one SUBSCRIBE that is refused at its announced length', async () => {
    await using under = await brokerUnderTest()
    const terminal = await under.admitted()
    terminal.send(subscribePacket(1, ...Array.from({ length: 8_000 }, (_, index) => `f/${index}`)))
    expect(await terminal.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ 'admission.tooLarge': 1 })
  })

  it('of types that no device may send end with the first', async () => {
    await using under = await brokerUnderTest()
    const terminal = await under.admitted()
    terminal.send(Buffer.concat(Array.from({ length: 10_000 }, (_, index) => Buffer.from([(index % 3) << 6, 0]))))
    expect(await terminal.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ 'admission.protocol': 1 })
  })
})

describe('before the CONNACK', () => {
  it('what may be sent is bounded, and costs the connection beyond', async () => {
    for (const [bytes, codes] of [
      [EARLY_BYTES_MAX, []],
      [EARLY_BYTES_MAX + 2, ['admission.tooLarge']],
    ] as const) {
      await using held = await guarded({ isReader: true, aedes: { authenticate: () => {} } })
      held.conn.push(Buffer.concat([CONNECT, pings(bytes / 2)]))
      await turns()
      expect(held.refusals.map(({ code }) => code)).toEqual(codes)
      expect(held.conn.takenBytes).toBe(0)
    }
  })

  it('nothing more is read, however much comes', async () => {
    await using held = await guarded({ isReader: true, aedes: { authenticate: () => {} } })
    held.conn.push(CONNECT)
    await turns()
    held.conn.flood(pings(512), 1e7)
    await turns()
    expect(held.heldBytes()).toBeLessThanOrEqual(CHUNK_BYTES)
    expect(held.conn.sentBytes).toBeLessThanOrEqual(CHUNK_BYTES)
  })

  it('no length that is announced makes the guard collect anything', async () => {
    await using held = await guarded({ isReader: true })
    held.conn.push(Buffer.concat([Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), Buffer.alloc(10_000)]))
    await turns()
    expect(held.refusals.map(({ code }) => code)).toEqual(['admission.tooLarge'])
    expect(held.conn.destroyed).toBe(true)
  })
})

describe('a flood of silent sockets', () => {
  it('holds no more than its bound, and does not keep a terminal out', async () => {
    await using under = await brokerUnderTest({ limits: { halfOpenMax: 20 } })
    for (let index = 0; index < 100; index += 1) await under.raw()
    await eventually('the oldest gave way', async () => (await under.refusalCount('admission.halfOpen')) === 80)
    const terminal = await under.admitted()
    terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: '{}', id: 1 }))
    expect(await terminal.next()).toEqual(puback(1))
    expect(await under.refusalCount('admission.halfOpen')).toBe(81)
  })
})

describe('a terminal that signs in again and again', () => {
  it('holds one connection at any time, and nobody else notices', async () => {
    const terminals = new TerminalTable().put(
      await terminalRow(),
      await terminalRow({ serial: 'TJ-0002' as TerminalSerial, lift: 'lift-0002' as LiftId }),
    )
    await using under = await brokerUnderTest({ terminals, limits: { connectsPerMinuteMax: 1_000 } })
    const honest = await under.admitted({ username: 'TJ-0002' })
    for (let index = 0; index < 60; index += 1) await under.admitted({ clientId: `loop-${index}` })
    await eventually('two are connected', () => under.broker.status().connectedCount === 2)
    honest.send(PINGREQ)
    expect(await honest.next()).toEqual(PINGRESP)
  })
})

describe('a keep alive of 0', () => {
  it('does not keep a silent connection for ever', async () => {
    await using under = await brokerUnderTest({ limits: { keepaliveSMax: 1 } })
    const terminal = await under.admitted({ keepalive: 0 })
    expect(await terminal.next(15_000)).toBeUndefined()
    expect(await under.refusals()).toEqual({ 'admission.silent': 1 })
  })
})
