/** The embedded telemetry store is killed while it writes: every point that it took is there, as it was, and it opens by itself. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { silentLog } from '#contract/log-events'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { chanceOf } from '../chance.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { print } from './figures.ts'
import { liftOf } from './fleet.ts'
import type { KillReport } from './kill-report.ts'
import { BATCH_POINTS, LIFT_COUNT, pointAt, WRITTEN_FROM_MS } from './kill-telemetry-points.ts'

/** A writer lives so long after its first batch, ms: from nothing to this. */
const LIFE_MS_MAX = 1_500
const FIRST_BATCH_MS_MAX = 60_000
const PAGE = 50_000
const PROGRAM = fileURLToPath(new URL('kill-telemetry-process.ts', import.meta.url))

/** After each kill the batch that was interrupted is there whole or not at all; at the end everything that was taken is. */
export async function killTelemetry({ rounds, seed }: { rounds: number; seed: number }): Promise<KillReport> {
  await using folder = await tempFolder('kill-telemetry')
  const url = `file:${folder.path}/telemetry`
  const chance = chanceOf(seed)
  let takenCount = 0
  for (let round = 1; round <= rounds; round += 1) {
    takenCount = await writeAndDie(url, takenCount, chance() * LIFE_MS_MAX)
    await refuseTornBatch(url, takenCount)
    if (round % 10 === 0) print(`  telemetry: ${round} of ${rounds} kills, ${takenCount} points`)
  }
  await using store = await openTelemetryStore(url, { log: silentLog })
  const { kept, repeatCount, wrongCount } = await readAll(store)
  let lostCount = wrongCount
  for (let number = 0; number < takenCount; number += 1) if (!kept.has(number)) lostCount += 1
  if (repeatCount > 0) throw new Error(`${repeatCount} points are there more than once`)
  return {
    name: 'embedded telemetry store',
    killCount: rounds,
    acknowledgedCount: takenCount,
    lostCount,
    disorderCount: undefined,
    unseenCount: undefined,
    repeatCount,
  }
}

/** Goes on behind the last point that was taken: a batch that was under way at the kill comes again. */
async function writeAndDie(url: string, fromCount: number, lifeMs: number): Promise<number> {
  const child = fork(PROGRAM, [url, String(fromCount)], { execArgv: ['--import', 'tsx'] })
  const exited = once(child, 'exit')
  let takenCount = fromCount
  const isWriting = new Promise<void>((resolve, reject) => {
    child.on('message', (message: { takenCount: number }) => {
      takenCount = message.takenCount
      if (takenCount > fromCount) resolve()
    })
    child.once('exit', (code) => reject(new Error(`the writer ended with ${code}: the store did not open by itself`)))
    setTimeout(() => reject(new Error('the writer took no batch')), FIRST_BATCH_MS_MAX).unref()
  })
  try {
    await isWriting
    await pause(lifeMs)
  } finally {
    child.kill('SIGKILL')
  }
  const [code, signal] = (await exited) as [number | null, NodeJS.Signals | null]
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself with ${code ?? signal}`)
  return takenCount
}

/** Opens the store as it was left. An acknowledgement that was on its way at the kill may stand for one batch more. */
async function refuseTornBatch(url: string, takenCount: number): Promise<void> {
  await using store = await openTelemetryStore(url, { log: silentLog })
  const counts = await Promise.all(
    [0, 1].map(async (ahead) => {
      const from = takenCount + ahead * BATCH_POINTS
      let count = 0
      for (const point of eachOf(from)) {
        const { measurement, lift, sampledAtMs, seq } = point
        const found = await store.points({ measurement, lift, fromMs: sampledAtMs, toMs: sampledAtMs + 1, limit: 10 })
        if (found.some((each) => each.seq === seq)) count += 1
      }
      return count
    }),
  )
  const torn = counts.find((count) => count !== 0 && count !== SAMPLES_OF_BATCH)
  if (torn !== undefined)
    throw new Error(`${torn} of ${SAMPLES_OF_BATCH} points of an interrupted batch are there: it was torn`)
}

/** Points from all over a batch: its first, its last, and some between. */
const SAMPLES_OF_BATCH = 9
const eachOf = (from: number): TelemetryPoint[] =>
  Array.from({ length: SAMPLES_OF_BATCH }, (_, index) =>
    pointAt(from + Math.floor((index * (BATCH_POINTS - 1)) / (SAMPLES_OF_BATCH - 1))),
  )

/** The numbers of all points that are there, how many are there twice, and how many are not what was written. */
async function readAll(store: TelemetryStore) {
  const kept = new Set<number>()
  let repeatCount = 0
  let wrongCount = 0
  const take = (point: TelemetryPoint): void => {
    if (kept.has(point.seq)) repeatCount += 1
    if (!isDeepStrictEqual(point, pointAt(point.seq))) wrongCount += 1
    kept.add(point.seq)
  }
  for (let lift = 0; lift < LIFT_COUNT; lift += 1) {
    for (const measurement of ['status', 'statistics'] as const) {
      const range = { lift: liftOf(lift), measurement, fromMs: WRITTEN_FROM_MS, toMs: Number.MAX_SAFE_INTEGER }
      for (let after: TelemetryPoint | undefined; ;) {
        const points = await store.points({ ...range, limit: PAGE, ...(after === undefined ? {} : { after }) })
        points.forEach(take)
        after = points.at(-1)
        if (points.length < PAGE) break
      }
    }
  }
  return { kept, repeatCount, wrongCount }
}
