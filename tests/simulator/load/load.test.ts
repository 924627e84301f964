import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import type { LiftId, TerminalSerial } from '#contract/ids'
import { Status } from '#contract/telemetry'
import { readDeviceTopic } from '#contract/topics'
import { processCountOf, startLoad, type LoadStatus } from '#simulator/load/load'
import { brokerUnderTest, SECRET, TerminalTable, terminalRow } from '../../broker/broker-under-test.ts'
import { freePort } from '../../servers/free-port.ts'
import { PlainBroker, until, type Taken } from '../terminal/plain-broker.ts'

const status = Compile(Status)

/** `boot`, `seq` and time of every message that was taken, by lift. Fails when one is not as the contract wants it. */
function messagesByLift(taken: readonly Pick<Taken, 'topic' | 'payload'>[]): Map<string, Status[]> {
  const byLift = new Map<string, Status[]>()
  for (const { topic, payload } of taken) {
    const { lift, kind } = readDeviceTopic(topic) ?? {}
    const content: unknown = JSON.parse(payload)
    if (lift === undefined || kind !== 'status' || !status.Check(content)) throw new Error(`${topic} ${payload}`)
    byLift.set(lift, [...(byLift.get(lift) ?? []), content])
  }
  return byLift
}

/** Every seq of every lift from 1 on, none left out: as many as there are. */
function distinctCount(byLift: ReadonlyMap<string, readonly Status[]>): number {
  let count = 0
  for (const messages of byLift.values()) {
    const seqs = [...new Set(messages.map(({ seq }) => seq))].sort((a, b) => a - b)
    expect(seqs).toEqual(seqs.map((_, index) => index + 1))
    expect(new Set(messages.map(({ boot }) => boot)).size).toBe(1)
    count += seqs.length
  }
  return count
}

const expectExact = (now: LoadStatus): void => {
  expect(now.sentCount).toBe(now.acknowledgedCount + now.unacknowledgedCount)
  expect(now.latencies.count).toBe(now.acknowledgedCount)
}

