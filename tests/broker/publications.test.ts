import { Aedes } from 'aedes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readPublication } from '#broker/publication-frame'
import { isAedesClient } from '#broker/publications'
import { BROKER_LIMITS } from '#broker/limits'
import {
  brokerUnderTest,
  CONNECTION_TOPIC,
  eventually,
  heldBack,
  LIFT,
  SERIAL,
  STATUS_TOPIC,
  type UnderTest,
} from './broker-under-test.ts'
import { duplexPair } from './duplex-pair.ts'
import { DISCONNECT, PINGREQ, puback, publishPacket, subscribePacket } from './raw-terminal.ts'

const PINGRESP = Buffer.from([0xd0, 0])
const MESSAGE_TOPIC = `lifts/v1/${LIFT}/message`
const texts = async (under: UnderTest) => (await under.records()).map(({ payload }) => Buffer.from(payload).toString())
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Cuts bytes at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % bytes.length))].sort((a, b) => a - b)
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

const kinds = ['status', 'statistics', 'message', 'connection'] as const
/** What a terminal may send, with what it must come to. */
const said = fc.array(
  fc.oneof(
    fc.record({
      what: fc.constant('publication' as const),
      kind: fc.constantFrom(...kinds),
      qos: fc.constantFrom(0, 1),
      id: fc.integer({ min: 1, max: 65_535 }),
      retain: fc.boolean(),
      payload: fc.oneof(
        fc.string({ maxLength: 40 }),
        fc.nat(400).map((length) => 'x'.repeat(length)),
      ),
    }),
    fc.constant({ what: 'ping' as const }),
    fc.record({ what: fc.constant('subscription' as const), id: fc.integer({ min: 1, max: 65_535 }) }),
  ),
  { minLength: 1, maxLength: 30 },
)

describe('any cutting of what a terminal sends', () => {
  it('comes to the same records in the same order, and to the same acknowledgements', async () => {
    const limits = { controlPacketsPerMinuteMax: 1_000_000, connectsPerMinuteMax: 1_000_000 }
    await using under = await brokerUnderTest({ limits })
    let recordCount = 0
    const property = fc.asyncProperty(said, fc.array(fc.nat(), { maxLength: 60 }), async (packets, places) => {
      const bytes = Buffer.concat(
        packets.map((packet) => {
          if (packet.what === 'ping') return PINGREQ
          if (packet.what === 'subscription') return subscribePacket(packet.id, 'x')
          return publishPacket({ ...packet, topic: `lifts/v1/${LIFT}/${packet.kind}` })
        }),
      )
      const publications = packets.filter((packet) => packet.what === 'publication')
      const acknowledged = publications.filter(({ qos }) => qos === 1)
      const terminal = await under.admitted()
      for (const chunk of cut(bytes, places)) {
        terminal.send(chunk)
        await new Promise((resolve) => setImmediate(resolve))
      }
      const answerCount = packets.length - publications.length + acknowledged.length
      const answers: Buffer[] = []
      while (answers.length < answerCount) {
        const answer = await terminal.next()
        if (answer === undefined) throw new Error('the connection was closed')
        answers.push(answer)
      }
      // With QoS 0 alone nothing tells that the journal has it.
      await eventually(
        'all is in the journal',
        async () => (await under.records()).length === recordCount + publications.length,
      )
      const records = (await under.records()).slice(recordCount)
      recordCount += publications.length
      expect(
        records.map(({ topic, payload, terminal: serial }) => [topic, Buffer.from(payload).toString(), serial]),
      ).toEqual(publications.map(({ kind, payload }) => [`lifts/v1/${LIFT}/${kind}`, payload, SERIAL]))
      expect(answers.filter((answer) => answer[0] === 0x40)).toEqual(acknowledged.map(({ id }) => puback(id)))
      expect(answers.filter((answer) => answer[0] === 0xd0).length).toBe(
        packets.filter(({ what }) => what === 'ping').length,
      )
      expect(terminal.packets).toEqual([])
      await terminal[Symbol.asyncDispose]()
    })
    await fc.assert(property, { numRuns: 70, seed: 17, endOnFailure: true })
  })
})

