import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IMPAIRMENTS, IMPAIRMENT_NAMES, impairmentOf, Link, type Impairment } from '#simulator/terminal/link'

const START_MS = Date.parse('2026-11-21T08:00:00+08:00')
const HOUR_MS = 3600_000
const linkOf = (change: Partial<Impairment>, o: { serial?: string; seed?: number } = {}) =>
  new Link({
    impairment: { ...impairmentOf('none'), ...change },
    seed: o.seed ?? 1,
    serial: o.serial ?? 'TJ-00001',
    startAtMs: START_MS,
  })

describe('a link', () => {
  it('without impairment takes every message at once, at every landing and at any time', () => {
    const link = linkOf({})
    fc.assert(
      fc.property(fc.nat(30 * 24 * HOUR_MS), fc.nat(6), (afterMs, landing) => {
        const atMs = START_MS + afterMs
        expect(link.stateAt(atMs, landing)).toBe('open')
        expect([link.nextChangeAtMs(atMs), link.nextStormAtMs(atMs)]).toEqual([Infinity, Infinity])
        expect([link.breaks(), link.overlooks(), link.sendsLiveFirst()]).toEqual([undefined, false, false])
      }),
    )
    expect([5, 5, 9].map((ms) => link.leavesAtMs(START_MS + ms) - START_MS)).toEqual([5, 5, 9])
  })

  it('delays as it is told, and lets no message leave before one that was ready earlier', () => {
    const link = linkOf({ delayMs: { median: 600, p95: 4000 } })
    const delaysMs: number[] = []
    for (let index = 0; index < 4000; index += 1) {
      link.reset()
      delaysMs.push(link.leavesAtMs(START_MS) - START_MS)
    }
    delaysMs.sort((a, b) => a - b)
    expect(delaysMs[2000]).toBeGreaterThan(540)
    expect(delaysMs[2000]).toBeLessThan(660)
    expect(delaysMs[3800]).toBeGreaterThan(3300)
    expect(delaysMs[3800]).toBeLessThan(4800)
    const leaves = Array.from({ length: 200 }, (_, index) => link.leavesAtMs(START_MS + index * 100))
    expect(leaves).toEqual([...leaves].sort((a, b) => a - b))
  })

  it('stalls in bursts for their share of the time, at another moment for each terminal', () => {
    const burst = { everyMs: 100_000, lastMs: 20_000 }
    const stalledOf = (serial: string) => {
      const link = linkOf({ burst }, { serial })
      return Array.from({ length: 1000 }, (_, second) => link.stateAt(START_MS + second * 1000, 0) === 'stalled')
    }
    const [one, other] = [stalledOf('TJ-00001'), stalledOf('TJ-00002')]
    expect(one.filter(Boolean).length).toBe(200)
    expect(other.filter(Boolean).length).toBe(200)
    expect(one).not.toEqual(other)
  })

  it('knows when an outage or a burst begins or ends', () => {
    const change = { burst: { everyMs: 90_000, lastMs: 7000 }, outages: [{ afterMs: 50_000, lastMs: 30_000 }] }
    const link = linkOf(change)
    fc.assert(
      fc.property(fc.nat(HOUR_MS), (afterMs) => {
        const atMs = START_MS + afterMs
        const nextMs = link.nextChangeAtMs(atMs)
        expect(nextMs).toBeGreaterThan(atMs)
        // Nothing changes before.
        expect(link.stateAt(nextMs - 1, 0)).toBe(link.stateAt(atMs, 0))
      }),
    )
    expect([49_999, 50_000, 79_999].map((ms) => link.stateAt(START_MS + ms, 0) === 'away')).toEqual([false, true, true])
    expect(link.stateAt(START_MS + 80_000, 0)).not.toBe('away')
  })

  it('has its deaf landings, others for each terminal', () => {
    const deafOf = (index: number) => {
      const link = linkOf({ deafLandingShare: 0.35 }, { serial: `TJ-${index}` })
      return [0, 1, 2, 3, 4, 5].filter((landing) => link.stateAt(START_MS, landing) === 'stalled')
    }
    const all = Array.from({ length: 200 }, (_, index) => deafOf(index))
    const share = all.flat().length / 1200
    expect(share).toBeGreaterThan(0.3)
    expect(share).toBeLessThan(0.4)
    expect(new Set(all.map((deaf) => deaf.join())).size).toBeGreaterThan(20)
  })

  it('breaks, overlooks and sends live first as often as it is told', () => {
    const link = linkOf({ lossRate: 0.1, duplicateRate: 0.2, disorderRate: 0.3 })
    const times = 5000
    const broken = Array.from({ length: times }, () => link.breaks())
    const overlooked = Array.from({ length: times }, () => link.overlooks()).filter(Boolean).length
    const liveFirst = Array.from({ length: times }, () => link.sendsLiveFirst()).filter(Boolean).length
    expect(broken.filter((how) => how !== undefined).length / times).toBeCloseTo(0.1, 1)
    expect(broken.filter((how) => how === 'before').length).toBeGreaterThan(180)
    expect(broken.filter((how) => how === 'after').length).toBeGreaterThan(180)
    expect(overlooked / times).toBeCloseTo(0.2, 1)
    expect(liveFirst / times).toBeCloseTo(0.3, 1)
  })

  it('is lost for all terminals in the same moment in a storm', () => {
    const impairment = IMPAIRMENTS.storm
    const [one, other] = ['TJ-1', 'TJ-2'].map(
      (serial) => new Link({ impairment, seed: 1, serial, startAtMs: START_MS }),
    )
    const everyMs = impairment.reconnectStormEveryMs
    expect(one?.nextStormAtMs(START_MS)).toBe(START_MS + everyMs)
    expect(one?.nextStormAtMs(START_MS + everyMs)).toBe(START_MS + 2 * everyMs)
    expect(other?.nextStormAtMs(START_MS + 5)).toBe(START_MS + everyMs)
  })

  it('does the same for the same seed', () => {
    const drawn = (seed: number) => {
      const link = new Link({ impairment: IMPAIRMENTS['2g'], seed, serial: 'TJ-00007', startAtMs: START_MS })
      return Array.from({ length: 300 }, (_, index) => [
        link.leavesAtMs(START_MS + index * 1000),
        link.breaks(),
        link.overlooks(),
      ])
    }
    expect(drawn(3)).toEqual(drawn(3))
    expect(drawn(3)).not.toEqual(drawn(4))
  })

  it('has presets with shares between 0 and 1 and times that fit one another', () => {
    for (const name of IMPAIRMENT_NAMES) {
      const { lossRate, duplicateRate, disorderRate, deafLandingShare, delayMs, burst, clockSkewMs } =
        impairmentOf(name)
      for (const share of [lossRate, duplicateRate, disorderRate, deafLandingShare])
        expect(share >= 0 && share < 1, name).toBe(true)
      expect(delayMs.p95, name).toBeGreaterThanOrEqual(delayMs.median)
      if (burst !== null) expect(burst.lastMs, name).toBeLessThan(burst.everyMs)
      // Beyond five minutes ahead the platform takes no sample.
      expect(clockSkewMs, name).toBeLessThan(5 * 60_000)
    }
  })
})
