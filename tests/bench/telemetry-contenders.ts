/** Stores that take the same samples and answer the same four questions. */
import { spawnSync } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HOUR_MS, dayStartMs, nextDayStartMs } from '#contract/calendar'
import { FIGURES_LIMIT_MAX, type HourFigures } from '#contract/figures'
import { silentLog } from '#contract/log-events'
import { sumFigures } from '#storage/telemetry/sum-figures'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { startInflux } from '../servers/influx.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { cpuSeconds } from './child-process.ts'
import { startSqlite } from './telemetry-sqlite.ts'
import { FROM_MS, liftOfTown, toMsOf, type Town } from './telemetry-town.ts'

const DAY_MS = 24 * HOUR_MS
/** Five minutes. */
export const BUCKET_MS = 300_000
/** Files that have not grown for so long are as they will stay. */
const STILL_MS = 6_000
const STILL_WAIT_MS_MAX = 180_000

export const QUESTIONS = {
  last: 'last value of all lifts (last hour)',
  day: '24 h of one lift in 5-minute buckets',
  runs: 'daily runs of one lift (30 days)',
  fleet: 'fleet runs per hour (24 h)',
} as const
export type QuestionName = keyof typeof QUESTIONS
export type Contender = AsyncDisposable & {
  readonly name: string
  append(points: readonly TelemetryPoint[]): Promise<void>
  putFigures(rows: readonly HourFigures[]): Promise<void>
  /** Resolves when the files are as they will stay; to what they take. */
  bytes(): Promise<number>
  /** Used by processes besides this one. */
  cpuSeconds(): number
  /** Resolves to how many rows the answer has. `lift` and `day` are numbers of the town. */
  ask(question: QuestionName, lift: number, day: number): Promise<number>
}
export const CONTENDERS = {
  embedded: 'this platform, file: (DuckDB in a thread)',
  influxdb: 'this platform, influx+http: (Debian’s InfluxDB)',
  sqlite: 'yardstick: Debian’s sqlite3, WAL, synchronous = FULL, one transaction per batch, primary key lift and time',
} as const
export type ContenderName = keyof typeof CONTENDERS

const PACKAGES = { influxdb: ['influxd', 'influxdb'], sqlite: ['sqlite3', 'sqlite3'] } as const

/** Why a contender cannot run here, or undefined. */
export function missing(name: ContenderName): string | undefined {
  if (name === 'embedded') return undefined
  const [program, debianPackage] = PACKAGES[name]
  const found = spawnSync(program, [name === 'influxdb' ? 'version' : '--version'])
  return found.error === undefined ? undefined : `${program} is not installed: apt-get install ${debianPackage}`
}

export async function startContender(name: ContenderName, town: Town): Promise<Contender> {
  if (name === 'sqlite') return startSqlite(town)
  if (name === 'embedded') {
    const folder = await tempFolder('bench-embedded')
    const store = await openTelemetryStore(`file:${folder.path}`, { log: silentLog })
    return toContender(name, store, town, {
      bytes: () => bytesOf(folder.path),
      cpuSeconds: () => 0,
      end: () => folder[Symbol.asyncDispose](),
    })
  }
  const server = await startInflux({ compactsSoon: true })
  const store = await openTelemetryStore(server.storeUrl('bench'), { log: silentLog })
  await store.check()
  return toContender(name, store, town, {
    bytes: () => stillBytesOf(server.folder),
    cpuSeconds: () => (server.pid === undefined ? NaN : cpuSeconds(server.pid)),
    end: () => server[Symbol.asyncDispose](),
  })
}

function toContender(
  name: ContenderName,
  store: TelemetryStore,
  town: Town,
  o: { bytes: () => Promise<number>; cpuSeconds: () => number; end: () => PromiseLike<void> },
): Contender {
  const toMs = toMsOf(town)
  return {
    name,
    append: (points) => store.append(points),
    putFigures: (rows) => store.putFigures(rows),
    bytes: o.bytes,
    cpuSeconds: o.cpuSeconds,
    async ask(question, liftNumber, day) {
      const lift = liftOfTown(liftNumber)
      const fromMs = FROM_MS + day * DAY_MS
      switch (question) {
        case 'last':
          return (await store.last({ measurement: 'status', field: 'positionMm', fromMs: toMs - HOUR_MS, toMs })).length
        case 'day': {
          const range = { lift, measurement: 'status', fromMs, toMs: fromMs + DAY_MS } as const
          return (await store.history({ ...range, field: 'speedMps', bucketMs: BUCKET_MS })).length
        }
        case 'runs':
          return (await dailyRuns(store, lift, FROM_MS, toMs)).length
        case 'fleet':
          return (await store.fleet({ figure: 'runCount', fromMs, toMs: fromMs + DAY_MS })).length
      }
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await o.end()
    },
  }
}

async function dailyRuns(store: TelemetryStore, lift: HourFigures['lift'], fromMs: number, toMs: number) {
  const hours = await store.figures({ lifts: [lift], fromMs, toMs, limit: FIGURES_LIMIT_MAX })
  const days = new Map<number, HourFigures[]>()
  for (const row of hours) {
    const dayAtMs = dayStartMs(row.hourAtMs)
    const rows = days.get(dayAtMs)
    if (rows) rows.push(row)
    else days.set(dayAtMs, [row])
  }
  return [...days].map(
    ([dayAtMs, rows]) => sumFigures(rows, { lift, fromMs: dayAtMs, toMs: nextDayStartMs(dayAtMs) }).runCount,
  )
}

export async function bytesOf(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true })
  // A file may go away between its name and its size.
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        (each) => (each.isFile() ? each.size : 0),
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

async function stillBytesOf(folder: string): Promise<number> {
  const untilMs = performance.now() + STILL_WAIT_MS_MAX
  for (let before = -1; ;) {
    const bytes = await bytesOf(folder)
    if (bytes === before || performance.now() > untilMs) return bytes
    before = bytes
    await new Promise((wake) => setTimeout(wake, STILL_MS))
  }
}
