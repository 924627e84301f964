/** Hours computed beside the readers, on a real journal, each telemetry store and an embedded register. */
import { Registry } from 'prom-client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import { silentLog, type Log } from '#contract/log-events'
import { newCounters } from '#ingest/counters'
import { HourMarks } from '#ingest/hour-marks'
import { ENDED_MS } from '#ingest/hour-times'
import { computeHours, type HourWorkOptions } from '#ingest/hour-work'
import { newOutages } from '#ingest/outages'
import { storeTelemetry } from '#ingest/store-telemetry'
import { Turns } from '#ingest/turns'
import { openJournal, type Journal } from '#storage/journal/journal'
import { RegisterAwayError, type Register } from '#storage/register/register'
import { hourFiguresOf } from '#storage/telemetry/hour-figures'
import {
  openTelemetryStore,
  TelemetryStoreError,
  type TelemetryPoint,
  type TelemetryStore,
} from '#storage/telemetry/telemetry-store'
import { liftOf } from '../lift-of.ts'
import { statusOf } from '../platform/terminals.ts'
import { memoryRegister } from '../servers/register.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { PLACES } from '../storage/telemetry-places.ts'
import { statusPoint } from '../storage/telemetry-points.ts'

const lift = 'yhy-7-2' as LiftId
const neighbour = 'yhy-7-3' as LiftId
const H = 495_000 * HOUR_MS
const MINUTE = 60_000
const EVERYTHING = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 1_000 } as const
const WAIT = { timeout: 20_000 }

