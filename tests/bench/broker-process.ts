/** This broker as a process of its own: the real `file:` journal in a folder on disk, terminals in memory or in a register. */
import { Registry } from 'prom-client'
import { startBroker } from '#broker/start'
import { silentLog } from '#contract/log-events'
import { openJournal } from '#storage/journal/journal'
import { openRegister } from '#storage/register/register'
import { answerQuestions } from './child-process.ts'
import { memoryTerminals } from './fleet.ts'

const [folder = '', terminalCount = '0', connectionsMax = '30000', registerUrl = '', mqttPort = '0'] =
  process.argv.slice(2)

const register = registerUrl === '' ? undefined : await openRegister(registerUrl, { log: silentLog })
const journal = await openJournal(`file:${folder}`, { log: silentLog })
const broker = await startBroker({
  host: '127.0.0.1',
  mqttPort: Number(mqttPort),
  journal,
  terminals: register?.terminals ?? (await memoryTerminals(Number(terminalCount))),
  // One address and few publishers stand for a whole town here: the bounds of a single terminal are out of the way.
  limits: {
    connectionsMax: Number(connectionsMax),
    connectsPerMinuteMax: 1_000_000,
    inFlightMax: 60_000,
    publicationsPerSecondMax: 1_000_000,
    publicationBurstMax: 1_000_000,
  },
  metrics: new Registry(),
  log: silentLog,
  nowMs: () => Date.now(),
})

answerQuestions(
  async () => {
    globalThis.gc?.()
    return {
      port: Number(new URL(broker.mqttUrl).port),
      connectedCount: broker.status().connectedCount,
    }
  },
  async () => {
    await broker[Symbol.asyncDispose]()
    await journal[Symbol.asyncDispose]()
    await register?.[Symbol.asyncDispose]()
  },
)
