import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TelemetryStoreError } from '#storage/telemetry/telemetry-store'
import { NOW, openFiguresWorld } from './figures-world.ts'
import { openWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openFiguresWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

describe('a question about figures', () => {
  const paths = [
    ...['lifts/lift-a1/figures', 'lifts/lift-a1/availability', 'lifts/lift-a1/runs-by-hour'],
    ...['figures', 'figures/total'],
  ]
  const wrong = [
    ['a reversed range', 'from=2026-11-21&to=2026-11-20', 'history.badRange'],
    ['a range of no time', 'from=2026-11-21&to=2026-11-21', 'history.badRange'],
    ['a huge range', 'from=2001-01-01&to=2026-11-21', 'history.badRange'],
    ['a range in the future', 'from=2026-11-23&to=2026-11-24', 'history.badRange'],
    ['a range before 1992', 'from=1991-12-31T15:59:59Z&to=1992-01-02', 'history.badRange'],
    ['a day before 1992', 'from=1990-05-01&to=1990-05-02', 'history.badRange'],
    ['a range in 9999', 'from=2026-11-01&to=9999-12-31', 'history.badRange'],
    ['30 February', 'from=2026-02-30&to=2026-03-02', 'history.badRange'],
    ['a 13th month', 'from=2025-13&to=2026-03-02', 'history.badRange'],
    ['a day without zeros', 'from=2026-2-3', 'history.badRange'],
    ['a year', 'from=2026', 'history.badRange'],
    ['no instant', 'from=yesterday', 'history.badRange'],
    ['an offset that was lost on the way', 'from=2026-11-20T00:00:00+08:00', 'history.badRange'],
    ['an empty begin', 'from=', 'history.badRange'],
    ['a range that is NaN', 'from=NaN&to=NaN', 'history.badRange'],
    ['an unknown parameter', 'sql=1', 'request.invalid'],
    ['two begins', 'from=2026-11-01&from=2026-11-02', 'request.invalid'],
  ] as const
  it.each(paths.flatMap((path) => wrong.map(([name, query, code]) => ({ path, name, query, code }))))(
    'to $path is refused with $name',
    async ({ path, query, code }) => {
      const { headers, json } = await world.ask(`/api/v1/${path}?${query}`, { as: 'operator' })
      expect(headers['content-type']).toContain('application/problem+json')
      expect(json).toMatchObject({ status: 400, code, type: `urn:tiwang:problem:${code}` })
      if (code === 'history.badRange') expect(String(json['detail']).length).toBeGreaterThan(20)
    },
  )

  it.each([
    ['lifts/lift-a1/figures?period=week', 'request.invalid'],
    ['lifts/lift-a1/figures?period=', 'request.invalid'],
    ['lifts/lift-a1/figures?format=xls', 'request.invalid'],
    ['lifts/lift-a1/figures?period=hour&from=2026-08-01&to=2026-10-23T00:00:01Z', 'history.badRange'],
    ['figures?from=2025-11-01&to=2026-11-21', 'history.badRange'],
    ['figures/total?from=2025-11-01&to=2026-11-21', 'history.badRange'],
    ['figures/total?limit=1', 'request.invalid'],
    ['figures?limit=0', 'request.invalid'],
    ['figures?limit=501', 'request.invalid'],
  ])('%s is refused', async (path, code) => {
    expect((await world.ask(`/api/v1/${path}`, { as: 'operator' })).json).toMatchObject({ status: 400, code })
  })

  it('about a lift that is unknown, or that somebody else serves, finds nothing', async () => {
    for (const what of ['figures', 'availability', 'runs-by-hour'])
      for (const [lift, as] of [
        ['lift-zz', 'operator'],
        ['lift-b1', 'alpha'],
        ['lift-nobody', 'alpha'],
      ] as const) {
        const { json } = await world.ask(`/api/v1/lifts/${lift}/${what}`, { as })
        expect(json).toMatchObject({ status: 404, code: 'notFound' })
      }
  })

  it('finds a store that is away, and says so', async () => {
    const away = async () => {
      throw new TelemetryStoreError('away', 'connect ECONNREFUSED 10.1.2.3:8086')
    }
    const telemetry = { ...world.telemetry, figures: away, sums: away }
    await using broken = await openWorld({ telemetry, nowMs: () => NOW }, world)
    for (const path of paths) {
      const answer = await broken.ask(`/api/v1/${path}`, { as: 'operator' })
      expect(answer.json).toMatchObject({ status: 503, code: 'store.away' })
      expect(answer.text).not.toContain('10.1.2.3')
    }
  })
})