describe('packets of several kinds in one piece', () => {
  it('are taken in their order: what stands before a DISCONNECT is kept, and no will is said', async () => {
    await using under = await brokerUnderTest()
    const terminal = await under.admitted({ will: { topic: CONNECTION_TOPIC, payload: 'offline' } })
    terminal.send(
      publishPacket({ topic: STATUS_TOPIC, payload: 'a', id: 1 }),
      publishPacket({ topic: MESSAGE_TOPIC, payload: 'b', id: 2 }),
      PINGREQ,
      publishPacket({ topic: STATUS_TOPIC, payload: 'c', id: 3 }),
      DISCONNECT,
      publishPacket({ topic: STATUS_TOPIC, payload: 'too late', id: 4 }),
    )
    await terminal.closed
    await eventually('what came before is in the journal', async () => (await under.records()).length >= 3)
    await pause(100)
    expect(await texts(under)).toEqual(['a', 'b', 'c'])
    expect(await under.refusals()).toEqual({})
  })

  it('are acknowledged in order when one of them comes in two pieces', async () => {
    await using under = await brokerUnderTest()
    const terminal = await under.admitted()
    const publications = Array.from({ length: 40 }, (_, index) =>
      publishPacket({ topic: STATUS_TOPIC, payload: String(index), id: index + 1 }),
    )
    const bytes = Buffer.concat(publications)
    terminal.send(bytes.subarray(0, bytes.length - 7))
    await pause(20)
    terminal.send(bytes.subarray(bytes.length - 7), PINGREQ)
    for (let id = 1; id <= 40; id += 1) {
      let answer = await terminal.next()
      if (answer?.equals(PINGRESP)) answer = await terminal.next()
      expect(answer).toEqual(puback(id))
    }
    expect(await texts(under)).toEqual(Array.from({ length: 40 }, (_, index) => String(index)))
  })

  it('keep the connection alive: publications alone are a sign of life', async () => {
    await using under = await brokerUnderTest()
    const terminal = await under.admitted({ keepalive: 1 })
    for (let id = 1; id <= 12; id += 1) {
      terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: String(id), id }))
      expect(await terminal.next()).toEqual(puback(id))
      await pause(250)
    }
    expect(terminal.isClosed).toBe(false)
  })
})

describe('the short way', () => {
  it('stands on exactly this Aedes: without its private fields nothing is opened', async () => {
    const aedes = await Aedes.createBroker()
    const [conn, other] = duplexPair()
    const client = aedes.handle(conn)
    const parser: unknown = Reflect.get(client, '_parser')
    if (typeof parser !== 'object' || parser === null) throw new Error('there is no _parser any more')
    expect(Reflect.get(parser, '_states')).toEqual(['_parseHeader', '_parseLength', '_parsePayload', '_newPacket'])
    expect(Reflect.get(parser, '_stateCounter')).toBe(0)
    expect(Reflect.get(client, '_keepaliveTimer')).toBeNull()
    expect(typeof Reflect.get(client, 'waitForDrain')).toBe('function')
    expect(isAedesClient(client)).toBe(true)
    for (const field of ['_parser', '_keepaliveTimer', 'waitForDrain'])
      expect(
        isAedesClient({ _parser: parser, _keepaliveTimer: null, waitForDrain: () => {}, [field]: undefined }),
        field,
      ).toBe(field === '_keepaliveTimer')
    other.destroy()
    await new Promise<void>((resolve) => aedes.close(resolve))
  })

  it('is what publications take: the parser sees none of them', () => {
    const own = kinds.map((kind) => ({ topic: `lifts/v1/${LIFT}/${kind}`, kind }))
    for (const kind of kinds) {
      const bytes = publishPacket({ topic: `lifts/v1/${LIFT}/${kind}`, payload: 'x'.repeat(300), id: 77 })
      expect(readPublication(bytes, 0, own, 70_000)).toMatchObject({ kind, qos: 1, packetId: 77, end: bytes.length })
      expect(readPublication(bytes.subarray(0, bytes.length - 1), 0, own, 70_000)).toBeUndefined()
      expect(readPublication(bytes, 0, own, 100)).toBeUndefined()
    }
    expect(own.map(({ kind }) => kind).sort()).toEqual([...kinds].sort())
  })

  it('leaves to the parser whatever is no plain publication of this terminal', () => {
    const own = kinds.map((kind) => ({ topic: `lifts/v1/${LIFT}/${kind}`, kind }))
    const status = publishPacket({ topic: STATUS_TOPIC, payload: '{}', id: 1 })
    const withHeader = (header: number) => Buffer.concat([Buffer.from([header]), status.subarray(1)])
    for (const header of [0x34, 0x36, 0x38, 0x39, 0x3c, 0x3e, 0x10, 0x82, 0xc0])
      expect(readPublication(withHeader(header), 0, own, 70_000), header.toString(16)).toBeUndefined()
    for (const header of [0x32, 0x33, 0x3a, 0x3b])
      expect(readPublication(withHeader(header), 0, own, 70_000)?.qos).toBe(1)
    for (const topic of [
      '',
      'lifts/v1/lift-0002/status',
      `${STATUS_TOPIC}x`,
      STATUS_TOPIC.toUpperCase(),
      'lifts/v1/+/status',
    ])
      expect(readPublication(publishPacket({ topic, payload: '{}' }), 0, own, 70_000), topic).toBeUndefined()
    expect(
      readPublication(publishPacket({ topic: STATUS_TOPIC, payload: '{}', id: 0 }), 0, own, 70_000),
    ).toBeUndefined()
  })

  it('reads any bytes without a fault, and never beyond them', () => {
    const own = kinds.map((kind) => ({ topic: `lifts/v1/${LIFT}/${kind}`, kind }))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(70), (bytes, at) => {
        const found = readPublication(bytes, at, own, 70_000)
        if (found !== undefined) expect(found.end).toBeLessThanOrEqual(bytes.length)
      }),
    )
  })

  it('goes on after the journal threw, for everybody else', async () => {
    let isBroken = true
    await using under = await brokerUnderTest({
      journal: (real) => ({
        status: () => real.status(),
        append: (entry, done) => {
          if (isBroken && entry.topic === STATUS_TOPIC) throw new Error('a journal that throws')
          real.append(entry, done)
        },
      }),
    })
    const terminal = await under.admitted()
    terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: '{}' }))
    expect(await terminal.next()).toBeUndefined()
    isBroken = false
    const again = await under.admitted()
    again.send(publishPacket({ topic: STATUS_TOPIC, payload: '{}', id: 5 }))
    expect(await again.next()).toEqual(puback(5))
  })
})

