/** One process on embedded stores, killed again and again: the broker with its journal alone, and everything together. */
import { silentLog } from '#contract/log-events'
import { readDeviceTopic } from '#contract/topics'
import { openJournal } from '#storage/journal/journal'
import { openTelemetryStore, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { chanceOf } from '../chance.ts'
import { freePort } from '../servers/free-port.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { passwordOf, signIn, startProcess } from '../platform/platform-process.ts'
import { readTerminals, type Credentials } from '../platform/terminals.ts'
import { OrderWatch, type KillReport } from './kill-report.ts'
import { keyOf, StoreAndForward } from './store-and-forward.ts'
import { print } from './figures.ts'

const LIFTS = 40
const SETTLE_MS_MAX = 30_000
/** A process lives so long after it is ready, ms: from nothing to this. */
const LIFE_MS_MAX = 1_500
const EVERY_MS = 20

type Rounds = { readonly rounds: number; readonly seed: number }

/** Nothing reads the journal, so that at the end it holds everything and shows the order. */
export async function killBrokerAlone({ rounds, seed }: Rounds): Promise<KillReport> {
  await using folder = await tempFolder('kill-broker')
  const acknowledged = await killAgainAndAgain({ rounds, seed, folder: folder.path, parts: 'broker' })
  const watch = new OrderWatch()
  await using journal = await openJournal(`file:${folder.path}/journal`, { log: silentLog })
  await using reader = await journal.reader('detect', { after: 0 })
  for (let position = 0; position < journal.status().lastPosition;) {
    const records = await reader.read({ countMax: 5_000, waitMs: 1_000 })
    for (const { topic, payload } of records) {
      const lift = readDeviceTopic(topic)?.lift
      if (lift !== undefined && topic.endsWith('/status')) watch.take(lift, countOf(payload))
    }
    position = records.at(-1)?.position ?? Infinity
  }
  return {
    name: 'broker and its journal',
    killCount: rounds,
    acknowledgedCount: acknowledged.size,
    lostCount: [...acknowledged].filter((key) => !watch.seen.has(key)).length,
    disorderCount: watch.disorderCount,
    unseenCount: undefined,
    repeatCount: watch.repeatCount,
  }
}

/** Broker and ingest die together, in the middle of reading, deciding and storing. */
export async function killAllInOne({ rounds, seed }: Rounds): Promise<KillReport> {
  await using folder = await tempFolder('kill-all')
  const startedAtMs = Date.now() - 60_000
  const parts = 'broker,ingest,api'
  const acknowledged = await killAgainAndAgain({ rounds, seed, folder: folder.path, parts })
  const unseenCount = await (async () => {
    await using last = await startProcess({ PARTS: parts, DATA_DIR: folder.path, DEMO_LIFTS: String(LIFTS) })
    await untilIdle(last.apiUrl)
    const unseen = await unseenLifts(last.apiUrl, folder.path, acknowledged)
    await last.kill('SIGTERM')
    return unseen
  })()
  await using store = await openTelemetryStore(`file:${folder.path}/telemetry`, { log: silentLog })
  const { stored, repeatCount } = await storedKeys(store, await readTerminals(folder.path), startedAtMs)
  return {
    name: 'everything in one process',
    killCount: rounds,
    acknowledgedCount: acknowledged.size,
    lostCount: [...acknowledged].filter((key) => !stored.has(key)).length,
    disorderCount: undefined,
    unseenCount,
    repeatCount,
  }
}

async function killAgainAndAgain(o: Rounds & { folder: string; parts: string }): Promise<Set<string>> {
  const chance = chanceOf(o.seed)
  const environment = {
    DATA_DIR: o.folder,
    DEMO_LIFTS: String(LIFTS),
    MQTT_PORT: String(await freePort()),
    LOG_LEVEL: 'error',
  }
  // The first start writes the town.
  await using first = await startProcess({ ...environment, PARTS: 'broker,api', LOG_LEVEL: 'info' })
  await first.kill('SIGTERM')
  const url = `mqtt://127.0.0.1:${environment.MQTT_PORT}`
  const terminals = (await readTerminals(o.folder)).map(
    (credentials) => new StoreAndForward({ urls: [url], credentials, boot: 1, everyMs: EVERY_MS }),
  )
  try {
    for (let round = 1; round <= o.rounds; round += 1) {
      await using platform = await startProcess({ ...environment, PARTS: o.parts, LOG_LEVEL: 'info' })
      await new Promise((wake) => setTimeout(wake, 300 + chance() * LIFE_MS_MAX))
      await platform.kill('SIGKILL')
      if (round % 10 === 0) print(`  ${o.parts}: ${round} of ${o.rounds} kills`)
    }
    await using platform = await startProcess({ ...environment, PARTS: o.parts, LOG_LEVEL: 'info' })
    const settled = await Promise.all(terminals.map((terminal) => terminal.settled(SETTLE_MS_MAX)))
    if (settled.includes(false)) throw new Error('after the last kill not every message was acknowledged')
    await platform.kill('SIGTERM')
  } finally {
    for (const terminal of terminals) await terminal[Symbol.asyncDispose]()
  }
  return new Set(terminals.flatMap(({ acknowledged }) => [...acknowledged]))
}

/** `boot` and `seq` of a payload that this benchmark sent. */
export function countOf(payload: Uint8Array): { boot: number; seq: number } {
  const { boot, seq } = JSON.parse(Buffer.from(payload).toString()) as { boot: number; seq: number } // our own
  return { boot, seq }
}

/** How many lifts are shown with another count than the last that was acknowledged to their terminal. */
export async function unseenLifts(
  apiUrl: string,
  signInFolder: string,
  acknowledged: Iterable<string>,
): Promise<number> {
  const newest = new Map<string, number>()
  for (const key of acknowledged) {
    const [lift = '', , seq = ''] = key.split(' ')
    newest.set(lift, Math.max(newest.get(lift) ?? 0, Number(seq)))
  }
  const session = await signIn(apiUrl, 'operator', await passwordOf('operator', signInFolder))
  let unseenCount = 0
  for (const [lift, seq] of newest) {
    const { live } = await session.get<{ live: { status: { seq: number } | null } }>(`/api/v1/lifts/${lift}`)
    if ((live.status?.seq ?? 0) < seq) unseenCount += 1
  }
  return unseenCount
}

const PAGE = 50_000

/** Every (lift, boot, seq) that the telemetry store holds, and how many it holds more than once. */
export async function storedKeys(
  store: TelemetryStore,
  terminals: readonly Credentials[],
  startedAtMs: number,
): Promise<{ stored: Set<string>; repeatCount: number }> {
  const stored = new Set<string>()
  let repeatCount = 0
  for (const { lift } of terminals) {
    for (let fromMs = startedAtMs; ;) {
      const points = await store.points({ lift, measurement: 'status', fromMs, toMs: Date.now() + 60_000, limit: PAGE })
      const last = points.at(-1)
      const isWhole = last === undefined || points.length < PAGE
      // A page ends between two milliseconds, so that none is read twice.
      for (const { boot, seq, sampledAtMs } of points) {
        if (!isWhole && sampledAtMs === last.sampledAtMs) continue
        const key = keyOf(lift, { boot, seq })
        if (stored.has(key)) repeatCount += 1
        stored.add(key)
      }
      if (isWhole) break
      fromMs = last.sampledAtMs
    }
  }
  return { stored, repeatCount }
}

/** Waits until both consumers of the journal have nothing left to do; their gauges are set every 5 s. */
export async function untilIdle(httpUrl: string, waitMs = 180_000): Promise<void> {
  const endAtMs = Date.now() + waitMs
  for (let idleCount = 0; idleCount < 3;) {
    const text = await fetch(`${httpUrl}/metrics`).then(
      (answer) => answer.text(),
      () => '',
    )
    const lags = [...text.matchAll(/^tiwang_ingest_(?:detect|telemetry)_lag_records(?:\{[^}]*\})? (\d+)$/gm)]
    idleCount = lags.length > 0 && lags.every(([, lag]) => Number(lag) === 0) ? idleCount + 1 : 0
    if (Date.now() > endAtMs) throw new Error(`ingest did not come to the end of the journal within ${waitMs} ms`)
    await new Promise((wake) => setTimeout(wake, 3_000))
  }
}
