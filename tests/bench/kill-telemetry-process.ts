/** A process to be killed: appends batches to an embedded telemetry store for ever and tells after each how many points it took. */
import { silentLog } from '#contract/log-events'
import { openTelemetryStore } from '#storage/telemetry/telemetry-store'
import { BATCH_POINTS, pointAt } from './kill-telemetry-points.ts'

const [url = '', from = '0'] = process.argv.slice(2)
const store = await openTelemetryStore(url, { log: silentLog })
for (let takenCount = Number(from); ;) {
  process.send?.({ takenCount })
  const beginsAt = takenCount
  await store.append(Array.from({ length: BATCH_POINTS }, (_, index) => pointAt(beginsAt + index)))
  takenCount += BATCH_POINTS
}