describe('a terminal that says too much', () => {
  it('is no longer read, loses nothing, and is not cut', async () => {
    const limits = { publicationsPerSecondMax: 200, publicationBurstMax: 50 }
    await using under = await brokerUnderTest({ limits })
    const terminal = await under.admitted()
    const beganAtMs = performance.now()
    const ids = Array.from({ length: 250 }, (_, index) => index + 1)
    terminal.send(...ids.map((id) => publishPacket({ topic: STATUS_TOPIC, payload: String(id), id })))
    for (const id of ids) expect(await terminal.next()).toEqual(puback(id))
    // 50 at once and 200 more at 200 a second.
    expect(performance.now() - beganAtMs).toBeGreaterThan(900)
    expect(await texts(under)).toEqual(ids.map(String))
    expect(await under.metric('tiwang_broker_held_total', { reason: 'rate' })).toBeGreaterThan(0)
    expect(await under.refusals()).toEqual({})
  })

  it('holds back nobody else', async () => {
    await using under = await brokerUnderTest({
      limits: { publicationsPerSecondMax: 0.01, publicationBurstMax: 3 },
    })
    const loud = await under.admitted()
    loud.send(...[1, 2, 3, 4].map((id) => publishPacket({ topic: STATUS_TOPIC, payload: String(id), id })))
    for (const id of [1, 2, 3]) expect(await loud.next()).toEqual(puback(id))
    await eventually(
      'it is held',
      async () => (await under.metric('tiwang_broker_held_total', { reason: 'rate' })) === 1,
    )
    await pause(100)
    expect(await texts(under)).toEqual(['1', '2', '3'])
    const calm = await under.admitted()
    calm.send(publishPacket({ topic: STATUS_TOPIC, payload: 'calm', id: 9 }))
    expect(await calm.next()).toEqual(puback(9))
  })

  it('is held once for as long as the journal has too much of it', async () => {
    let held: ReturnType<typeof heldBack> | undefined
    await using under = await brokerUnderTest({ journal: (real) => (held = heldBack(real)) })
    const terminal = await under.admitted()
    const ids = Array.from({ length: BROKER_LIMITS.inFlightMax + 10 }, (_, index) => index + 1)
    // In one piece: what is beyond the bound waits in the middle of it.
    terminal.send(...ids.map((id) => publishPacket({ topic: STATUS_TOPIC, payload: String(id), id })), PINGREQ)
    await eventually('the journal has as many as may wait', () => held?.waitingCount === BROKER_LIMITS.inFlightMax)
    await pause(100)
    expect(held?.waitingCount).toBe(BROKER_LIMITS.inFlightMax)
    expect(terminal.packets).toEqual([])
    expect(await under.metric('tiwang_broker_held_total', { reason: 'waiting' })).toBe(1)
    held?.release()
    const answers: Buffer[] = []
    while (answers.length <= ids.length) answers.push((await terminal.next()) ?? Buffer.alloc(0))
    expect(answers.filter((answer) => answer[0] === 0x40)).toEqual(ids.map(puback))
    expect(await texts(under)).toEqual(ids.map(String))
  })
})