describe('a load', () => {
  it('holds its sessions at plain Aedes and has every message acknowledged, each once', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    const beganAtMs = Date.now()
    const load = await startLoad({ brokerUrl: broker.url, sessions: 60, rate: 'max', inFlight: 3, processCount: 2 })
    expect(load.pids).toHaveLength(2)
    await until('all are held', () => load.status().heldCount === 60)
    await until('all spoke', () => load.status().acknowledgedCount > 1_000)
    expectExact(load.status())
    await load[Symbol.asyncDispose]()
    const now = load.status()
    expectExact(now)
    expect(now).toMatchObject({ unacknowledgedCount: 0, lostCount: 0, resentCount: 0, strayCount: 0, heldCount: 0 })
    const byLift = messagesByLift(broker.taken)
    expect(byLift.size).toBe(60)
    expect(distinctCount(byLift)).toBe(now.acknowledgedCount)
    expect(broker.taken).toHaveLength(now.acknowledgedCount)
    for (const { sampledAtMs } of [...byLift.values()].flat()) {
      expect(sampledAtMs).toBeGreaterThanOrEqual(beganAtMs)
      expect(sampledAtMs).toBeLessThanOrEqual(Date.now())
    }
    expect(now.cpuS).toBeGreaterThan(0)
    expect(now.latencies.quantileMs(0.5)).toBeLessThanOrEqual(now.latencies.maxMs)
  })

  it('comes back when the broker died and rose again, and loses and doubles nothing in its accounts', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    await using load = await startLoad({
      ...{ brokerUrl: broker.url, sessions: 40, rate: 400, inFlight: 4, processCount: 2 },
    })
    await until('all are held', () => load.status().heldCount === 40)
    for (let round = 1; round <= 2; round += 1) {
      broker.isMute = true
      await until('some wait', () => load.status().unacknowledgedCount > 40)
      await broker.stop()
      await until('all are lost', () => load.status().heldCount === 0)
      await until('some tried in vain', () => load.status().failedCount >= 10 * round)
      expectExact(load.status())
      const { sentCount } = load.status()
      broker.isMute = false
      await broker.start()
      await until('all are back', () => load.status().heldCount === 40)
      await until('it goes on', () => load.status().acknowledgedCount > sentCount)
      expect(load.status()).toMatchObject({ lostCount: 40 * round, reconnectedCount: 40 * round })
    }
    load.speak(0)
    await until('all are acknowledged', () => load.status().unacknowledgedCount === 0)
    await load[Symbol.asyncDispose]()
    const now = load.status()
    expectExact(now)
    expect(now.resentCount).toBeGreaterThan(40)
    expect(Object.keys(now.losses)).toEqual(expect.arrayContaining(['nothing listens there']))
    // What the first broker took without an answer came again: each message is known by its boot and seq.
    expect(distinctCount(messagesByLift(broker.taken))).toBe(now.sentCount)
  }, 60_000)

  it('signs in to this platform with the secrets of its terminals; wrong ones are refused and told', async () => {
    const names = Array.from({ length: 30 }, (_, index) => ({
      serial: `TJ-${1000 + index}` as TerminalSerial,
      lift: `lift-${1000 + index}` as LiftId,
    }))
    const table = new TerminalTable().put(...(await Promise.all(names.map((name) => terminalRow(name)))))
    await using under = await brokerUnderTest({ terminals: table })
    const sessions = names.map((name, index) => ({ ...name, secret: index < 25 ? SECRET : 'not the secret' }))
    await using load = await startLoad({ brokerUrl: under.broker.mqttUrl, sessions, rate: 500, processCount: 2 })
    await until('all are answered', () => load.status().heldCount + load.status().refusedCount === 30)
    await until('many are acknowledged', () => load.status().acknowledgedCount > 300)
    await load[Symbol.asyncDispose]()
    const now = load.status()
    expectExact(now)
    expect(now).toMatchObject({ refusedCount: 5, unacknowledgedCount: 0, lostCount: 0, failedCount: 0 })
    expect(Object.values(now.refusals)).toEqual([5])
    expect(Object.keys(now.refusals)[0]).toMatch(/serial or secret/)
    const records = (await under.records()).filter(({ topic }) => readDeviceTopic(topic)?.kind === 'status')
    const byLift = messagesByLift(
      records.map(({ topic, payload }) => ({ topic, payload: Buffer.from(payload).toString() })),
    )
    expect(byLift.size).toBe(25)
    expect(distinctCount(byLift)).toBe(now.acknowledgedCount)
    expect(records).toHaveLength(now.acknowledgedCount)
  }, 60_000)

  it('keeps trying while the broker is away, and breaks when one of its processes does', async () => {
    await using load = await startLoad({
      ...{ brokerUrl: `mqtt://127.0.0.1:${await freePort()}`, sessions: 4, rate: 1, processCount: 2 },
    })
    await until('all have tried', () => load.status().failedCount >= 4)
    expect(load.status()).toMatchObject({ heldCount: 0, sentCount: 0, losses: { 'nothing listens there': 4 } })
    process.kill(load.pids[0] ?? NaN, 'SIGKILL')
    await expect(load.failed).rejects.toThrow('a load process ended by itself (SIGKILL)')
  })

  it('refuses more sessions than it can hold, and an address that is none', async () => {
    await expect(startLoad({ brokerUrl: 'mqtt://127.0.0.1', sessions: 20_001, rate: 1 })).rejects.toThrow(/1 to 20000/)
    await expect(startLoad({ brokerUrl: 'http://127.0.0.1', sessions: 1, rate: 1 })).rejects.toThrow(RangeError)
  })

  it('takes more processes for more sessions, as many as there are cores, and never too few for the descriptors', () => {
    expect(processCountOf(1, 8)).toBe(1)
    expect(processCountOf(5_000, 8)).toBe(1)
    expect(processCountOf(20_000, 8)).toBe(4)
    expect(processCountOf(20_000, 2)).toBe(2)
    expect(processCountOf(20_000, 1)).toBe(2)
  })
})
