import { describe, expect, it } from 'vitest'
import { guests } from '#simulator/load/load'
import { connack, PACKET, PINGRESP, puback } from '#simulator/load/packets'
import { Sessions } from '#simulator/load/sessions'
import { RandomStream } from '#simulator/random'
import { until } from '../terminal/plain-broker.ts'
import { RawBroker, type Heard } from './raw-broker.ts'

const kindOf = ({ bytes }: Heard): number => bytes.readUInt8(0) >> 4
const idOf = (bytes: Buffer): number => {
  const topicAt = bytes.readUInt8(1) < 0x80 ? 2 : 3
  return bytes.readUInt16BE(topicAt + 2 + bytes.readUInt16BE(topicAt))
}
const seqOf = (bytes: Buffer): number => Number(/"seq": *(\d+)/.exec(bytes.toString())?.[1])

function open(port: number, o: { count?: number; inFlight?: number; elapsedMs?: () => number } = {}) {
  const sessions = new Sessions({
    broker: { isTls: false, host: '127.0.0.1', port },
    terminals: guests(o.count ?? 1),
    ...{ first: 0, boot: 5, inFlight: o.inFlight ?? 1, connectRate: 1_000, random: new RandomStream(1) },
    clock: { nowMs: Date.now, elapsedMs: o.elapsedMs ?? (() => performance.now()) },
    cpuS: () => 0,
  })
  return {
    sessions,
    counts: () => sessions.report().counts,
    losses: () => Object.keys(sessions.report().losses),
    [Symbol.dispose]: () => sessions.cut(),
  }
}

