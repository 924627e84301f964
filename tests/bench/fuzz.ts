/** `npm run bench -- fuzz`: mutated packets against a broker process, with a terminal beside them that must not notice. */
import { parseArgs } from 'node:util'
import { setTimeout as pause } from 'node:timers/promises'
import { fuzzTerminal, runFuzzCases } from '../broker/fuzz-cases.ts'
import { keyOf, Offers } from '../broker/mutated-packets.ts'
import { openRaw, publishPacket } from '../broker/raw-terminal.ts'
import { residentBytes } from './child-process.ts'
import { connectBytes, liftOf, SECRET, serialOf, topicOf } from './fleet.ts'
import { print, short } from './figures.ts'
import { megabytes, startGuardedBroker, watchMemory, type GuardedBroker } from './guarded-broker.ts'
import type { Benchmark } from './main.ts'

const LANES = 24
const PROBE = LANES
const WARM_UP_CASES = 5_000
const COOL_DOWN_MS = 5_000
const PROBE_MS_MAX = 5_000
/** Memory that a broker may hold more after the fuzz than before it, bytes: room for the collector, not for a leak per case. */
const GROWTH_BYTES_MAX = 32e6

export const fuzz: Benchmark = {
  summary: 'mutated packets: no crash, no hang, no growth, nothing invented in the journal',
  options: '[--packets 200000] [--seed 1]',
  run: async (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: { packets: { type: 'string', default: '200000' }, seed: { type: 'string', default: '1' } },
    })
    return runFuzz(Number(values.packets), Number(values.seed))
  },
}

async function runFuzz(caseCount: number, seed: number): Promise<boolean> {
  await using broker = await startGuardedBroker({ terminalCount: LANES + 1, isFuzz: true })
  const { port } = await broker.state()
  const offers = new Offers()
  const terminals = Array.from({ length: LANES }, (_, number) => fuzzTerminal(serialOf(number), liftOf(number), SECRET))
  // Another address of loopback than that of the probe.
  const cases = { port, terminals, offers, localAddress: '127.0.0.9' }
  await using probe = await startProbe(port)
  await runFuzzCases({ ...cases, seed: seed + 1_000_000, caseCount: Math.min(WARM_UP_CASES, caseCount) })
  await pause(COOL_DOWN_MS)
  const before = { rssBytes: residentBytes(broker.process.pid), ...(await broker.collected()) }
  const memory = watchMemory(broker.process.pid)
  const beganAtMs = performance.now()
  const figures = await runFuzzCases({ ...cases, seed, caseCount })
  const seconds = (performance.now() - beganAtMs) / 1000
  const peakBytes = memory.maxBytes()
  memory.stop()
  await pause(COOL_DOWN_MS)
  await broker.collected()
  const after = { ...(await broker.collected()), rssBytes: residentBytes(broker.process.pid) }
  const kept = await compare(broker, offers)
  print(`${figures.caseCount} cases, seed ${seed}, ${short(seconds)} s; ${figures.admittedCount} spoke after a CONNACK`)
  print(
    `hangs ${figures.hangCount}; faults that the broker reported ${after.faultCount}; connected ${after.connectedCount}`,
  )
  print(`probe: ${probe.figures.count} publications, slowest acknowledgement ${short(probe.figures.maxMs)} ms`)
  print(
    `RSS ${megabytes(before.rssBytes)} → ${megabytes(peakBytes)} → ${megabytes(after.rssBytes)} MB; heap ${megabytes(before.heapBytes)} → ${megabytes(after.heapBytes)} MB`,
  )
  print(`journal: ${kept.recordCount} records, ${kept.inventedCount} that no valid packet carried`)
  print(
    `refusals: ${Object.entries(after.refusals)
      .map(([code, count]) => `${code.replace('admission.', '')} ${count}`)
      .join(', ')}`,
  )
  return (
    figures.hangCount === 0 &&
    after.faultCount === 0 &&
    probe.figures.maxMs <= PROBE_MS_MAX &&
    kept.inventedCount === 0 &&
    after.heapBytes - before.heapBytes <= GROWTH_BYTES_MAX
  )
}

/** A terminal that publishes all the time. */
async function startProbe(port: number) {
  const terminal = await openRaw(`mqtt://127.0.0.1:${port}`)
  terminal.send(connectBytes(PROBE))
  const answer = await terminal.next()
  if (answer?.[3] !== 0) throw new Error(`the probe is refused: ${answer?.toString('hex') ?? 'closed'}`)
  const figures = { count: 0, maxMs: 0 }
  let isOver = false
  const probing = (async () => {
    while (!isOver) {
      const sentAtMs = performance.now()
      const id = (figures.count % 65_535) + 1
      terminal.send(publishPacket({ topic: topicOf(PROBE), payload: `probe ${figures.count}`, id }))
      const puback = await terminal.next(60_000).catch(() => undefined)
      if (puback?.readUInt16BE(2) !== id) {
        figures.maxMs = Infinity
        return
      }
      figures.maxMs = Math.max(figures.maxMs, performance.now() - sentAtMs)
      figures.count += 1
      await pause(50)
    }
  })()
  return {
    figures,
    [Symbol.asyncDispose]: async () => {
      isOver = true
      await probing
      await terminal[Symbol.asyncDispose]()
    },
  }
}

async function compare(broker: GuardedBroker, offers: Offers): Promise<{ recordCount: number; inventedCount: number }> {
  let [recordCount, inventedCount, position] = [0, 0, 0]
  for (;;) {
    const answer = await broker.records(position)
    if (answer.position === position) return { recordCount, inventedCount }
    position = answer.position
    for (const [terminal, topic, payload] of answer.records) {
      if (terminal === serialOf(PROBE)) continue
      recordCount += 1
      if (!offers.take(keyOf(topic, Buffer.from(payload, 'hex')))) inventedCount += 1
    }
  }
}
