import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cursorOf, readFleetRange } from '#api/figures-cursor'
import { HOUR_MS, hourStartMs } from '#contract/calendar'
import { FIGURES_READY_MS } from '#contract/figures'
import { answerOf, at, MINUTE, NOW, openFiguresWorld } from './figures-world.ts'
import { liftId, type Json, type World } from './world.ts'

let world: World
let nowMs = NOW
beforeAll(async () => {
  world = await openFiguresWorld(() => nowMs)
})
afterAll(() => world[Symbol.asyncDispose]())

describe('figures of the fleet', () => {
  const idsOf = ({ items }: Json) => [...(items ?? [])].map(({ lift }) => lift)

  it('are those of each lift in scope, also of those of which nothing is known', async () => {
    const answer = await answerOf(world, 'figures?from=2026-11-20&to=2026-11-21')
    expect(idsOf(answer)).toEqual(['lift-a1', 'lift-a2', 'lift-b1', 'lift-nobody'])
    expect(answer).toMatchObject({ next: null, isRunning: false, until: '2026-11-20T16:00:00.000Z' })
    const row = (await answerOf(world, 'lifts/lift-a1/figures?from=2026-11-20&to=2026-11-21'))['rows']?.[0]
    const { label: _, from: _from, to: _to, until: _until, isRunning: _running, ...figures } = { ...row }
    expect(answer['items']?.[0]).toEqual({ lift: 'lift-a1', ...figures })
    expect(answer['items']?.[1]).toMatchObject({ runCount: 1, availability: 0 })
    expect(answer['items']?.[3]).toMatchObject({ hourCount: 0, unknownShare: 1, unknownMs: 24 * HOUR_MS })
    expect(answer['items']?.[3]).not.toHaveProperty('runCount')
    expect(idsOf(await answerOf(world, 'figures', 'alpha'))).toEqual(['lift-a1', 'lift-a2'])
    expect(idsOf(await answerOf(world, 'figures', 'beta'))).toEqual(['lift-b1'])
  })

  it('speak of stored hours alone, up to the last one that must be stored by now', async () => {
    const today = await answerOf(world, 'figures?from=2026-11-21')
    expect(today).toMatchObject({ until: '2026-11-21T09:00:00.000Z', to: '2026-11-21T16:00:00.000Z', isRunning: true })
    expect(today['items']?.[0]).toMatchObject({ runCount: 29, hourCount: 3, unknownMs: 14 * HOUR_MS })
    try {
      nowMs = at('2026-11-21T09:00:00Z') + FIGURES_READY_MS - 1
      expect(await answerOf(world, 'figures?from=2026-11-21')).toMatchObject({ until: '2026-11-21T08:00:00.000Z' })
      // Of a day that has just begun there is nothing to tell, and no share of nothing.
      nowMs = at('2026-11-21T16:05:00Z')
      const begun = await answerOf(world, 'figures/total?from=2026-11-22')
      expect(begun).toMatchObject({ until: begun['from'], isRunning: true, hourCount: 0, unknownMs: 0 })
      expect(begun).not.toHaveProperty('unknownShare')
    } finally {
      nowMs = NOW
    }
  })

  it('come in pages of the same time, whenever the next one is asked for', async () => {
    const first = await answerOf(world, 'figures?limit=3')
    expect(idsOf(first)).toEqual(['lift-a1', 'lift-a2', 'lift-b1'])
    expect(first['from']).toBe('2026-10-22T16:00:00.000Z')
    const next = String(first['next'])
    try {
      nowMs = NOW + 12 * HOUR_MS
      const second = await answerOf(world, `figures?limit=3&after=${next}`)
      expect(idsOf(second)).toEqual(['lift-nobody'])
      expect(second).toMatchObject({ from: first['from'], to: first['to'], until: first['until'], next: null })
      expect(idsOf(await answerOf(world, `figures?after=${next}&from=2026-10-23&to=2026-11-22`))).toEqual([
        'lift-nobody',
      ])
    } finally {
      nowMs = NOW
    }
    // A page is of whoever asks for it.
    expect(idsOf(await answerOf(world, `figures?after=${next}`, 'beta'))).toEqual([])
    for (const after of ['x', next.slice(1), Buffer.from('["lift-a1",0,3600000,0]').toString('base64url')])
      expect((await world.ask(`/api/v1/figures?after=${after}`, { as: 'operator' })).json).toMatchObject({
        status: 400,
        code: 'history.badCursor',
      })
    const other = await world.ask(`/api/v1/figures?after=${next}&from=2026-11-01`, { as: 'operator' })
    expect(other.json).toMatchObject({ status: 400, code: 'history.badCursor' })
  })

  it('are those of 366 days of Asia/Shanghai at most, on every page', async () => {
    const long = 'from=2025-11-21T12:00:00Z&limit=3'
    const first = await answerOf(world, `figures?${long}`)
    expect(at(String(first['to'])) - at(String(first['from']))).toBe(366 * 24 * HOUR_MS)
    for (const query of ['', '&from=2025-11-21T12:00:00Z', '&from=2025-11-21T12:00:00Z&to=2026-11-21T10:20:00Z']) {
      const second = await answerOf(world, `figures?limit=3&after=${String(first['next'])}${query}`)
      expect(idsOf(second)).toEqual(['lift-nobody'])
      expect(second).toMatchObject({ from: first['from'], to: first['to'], until: first['until'] })
    }
    // Less than 366 days long, and yet it touches 367 of them.
    for (const path of ['figures', 'figures/total']) {
      const { json } = await world.ask(`/api/v1/${path}?from=2025-11-20T12:00:00Z`, { as: 'operator' })
      expect(json).toMatchObject({ status: 400, code: 'history.badRange' })
      expect(json['detail']).toContain('touches 367 days')
    }
  })

  it('are totals of the time of all lifts in scope', async () => {
    expect(await answerOf(world, 'figures/total?from=2026-11-20&to=2026-11-21')).toEqual({
      ...{ from: '2026-11-19T16:00:00.000Z', to: '2026-11-20T16:00:00.000Z', until: '2026-11-20T16:00:00.000Z' },
      ...{ isRunning: false, liftCount: 4, liftsWithFigures: 2, hourCount: 3, sampleCount: 180 },
      ...{ runCount: 17, energyKWh: 0.3, worstVibrationMg: 12 },
      countedMs: {
        ...{ runCount: 2.5 * HOUR_MS, energyKWh: 1.5 * HOUR_MS },
        ...{ doorCycleCount: 0, ropeBendCount: 0, runTimeS: 0, distanceM: 0 },
      },
      ...{ inServiceMs: HOUR_MS, outOfServiceMs: 80 * MINUTE, maintenanceMs: 30 * MINUTE },
      ...{ unknownMs: 93 * HOUR_MS + 10 * MINUTE, onlineMs: 170 * MINUTE },
      ...{ availability: 60 / 140, unknownShare: (93 * 60 + 10) / (96 * 60), onlineShare: 170 / (96 * 60) },
    })
    const own = await answerOf(world, 'figures/total?from=2026-11-20&to=2026-11-21', 'beta')
    expect(own).toMatchObject({ liftCount: 1, liftsWithFigures: 0, unknownShare: 1 })
    expect(own).not.toHaveProperty('runCount')
  })
})

