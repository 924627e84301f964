/** What the tests of copying share: streams of points, two stores of every test, the copy, and the command. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { dayStartMs, HOUR_MS } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import { MEASUREMENTS, type FieldType, type Measurement } from '#contract/history'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { copyTelemetry, type CopyResult } from '#storage/telemetry/copy'
import type { CopyOptions } from '#storage/telemetry/copy-job'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { chanceOf } from '../chance.ts'
import { INFLUX_USER, startInflux } from '../servers/influx.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { LIFT, OTHER_LIFT } from './telemetry-points.ts'

export const DAY_MS = 24 * HOUR_MS
/** The retention counts from the present, so the tests live there. */
export const D0 = dayStartMs(Date.now()) - 6 * DAY_MS
export const LIFTS = [LIFT, OTHER_LIFT, 'a-1' as LiftId]
export const DAYS = [0, 1, 4]
const TEXTS = ['', ' ', 'a, b=c', '"quoted"', 'back\\slash', 'two\nlines', '电梯🛗', 'status,lift=x boot=1i 1']
export const open = (url: string): Promise<TelemetryStore> => openTelemetryStore(url, { log: silentLog })

/** All measurements and types, gaps in them, several boots, samples of one millisecond, late ones; the same for the same seed. */
export function randomPoints(seed: number, count: number): TelemetryPoint[] {
  const chance = chanceOf(seed)
  const below = (n: number): number => Math.floor(chance() * n)
  const valueOf = (type: FieldType): number | string | boolean =>
    ({
      integer: below(2) === 0 ? below(200) - 50 : Number.MAX_SAFE_INTEGER - below(9),
      number: below(3) === 0 ? below(100) + 1 : (chance() - 0.5) * 10 ** below(9),
      boolean: below(2) === 0,
      string: TEXTS[below(TEXTS.length)] ?? '',
    })[type]
  const measurements = Object.keys(MEASUREMENTS) as Measurement[]
  return Array.from({ length: count }, (_, seq): TelemetryPoint => {
    const measurement = measurements[below(3) === 0 ? below(4) : 0] ?? 'status'
    const sampledAtMs = D0 + (DAYS[below(DAYS.length)] ?? 0) * DAY_MS + (below(5) === 0 ? below(3) : below(DAY_MS))
    const fields = Object.entries(MEASUREMENTS[measurement]).filter(
      ([name]) => !['boot', 'seq', 'receivedAtMs'].includes(name) && below(4) > 0,
    )
    return {
      measurement,
      lift: LIFTS[below(LIFTS.length)] ?? LIFT,
      sampledAtMs,
      boot: below(3),
      seq,
      receivedAtMs: sampledAtMs + below(90_000),
      fields: Object.fromEntries(fields.map(([name, type]) => [name, valueOf(type)])),
    }
  })
}

export const hour = (n: number, lift: LiftId, more: Partial<HourFigures> = {}): HourFigures => ({
  ...{ lift, hourAtMs: D0 + n * HOUR_MS, sampleCount: 120, countedMs: HOUR_MS, inServiceMs: HOUR_MS },
  ...{ outOfServiceMs: 0, maintenanceMs: 0, unknownMs: 0, onlineMs: HOUR_MS, ...more },
})
export const HOURS = [
  hour(0, OTHER_LIFT, { energyKWh: 0.1 }),
  hour(0, LIFT),
  hour(77, LIFT, { runCount: 3, runTimeS: 9.5 }),
]

/** The command as people start it. */
export function startCommand(args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', 'storage/telemetry/command.ts', ...args], {
    cwd: root,
    env: { ...process.env, TELEMETRY_URL: '', ...settings },
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (err += data.toString()))
  const ended = once(child, 'close').then(([code]: unknown[]) => {
    for (const secret of [INFLUX_USER.password, encodeURIComponent(INFLUX_USER.password), 'p@ss'])
      expect(out + err).not.toContain(secret)
    expect(err).not.toMatch(/\n\s+at /)
    return { code, out, err }
  })
  const said = async (words: RegExp): Promise<void> => {
    while (!words.test(err) && child.exitCode === null) await new Promise((wake) => setTimeout(wake, 20))
    expect(err).toMatch(words)
  }
  return { child, ended, said }
}
export const runCommand = (...given: Parameters<typeof startCommand>) => startCommand(...given).ended

export function copied(
  source: TelemetryStore,
  target: TelemetryStore,
  more: Partial<CopyOptions> & { signal?: AbortSignal; onAway?: () => void } = {},
): Promise<CopyResult> {
  const { signal = new AbortController().signal, onAway = () => {}, ...options } = more
  return copyTelemetry({
    ...{ source, target, fromMs: 0, samplesKeptFromMs: 0, figuresKeptFromMs: 0, verifyOnly: false },
    patience: { awayMsMax: 20_000, signal, onAway },
    onProgress: () => {},
    ...options,
  })
}

export async function allPoints(store: TelemetryStore): Promise<TelemetryPoint[]> {
  const found: TelemetryPoint[] = []
  for (const measurement of Object.keys(MEASUREMENTS) as Measurement[])
    for (const lift of LIFTS)
      found.push(...(await store.points({ measurement, lift, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 9_999 })))
  return found
}
export const allFigures = (store: TelemetryStore): Promise<HourFigures[]> =>
  store.figures({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 9_999 })

export async function fill(url: string, points: readonly TelemetryPoint[], hours: readonly HourFigures[] = []) {
  await using store = await open(url)
  for (let first = 0; first < points.length; first += 5_000) await store.append(points.slice(first, first + 5_000))
  await store.putFigures(hours)
}

/** A folder and a server; each call of `next` names a store in either that was never used. */
export async function startStores() {
  const server = await startInflux({ auth: true })
  const folder = await tempFolder('copy')
  let last = 0
  return {
    server,
    next() {
      last += 1
      const database = `copy-${last}`
      return { database, fileUrl: `file:${folder.path}/${database}`, influxUrl: server.storeUrl(database) }
    },
    /** A line past the store. */
    write(database: string, line: string): Promise<Response> {
      const { name, password } = INFLUX_USER
      return fetch(`${server.url}/write?db=${database}&precision=ns`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` },
        body: line,
      })
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}
