/**
 * A process for the tests to kill: appends batches of 500 points to a store for ever and says after each how many
 * points were taken. With a second argument it only opens the store and says so.
 */
import { silentLog } from '#contract/log-events'
import { openTelemetryStore } from '#storage/telemetry/telemetry-store'
import { statusPoint, T0 } from './telemetry-points.ts'

const [url = '', mode = 'append'] = process.argv.slice(2)
const store = await openTelemetryStore(url, { log: silentLog })
process.stdout.write('0\n')
for (let takenCount = 0; mode === 'append'; takenCount += 500) {
  if (takenCount > 0) process.stdout.write(`${takenCount}\n`)
  await store.append(
    Array.from({ length: 500 }, (_, n) => statusPoint({ atMs: T0 + takenCount + n, seq: takenCount + n })),
  )
}