describe('where a page of figures of the fleet ended', () => {
  const FIRST = at('1993-01-01T00:00:00Z')
  const iso = (atMs: number): string => new Date(atMs).toISOString()
  const readyOf = (atMs: number): number => hourStartMs(atMs - FIGURES_READY_MS)
  const read = (atMs: number, query: { from?: string; to?: string; after?: string }) =>
    readFleetRange({ ...query, nowMs: atMs, readyMs: readyOf(atMs) })

  it('is taken by every process whose clock is at most an hour behind, whatever was asked', () => {
    const instant = fc.integer({ min: FIRST, max: NOW })
    const lengthMs = fc.integer({ min: 1, max: 367 * 24 * HOUR_MS })
    let pageCount = 0
    fc.assert(
      fc.property(
        fc.record({ atMs: instant, lengthMs, aheadMs: fc.integer({ min: -10 * MINUTE, max: 400 * 24 * HOUR_MS }) }),
        fc.record({ isFrom: fc.boolean(), isTo: fc.boolean() }),
        fc.integer({ min: -HOUR_MS, max: 48 * HOUR_MS }),
        ({ atMs, lengthMs: askedMs, aheadMs }, { isFrom, isTo }, laterMs) => {
          const toMs = isTo ? atMs - aheadMs : atMs
          const asked = { ...(isFrom ? { from: iso(toMs - askedMs) } : {}), ...(isTo ? { to: iso(toMs) } : {}) }
          const first = read(atMs, asked)
          if (!first.ok) return
          pageCount += 1
          const { fromMs, toMs: endMs } = first.value
          expect(endMs - fromMs).toBeLessThanOrEqual(366 * 24 * HOUR_MS)
          const lift = liftId('lift-a1')
          const after = cursorOf(first.value, lift)
          for (const again of [{}, asked])
            expect(read(atMs + laterMs, { ...again, after })).toEqual({
              ok: true,
              value: { ...first.value, after: lift },
            })
        },
      ),
      { numRuns: 500, seed: 11 },
    )
    expect(pageCount).toBeGreaterThan(200)
  })

  it('is refused when it speaks of time that no clock of ours can have reached', () => {
    const first = read(NOW, { from: '2026-11-21' })
    if (!first.ok) throw new Error(first.detail)
    const after = cursorOf(first.value, liftId('lift-a1'))
    expect(read(NOW - HOUR_MS, { after }).ok).toBe(true)
    expect(read(NOW - 2 * HOUR_MS, { after })).toMatchObject({ ok: false, code: 'history.badCursor' })
    const tooLong = cursorOf({ ...first.value, fromMs: at('2025-11-19T16:00:00Z') }, liftId('lift-a1'))
    expect(read(NOW, { after: tooLong })).toMatchObject({ ok: false, code: 'history.badRange' })
  })
})
