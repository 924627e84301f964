/** A thread that makes histories: one lift each time it is asked, and nothing ahead of that. */
import { parentPort, workerData } from 'node:worker_threads'
import type { FromHistoryWorker, HistoryWorkerData } from './history-threads.ts'
import { historyOf } from './lift-history.ts'

if (parentPort === null) throw new Error('this file runs in a thread of its own')
const port = parentPort
// What `history-threads.ts` put there.
const { identities, span } = workerData as HistoryWorkerData
let madeCount = 0

port.on('message', () => {
  const identity = identities[madeCount]
  if (identity === undefined) return
  madeCount += 1
  const history = historyOf(identity, span)
  const { atMs, seq, serviceMode, vibrationMg } = history.looks
  port.postMessage(history satisfies FromHistoryWorker, [
    atMs.buffer,
    seq.buffer,
    serviceMode.buffer,
    vibrationMg.buffer,
  ])
})
