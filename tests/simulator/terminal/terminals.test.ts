import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { silentLog, type Log } from '#contract/log-events'
import { readDeviceTopic } from '#contract/topics'
import type { SimulatedTerminal } from '#simulator/terminal/credentials'
import { startSimulator, type Simulator } from '#simulator/start'
import { generateTown } from '#simulator/town/town'
import { PlainBroker, until } from './plain-broker.ts'
import { payloadSchemas } from './terminal-lift.ts'

const SEED = 20
function townOf(liftCount: number) {
  const town = generateTown({ seed: SEED, liftCount, boundAtMs: Date.now() })
  const terminals: SimulatedTerminal[] = town.terminals.map(({ serial, lift }) => ({
    serial,
    lift,
    secret: `secret of ${serial}`,
  }))
  return { town, terminals, secrets: new Map(terminals.map(({ serial, secret }) => [serial as string, secret])) }
}

const start = (o: {
  broker: PlainBroker
  liftCount: number
  log?: Log
  metrics?: Registry
  nowMs?: () => number
}): Promise<Simulator> => {
  const { town, terminals } = townOf(o.liftCount)
  const { broker, log = silentLog, metrics } = o
  return startSimulator({
    brokerUrl: broker.url,
    town,
    terminals,
    seed: SEED,
    speed: 20,
    faultMinutes: 0,
    log,
    nowMs: o.nowMs ?? Date.now,
    ...(metrics === undefined ? {} : { metrics }),
  })
}

const body = (payload: string) =>
  JSON.parse(payload) as { boot: number; seq: number; sampledAtMs?: number; state?: string; carStatus?: number }

