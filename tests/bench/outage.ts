/** InfluxDB goes away under load and comes back: is anything lost, how fast is the rest stored, and does the wall stay live? */
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { silentLog } from '#contract/log-events'
import { openTelemetryStore } from '#storage/telemetry/telemetry-store'
import { passwordOf, signIn, startProcess } from '../platform/platform-process.ts'
import { readTerminals, type Credentials } from '../platform/terminals.ts'
import { startInflux, type InfluxServer } from '../servers/influx.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { print, short, table } from './figures.ts'
import type { Benchmark } from './main.ts'
import { EVERY_MS, LiveWatch, PHASES, Publishers } from './outage-town.ts'

const BEFORE_MS = 30_000
const TOLD_EVERY_MS = 60_000
const CATCH_UP_MS_MAX = 60 * 60_000
const CAUGHT_UP_RATIO_MIN = 5
const LIVE_MS_MAX = 1_000
/** The gauge of what waits is set every 5 s. */
const GAUGE_EVERY_MS = 5_000

type Found = {
  readonly acknowledgedCount: number
  readonly storedCount: number
  readonly awayS: number
  readonly waitingCount: number
  readonly catchUpS: number
  readonly arrivedPerSecond: number
  readonly storedPerSecond: number
  readonly live: Pick<LiveWatch, 'agesMs' | 'stillMs'>
}

async function measure(o: { minutes: number; liftCount: number }): Promise<Found> {
  await using folder = await tempFolder('outage')
  await using influx = await startInflux()
  const url = `influx+${influx.url}/tiwang`
  await using platform = await startProcess({
    PARTS: 'broker,ingest,api',
    DATA_DIR: folder.path,
    DEMO_LIFTS: String(o.liftCount),
    TELEMETRY_URL: url,
  })
  const session = await signIn(platform.apiUrl, 'operator', await passwordOf('operator', folder.path))
  const terminals = await readTerminals(folder.path)
  const beganAtMs = Date.now()
  await using publishers = await Publishers.connect(platform.mqttUrl, terminals)
  using watch = await LiveWatch.open(platform.apiUrl, session.cookie)
  publishers.start()
  await pause(BEFORE_MS)
  const away = await outageOf(o.minutes * 60_000, { influx, watch, publishers, apiUrl: platform.apiUrl })
  await publishers.settle()
  const { acknowledgedCount } = publishers
  const storedCount = await storedCountOf(url, { terminals, beganAtMs, expectedCount: acknowledgedCount })
  return { ...away, acknowledgedCount, storedCount, live: watch }
}

/** How many samples there are at last; the last batches have a minute to arrive. */
async function storedCountOf(
  url: string,
  o: { terminals: readonly Credentials[]; beganAtMs: number; expectedCount: number },
): Promise<number> {
  await using store = await openTelemetryStore(url, { log: silentLog })
  for (const endAtMs = Date.now() + 60_000; ; await pause(1_000)) {
    const range = { measurement: 'status', fromMs: o.beganAtMs, toMs: Date.now() + 60_000 } as const
    let count = 0
    for (const { lift } of o.terminals) count += await store.count({ lift, ...range })
    if (count === o.expectedCount || Date.now() > endAtMs) return count
  }
}

type Scene = { influx: InfluxServer; watch: LiveWatch; publishers: Publishers; apiUrl: string }

async function outageOf(awayMs: number, { influx, watch, publishers, apiUrl }: Scene) {
  await influx.stop()
  watch.begin('away')
  const goneAtMs = performance.now()
  while (performance.now() - goneAtMs < awayMs) {
    await pause(Math.min(TOLD_EVERY_MS, awayMs - (performance.now() - goneAtMs)))
    const minutes = (performance.now() - goneAtMs) / 60_000
    print(`  away for ${short(minutes)} min: ${await waitingCountOf(apiUrl)} records wait for it`)
  }
  await pause(GAUGE_EVERY_MS)
  const waitingCount = await waitingCountOf(apiUrl)
  if (waitingCount < JUDGED_COUNT_MIN)
    throw new Error(`${waitingCount} records wait, too few to see how fast they are stored: more --minutes or --rate`)
  watch.begin('catching up')
  const backAtMs = performance.now()
  const sentBefore = publishers.sentCount
  await influx.start()
  await untilStored(apiUrl)
  const catchUpS = (performance.now() - backAtMs) / 1_000
  watch.end()
  const arrivedCount = publishers.sentCount - sentBefore
  print(`  caught up after ${short(catchUpS)} s`)
  return {
    awayS: (backAtMs - goneAtMs) / 1_000,
    waitingCount,
    catchUpS,
    arrivedPerSecond: arrivedCount / catchUpS,
    storedPerSecond: (waitingCount + arrivedCount) / catchUpS,
  }
}

