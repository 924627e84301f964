import fc from 'fast-check'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Status } from '#contract/telemetry'
import { writeRecording, type RecordedMessage } from '#simulator/scenario/recording'
import { startReplay } from '#simulator/scenario/replay'
import { newBoots, rewritten, shiftOf } from '#simulator/scenario/replay-payload'
import { recordingSource, type ReplaySource } from '#simulator/scenario/replay-source'
import type { SimulatedTerminal } from '#simulator/terminal/credentials'
import { mqttWires } from '#simulator/terminal/mqtt-client'
import { SimulatedLift } from '#simulator/terminal/simulated-lift'
import { generateTown } from '#simulator/town/town'
import { tempFolder } from '../../servers/temp-folder.ts'
import { PlainBroker, until, type Taken } from '../terminal/plain-broker.ts'

const FROM_MS = Date.parse('2026-03-04T08:00:00+08:00')

/** What the terminals of a small town say in so many minutes, as a recording. */
async function recordedTown(folder: string, o: { liftCount: number; minutes: number }) {
  const town = generateTown({ seed: 5, liftCount: o.liftCount, boundAtMs: FROM_MS })
  const toMs = FROM_MS + o.minutes * 60_000
  const messages = town.terminals.flatMap(({ serial }, terminal): RecordedMessage[] => {
    const lift = town.lifts[terminal]
    if (lift === undefined) throw new Error('each terminal has a lift')
    const simulated = new SimulatedLift({ lift, serial, seed: 5, speed: 1, startAtMs: FROM_MS })
    const spoken = [...simulated.greet(FROM_MS), ...simulated.advance(toMs)]
    return spoken.map(({ kind, payload }) => ({ atMs: timeOf(payload), terminal, kind, payload }))
  })
  messages.sort((a, b) => a.atMs - b.atMs)
  const terminals = town.terminals.map(({ serial, lift }) => ({ serial, lift }))
  const path = join(folder, 'town.rec')
  expect(await writeRecording(path, { fromMs: FROM_MS, toMs, terminals }, messages)).toBe(messages.length)
  return { path, messages, terminals, toMs }
}

const timeOf = (payload: string): number => {
  const body = JSON.parse(payload) as { sampledAtMs?: number; occurredAtMs?: number; atMs?: number }
  return body.sampledAtMs ?? body.occurredAtMs ?? body.atMs ?? NaN
}

async function play(o: {
  source: ReplaySource
  broker: PlainBroker
  terminals?: readonly SimulatedTerminal[]
  speed?: number | 'max'
  stop?: AbortSignal
}) {
  const { source, broker, speed = 'max', stop = new AbortController().signal } = o
  const terminals = o.terminals ?? source.head.terminals.map((each) => ({ ...each, secret: '' }))
  const openWire = mqttWires(broker.url)
  return startReplay({ source, terminals, openWire, speed, stop, nowMs: Date.now })
}

/** What one terminal said before its goodbye, each message once. */
const saidBy = (broker: PlainBroker, serial: string): Taken[] => {
  const own = broker.taken.filter(({ client }) => client === serial)
  return own.filter(({ payload }, index) => own.findIndex((other) => other.payload === payload) === index)
}
const isGoodbye = ({ payload }: Taken): boolean => payload.includes('"offline"')

describe('the times of a replay', () => {
  it('lie never in the future when they are said, and are now at speed 1, or at the end when it is faster', () => {
    const cases = fc.record({
      lastsMs: fc.nat(10 * 86_400_000),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      speed: fc.oneof(fc.constant('max' as const), fc.double({ min: 0.1, max: 100, noNaN: true })),
    })
    fc.assert(
      fc.property(cases, ({ lastsMs, share, speed }) => {
        const [fromMs, beginAtMs] = [1_000_000, 5_000_000_000]
        const toMs = fromMs + lastsMs
        const shiftMs = shiftOf({ fromMs, toMs, beginAtMs, speed })
        const sentAtMs = (atMs: number) => (speed === 'max' ? beginAtMs : beginAtMs + (atMs - fromMs) / speed)
        const atMs = fromMs + Math.floor(share * lastsMs)
        expect(atMs + shiftMs).toBeLessThanOrEqual(sentAtMs(atMs))
        if (speed === 1) expect(atMs + shiftMs).toBe(sentAtMs(atMs))
        else if (speed === 'max' || speed > 1) expect(toMs + shiftMs).toBeGreaterThan(sentAtMs(toMs) - 1.001)
        else expect(fromMs + shiftMs).toBe(beginAtMs)
      }),
    )
  })

  it('are all that changes in a payload, but for the start and who says it', () => {
    const rewriting = { shiftMs: 1000, newBoot: newBoots([3, 9], 70), serial: 'TJ-9' }
    const status = '{"v":1,"boot":9,"seq":4,"sampledAtMs":5,"speedMps":0.25}'
    expect(rewritten(status, { ...rewriting, kind: 'status' })).toBe(
      '{"v":1,"boot":71,"seq":4,"sampledAtMs":1005,"speedMps":0.25}',
    )
    const message = '{"v":1,"boot":3,"seq":4,"id":"x","occurredAtMs":5,"snapshot":{"sampledAtMs":5}}'
    expect(rewritten(message, { ...rewriting, kind: 'message' })).toBe(
      '{"v":1,"boot":70,"seq":4,"id":"x","occurredAtMs":1005,"snapshot":{"sampledAtMs":5}}',
    )
    expect(rewritten('{"v":1,"state":"offline","terminal":"TJ-1"}', { ...rewriting, kind: 'connection' })).toBe(
      '{"v":1,"state":"offline","terminal":"TJ-9"}',
    )
    for (const junk of ['', '7', '[]', '{'])
      expect(rewritten(junk, { ...rewriting, kind: 'status' }), junk).toBeUndefined()
  })
})

