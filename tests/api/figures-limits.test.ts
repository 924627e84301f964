/** The bounds of questions about figures, each made small enough to be reached. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FiguresLimits } from '#api/figures-limits'
import { HOUR_MS } from '#contract/calendar'
import type { TelemetryStore } from '#storage/telemetry/telemetry-store'
import { answerOf, NOW, openFiguresWorld } from './figures-world.ts'
import { openWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openFiguresWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

/** The same stores with other bounds, and a store that is looked at or held up on the way. */
const boundedBy = (figuresLimits: Partial<FiguresLimits>, parts: Partial<TelemetryStore> = {}): Promise<World> =>
  openWorld({ telemetry: { ...world.telemetry, ...parts }, nowMs: () => NOW, figuresLimits }, world)

describe('a question about the fleet', () => {
  const paths = ['figures?from=2026-11-20', 'figures/total?from=2026-11-20'] as const

  it('is answered the same when the store is asked for a few lifts at a time', async () => {
    for (const [askedLifts, expected] of [
      [1, [1, 1, 1, 1]],
      [3, [3, 1]],
      [4, [4]],
    ] as const) {
      let asked: number[] = []
      await using few = await boundedBy(
        { askedLifts },
        {
          sums: (query) => {
            asked.push(query.lifts?.length ?? Infinity)
            return world.telemetry.sums(query)
          },
        },
      )
      for (const path of paths) {
        asked = []
        expect(await answerOf(few, path)).toEqual(await answerOf(world, path))
        expect(asked).toEqual(expected)
      }
    }
  })

  it('about more lifts than a total is made of is refused, and its pages are not', async () => {
    await using small = await boundedBy({ totalLiftsMax: 2 })
    for (const [language, title] of [
      ['zh-CN', '管理范围内的电梯过多，无法一次合计，请分页读取后相加'],
      ['en', 'Too many lifts are in your scope for one total; add up the pages'],
    ] as const) {
      const headers = { 'accept-language': language }
      const { json } = await small.ask('/api/v1/figures/total', { as: 'operator', headers })
      expect(json).toMatchObject({ status: 422, code: 'figures.tooManyLifts', title })
      expect(json['detail']).toContain('4 lifts')
    }
    expect(await answerOf(small, 'figures/total', 'alpha')).toMatchObject({ liftCount: 2 })
    expect((await answerOf(small, 'figures'))['items']).toHaveLength(4)
  })

  it('is the fifth at one time no more, and one lift is not in its way', async () => {
    let release = (): void => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    let askedCount = 0
    await using busy = await boundedBy(
      {},
      {
        sums: async (query) => {
          askedCount += 1
          await held
          return world.telemetry.sums(query)
        },
      },
    )
    const four = [...paths, ...paths].map((path) => answerOf(busy, path))
    await expect.poll(() => askedCount, { timeout: 10_000 }).toBe(4)
    for (const path of paths) {
      const { headers, json } = await busy.ask(`/api/v1/${path}`, { as: 'operator' })
      expect(json).toMatchObject({ status: 429, code: 'request.tooMany' })
      expect(headers['retry-after']).toBe('1')
    }
    await answerOf(busy, 'lifts/lift-a1/figures')
    release()
    await Promise.all(four)
    await answerOf(busy, paths[1])
    expect(askedCount).toBe(5)
  })

  it('has one end for all of its lifts, not one for each time that the store is asked', async () => {
    const takesMs = 400
    for (const path of paths) {
      let askedCount = 0
      await using slow = await boundedBy(
        { askedLifts: 1, fleetMsMax: 1.5 * takesMs },
        {
          sums: async (query) => {
            askedCount += 1
            await new Promise((resolve) => setTimeout(resolve, takesMs))
            return world.telemetry.sums(query)
          },
        },
      )
      const { json } = await slow.ask(`/api/v1/${path}`, { as: 'operator' })
      expect(json).toMatchObject({ status: 503, code: 'store.away' })
      await new Promise((resolve) => setTimeout(resolve, 2 * takesMs))
      expect(askedCount).toBeLessThanOrEqual(2)
    }
  })
})

describe('the hours of a lift', () => {
  const today = 'lifts/lift-a1/figures?period=hour&from=2026-11-21T08:00:00Z'

  it('are computed of all samples, however few come at once', async () => {
    const expected = await answerOf(world, today)
    for (const pageSamples of [1, 7, 60]) {
      let pageCount = 0
      await using paged = await boundedBy(
        { pageSamples },
        {
          points: (query) => {
            pageCount += 1
            expect(query.limit).toBe(pageSamples)
            return world.telemetry.points(query)
          },
        },
      )
      expect(await answerOf(paged, today)).toEqual(expected)
      // Of two hours the states and the counters; the 60 states of the first have to be read behind as well.
      expect(pageCount).toBeGreaterThan(4)
    }
  })

  it('are unknown when they have more samples than are read, and others are not', async () => {
    for (const pageSamples of [7, 5_000])
      for (const [samplesMax, isKnown] of [
        [60, true],
        [59, false],
      ] as const) {
        await using bounded = await boundedBy({ samplesMax, pageSamples })
        const { rows } = await answerOf(bounded, today)
        expect([...(rows ?? [])].map(({ hourCount, runCount }) => [hourCount, runCount])).toEqual([
          [1, 7],
          isKnown ? [1, 12] : [0, undefined],
          [1, 3],
        ])
      }
  })

  it('add up to the same when they are read in pieces', async () => {
    const figuresOf = (pieces: World) =>
      Promise.all(
        ['figures?from=2026-11-20', 'availability?from=2026-11-20', 'runs-by-hour?from=2026-11-20'].map((path) =>
          answerOf(pieces, `lifts/lift-a1/${path}`),
        ),
      )
    const expected = await figuresOf(world)
    for (const pieceHours of [1, 24]) {
      const asked = new Set<number>()
      await using pieces = await boundedBy(
        { pieceHours },
        {
          figures: (query) => {
            asked.add(query.fromMs)
            expect(query.toMs - query.fromMs).toBeLessThanOrEqual(pieceHours * HOUR_MS)
            return world.telemetry.figures(query)
          },
        },
      )
      expect(await figuresOf(pieces)).toEqual(expected)
      // From midnight of the 20th to the end of the hour that is running are 43 hours.
      expect(asked.size).toBe(Math.ceil(43 / pieceHours))
    }
  })
})
