/** This broker as a process of its own with the bounds that it ships with, telling what it refused and what it kept. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Registry } from 'prom-client'
import { startBroker } from '#broker/start'
import { silentLog } from '#contract/log-events'
import { PLATFORM_TOPIC } from '#contract/topics'
import { openJournal } from '#storage/journal/journal'
import { answerQuestions } from './child-process.ts'
import { memoryTerminals } from './fleet.ts'

/** `isFuzz`: terminals may sign in as often as they like, rightly and wrongly, so that every case is heard. */
const [folder = '', terminalCount = '0', isFuzz = 'no'] = process.argv.slice(2)

const journal = await openJournal(`file:${folder}`, { log: silentLog })
const metrics = new Registry()
let faultCount = 0
const broker = await startBroker({
  host: '127.0.0.1',
  mqttPort: 0,
  journal,
  terminals: await memoryTerminals(Number(terminalCount)),
  limits:
    isFuzz === 'yes'
      ? { connectsPerMinuteMax: 1e9, wrongSignInsPerMinuteMax: 1e9, wrongSignInsPerAddressMax: 1e9 }
      : {},
  metrics,
  log: {
    ...silentLog,
    error: (_event, fields) => {
      faultCount += 1
      process.stderr.write(`${String(fields?.['hook'])}: ${String(fields?.['err'])}\n`)
    },
  },
  nowMs: () => Date.now(),
})

/** How late the process comes to what is due, whatever keeps the load's core busy. */
const lateness = monitorEventLoopDelay({ resolution: 1 })
lateness.enable()

async function refusals(): Promise<Record<string, number>> {
  const counter = await metrics.getSingleMetric('tiwang_broker_refusals_total')?.get()
  return Object.fromEntries(
    (counter?.values ?? [])
      .filter(({ value }) => value > 0)
      .map(({ labels, value }) => [String(labels['code']), value]),
  )
}

/** Records after a position, of terminals: topic and payload in hex. */
async function records(after: number) {
  await using reader = await journal.reader('detect', { after })
  const batch = after < journal.status().lastPosition ? await reader.read({ countMax: 20_000, waitMs: 5_000 }) : []
  return {
    position: batch.at(-1)?.position ?? after,
    records: batch
      .filter(({ topic }) => topic !== PLATFORM_TOPIC)
      .map(({ terminal, topic, payload }) => [terminal, topic, Buffer.from(payload).toString('hex')]),
  }
}

answerQuestions(
  async (question) => {
    if (question['do'] === 'records') return records(Number(question['after']))
    const lateP99Ms = lateness.percentile(99) / 1e6
    if (question['do'] === 'collect') globalThis.gc?.()
    lateness.reset()
    return {
      lateP99Ms,
      port: Number(new URL(broker.mqttUrl).port),
      connectedCount: broker.status().connectedCount,
      refusals: await refusals(),
      faultCount,
      heapBytes: process.memoryUsage().heapUsed,
    }
  },
  async () => {
    await broker[Symbol.asyncDispose]()
    await journal[Symbol.asyncDispose]()
  },
)