describe('a replay', () => {
  it('says all that was recorded, in its order, at times that are over, and a second one is no repetition', async () => {
    await using folder = await tempFolder('replay')
    await using broker = new PlainBroker()
    await broker.start()
    const { path, messages, terminals } = await recordedTown(folder.path, { liftCount: 4, minutes: 20 })
    const source = await recordingSource(path)
    const boots = new Set<number>()
    for (let round = 1; round <= 2; round += 1) {
      broker.taken.length = 0
      const replay = await play({ source, broker })
      await replay.done
      expect(replay.status()).toMatchObject({
        ...{ phase: 'ended', messageCount: messages.length, acknowledgedCount: messages.length },
        ...{ unacknowledgedCount: 0, resentCount: 0, leftOutCount: 0, refusedCount: 0, played: 1 },
      })
      for (const [index, { serial, lift }] of terminals.entries()) {
        const said = saidBy(broker, serial)
        expect(said.pop(), 'a goodbye').toMatchObject({ topic: `lifts/v1/${lift}/connection` })
        const recorded = messages.filter(({ terminal }) => terminal === index)
        expect(said.map(({ topic }) => topic)).toEqual(recorded.map(({ kind }) => `lifts/v1/${lift}/${kind}`))
        const bodies = said.map(({ payload }) => JSON.parse(payload) as Status)
        const shiftMs = timeOf(said[0]?.payload ?? '') - timeOf(recorded[0]?.payload ?? '')
        const [boot] = new Set(bodies.map((body) => body.boot))
        expect(boot).toBeDefined()
        for (const [at, { payload }] of recorded.entries()) {
          const newBoot = () => boot ?? 0
          expect(said[at]?.payload).toBe(rewritten(payload, { kind: kindAt(recorded, at), shiftMs, newBoot, serial }))
        }
        expect(timeOf(said.at(-1)?.payload ?? '')).toBeLessThanOrEqual(Date.now())
        if (index === 0) boots.add(boot ?? NaN)
      }
      await new Promise((wake) => setTimeout(wake, 300)) // starts are told apart by quarters of a second
    }
    expect(boots.size).toBe(2)
  }, 60_000)

  it('waits for a broker that goes away, loses nothing, and doubles only what it marks as sent again', async () => {
    await using folder = await tempFolder('replay')
    await using broker = new PlainBroker()
    await broker.start()
    const { path, messages, terminals } = await recordedTown(folder.path, { liftCount: 3, minutes: 60 })
    const replay = await play({ source: await recordingSource(path), broker })
    await until('something is taken', () => broker.taken.length > 50)
    broker.isMute = true
    await until('something is under way', () => broker.muteCount > 3)
    await broker.stop()
    broker.isMute = false
    await broker.start()
    await replay.done
    expect(replay.status()).toMatchObject({ acknowledgedCount: messages.length, unacknowledgedCount: 0 })
    expect(replay.status().resentCount).toBeGreaterThan(0)
    for (const [index, { serial }] of terminals.entries()) {
      const all = broker.taken.filter((taken) => taken.client === serial && !isGoodbye(taken))
      const seqs = [...new Set(all.map(({ payload }) => (JSON.parse(payload) as Status).seq))]
      const recorded = messages.filter(({ terminal }) => terminal === index)
      expect(seqs).toEqual(recorded.map(({ payload }) => (JSON.parse(payload) as Status).seq))
      const seen = new Set<string>()
      for (const { payload, isDup } of all) {
        if (seen.has(payload)) expect(isDup).toBe(true)
        seen.add(payload)
      }
    }
  }, 90_000)

  it('keeps the pace that it is told, and stops when it is asked to', async () => {
    await using folder = await tempFolder('replay')
    await using broker = new PlainBroker()
    await broker.start()
    const { path, messages } = await recordedTown(folder.path, { liftCount: 2, minutes: 30 })
    const source = await recordingSource(path)
    const stop = new AbortController()
    const replay = await play({ source, broker, speed: 1, stop: stop.signal })
    await until('it says the first', () => broker.taken.length >= 4)
    for (const { payload } of broker.taken) expect(Math.abs(timeOf(payload) - Date.now())).toBeLessThan(20_000)
    stop.abort()
    await replay.done
    const { acknowledgedCount, unacknowledgedCount } = replay.status()
    expect(acknowledgedCount).toBeGreaterThanOrEqual(4)
    expect(acknowledgedCount).toBeLessThan(messages.length)
    expect(acknowledgedCount + unacknowledgedCount).toBe(messages.length)
    expect(broker.taken.filter(isGoodbye)).toHaveLength(2)
  }, 60_000)

  it('goes on without a terminal that is refused, and counts what it would have said', async () => {
    await using folder = await tempFolder('replay')
    await using broker = new PlainBroker()
    const { path, messages, terminals } = await recordedTown(folder.path, { liftCount: 3, minutes: 5 })
    broker.secrets = new Map(
      terminals.map(({ serial }) => [serial, serial === terminals[1]?.serial ? 'another' : 'right']),
    )
    await broker.start()
    const cast = terminals.map((each) => ({ ...each, secret: 'right' }))
    const replay = await play({ source: await recordingSource(path), broker, terminals: cast })
    await replay.done
    const lostCount = messages.filter(({ terminal }) => terminal === 1).length
    expect(replay.status()).toMatchObject({ refusedCount: 1, unacknowledgedCount: lostCount })
    expect(replay.status().reason).toMatch(/not authorized|password/i)
  }, 60_000)
})

function kindAt(messages: readonly RecordedMessage[], index: number) {
  const message = messages[index]
  if (message === undefined) throw new Error('there is a message')
  return message.kind
}
