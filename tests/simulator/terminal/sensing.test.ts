import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { STATUS_FIELDS } from '#contract/telemetry'
import { LIFT_FAULT_NAMES } from '#simulator/lift/faults/fault-names'
import { heightMmAt } from '#simulator/lift/lift-state'
import { readStatus } from '#simulator/lift/lift-status'
import { unit } from '#simulator/random'
import { drawKind, sense, sensedNothing, TERMINAL_KIND_NAMES, TERMINAL_KINDS } from '#simulator/terminal/sensing'
import { HOUR_MS, liftOf, MORNING_MS, statisticsOf, statusesOf, unfit } from './terminal-lift.ts'

const REQUIRED = [
  'serviceMode',
  'carStatus',
  'carDirection',
  'doorZone',
  'carPosition',
  'doorClosed',
  'passengerPresent',
].sort()
const HEADER = ['v', 'boot', 'seq', 'sampledAtMs']
const kinds = fc.constantFrom(...TERMINAL_KIND_NAMES)

describe('the kinds of terminal', () => {
  it('are drawn by their weight, the same for the same chance', () => {
    const drawn = Array.from({ length: 10_000 }, (_, index) => drawKind(unit(1, index)))
    for (const kind of TERMINAL_KIND_NAMES)
      expect(drawn.filter((other) => other === kind).length / 10_000, kind).toBeCloseTo(
        TERMINAL_KINDS[kind].weight / 100,
        1,
      )
    expect([drawKind(0), drawKind(0.999999)]).toEqual(['controller', 'basic'])
  })

  it('say what they measure, always all of it, and never another field', () => {
    const expected = {
      controller: Object.keys(STATUS_FIELDS).sort(),
      retrofit: [...REQUIRED, ...TERMINAL_KINDS.retrofit.measures].sort(),
      basic: REQUIRED,
    }
    fc.assert(
      fc.property(
        kinds,
        fc.nat(119),
        fc.nat(),
        fc.constantFrom(...LIFT_FAULT_NAMES),
        fc.nat(HOUR_MS / 2),
        (kind, index, seed, name, playMs) => {
          const lift = liftOf({ kind, index, seed })
          const spoken = lift.greet(MORNING_MS)
          spoken.push(...lift.play(name, 200_000, MORNING_MS + playMs).spoken)
          spoken.push(...lift.advance(MORNING_MS + HOUR_MS))
          expect(unfit(spoken)).toEqual([])
          const statuses = statusesOf(spoken)
          expect(statuses.length).toBeGreaterThan(10)
          for (const status of statuses)
            expect(
              Object.keys(status)
                .filter((field) => !HEADER.includes(field))
                .sort(),
            ).toEqual(expected[kind])
          if (kind !== 'controller') expect(spoken.some((one) => one.kind === 'message')).toBe(false)
        },
      ),
      { numRuns: 40 },
    )
  }, 60_000)

  it('say the same bytes for the same seed, however the time is cut', () => {
    fc.assert(
      fc.property(kinds, fc.nat(119), fc.integer({ min: 20, max: 50_000 }), (kind, index, stepMs) => {
        const said = (step: number) => {
          const lift = liftOf({ kind, index })
          const payloads: string[] = []
          for (let atMs = MORNING_MS; atMs < MORNING_MS + HOUR_MS;) {
            atMs = Math.min(atMs + step, MORNING_MS + HOUR_MS)
            for (const { payload } of lift.advance(atMs)) payloads.push(payload)
          }
          return payloads.join('\n')
        }
        expect(said(stepMs)).toBe(said(HOUR_MS))
      }),
      { numRuns: 30 },
    )
  }, 60_000)

  it('speak every second while they feel the car move, every 10 s while they see somebody, every 60 s else', () => {
    for (const kind of TERMINAL_KIND_NAMES) {
      const lift = liftOf({ kind, index: 3 })
      const statuses = statusesOf(lift.advance(MORNING_MS + 3 * HOUR_MS))
      expect(statuses.some(({ carStatus }) => carStatus === 1)).toBe(true)
      statuses.slice(1).forEach((status, index) => {
        const before = statuses[index]
        if (before === undefined) throw new Error('there is one before')
        const mostMs = before.carStatus === 1 ? 1000 : before.passengerPresent || !before.doorClosed ? 10_000 : 60_000
        expect(status.sampledAtMs - before.sampledAtMs, kind).toBeLessThanOrEqual(mostMs)
      })
    }
  })
})

