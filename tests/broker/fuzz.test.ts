import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LiftId, TerminalSerial } from '#contract/ids'
import { PLATFORM_TOPIC } from '#contract/topics'
import {
  brokerUnderTest,
  eventually,
  SECRET,
  SERIAL,
  STATUS_TOPIC,
  terminalRow,
  TerminalTable,
} from './broker-under-test.ts'
import { fuzzTerminal, runFuzzCases } from './fuzz-cases.ts'
import { keyOf, MutatedPackets, offeredBy, Offers } from './mutated-packets.ts'
import { puback, publishPacket } from './raw-terminal.ts'

const LANES = 8
const CASES = 2_000
const SEED = 20_261_121

const escaped: unknown[] = []
const onEscaped = (fault: unknown) => void escaped.push(fault)
beforeAll(() => void process.on('unhandledRejection', onEscaped).on('uncaughtException', onEscaped))
afterAll(() => void process.off('unhandledRejection', onEscaped).off('uncaughtException', onEscaped))

describe('mutated packets', () => {
  it('are the same for the same seed', () => {
    const terminal = fuzzTerminal(SERIAL, 'lift-0001', SECRET)
    const [first, second] = [new MutatedPackets(SEED), new MutatedPackets(SEED)]
    for (let index = 0; index < 200; index += 1) expect(first.next(terminal)).toEqual(second.next(terminal))
  })

  it('offer what a valid PUBLISH or will carries, and nothing that is not one', () => {
    const terminal = fuzzTerminal(SERIAL, 'lift-0001', SECRET)
    const good = publishPacket({ topic: STATUS_TOPIC, payload: 'a', id: 1 })
    const bad = publishPacket({ topic: STATUS_TOPIC, payload: 'b', id: 0 })
    const foreign = publishPacket({ topic: 'lifts/v1/lift-0002/status', payload: 'c', id: 1 })
    expect(offeredBy(Buffer.concat([good, bad, foreign, good]), terminal)).toEqual([
      keyOf(STATUS_TOPIC, Buffer.from('a')),
      keyOf(STATUS_TOPIC, Buffer.from('a')),
    ])
    expect(offeredBy(good.subarray(0, good.length - 1), terminal)).toEqual([])
  })

  it(`do no harm: ${CASES} cases end, none throws, a terminal beside them is served, nothing invented is kept`, async () => {
    const terminals = new TerminalTable().put(await terminalRow())
    const lanes = Array.from({ length: LANES }, (_, index) => ({
      serial: `TJ-${2000 + index}` as TerminalSerial,
      lift: `lift-${2000 + index}` as LiftId,
    }))
    for (const lane of lanes) terminals.put(await terminalRow(lane))
    await using under = await brokerUnderTest({
      terminals,
      limits: { connectsPerMinuteMax: 1e6, wrongSignInsPerMinuteMax: 1e6, wrongSignInsPerAddressMax: 1e6 },
    })
    const probe = await under.admitted()
    const offers = new Offers()
    let isOver = false
    let probeCount = 0
    const probing = async () => {
      while (!isOver) {
        probeCount += 1
        probe.send(publishPacket({ topic: STATUS_TOPIC, payload: `probe ${probeCount}`, id: probeCount }))
        expect(await probe.next(60_000)).toEqual(puback(probeCount))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    const probed = probing()
    const figures = await runFuzzCases({
      port: Number(new URL(under.broker.mqttUrl).port),
      seed: SEED,
      caseCount: CASES,
      terminals: lanes.map(({ serial, lift }) => fuzzTerminal(serial, lift, SECRET)),
      offers,
    }).finally(() => void (isOver = true))
    await probed
    expect(figures.hangCount).toBe(0)
    expect(figures.admittedCount).toBeGreaterThan(CASES / 2)
    const records = (await under.records()).filter(({ topic }) => topic !== PLATFORM_TOPIC)
    const [probes, others] = [true, false].map((isProbe) =>
      records.filter(({ terminal }) => (terminal === SERIAL) === isProbe),
    )
    expect(probes).toHaveLength(probeCount)
    expect(others?.length).toBeGreaterThan(CASES / 10)
    expect(others?.filter(({ topic, payload }) => !offers.take(keyOf(topic, payload)))).toEqual([])
    await eventually(
      'the probe alone is connected',
      async () => (await under.metric('tiwang_broker_connections')) === 1,
    )
    expect(escaped).toEqual([])
  }, 240_000)
})