/** Until what waits is no more than what arrives between two looks of the gauge. */
async function untilStored(apiUrl: string): Promise<void> {
  const beganAtMs = performance.now()
  for (let toldAtMs = beganAtMs; ; await pause(1_000)) {
    const waitingCount = await waitingCountOf(apiUrl)
    if (waitingCount < BATCH_COUNT) return
    if (performance.now() - beganAtMs > CATCH_UP_MS_MAX) throw new Error(`${waitingCount} records are still not stored`)
    if (performance.now() - toldAtMs < TOLD_EVERY_MS / 2) continue
    toldAtMs = performance.now()
    print(`  back for ${short((toldAtMs - beganAtMs) / 1_000)} s: ${waitingCount} records wait`)
  }
}
/** What one read of the journal gives: so many may be on their way at any time. */
const BATCH_COUNT = 5_000
const JUDGED_COUNT_MIN = 10 * BATCH_COUNT

async function waitingCountOf(apiUrl: string): Promise<number> {
  const text = await fetch(`${apiUrl}/metrics`).then((answer) => answer.text())
  const found = /^tiwang_ingest_telemetry_lag_records(?:\{[^}]*\})? (\d+)$/m.exec(text)
  if (found === null) throw new Error('the platform does not tell how many records wait')
  return Number(found[1])
}

const at = (ages: readonly number[], share: number): number =>
  [...ages].sort((a, b) => a - b)[Math.ceil(ages.length * share) - 1] ?? NaN

function report(found: Found): void {
  print(
    table(
      ['age of what is shown, ms', 'p50', 'p99', 'largest', 'messages', 'longest stillness, ms'],
      PHASES.map((phase) => {
        const ages = found.live.agesMs[phase]
        const shares = [0.5, 0.99, 1].map((share) => short(at(ages, share)))
        return [phase, ...shares, String(ages.length), short(found.live.stillMs[phase])]
      }),
    ),
  )
  print()
  print(`acknowledged ${found.acknowledgedCount}, stored ${found.storedCount}`)
  print(`away ${short(found.awayS)} s, ${found.waitingCount} records waited, stored after ${short(found.catchUpS)} s`)
  const { storedPerSecond, arrivedPerSecond } = found
  print(
    `arrived ${short(arrivedPerSecond)}/s, stored ${short(storedPerSecond)}/s: ${short(storedPerSecond / arrivedPerSecond)} ×`,
  )
}

/** All terminals speak all the time: a wall that stands still is as bad as one that shows old values. */
function missedBy({ acknowledgedCount, storedCount, storedPerSecond, arrivedPerSecond, live }: Found): string[] {
  const late = PHASES.filter((phase) => !(at(live.agesMs[phase], 0.99) < LIVE_MS_MAX))
  const still = PHASES.filter((phase) => !(live.stillMs[phase] < LIVE_MS_MAX))
  return [
    ...(storedCount === acknowledgedCount ? [] : [`acknowledged ${acknowledgedCount}, stored ${storedCount}`]),
    ...(storedPerSecond >= CAUGHT_UP_RATIO_MIN * arrivedPerSecond
      ? []
      : [`stored less than ${CAUGHT_UP_RATIO_MIN} times as fast as arriving`]),
    ...late.map((phase) => `p99 of what is shown ${LIVE_MS_MAX} ms old or more: ${phase}`),
    ...still.map((phase) => `nothing came for ${LIVE_MS_MAX} ms or more: ${phase}`),
  ]
}

export const outage: Benchmark = {
  summary: 'InfluxDB away for half an hour under load: nothing lost, caught up, the wall live all the while',
  options: '[--minutes 30] [--rate 2000]',
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: { minutes: { type: 'string', default: '30' }, rate: { type: 'string', default: '2000' } },
    })
    const minutes = Number(values.minutes)
    const liftCount = Math.round((Number(values.rate) * EVERY_MS) / 1_000)
    if (!(minutes > 0) || !(liftCount > 0)) throw new Error('--minutes and --rate are numbers above 0')
    print(
      `${liftCount} terminals, ${liftCount * (1_000 / EVERY_MS)} messages a second; InfluxDB away for ${minutes} min`,
    )
    const found = await measure({ minutes, liftCount })
    report(found)
    const missed = missedBy(found)
    for (const each of missed) print(`MISSED: ${each}`)
    return missed.length === 0
  },
}
