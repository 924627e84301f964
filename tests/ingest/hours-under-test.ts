/** Hours computed on one telemetry store and an embedded register, with a clock that the test sets. */
import { Registry } from 'prom-client'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import { silentLog, type Log } from '#contract/log-events'
import { newCounters } from '#ingest/counters'
import { ENDED_MS } from '#ingest/hour-times'
import { computeHours, type HourWorkOptions } from '#ingest/hour-work'
import { newOutages } from '#ingest/outages'
import { Pace } from '#ingest/pace'
import type { Register } from '#storage/register/register'
import { hourFiguresOf } from '#storage/telemetry/hour-figures'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { liftOf } from '../lift-of.ts'
import { memoryRegister } from '../servers/register.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import type { PLACES } from '../storage/telemetry-places.ts'
import { statusPoint } from '../storage/telemetry-points.ts'

export const lift = 'yhy-7-2' as LiftId
export const neighbour = 'yhy-7-3' as LiftId
export const H = 495_000 * HOUR_MS
export const MINUTE = 60_000
export const EVERYTHING = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 1_000 } as const
export const WAIT = { timeout: 20_000 }

/** A status each minute. */
export const minutes = (count: number, o: { fromMs?: number; of?: LiftId } = {}): TelemetryPoint[] =>
  Array.from({ length: count }, (_, n) =>
    statusPoint({ atMs: (o.fromMs ?? H) + n * MINUTE, seq: n, lift: o.of ?? lift, fields: { serviceMode: 1 } }),
  )
export const hoursFromH = (count: number): number[] => Array.from({ length: count }, (_, n) => H + n * HOUR_MS)
export const rightly = (points: readonly TelemetryPoint[], hourAtMs = H): HourFigures =>
  hourFiguresOf({ lift, hourAtMs, points })

/** To be called in a `describe`: prepares a store for all of its tests, and the rest for each. */
export function hoursUnderTest(kind: (typeof PLACES)[number]): HoursUnderTest {
  const t = new HoursUnderTest()
  let place: Awaited<ReturnType<typeof kind.prepare>>
  let storeCount = 0
  beforeAll(async () => {
    place = await kind.prepare()
  })
  afterAll(() => place[Symbol.asyncDispose]())
  beforeEach(() => t.open(place.newUrl(`hours-${(storeCount += 1)}`)))
  afterEach(() => t.close())
  return t
}

class HoursUnderTest {
  register!: Register
  telemetry!: TelemetryStore
  nowMs = 0
  /** Events of the log, in order. */
  told: string[] = []
  folderPath = ''
  readonly log: Log
  #folder: Awaited<ReturnType<typeof tempFolder>> | undefined
  #metrics = new Registry()
  #stopping = new AbortController()
  #running: Promise<void>[] = []

  constructor() {
    const note = (event: string): void => void this.told.push(event)
    this.log = { debug: note, info: note, warn: note, error: note }
  }

  async open(url: string): Promise<void> {
    this.#folder = await tempFolder('hour-work')
    this.folderPath = this.#folder.path
    this.register = await memoryRegister()
    await this.register.lifts.put([liftOf(lift, null), liftOf(neighbour, null)])
    this.telemetry = await openTelemetryStore(url, { log: silentLog })
    this.nowMs = H + HOUR_MS + ENDED_MS + 1
    this.told = []
    this.begin()
  }
  async close(): Promise<void> {
    await this.end()
    for (const part of [this.telemetry, this.register, this.#folder]) await part?.[Symbol.asyncDispose]()
  }
  begin(): void {
    this.#stopping = new AbortController()
    this.#running = []
  }
  /** Everything that runs has ended when it resolves. */
  async end(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#running)
  }
  signal(): AbortSignal {
    return this.#stopping.signal
  }
  run(work: Promise<void>): void {
    this.#running.push(work)
  }

  compute(o: Partial<HourWorkOptions> = {}): void {
    const own = {
      ...{ staleHours: this.register.staleHours, telemetry: this.telemetry, pace: new Pace(), onWaiting: () => {} },
      ...{ lifts: () => undefined, retentionDays: 396, quietMs: 0, askEveryMs: 20 },
      ...{ log: this.log, nowMs: () => this.nowMs, signal: this.signal() },
    }
    const outages = newOutages({ log: this.log, nowMs: Date.now, onChange: () => {} })
    this.#metrics = new Registry()
    this.run(computeHours({ ...own, outages, counters: newCounters(this.#metrics), ...o }))
  }
  /** Of a counter of the last computing, by its reason. */
  async counted(name: string): Promise<Record<string, number>> {
    const { values } = (await this.#metrics.getSingleMetric(`tiwang_ingest_${name}`)?.get()) ?? { values: [] }
    return Object.fromEntries(values.map(({ labels, value }) => [String(labels['reason'] ?? 'all'), value]))
  }
  /** The store, but for what a test does in its place. */
  storeWith(own: Partial<HourWorkOptions['telemetry']>): HourWorkOptions['telemetry'] {
    return {
      points: (query) => this.telemetry.points(query),
      figures: (query) => this.telemetry.figures(query),
      putFigures: (rows) => this.telemetry.putFigures(rows),
      ...own,
    }
  }
  figures(): Promise<HourFigures[]> {
    return this.telemetry.figures(EVERYTHING)
  }
  marked(): Promise<number> {
    return this.register.staleHours.count({ endedBeforeMs: Number.MAX_SAFE_INTEGER })
  }
  async settled(): Promise<void> {
    await expect.poll(() => this.marked(), WAIT).toBe(0)
  }
  async mark(...hours: number[]): Promise<void> {
    await this.register.staleHours.mark(hours.map((hourAtMs) => ({ lift, hourAtMs })))
  }
}
