/** A load process: a share of the sessions, told what to do and telling what it did. It ends with its channel. */
import { RandomStream } from '#simulator/random'
import type { FromLoadProcess, StartQuestion, ToLoadProcess } from './load-messages.ts'
import { Sessions } from './sessions.ts'

const REPORT_MS = 250

let sessions: Sessions | undefined
let isLeaving = false

function start(question: StartQuestion): void {
  const { seed, rate, ...plan } = question
  const usedBefore = process.cpuUsage()
  sessions = new Sessions({
    ...plan,
    random: new RandomStream(seed, plan.first),
    clock: { nowMs: Date.now, elapsedMs: () => performance.now() },
    cpuS: () => {
      const { user, system } = process.cpuUsage(usedBefore)
      return (user + system) / 1e6
    },
  })
  sessions.speak(rate)
  say('ready')
  setInterval(() => say('report'), REPORT_MS)
}

async function leave(drainMsMax: number): Promise<void> {
  if (isLeaving) return
  isLeaving = true
  await sessions?.leave(drainMsMax)
  const end = (): void => process.disconnect()
  if (sessions === undefined) end()
  else process.send?.({ kind: 'left', report: sessions.report() } satisfies FromLoadProcess, end)
}

function say(kind: FromLoadProcess['kind']): void {
  if (sessions !== undefined && process.connected && !isLeaving)
    process.send?.({ kind, report: sessions.report() } satisfies FromLoadProcess)
}

process.on('message', (message: ToLoadProcess) => {
  switch (message.kind) {
    case 'start':
      return start(message)
    case 'speak':
      return sessions?.speak(message.rate)
    case 'tell':
      return say('told')
    case 'leave':
      return void leave(message.drainMsMax)
    default:
      return message satisfies never
  }
})
// A terminal sends its signals to the whole group; whoever started this one decides when it ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
process.once('disconnect', () => {
  sessions?.cut()
  process.exit(0)
})
