import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { dayLabel, HOUR_MS } from '#contract/calendar'
import type { LiftId } from '#contract/ids'
import { Comparison } from '#storage/telemetry/copy-compare'
import { PointRefused, SourceShrunk } from '#storage/telemetry/copy-job'
import { reportLines } from '#storage/telemetry/copy-report'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import {
  allFigures,
  allPoints,
  copied,
  D0,
  DAY_MS,
  DAYS,
  fill,
  hour,
  HOURS,
  open,
  randomPoints,
  startStores,
} from './telemetry-copying.ts'
import { LIFT, statusPoint } from './telemetry-points.ts'

describe('a copy of a telemetry store', () => {
  let stores: Awaited<ReturnType<typeof startStores>>
  let fileUrl = ''
  let influxUrl = ''
  let database = ''
  beforeAll(async () => {
    stores = await startStores()
  })
  afterAll(() => stores[Symbol.asyncDispose]())
  beforeEach(() => {
    ;({ fileUrl, influxUrl, database } = stores.next())
  })

  it('goes from InfluxDB into a folder as well, and from folder to folder', async () => {
    const points = randomPoints(2, 2_000)
    await fill(influxUrl, points, HOURS)
    await using source = await open(influxUrl)
    await using target = await open(fileUrl)
    const there = await copied(source, target)
    expect(there).toMatchObject({ copiedCount: 2_000, figuresPutCount: 3, skippedDayCount: 0, leftOutCount: 0 })
    expect(there.comparison).toMatchObject({ isWhole: true, liftDays: [] })
    await using next = await open(`${fileUrl}-next`)
    expect((await copied(target, next)).comparison.isWhole).toBe(true)
    expect(await allPoints(next)).toEqual(await allPoints(source))
    expect(await allFigures(next)).toEqual(HOURS)
  })

  it('leaves what the target has of its own, and tells a sample that came there by another way from a loss', async () => {
    const points = randomPoints(3, 200)
    await fill(fileUrl, points)
    const [own, other] = [points[0], points[1]]
    if (own === undefined || other === undefined) throw new Error('there are no points')
    const extra = { ...own, seq: 9_999 }
    await fill(`${fileUrl}-own`, [{ ...own, receivedAtMs: 1 }, { ...other, fields: {} }, extra])
    await using source = await open(fileUrl)
    await using target = await open(`${fileUrl}-own`)
    const { comparison } = await copied(source, target)
    expect(comparison.sums).toEqual({ missing: 0, changed: 1, receivedOtherwise: 1, kept: 0, extra: 1 })
    expect(comparison.isWhole).toBe(false)
    expect(comparison.liftDays).toMatchObject([
      { what: other.measurement, day: dayLabel(other.sampledAtMs), lift: other.lift },
    ])
    expect(await target.stretch({ ...own, fromMs: own.sampledAtMs, toMs: own.sampledAtMs + 1 })).toMatchObject({
      points: expect.arrayContaining([extra]) as unknown,
    })
  })

  it('waits for a target that is away and goes on when it is back', async () => {
    await fill(fileUrl, randomPoints(5, 500))
    await using source = await open(fileUrl)
    await using target = await open(influxUrl)
    await stores.server.stop()
    let backAgain: Promise<void> | undefined
    const { comparison } = await copied(source, target, { onAway: () => void (backAgain ??= stores.server.start()) })
    await backAgain
    expect(backAgain).toBeDefined()
    expect(comparison.isWhole).toBe(true)
  })

  it('gives up a target that stays away', async () => {
    await fill(fileUrl, randomPoints(5, 10))
    await using source = await open(fileUrl)
    await using gone = await open('influx+http://127.0.0.1:9/x')
    const patience = { awayMsMax: 700, signal: new AbortController().signal, onAway: () => {} }
    await expect(copied(source, gone, { patience })).rejects.toMatchObject({ kind: 'away' })
  })

  it('stops after the batch under way when it is asked to, and goes on from there', async () => {
    const points = Array.from({ length: 15_000 }, (_, n) => statusPoint({ atMs: D0 + n * 1_000, seq: n, fields: {} }))
    await fill(fileUrl, points)
    await using source = await open(fileUrl)
    await using target = await open(`${fileUrl}-stopped`)
    const stopping = new AbortController()
    const reason = new Error('asked to stop')
    const onProgress = ({ phase }: { phase: string }) => void (phase === 'copying' && stopping.abort(reason))
    await expect(copied(source, target, { signal: stopping.signal, onProgress })).rejects.toBe(reason)
    const count = await target.count({ lift: LIFT, measurement: 'status', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER })
    expect(count).toBeGreaterThanOrEqual(5_000)
    expect(count).toBeLessThan(15_000)
    expect((await copied(source, target)).comparison.isWhole).toBe(true)
  })

  it('names the point that the target will never take', async () => {
    const points = Array.from({ length: 40 }, (_, n) =>
      statusPoint({ atMs: D0 + n * 1_000, seq: n, fields: n === 23 ? { loadKg: 1 } : { speedMps: 1 } }),
    )
    await fill(fileUrl, points)
    await using source = await open(fileUrl)
    await using target = await open(influxUrl)
    await target.check()
    await stores.write(database, `status,lift=x loadKg="much" ${D0}000000`)
    const failure: unknown = await copied(source, target).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(PointRefused)
    expect(String(failure)).toMatch(
      new RegExp(`status of lift ${LIFT}, sampled ${new Date(D0 + 23_000).toISOString()}, boot 17, seq 23: .*loadKg`),
    )
  })

  it('never puts older figures over better ones, and says which it kept', async () => {
    await fill(fileUrl, [statusPoint({ atMs: D0 })], [...HOURS, hour(30, LIFT, { countedMs: 1_000 })])
    await using source = await open(fileUrl)
    await using target = await open(`${fileUrl}-better`)
    expect(await copied(source, target)).toMatchObject({ figuresPutCount: 4 })
    const recomputed = [
      hour(30, LIFT, { sampleCount: 119, countedMs: 2_000 }),
      hour(77, LIFT, { sampleCount: 121, runCount: 4, runTimeS: 12 }),
    ]
    // The third was computed from half of its hour, and is the only one of which the source has more.
    await target.putFigures([...recomputed, hour(0, LIFT, { sampleCount: 60, inServiceMs: 0, unknownMs: HOUR_MS })])
    const expected = [...HOURS.slice(0, 2), ...recomputed]
    for (const verifyOnly of [true, false]) {
      const result = await copied(source, target, { verifyOnly })
      const { comparison } = result
      expect(comparison.sums).toEqual({
        missing: 0,
        changed: verifyOnly ? 1 : 0,
        receivedOtherwise: 0,
        kept: 2,
        extra: 0,
      })
      expect(result.figuresPutCount).toBe(verifyOnly ? 0 : 1)
      expect(comparison.isWhole).toBe(!verifyOnly)
      const text = reportLines(result, { retentionDays: 4, verifyOnly }).join('\n')
      const days = `${dayLabel(D0 + DAY_MS)} to ${dayLabel(D0 + 3 * DAY_MS)}`
      expect(text).toContain(`2 hourly figures (${days}) are different in the target and were kept`)
      expect(text).not.toContain('Equal:')
      expect(text).toMatch(verifyOnly ? /hourly figures .* DIFFERENT\n/ : /hourly figures .* equal but 2 kept\n/)
    }
    expect(await allFigures(target)).toEqual(expected)
  })

  it('copies a day of which the target has as many points, but others, in the same run', async () => {
    const both = statusPoint({ atMs: D0 + DAY_MS, seq: 7 })
    await fill(fileUrl, [statusPoint({ atMs: D0 + 1_000, seq: 1 }), both])
    await fill(`${fileUrl}-others`, [statusPoint({ atMs: D0 + 2_000, seq: 2 }), both])
    await using source = await open(fileUrl)
    await using target = await open(`${fileUrl}-others`)
    expect((await copied(source, target, { verifyOnly: true })).comparison.sums).toMatchObject({ missing: 1, extra: 1 })
    expect(await allPoints(target)).toHaveLength(2)
    const result = await copied(source, target)
    expect(result).toMatchObject({ copiedCount: 1, skippedDayCount: 1, skippedCount: 1 })
    expect(result.comparison.sums).toMatchObject({ missing: 0, changed: 0, extra: 1 })
    expect(result.comparison.counts.get('status')).toMatchObject({ rowCount: 2 })
    expect(await allPoints(target)).toHaveLength(3)
  })

  it.each([
    ['while samples are copied', 'stretch', 2, /has 0 rows of status on .*, where 1 were counted before/],
    ['while samples are compared', 'stretch', 5, /has 0 rows of status on .*, where 1 were counted before/],
    ['while figures are copied', 'figures', 3, /has lost the oldest of its hourly figures/],
  ] as const)('is not called equal when the source is gone %s', async (_when, question, nth, words) => {
    const points = DAYS.map((day) => statusPoint({ atMs: D0 + day * DAY_MS, seq: day }))
    await fill(influxUrl, points, HOURS)
    await using source = await open(influxUrl)
    await using target = await open(fileUrl)
    let count = 0
    const goneAtNth = async (asked: string): Promise<void> => {
      if (asked !== question) return
      count += 1
      if (count === nth) await stores.server.query(`DROP DATABASE "${database}"`)
    }
    const failure: unknown = await copied(
      {
        ...source,
        stretch: (query) => goneAtNth('stretch').then(() => source.stretch(query)),
        figures: (query) => goneAtNth('figures').then(() => source.figures(query)),
        [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
      },
      target,
    ).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(SourceShrunk)
    expect(String(failure)).toMatch(words)
  })
})

describe('a comparison of two stores', () => {
  const pointOf = (n: number): TelemetryPoint => statusPoint({ lift: `lift-${n}` as LiftId })
  const many = Array.from({ length: 10_000 }, (_, n) => pointOf(n))
  const message = { ...pointOf(0), measurement: 'message' as const }
  const tableOf = (comparison: Comparison): string =>
    reportLines(
      {
        comparison,
        copiedCount: 0,
        skippedDayCount: 0,
        skippedCount: 0,
        figuresPutCount: 0,
        leftOutCount: 0,
        leftOutFiguresCount: 0,
      },
      { retentionDays: 4, verifyOnly: true },
    ).join('\n')

  it('tells a loss also behind many rows that the target has alone or received otherwise', () => {
    const comparison = new Comparison()
    comparison.takePoints('status', '2026-11-20', [], many)
    comparison.takePoints(
      'status',
      '2026-11-21',
      many,
      many.map((point) => ({ ...point, receivedAtMs: 1 })),
    )
    comparison.takePoints('message', '2026-11-21', [message], [])
    expect(comparison).toMatchObject({ isBounded: false, liftDays: [{ what: 'message', missing: 1 }] })
    expect(tableOf(comparison)).toMatch(/status .* equal\n +message .* DIFFERENT\n/)
  })

  it('tells which measurements have losses also when there are too many to tell each', () => {
    const comparison = new Comparison()
    comparison.takePoints('status', '2026-11-21', many, [])
    const more = new Comparison()
    more.takePoints('message', '2026-11-21', [message], [])
    comparison.add(more)
    expect(comparison).toMatchObject({ isBounded: true, sums: { missing: 10_001 } })
    expect(comparison.liftDays).toHaveLength(10_000)
    expect(tableOf(comparison)).toMatch(/status .* DIFFERENT\n +message .* DIFFERENT\n/)
  })
})