describe.each(PLACES)('hours that are marked: $name', (kind) => {
  let place: Awaited<ReturnType<typeof kind.prepare>>
  let lastStore = 0
  beforeAll(async () => {
    place = await kind.prepare()
  })
  afterAll(() => place[Symbol.asyncDispose]())
  let folder: Awaited<ReturnType<typeof tempFolder>>
  let register: Register
  let telemetry: TelemetryStore
  let nowMs: number
  let metrics: Registry
  let told: string[]
  let stopping: AbortController
  let running: Promise<void>[]

  beforeEach(async () => {
    folder = await tempFolder('hour-work')
    register = await memoryRegister()
    await register.lifts.put([liftOf(lift, null), liftOf(neighbour, null)])
    telemetry = await openTelemetryStore(place.newUrl(`hours-${(lastStore += 1)}`), { log: silentLog })
    nowMs = H + HOUR_MS + ENDED_MS + 1
    metrics = new Registry()
    told = []
    begin()
  })
  afterEach(async () => {
    await end()
    for (const part of [telemetry, register, folder]) await part[Symbol.asyncDispose]()
  })

  function begin(): void {
    stopping = new AbortController()
    running = []
  }
  async function end(): Promise<void> {
    stopping.abort()
    await Promise.all(running)
  }
  const note = (event: string): void => void told.push(event)
  const log: Log = { debug: note, info: note, warn: note, error: note }
  const compute = (o: Partial<HourWorkOptions> = {}): void => {
    const own = {
      ...{ staleHours: register.staleHours, telemetry, lifts: () => undefined, retentionDays: 396, turns: new Turns() },
      ...{ log, nowMs: () => nowMs, signal: stopping.signal, onWaiting: () => {}, quietMs: 0, askEveryMs: 20 },
    }
    const outages = newOutages({ log, nowMs: Date.now, onChange: () => {} })
    metrics = new Registry()
    running.push(computeHours({ ...own, outages, counters: newCounters(metrics), ...o }))
  }
  const counted = async (name: string): Promise<Record<string, number>> => {
    const { values } = (await metrics.getSingleMetric(`tiwang_ingest_${name}`)?.get()) ?? { values: [] }
    return Object.fromEntries(values.map(({ labels, value }) => [String(labels['reason'] ?? 'all'), value]))
  }
  const figures = () => telemetry.figures(EVERYTHING)
  const marked = () => register.staleHours.count({ endedBeforeMs: Number.MAX_SAFE_INTEGER })
  const settled = () => expect.poll(marked, WAIT).toBe(0)
  const minutes = (count: number, o: { fromMs?: number; of?: LiftId } = {}): TelemetryPoint[] =>
    Array.from({ length: count }, (_, n) =>
      statusPoint({ atMs: (o.fromMs ?? H) + n * MINUTE, seq: n, lift: o.of ?? lift, fields: { serviceMode: 1 } }),
    )
  const mark = (...hours: number[]) => register.staleHours.mark(hours.map((hourAtMs) => ({ lift, hourAtMs })))
  const rightly = (points: readonly TelemetryPoint[], hourAtMs = H): HourFigures =>
    hourFiguresOf({ lift, hourAtMs, points })

  it('get their figures when they are over for two minutes, not before', async () => {
    nowMs -= 1
    const points = minutes(60)
    await telemetry.append(points)
    await mark(H)
    let askCount = 0
    const { staleHours } = register
    compute({ staleHours: { ...staleHours, due: (o) => staleHours.due(o).finally(() => (askCount += 1)) } })
    await expect.poll(() => askCount, WAIT).toBeGreaterThan(2)
    expect(await figures()).toEqual([])
    nowMs += 1
    await settled()
    expect(await figures()).toEqual([rightly(points)])
    expect(await counted('hours_total')).toEqual({ all: 1 })
  })

  it('get other figures when a late sample is marked', async () => {
    const points = minutes(30)
    await telemetry.append(points)
    await mark(H)
    compute()
    await settled()
    expect((await figures())[0]?.sampleCount).toBe(30)
    const late = minutes(60)
    await telemetry.append(late)
    await mark(H)
    await settled()
    expect(await figures()).toEqual([rightly(late)])
  })

  it('are read to the last sample, however many there are', async () => {
    const many = Array.from({ length: 10_001 }, (_, seq) => statusPoint({ atMs: H + seq * 300, seq, lift }))
    for (let at = 0; at < many.length; at += 5_000) await telemetry.append(many.slice(at, at + 5_000))
    await mark(H)
    compute()
    await settled()
    expect(await figures()).toEqual([rightly(many)])
  })

  it('keep the figures that they have when their samples are past the retention', async () => {
    const before = [rightly(minutes(60)), rightly(minutes(60), H - 24 * HOUR_MS)]
    await telemetry.putFigures(before)
    await mark(H, H - 24 * HOUR_MS)
    nowMs = H + 30 * 24 * HOUR_MS
    compute({ retentionDays: 30 })
    await settled()
    expect(await figures()).toEqual(before.reverse())
    expect(told.filter((event) => event === 'figures.leftOut')).toHaveLength(1)
    expect(await counted('hours_left_out_total')).toEqual({ expired: 2 })
  })

  it('wait while the telemetry store is away, and are computed when it is back', async () => {
    const points = minutes(60)
    await telemetry.append(points)
    await mark(H)
    const away = { points: true, putFigures: true }
    const failing = (): Promise<never> => Promise.reject(new TelemetryStoreError('away', 'not now'))
    compute({
      telemetry: {
        points: (query) => (away.points ? failing() : telemetry.points(query)),
        putFigures: (rows) => (away.putFigures ? failing() : telemetry.putFigures(rows)),
      },
    })
    for (const part of ['points', 'putFigures'] as const) {
      told = []
      if (part === 'points') await expect.poll(() => told, WAIT).toContain('figures.away')
      else await new Promise((wake) => setTimeout(wake, 500))
      expect(await marked()).toBe(1)
      expect(await figures()).toEqual([])
      away[part] = false
    }
    await settled()
    await expect.poll(() => told, WAIT).toContain('figures.back')
    expect(await figures()).toEqual([rightly(points)])
  })

  it('are marked again until the register has heard that they are computed', async () => {
    const points = minutes(60)
    await telemetry.append(points)
    await mark(H)
    let failCount = 3
    const own = register.staleHours
    const staleHours: typeof own = {
      ...own,
      clear: (rows) => ((failCount -= 1) >= 0 ? Promise.reject(new RegisterAwayError('not now')) : own.clear(rows)),
    }
    compute({ staleHours })
    await settled()
    expect(failCount).toBeLessThan(0)
    expect(await figures()).toEqual([rightly(points)])
  })

  it('are computed once more by whoever wrote late and finds that somebody else has cleared the mark', async () => {
    const all = minutes(60)
    await telemetry.append(all.slice(0, 20))
    await mark(H)
    let isFrozen = true
    const waking = async (rows: readonly HourFigures[]): Promise<void> => {
      if (isFrozen) {
        // Between reading and writing of the one, the other takes late samples, computes, and clears the mark.
        isFrozen = false
        await telemetry.append(all)
        await mark(H)
        await telemetry.putFigures([rightly(all)])
        const due = await register.staleHours.due({ quietMs: -1_000, endedBeforeMs: nowMs, limit: 9 })
        expect(await register.staleHours.clear(due)).toEqual([])
        expect(rows[0]?.sampleCount).toBe(20)
      }
      await telemetry.putFigures(rows)
    }
    compute({ telemetry: { points: telemetry.points.bind(telemetry), putFigures: waking } })
    await expect.poll(async () => (await counted('hours_total'))['all'], WAIT).toBe(2)
    await settled()
    expect(await figures()).toEqual([rightly(all)])
  })

  it('are thrown away, not written, when too much time has passed since they were asked for', async () => {
    const points = minutes(60)
    await telemetry.append(points)
    await mark(H)
    let readCount = 0
    let writeCount = 0
    compute({
      telemetry: {
        points: (query) => {
          readCount += 1
          if (readCount === 2) nowMs += 21_000
          return telemetry.points(query)
        },
        putFigures: (rows) => {
          writeCount += 1
          return telemetry.putFigures(rows)
        },
      },
    })
    await settled()
    expect({ readCount, writeCount }).toEqual({ readCount: 4, writeCount: 1 })
    expect(await figures()).toEqual([rightly(points)])
  })

  it('come out the same when two workers compute them at once', async () => {
    const points = [...minutes(600), ...minutes(600, { of: neighbour })]
    await telemetry.append(points)
    const hours = Array.from({ length: 10 }, (_, n) => H + n * HOUR_MS)
    nowMs += 10 * HOUR_MS
    for (const id of [lift, neighbour])
      await register.staleHours.mark(hours.map((hourAtMs) => ({ lift: id, hourAtMs })))
    compute()
    compute()
    await settled()
    await end()
    const expected = hours.flatMap((hourAtMs) =>
      [lift, neighbour].map((id) => hourFiguresOf({ lift: id, hourAtMs, points })),
    )
    expect(await figures()).toEqual(expected)
  })

  it('are only those of the lifts of the share', async () => {
    await telemetry.append([...minutes(60), ...minutes(60, { of: neighbour })])
    await register.staleHours.mark([lift, neighbour].map((id) => ({ lift: id, hourAtMs: H })))
    compute({ lifts: () => [neighbour] })
    await expect.poll(marked, WAIT).toBe(1)
    expect((await figures()).map((row) => row.lift)).toEqual([neighbour])
  })

  it('are left out alone when the store refuses their figures, and do not hold up the others', async () => {
    await telemetry.append(minutes(300))
    const hours = Array.from({ length: 5 }, (_, n) => H + n * HOUR_MS)
    nowMs += 5 * HOUR_MS
    await mark(...hours, H + HOUR_MS + 1) // the last is no hour at all
    compute({
      telemetry: {
        points: telemetry.points.bind(telemetry),
        putFigures: (rows) =>
          rows.some(({ hourAtMs }) => hourAtMs === hours[3])
            ? Promise.reject(new TelemetryStoreError('refused', 'not this one'))
            : telemetry.putFigures(rows),
      },
    })
    await settled()
    expect((await figures()).map(({ hourAtMs }) => hourAtMs)).toEqual(hours.filter((_, n) => n !== 3))
    expect(await counted('hours_left_out_total')).toEqual({ refused: 2 })
  })

  it('do not hold up the end of the work although the store hangs, and stay marked', async () => {
    await telemetry.append(minutes(60))
    await mark(H)
    let isAsked = false
    const hang = (): Promise<never> => {
      isAsked = true
      return new Promise(() => {})
    }
    compute({ telemetry: { points: telemetry.points.bind(telemetry), putFigures: hang } })
    await expect.poll(() => isAsked, WAIT).toBe(true)
    await end()
    expect(await marked()).toBe(1)
  })

  describe('by the reader that stores telemetry', () => {
    let journal: Journal
    beforeEach(async () => {
      journal = await openJournal(`file:${folder.path}/journal`, { log: silentLog })
      return async () => {
        await end()
        await journal[Symbol.asyncDispose]()
      }
    })
    const say = (points: readonly TelemetryPoint[], receivedAtMs: number): Promise<unknown> =>
      Promise.all(
        points.map(
          ({ boot, seq, sampledAtMs }) =>
            new Promise<void>((resolve, reject) => {
              const payload = Buffer.from(JSON.stringify(statusOf(boot, seq, sampledAtMs)))
              const entry = { topic: `lifts/v1/${lift}/status`, terminal: 'TJ-0007', receivedAtMs, payload }
              journal.append(entry, (error) => (error === undefined ? resolve() : reject(error)))
            }),
        ),
      )
    const store = async (o: Partial<Parameters<typeof storeTelemetry>[0]> = {}): Promise<void> => {
      const reader = await journal.reader('telemetry')
      const stored = storeTelemetry({
        ...{ reader, telemetry, staleHours: register.staleHours, hourMarks: new HourMarks({ retentionDays: 396 }) },
        ...{ quarantine: () => Promise.resolve(), log: silentLog, nowMs: () => nowMs, onUnsettled: () => {} },
        outages: newOutages({ log, nowMs: Date.now, onChange: () => {} }),
        counters: newCounters(new Registry()),
        signal: stopping.signal,
        ...o,
      })
      running.push(stored.finally(() => reader[Symbol.asyncDispose]()))
    }
    const stored = (count: number) =>
      expect.poll(() => telemetry.count({ ...EVERYTHING, lift, measurement: 'status' }), WAIT).toBe(count)
    const isCommitted = () => journal.status().committed['telemetry'] === journal.status().lastPosition
    /** Everything is stored and marked. */
    const taken = () => expect.poll(isCommitted, WAIT).toBe(true)
    /** From the samples as they stand in the store, with their time of receipt. */
    const ofStore = async (hourAtMs: number) =>
      hourFiguresOf({
        ...{ lift, hourAtMs },
        points: await telemetry.points({ ...EVERYTHING, lift, measurement: 'status', limit: 10_000 }),
      })

    it('are all there although it was cut off between storing and marking', async () => {
      nowMs += HOUR_MS // the last sample is believed into the hour after it
      await say(minutes(60), nowMs)
      await store({ staleHours: { mark: () => Promise.reject(new RegisterAwayError('not now')) } })
      await stored(60)
      await expect.poll(() => told, WAIT).toContain('register.away')
      await end()
      expect({ isCommitted: isCommitted(), marked: await marked() }).toEqual({ isCommitted: false, marked: 0 })
      begin()
      await store()
      compute()
      await taken()
      await settled()
      const rows = await figures()
      expect(rows).toContainEqual(await ofStore(H))
      expect(rows.find(({ hourAtMs }) => hourAtMs === H)?.sampleCount).toBe(60)
    })

    it('get the right figures of a day that a terminal sends a day late, in two halves and out of order', async () => {
      nowMs = H + 48 * HOUR_MS
      const day = minutes(24 * 60)
      await store()
      // The first half is computed before the second comes: every second sample of the day, last first.
      const halves = [1, 0].map((rest) => day.filter((_, n) => n % 2 === rest).reverse())
      await say(halves[0] ?? [], nowMs)
      await taken()
      compute()
      await settled()
      expect((await figures()).map(({ sampleCount }) => sampleCount)).toContain(30)
      nowMs += HOUR_MS // the marks of the first half are not believed any more
      await say(halves[1] ?? [], nowMs)
      await taken()
      await settled()
      expect((await figures()).filter(({ sampleCount }) => sampleCount === 60)).toHaveLength(24)
      for (const row of await figures()) expect(row).toEqual(await ofStore(row.hourAtMs))
    })

    it('need one statement for many batches', async () => {
      nowMs = H + 30 * MINUTE
      let markCount = 0
      const own = register.staleHours
      await store({
        staleHours: {
          mark: (hours) => {
            markCount += 1
            return own.mark(hours)
          },
        },
      })
      for (let minute = 5; minute < 25; minute += 5) {
        await say(minutes(minute), nowMs)
        await taken()
      }
      expect(markCount).toBe(1)
      expect(await marked()).toBe(1)
    })

    it('are none for a sample of a time that no calendar has', async () => {
      nowMs = 1_000
      await say([statusPoint({ atMs: 1_000, seq: 1 })], nowMs)
      await store()
      await taken()
      expect(await marked()).toBe(0)
    })
  })
})