describe('the sessions of a load', () => {
  it('send what was not acknowledged again on the next connection, in order, marked, otherwise the same bytes', async () => {
    await using broker = await RawBroker.start((heard) => {
      if (kindOf(heard) === PACKET.connect) return connack(0)
      if (heard.connection > 0) return puback(idOf(heard.bytes))
      // The first connection takes four messages, acknowledges the second, and dies.
      if (seqOf(heard.bytes) === 2) return puback(idOf(heard.bytes))
      return seqOf(heard.bytes) === 4 ? 'close' : undefined
    })
    using load = open(broker.port, { inFlight: 4 })
    load.sessions.speak(1_000)
    await until('it came back', () => load.counts().reconnectedCount === 1)
    load.sessions.hush()
    await until('all are acknowledged', () => load.counts().unacknowledgedCount === 0)
    const published = broker.ofKind(PACKET.publish)
    const first = new Map(
      published.filter(({ connection }) => connection === 0).map(({ bytes }) => [seqOf(bytes), bytes]),
    )
    const again = published.filter(({ connection }) => connection === 1).map(({ bytes }) => bytes)
    const resent = again.filter((bytes) => (bytes.readUInt8(0) & 8) !== 0)
    expect(resent.length).toBeGreaterThanOrEqual(3)
    expect(load.counts().resentCount).toBe(resent.length)
    expect(again.slice(0, resent.length).map(seqOf)).toEqual(resent.map(seqOf))
    expect(resent.map(seqOf)).toEqual([...resent.map(seqOf)].sort((a, b) => a - b))
    expect(resent.map(seqOf)).toEqual(expect.arrayContaining([1, 3, 4]))
    expect(resent.map(seqOf)).not.toContain(2)
    for (const bytes of resent)
      expect(bytes.subarray(1).equals(first.get(seqOf(bytes))?.subarray(1) ?? bytes)).toBe(true)
    const { sentCount, acknowledgedCount, strayCount, lostCount } = load.counts()
    expect({ acknowledgedCount, strayCount, lostCount }).toEqual({
      acknowledgedCount: sentCount,
      strayCount: 0,
      lostCount: 1,
    })
    expect(new Set(published.map(({ bytes }) => seqOf(bytes))).size).toBe(sentCount)
  })

  it('count an acknowledgement once, and tell apart what acknowledges nothing', async () => {
    await using broker = await RawBroker.start((heard) => {
      if (kindOf(heard) === PACKET.connect) return connack(0)
      const id = idOf(heard.bytes)
      return Buffer.concat([puback(id), puback(id), puback(60_000), puback(0)])
    })
    using load = open(broker.port)
    load.sessions.speak(200)
    await until('some are acknowledged', () => load.counts().acknowledgedCount >= 20)
    load.sessions.hush()
    await until('all are acknowledged', () => load.counts().unacknowledgedCount === 0)
    const { sentCount, acknowledgedCount, strayCount, lostCount } = load.counts()
    expect({ acknowledgedCount, strayCount, lostCount }).toEqual({
      acknowledgedCount: sentCount,
      strayCount: 3 * sentCount,
      lostCount: 0,
    })
  })

  it('take answers that come byte by byte', async () => {
    const bytewise = (bytes: Buffer) => [...bytes].map((byte) => Buffer.from([byte]))
    await using broker = await RawBroker.start((heard) =>
      bytewise(kindOf(heard) === PACKET.connect ? connack(0) : puback(idOf(heard.bytes))),
    )
    using load = open(broker.port)
    load.sessions.speak('max')
    await until('some are acknowledged', () => load.counts().acknowledgedCount >= 20)
    expect(load.counts()).toMatchObject({ strayCount: 0, lostCount: 0, resentCount: 0 })
  })

  it('give up a broker that talks garbage, say so, and try again after a while', async () => {
    const answers = [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), Buffer.from([0xf0, 0]), PINGRESP]
    await using broker = await RawBroker.start(({ connection }) => answers[connection] ?? connack(0))
    using load = open(broker.port)
    await until('the fourth try is good', () => load.counts().heldCount === 1, 20_000)
    expect(load.counts()).toMatchObject({ failedCount: 3, lostCount: 0 })
    expect(load.losses()).toEqual([
      'the broker sent a packet of kind 4 with flags 8, which it cannot have',
      'the broker sent a packet of kind 15, which there is none of',
      'the broker sent a packet of kind 13, which is no answer to anything',
    ])
  })

  it('keep a quiet connection alive, and leave one on which nothing is answered any more', async () => {
    let ms = 0
    let isMute = false
    await using broker = await RawBroker.start((heard) => {
      if (kindOf(heard) === PACKET.connect) return connack(0)
      return kindOf(heard) === PACKET.pingreq && !isMute ? PINGRESP : undefined
    })
    using load = open(broker.port, { elapsedMs: () => (ms += 10) })
    await until('it is held', () => load.counts().heldCount === 1)
    ms += 61_000
    await until('it was asked', () => broker.ofKind(PACKET.pingreq).length === 1)
    ms += 59_000
    isMute = true
    await until('it was asked again', () => broker.ofKind(PACKET.pingreq).length === 2)
    expect(load.counts()).toMatchObject({ heldCount: 1, lostCount: 0 })
    ms += 61_000
    await until('it was given up', () => load.counts().lostCount === 1)
    expect(load.losses()).toEqual(['the broker said nothing for 60 s'])
  })

  it('say goodbye when they leave, after what is under way is acknowledged, and wait no longer than they may', async () => {
    let isMute = false
    await using broker = await RawBroker.start((heard) => {
      if (kindOf(heard) === PACKET.connect) return connack(0)
      return kindOf(heard) === PACKET.publish && !isMute ? puback(idOf(heard.bytes)) : undefined
    })
    using load = open(broker.port, { count: 20 })
    await until('all are held', () => load.counts().heldCount === 20)
    load.sessions.speak('max')
    await until('all speak', () => load.counts().acknowledgedCount > 100)
    await load.sessions.leave(5_000)
    expect(load.counts()).toMatchObject({ unacknowledgedCount: 0, lostCount: 0, heldCount: 0 })
    await until('all said goodbye', () => broker.ofKind(PACKET.disconnect).length === 20)

    isMute = true
    using silent = open(broker.port, { count: 3 })
    silent.sessions.speak('max')
    await until('all wait', () => silent.counts().unacknowledgedCount === 3)
    await silent.sessions.leave(100)
    expect(silent.counts()).toMatchObject({ sentCount: 3, acknowledgedCount: 0, unacknowledgedCount: 3 })
    await until('they said goodbye too', () => broker.ofKind(PACKET.disconnect).length === 23)
  })

  it('say no more than is acknowledged, and count what was due while everybody waited too long', async () => {
    await using broker = await RawBroker.start((heard) => (kindOf(heard) === PACKET.connect ? connack(0) : undefined))
    let skewMs = 0
    using load = open(broker.port, { count: 2, elapsedMs: () => performance.now() + skewMs })
    await until('both are held', () => load.counts().heldCount === 2)
    load.sessions.speak(100)
    await until('both wait', () => load.counts().sentCount === 2)
    skewMs = 15_000
    await until('something is skipped', () => load.counts().skippedCount > 0)
    const { sentCount, skippedCount } = load.counts()
    expect(sentCount).toBe(2)
    // 15 s at 100 a second, of which 10 s are still owed.
    expect(skippedCount).toBeGreaterThanOrEqual(490)
    expect(skippedCount).toBeLessThan(3_000)
  })
})