describe('a terminal with sensors of its own', () => {
  /** What it senses every 100 ms, beside the truth. */
  function watch(o: { kind: 'retrofit' | 'basic'; index: number; spanMs: number }) {
    const lift = liftOf({ index: o.index })
    let memory = sensedNothing(MORNING_MS)
    return Array.from({ length: o.spanMs / 100 }, (_, step) => {
      const atMs = MORNING_MS + step * 100
      lift.advanceUnheard(atMs)
      const truth = readStatus(lift.plan, lift.state, atMs)
      const { labels, heightsMm } = lift.plan
      const sensed = sense(o.kind, truth, memory, {
        atMs,
        word: o.index,
        labels,
        heightsMm,
        trueMm: heightMmAt(lift.state, atMs),
      })
      memory = sensed.memory
      expect(sensed.dueAtMs).toBeGreaterThan(atMs)
      return { atMs, truth, sensed: sensed.fields, lift }
    })
  }

  it('holds on to a person for some seconds, and misses one only who does not move', () => {
    let missedCount = 0
    let heldCount = 0
    for (const index of [1, 2, 3, 4, 5]) {
      let lastSeenMs = -Infinity
      for (const { atMs, truth, sensed } of watch({ kind: 'retrofit', index, spanMs: HOUR_MS / 2 })) {
        if (truth.passengerPresent) lastSeenMs = atMs
        if (truth.passengerPresent && !sensed.passengerPresent) {
          missedCount += 1
          expect(truth.carStatus === 0 && truth.doorClosed).toBe(true)
        }
        if (!truth.passengerPresent && sensed.passengerPresent) {
          heldCount += 1
          expect(atMs - lastSeenMs).toBeLessThanOrEqual(20_100)
        }
      }
    }
    expect(heldCount).toBeGreaterThan(100)
    expect(missedCount).toBeLessThan(heldCount)
  })

  it('loses sight of people who are trapped now and then, and finds them again within a minute or so', () => {
    let [blindCount, seenCount] = [0, 0]
    for (let index = 0; index < 20; index += 1) {
      const lift = liftOf({ kind: 'retrofit', index })
      const spoken = lift.play('entrapment-between-floors', 20 * 60_000, MORNING_MS + 60_000).spoken
      spoken.push(...lift.advance(MORNING_MS + 20 * 60_000))
      const stuck = statusesOf(spoken).filter(
        ({ doorZone, carStatus, sampledAtMs }) => !doorZone && carStatus === 0 && sampledAtMs > MORNING_MS + 5 * 60_000,
      )
      blindCount += stuck.filter(({ passengerPresent }) => !passengerPresent).length
      seenCount += stuck.filter(({ passengerPresent }) => passengerPresent).length
    }
    expect(blindCount).toBeGreaterThan(0)
    expect(seenCount).toBeGreaterThan(10 * blindCount)
  })

  it('drifts in its height and is put right at the lowest landing', () => {
    let worstMm = 0
    for (const index of [1, 2, 3, 4, 5, 6]) {
      for (const { truth, sensed } of watch({ kind: 'retrofit', index, spanMs: HOUR_MS })) {
        const errorMm = Math.abs((sensed.positionMm ?? NaN) - (truth.positionMm ?? NaN))
        worstMm = Math.max(worstMm, errorMm)
        if (truth.floorIndex === 0 && truth.doorZone && truth.carStatus === 0) expect(errorMm).toBe(0)
        expect(errorMm).toBeLessThanOrEqual(400)
      }
    }
    expect(worstMm).toBeGreaterThan(5)
  })

  it('counts the runs and openings that it feels itself, as many as there are', () => {
    for (const kind of ['retrofit', 'basic'] as const) {
      const [lift, controlled] = [liftOf({ kind, index: 6 }), liftOf({ index: 6 })]
      const counted = statisticsOf([...lift.greet(MORNING_MS), ...lift.advance(MORNING_MS + 5 * HOUR_MS)])
      const true_ = statisticsOf([...controlled.greet(MORNING_MS), ...controlled.advance(MORNING_MS + 5 * HOUR_MS)])
      const grown = (name: 'runCount' | 'doorOpenCount', of: typeof counted) =>
        (of.at(-1)?.[name] ?? NaN) - (of[0]?.[name] ?? NaN)
      expect(Object.keys(counted[0] ?? {}).filter((name) => !HEADER.includes(name))).toEqual([
        ...TERMINAL_KINDS[kind].counts,
      ])
      for (const name of ['runCount', 'doorOpenCount'] as const) {
        expect(grown(name, true_)).toBeGreaterThan(30)
        expect(Math.abs(grown(name, counted) - grown(name, true_)), `${kind} ${name}`).toBeLessThanOrEqual(5)
      }
    }
  })
})
