import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { silentLog } from '#contract/log-events'
import { openTelemetryStore } from '#storage/telemetry/telemetry-store'
import { startAnswering } from '../servers/answering.ts'
import { statusPoint, T0 } from './telemetry-points.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void // what the flag gives

async function keptBytes(): Promise<number> {
  // What the last answers leave behind is let go of in the turns after them.
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    collect()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

it('a store on InfluxDB keeps nothing of the batches that it has written', { timeout: 120_000 }, async () => {
  await using server = await startAnswering(() => ({ status: 204 }))
  await using store = await openTelemetryStore(server.storeUrl, { log: silentLog })
  const batch = Array.from({ length: 400 }, (_, seq) => statusPoint({ atMs: T0 + seq, seq }))
  for (let count = 0; count < 20; count += 1) await store.append(batch)
  server.asked.length = 0
  const before = await keptBytes()
  for (let count = 0; count < 300; count += 1) await store.append(batch)
  server.asked.length = 0
  // The lines of one batch are more than 100 kB: kept, they would be above 30 MB together.
  expect((await keptBytes()) - before).toBeLessThan(10_000_000)
})
