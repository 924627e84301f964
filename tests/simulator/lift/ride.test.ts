import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { opennessAt } from '#simulator/lift/lift-state'
import { callsWithin, drive, MINUTE_MS, personsOf, somePlan, plans, START_MS } from './lift-under-test.ts'

const SPAN_MS = 90 * MINUTE_MS

describe('a healthy lift', () => {
  const plan = somePlan({})
  const group = { count: 1, massKg: 70, from: 0, to: 3, transferMs: 1750 }

  it('carries everybody and nobody walks, except from a crowd', () => {
    fc.assert(
      fc.property(plans, callsWithin(SPAN_MS, 40), (anyPlan, calls) => {
        const light = calls.map((call) => ({
          ...call,
          group: { ...call.group, massKg: Math.min(call.group.massKg, 320) },
        }))
        const end = drive(anyPlan, { spanMs: SPAN_MS + 60 * MINUTE_MS, calls: light })
        expect(personsOf(end)).toBe(0)
        expect(end.trapped).toBeNull()
        if (calls.length <= 12) expect(end.stairsCount).toBe(0)
      }),
      { numRuns: 60 },
    )
  }, 60_000)

  it('takes as long for a ride as its parts say', () => {
    const phases: [string, number][] = []
    drive(plan, {
      spanMs: 2 * MINUTE_MS,
      calls: [
        { afterMs: 0, group: { ...group, from: 0, to: 1 } },
        { afterMs: MINUTE_MS, group: { ...group, from: 1, to: 4 } },
      ],
      look: (before, _after, atMs) => phases.push([before.phase, atMs - before.sinceMs]),
    })
    const of = (phase: string, index = 0) => phases.filter(([name]) => name === phase)[index]?.[1]
    expect(of('starting')).toBe(500)
    expect(of('opening')).toBe(2000)
    expect(of('closing', 1)).toBe(3000)
    expect(of('levelling')).toBe(783)
    const dwells = phases.filter(([phase]) => phase === 'open' || phase === 'exchanged').map(([, ms]) => ms)
    // 5 s for those who wait, 3 s for those who get out, and the time through the door; half of it before people change.
    expect(dwells).toContain(3375)
    expect(dwells).toContain(2375)
    // 8.385 m at 1 m/s: way / speed + speed / acceleration + acceleration / jerk.
    expect(phases.filter(([phase]) => phase === 'running').map(([, ms]) => ms)).toContain(
      Math.ceil((8.385 + 1 / 0.6 + 0.6) * 1000),
    )
  })

  it('stops on the way for somebody who calls from ahead in time, and passes who calls too late', () => {
    const stopsWith = (lateMs: number) => {
      const stops = new Set<number | null>()
      drive(plan, {
        spanMs: 3 * MINUTE_MS,
        calls: [
          { afterMs: 0, group: { ...group, from: 0, to: 5 } },
          { afterMs: lateMs, group: { ...group, from: 2, to: 4 } },
        ],
        look: (_before, after) => {
          if (after.phase === 'opening' && after.aboard.some(({ to }) => to === 5)) stops.add(after.stop)
        },
      })
      return stops.has(2)
    }
    const runs: number[] = []
    drive(plan, {
      spanMs: MINUTE_MS,
      calls: [{ afterMs: 0, group: { ...group, from: 0, to: 5 } }],
      look: (before, after, atMs) => {
        if (before.phase === 'starting' && after.phase === 'running' && after.aboard.length > 0)
          runs.push(atMs - START_MS)
      },
    })
    const [startMs = NaN] = runs
    expect(stopsWith(startMs + 500)).toBe(true)
    expect(stopsWith(startMs + 2500)).toBe(true)
    expect(stopsWith(startMs + 6500)).toBe(false)
  })

  it('stays with open doors while it is overloaded, until the last have stepped out', () => {
    const small = somePlan({ ratedLoadKg: 400 })
    const heavy = { count: 3, massKg: 250, from: 0, to: 5, transferMs: 5000 }
    const seen: { loadKg: number; waiting: number }[] = []
    const end = drive(small, {
      spanMs: 5 * MINUTE_MS,
      calls: [
        { afterMs: 0, group: heavy },
        { afterMs: 10, group: heavy },
      ],
      look: (before, after, atMs) => {
        if (after.phase !== 'overloaded' || before === after) return
        expect(opennessAt(after, atMs)).toBe(1)
        seen.push({ loadKg: after.aboard.reduce((sum, { massKg }) => sum + massKg, 0), waiting: after.waiting.length })
      },
    })
    expect(seen).toEqual([{ loadKg: 500, waiting: 0 }])
    expect(end).toMatchObject({ deliveredCount: 6, stairsCount: 0 })
  })

  it('passes those who wait when it is full', () => {
    const small = somePlan({ ratedLoadKg: 400 })
    let stoppedFull = false
    drive(small, {
      spanMs: 3 * MINUTE_MS,
      calls: [
        { afterMs: 0, group: { count: 4, massKg: 330, from: 0, to: 5, transferMs: 7000 } },
        { afterMs: 1, group: { ...group, from: 2, to: 4 } },
      ],
      look: (_before, after) => {
        stoppedFull ||=
          after.phase === 'opening' && after.stop === 2 && after.aboard.some(({ massKg }) => massKg === 330)
      },
    })
    expect(stoppedFull).toBe(false)
  })

  it('goes to the lowest landing after some minutes and stays there with closed doors', () => {
    const end = drive(plan, { spanMs: 20 * MINUTE_MS, calls: [{ afterMs: 0, group: { ...group, from: 0, to: 4 } }] })
    expect(end).toMatchObject({ phase: 'idle', stop: 0, openness: 0, untilMs: Infinity })
    expect(end.counters.doorOpenCount).toBe(2)
  })

  it('opens again for late comers, three times at most, and then closes slowly', () => {
    const late = Array.from({ length: 8 }, (_, index) => ({
      afterMs: 20_000 + index * 4000,
      group: { ...group, from: 0, to: 5, massKg: 40 },
    }))
    const closings: number[] = []
    let reopenMost = 0
    drive(plan, {
      spanMs: 3 * MINUTE_MS,
      calls: [{ afterMs: 0, group: { ...group, massKg: 40 } }, ...late],
      look: (before, after, atMs) => {
        reopenMost = Math.max(reopenMost, after.reopenCount)
        if (before.phase === 'closing' && after.phase === 'starting' && before.reopenCount === 3)
          closings.push(atMs - before.sinceMs)
      },
    })
    expect(reopenMost).toBe(3)
    expect(closings.every((ms) => ms === 4800)).toBe(true)
    expect(closings.length).toBeGreaterThan(0)
  })
})