describe('simulated terminals over MQTT', () => {
  it('sign in with serial and secret, say who they are, and have every message acknowledged', async () => {
    await using broker = new PlainBroker()
    broker.secrets = townOf(40).secrets
    await broker.start()
    const metrics = new Registry()
    const simulator = await start({ broker, liftCount: 40, metrics })
    await until('all connected', () => simulator.status().connectedCount === 40)
    await until('cars move', () => broker.taken.some(({ payload }) => body(payload).carStatus === 1))
    expect(await metrics.metrics()).toContain('tiwang_simulator_terminals_connected 40')
    await simulator[Symbol.asyncDispose]()
    const { publishedCount, acknowledgedCount, unacknowledgedCount, droppedCount } = simulator.status()
    expect(publishedCount).toBeGreaterThan(120)
    expect({ acknowledgedCount, unacknowledgedCount, droppedCount }).toEqual({
      acknowledgedCount: publishedCount,
      unacknowledgedCount: 0,
      droppedCount: 0,
    })
    expect(broker.signIns.every(({ isAdmitted }) => isAdmitted)).toBe(true)
    // 40 goodbyes are not counted with the messages of the lifts.
    expect(broker.taken.length).toBe(publishedCount + 40)
    for (const { topic, payload, client } of broker.taken) {
      const at = readDeviceTopic(topic)
      if (at === undefined) throw new Error(`${topic} is no topic of a device`)
      expect(payloadSchemas[at.kind].Errors(JSON.parse(payload))).toEqual([])
      expect(client).toBe(townOf(40).terminals.find(({ lift }) => lift === at.lift)?.serial)
    }
    for (const kind of ['connection', 'status', 'statistics'])
      expect(new Set(broker.taken.filter(({ topic }) => topic.endsWith(kind)).map(({ topic }) => topic)).size).toBe(40)
  })

  it('keep what they say while the broker is away and send all of it, in order and with its own time, when it is back', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    const links: unknown[] = []
    const log: Log = { ...silentLog, warn: (event) => links.push(event) }
    const simulator = await start({ broker, liftCount: 10, log })
    await until('all connected', () => simulator.status().connectedCount === 10)
    await until('all have greeted', () => simulator.status().unacknowledgedCount === 0)
    broker.isMute = true
    await until('messages are on the way that nobody answers', () => broker.muteCount >= 3)
    const stoppedAtMs = Date.now()
    await broker.stop()
    await until('something is buffered', () => simulator.status().unacknowledgedCount > 15 + broker.muteCount)
    await until('the loss was told', () => links.includes('simulator.link'))
    broker.isMute = false
    await broker.start()
    const backAtMs = Date.now()
    await until('all connected again', () => simulator.status().connectedCount === 10, 40_000)
    await until('the buffer is sent', () => simulator.status().unacknowledgedCount === 0)
    await simulator[Symbol.asyncDispose]()
    expect(simulator.status()).toMatchObject({ unacknowledgedCount: 0, droppedCount: 0 })
    expect(simulator.status().acknowledgedCount).toBe(simulator.status().publishedCount)
    expect(simulator.status().resentCount).toBeGreaterThanOrEqual(3)
    const { terminals } = townOf(10)
    let awayCount = 0
    for (const { lift } of terminals) {
      const said = broker.taken
        .filter(({ topic }) => topic.startsWith(`lifts/v1/${lift}/`))
        .map(({ payload }) => body(payload))
      const numbers = [...new Set(said.filter(({ seq }) => seq !== undefined).map(({ seq }) => seq))].sort(
        (a, b) => a - b,
      )
      expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index + 1))
      const afterwards = said.slice(said.findLastIndex(({ seq }) => seq === 1)).filter(({ seq }) => seq !== undefined)
      expect(afterwards.map(({ seq }) => seq)).toEqual([...afterwards.map(({ seq }) => seq)].sort((a, b) => a - b))
      awayCount += said.filter(({ sampledAtMs = 0 }) => sampledAtMs > stoppedAtMs && sampledAtMs < backAtMs).length
    }
    expect(awayCount).toBeGreaterThan(5)
  }, 90_000)

  it('go on when the clock of the machine is set back by an hour: they speak, and they come back when the broker does', async () => {
    await using broker = new PlainBroker()
    broker.secrets = townOf(8).secrets
    await broker.start()
    let setBackMs = 0
    await using simulator = await start({ broker, liftCount: 8, nowMs: () => Date.now() - setBackMs })
    await until('all connected', () => simulator.status().connectedCount === 8)
    setBackMs = 3600_000
    const takenCount = broker.taken.length
    await until('they speak', () => broker.taken.length > takenCount + 20)
    await broker.stop()
    await until('all lost', () => simulator.status().connectedCount === 0)
    await broker.start()
    await until('all connected again', () => simulator.status().connectedCount === 8, 40_000)
    const timesMs = broker.taken.map(({ payload }) => body(payload).sampledAtMs ?? Infinity)
    expect(Math.min(...timesMs)).toBeGreaterThan(Date.now() - 600_000)
  }, 90_000)

  it('connect one after the other, and not all at once', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    const startAtMs = Date.now()
    await using simulator = await start({ broker, liftCount: 120 })
    await until('all connected', () => simulator.status().connectedCount === 120)
    const tookMs = Date.now() - startAtMs
    expect(tookMs).toBeGreaterThan(1500)
    expect(tookMs).toBeLessThan(12_000)
  })

  it('keep trying with growing pauses when their secret is refused', async () => {
    await using broker = new PlainBroker()
    broker.secrets = new Map()
    await broker.start()
    const reasons: unknown[] = []
    const log: Log = { ...silentLog, debug: (_event, fields) => reasons.push(fields?.['reason']) }
    await using simulator = await start({ broker, liftCount: 1, log })
    await until('three attempts', () => reasons.length >= 3)
    expect(String(reasons[0])).toMatch(/refused|authoriz|credential/i)
    expect(simulator.status()).toMatchObject({ connectedCount: 0, publishedCount: 0 })
  })

  it('fall silent without a goodbye when a terminal dies, and come back as a new boot', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    await using simulator = await start({ broker, liftCount: 3 })
    await until('all connected', () => simulator.status().connectedCount === 3)
    const lift = townOf(3).terminals[0]?.lift
    if (lift === undefined) throw new Error('the town has lifts')
    await until('it spoke', () => broker.taken.some(({ topic }) => topic.startsWith(`lifts/v1/${lift}/status`)))
    const ofIt = () =>
      broker.taken.filter(({ topic }) => topic.startsWith(`lifts/v1/${lift}/`)).map(({ payload }) => body(payload))
    expect(simulator.play({ name: 'terminal-dies', lift, durationMs: 3000 })).toBe(true)
    const saidCount = ofIt().length
    expect(simulator.status().connectedCount).toBe(2)
    await new Promise((resolve) => setTimeout(resolve, 2500))
    // What was on the wire before it died may still have come in; the will and new samples must not.
    expect(ofIt().length - saidCount).toBeLessThanOrEqual(1)
    expect(ofIt().some(({ state }) => state === 'offline')).toBe(false)
    await until('it is back', () => simulator.status().connectedCount === 3)
    await until('it says so', () => ofIt().filter(({ state }) => state === 'online').length === 2)
    const boots = [...new Set(ofIt().flatMap(({ boot }) => (boot === undefined ? [] : [boot])))]
    expect(boots.length).toBe(2)
    expect(boots[1]).toBeGreaterThan(boots[0] ?? Infinity)
  })
})
