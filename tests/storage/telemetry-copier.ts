/**
 * A process that copies a telemetry store and kills itself when the target is given the batch of this number: what a
 * power cut in the middle of `npm run telemetry -- copy` leaves behind.
 */
import { silentLog } from '#contract/log-events'
import { copyTelemetry } from '#storage/telemetry/copy'
import { openTelemetryStore } from '#storage/telemetry/telemetry-store'

const [from = '', to = '', lastBatch = ''] = process.argv.slice(2)
const source = await openTelemetryStore(from, { log: silentLog })
const target = await openTelemetryStore(to, { log: silentLog })
let batchCount = 0
await copyTelemetry({
  source,
  target: {
    ...target,
    append: (points) => {
      batchCount += 1
      if (batchCount === Number(lastBatch)) process.kill(process.pid, 'SIGKILL')
      return target.append(points)
    },
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  },
  fromMs: 0,
  samplesKeptFromMs: 0,
  figuresKeptFromMs: 0,
  verifyOnly: false,
  patience: { awayMsMax: 10_000, signal: new AbortController().signal, onAway: () => {} },
  onProgress: () => {},
})
