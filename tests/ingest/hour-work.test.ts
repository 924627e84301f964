/** Hours computed beside the readers, on a real journal, each telemetry store and an embedded register. */
import { Registry } from 'prom-client'
import { beforeEach, describe, expect, it } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import { silentLog } from '#contract/log-events'
import { newCounters } from '#ingest/counters'
import { HourMarks } from '#ingest/hour-marks'
import { newOutages } from '#ingest/outages'
import { storeTelemetry } from '#ingest/store-telemetry'
import { openJournal, type Journal } from '#storage/journal/journal'
import { RegisterAwayError } from '#storage/register/register'
import { hourFiguresOf } from '#storage/telemetry/hour-figures'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { statusOf } from '../platform/terminals.ts'
import { PLACES } from '../storage/telemetry-places.ts'
import { statusPoint } from '../storage/telemetry-points.ts'
import { EVERYTHING, H, hoursUnderTest, lift, MINUTE, minutes, neighbour, rightly, WAIT } from './hours-under-test.ts'

describe.each(PLACES)('hours that are marked: $name', (kind) => {
  const t = hoursUnderTest(kind)

  it('get their figures when they are over for two minutes, not before', async () => {
    t.nowMs -= 1
    const points = minutes(60)
    await t.telemetry.append(points)
    await t.mark(H)
    let askCount = 0
    const { staleHours } = t.register
    t.compute({ staleHours: { ...staleHours, due: (o) => staleHours.due(o).finally(() => (askCount += 1)) } })
    await expect.poll(() => askCount, WAIT).toBeGreaterThan(2)
    expect(await t.figures()).toEqual([])
    t.nowMs += 1
    await t.settled()
    expect(await t.figures()).toEqual([rightly(points)])
    expect(await t.counted('hours_total')).toEqual({ all: 1 })
  })

  it('get other figures when a late sample is marked', async () => {
    const points = minutes(30)
    await t.telemetry.append(points)
    await t.mark(H)
    t.compute()
    await t.settled()
    expect((await t.figures())[0]?.sampleCount).toBe(30)
    const late = minutes(60)
    await t.telemetry.append(late)
    await t.mark(H)
    await t.settled()
    expect(await t.figures()).toEqual([rightly(late)])
  })

  it('are read to the last sample, however many there are', async () => {
    const many = Array.from({ length: 10_001 }, (_, seq) => statusPoint({ atMs: H + seq * 300, seq, lift }))
    for (let at = 0; at < many.length; at += 5_000) await t.telemetry.append(many.slice(at, at + 5_000))
    await t.mark(H)
    t.compute()
    await t.settled()
    expect(await t.figures()).toEqual([rightly(many)])
  })

  it('keep the figures that they have when their samples are past the retention', async () => {
    const before = [rightly(minutes(60)), rightly(minutes(60), H - 24 * HOUR_MS)]
    await t.telemetry.putFigures(before)
    await t.mark(H, H - 24 * HOUR_MS)
    t.nowMs = H + 30 * 24 * HOUR_MS
    t.compute({ retentionDays: 30 })
    await t.settled()
    expect(await t.figures()).toEqual(before.reverse())
    expect(t.told.filter((event) => event === 'figures.leftOut')).toHaveLength(1)
    expect(await t.counted('hours_left_out_total')).toEqual({ expired: 2 })
  })

  it('come out the same when two workers compute them at once', async () => {
    const points = [...minutes(600), ...minutes(600, { of: neighbour })]
    await t.telemetry.append(points)
    const hours = Array.from({ length: 10 }, (_, n) => H + n * HOUR_MS)
    t.nowMs += 10 * HOUR_MS
    for (const id of [lift, neighbour])
      await t.register.staleHours.mark(hours.map((hourAtMs) => ({ lift: id, hourAtMs })))
    t.compute()
    t.compute()
    await t.settled()
    await t.end()
    const expected = hours.flatMap((hourAtMs) =>
      [lift, neighbour].map((id) => hourFiguresOf({ lift: id, hourAtMs, points })),
    )
    expect(await t.figures()).toEqual(expected)
  })

  it('are only those of the lifts of the share', async () => {
    await t.telemetry.append([...minutes(60), ...minutes(60, { of: neighbour })])
    await t.register.staleHours.mark([lift, neighbour].map((id) => ({ lift: id, hourAtMs: H })))
    t.compute({ lifts: () => [neighbour] })
    await expect.poll(() => t.marked(), WAIT).toBe(1)
    expect((await t.figures()).map((row) => row.lift)).toEqual([neighbour])
  })

  describe('by the reader that stores telemetry', () => {
    let journal: Journal
    beforeEach(async () => {
      journal = await openJournal(`file:${t.folderPath}/journal`, { log: silentLog })
      return async () => {
        await t.end()
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
        ...{
          reader,
          telemetry: t.telemetry,
          staleHours: t.register.staleHours,
          hourMarks: new HourMarks({ retentionDays: 396 }),
        },
        ...{ quarantine: () => Promise.resolve(), log: silentLog, nowMs: () => t.nowMs, onUnsettled: () => {} },
        outages: newOutages({ log: t.log, nowMs: Date.now, onChange: () => {} }),
        counters: newCounters(new Registry()),
        signal: t.signal(),
        ...o,
      })
      t.run(stored.finally(() => reader[Symbol.asyncDispose]()))
    }
    const stored = (count: number) =>
      expect.poll(() => t.telemetry.count({ ...EVERYTHING, lift, measurement: 'status' }), WAIT).toBe(count)
    const isCommitted = () => journal.status().committed['telemetry'] === journal.status().lastPosition
    /** Everything is stored and marked. */
    const taken = () => expect.poll(isCommitted, WAIT).toBe(true)
    /** From the samples as they stand in the store, with their time of receipt. */
    const ofStore = async (hourAtMs: number) =>
      hourFiguresOf({
        ...{ lift, hourAtMs },
        points: await t.telemetry.points({ ...EVERYTHING, lift, measurement: 'status', limit: 10_000 }),
      })

    it('are all there although it was cut off between storing and marking', async () => {
      t.nowMs += HOUR_MS // the last sample is believed into the hour after it
      await say(minutes(60), t.nowMs)
      await store({ staleHours: { mark: () => Promise.reject(new RegisterAwayError('not now')) } })
      await stored(60)
      await expect.poll(() => t.told, WAIT).toContain('register.away')
      await t.end()
      expect({ isCommitted: isCommitted(), marked: await t.marked() }).toEqual({ isCommitted: false, marked: 0 })
      t.begin()
      await store()
      t.compute()
      await taken()
      await t.settled()
      const rows = await t.figures()
      expect(rows).toContainEqual(await ofStore(H))
      expect(rows.find(({ hourAtMs }) => hourAtMs === H)?.sampleCount).toBe(60)
    })

    it('get the right figures of a day that a terminal sends a day late, in two halves and out of order', async () => {
      t.nowMs = H + 48 * HOUR_MS
      const day = minutes(24 * 60)
      await store()
      // The first half is computed before the second comes: every second sample of the day, last first.
      const halves = [1, 0].map((rest) => day.filter((_, n) => n % 2 === rest).reverse())
      await say(halves[0] ?? [], t.nowMs)
      await taken()
      t.compute()
      await t.settled()
      expect((await t.figures()).map(({ sampleCount }) => sampleCount)).toContain(30)
      t.nowMs += HOUR_MS // the marks of the first half are not believed any more
      await say(halves[1] ?? [], t.nowMs)
      await taken()
      await t.settled()
      expect((await t.figures()).filter(({ sampleCount }) => sampleCount === 60)).toHaveLength(24)
      for (const row of await t.figures()) expect(row).toEqual(await ofStore(row.hourAtMs))
    })

    it('need one statement for many batches', async () => {
      t.nowMs = H + 30 * MINUTE
      let markCount = 0
      const own = t.register.staleHours
      await store({
        staleHours: {
          mark: (hours) => {
            markCount += 1
            return own.mark(hours)
          },
        },
      })
      for (let minute = 5; minute < 25; minute += 5) {
        await say(minutes(minute), t.nowMs)
        await taken()
      }
      expect(markCount).toBe(1)
      expect(await t.marked()).toBe(1)
    })

    it('are none for a sample of a time that no calendar has', async () => {
      t.nowMs = 1_000
      await say([statusPoint({ atMs: 1_000, seq: 1 })], t.nowMs)
      await store()
      await taken()
      expect(await t.marked()).toBe(0)
    })
  })
})
