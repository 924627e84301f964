import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { personCount } from '#simulator/lift/calls'
import { opennessAt, kinematicsOf, type LiftPlan, type LiftState } from '#simulator/lift/lift-state'
import { DRIFT, OVERRUN_MM_MAX, RIDE, RUNAWAY_FACTOR, SAFETY_GEAR } from '#simulator/lift/limits'
import { readStatistics } from '#simulator/lift/lift-status'
import { PHASES } from '#simulator/lift/phases'
import { callsWithin, drive, heldPersonCount, MINUTE_MS, plans, START_MS, troublesWithin } from './lift-under-test.ts'

const SPAN_MS = 90 * MINUTE_MS
const lives = fc.record({
  plan: plans,
  calls: callsWithin(SPAN_MS, 60),
  troubles: troublesWithin(SPAN_MS, 6),
  rescues: fc.array(fc.integer({ min: 0, max: SPAN_MS }), { maxLength: 4 }),
})

/** Moments within a stretch without change: its ends and some between. */
function momentsOf(fromMs: number, toMs: number): number[] {
  const count = Math.min(12, Math.ceil((toMs - fromMs) / 40))
  return Array.from(
    { length: count + 1 },
    (_, index) => fromMs + Math.round(((toMs - fromMs) * index) / Math.max(1, count)),
  )
}

const HARD_PHASES: readonly string[] = ['braking', 'braking-ajar']
const OPEN_MOVERS: readonly string[] = ['drifting', 'braking-ajar']
const OPEN_FAULTS: readonly string[] = ['unintended-movement', 'door-opens-while-running']

/** What must hold at one moment of a state, whatever happens to the lift. */
function expectSound(plan: LiftPlan, state: LiftState, atMs: number) {
  const { heightMm, speedMmps, accelerationMmps2 } = kinematicsOf(state, atMs)
  const topMm = plan.heightsMm.at(-1) ?? 0
  const openness = opennessAt(state, atMs)
  const isHard = HARD_PHASES.includes(state.phase)
  const name = state.fault?.name ?? ''
  const overrunMm = name.startsWith('hit-') ? OVERRUN_MM_MAX : 0
  const maxMmps = plan.ratedMmps * (name === 'overspeed' ? RUNAWAY_FACTOR : 1)
  const isSound =
    (speedMmps === 0 || PHASES[state.phase].moves) &&
    (openness === 0 || speedMmps === 0 || (OPEN_MOVERS.includes(state.phase) && OPEN_FAULTS.includes(name))) &&
    (PHASES[state.phase].doorStatus !== 2 || openness === 0) &&
    heightMm >= -overrunMm - 1e-6 &&
    heightMm <= topMm + overrunMm + 1e-6 &&
    Math.abs(speedMmps) <= maxMmps + 1e-6 &&
    Math.abs(accelerationMmps2) <= (isHard ? SAFETY_GEAR.accelerationMmps2 : RIDE.accelerationMmps2) + 1e-6 &&
    openness >= 0 &&
    openness <= 1 &&
    (state.phase === 'idle' || state.untilMs < Infinity) &&
    (state.trapped === null || state.aboard.length > 0)
  if (!isSound) throw new Error(JSON.stringify({ atMs, heightMm, speedMmps, accelerationMmps2, openness, state }))
}

/** A change neither moves the car nor, unless the brake or the safety gear falls in or lets go, jolts it. */
function expectContinuous(before: LiftState, after: LiftState, atMs: number) {
  const [was, is] = [kinematicsOf(before, atMs), kinematicsOf(after, atMs)]
  const isContinuous =
    Math.abs(was.heightMm - is.heightMm) < 1e-3 &&
    Math.abs(was.speedMmps - is.speedMmps) < 1e-3 &&
    Math.abs(was.accelerationMmps2 - is.accelerationMmps2) < 1
  const jerkMax = Math.max(...after.motion.pieces.map(({ jerkMmps3 }) => Math.abs(jerkMmps3)))
  const jerkLimit = after.phase === 'drifting' ? DRIFT.jerkMmps3 : RIDE.jerkMmps3
  const isSmooth = HARD_PHASES.includes(after.phase) || jerkMax <= jerkLimit
  const doorJump = Math.abs(opennessAt(before, atMs) - opennessAt(after, atMs))
  if (!isContinuous || !isSmooth || doorJump > 1e-9)
    throw new Error(JSON.stringify({ atMs, was, is, doorJump, before, after }))
}

describe('a lift with any people and any faults', () => {
  it('is sound at every moment, and no change moves it by a jump', () => {
    fc.assert(
      fc.property(lives, ({ plan, ...life }) => {
        let sinceMs = START_MS
        drive(plan, {
          ...life,
          spanMs: SPAN_MS,
          look: (before, after, atMs) => {
            for (const momentMs of momentsOf(sinceMs, atMs)) expectSound(plan, before, momentMs)
            expectContinuous(before, after, atMs)
            expectSound(plan, after, atMs)
            sinceMs = atMs
          },
        })
      }),
      { numRuns: 150 },
    )
  }, 120_000)

  it('loses nobody: who arrived waits, rides, was delivered or took the stairs', () => {
    fc.assert(
      fc.property(lives, ({ plan, ...life }) => {
        const arrived = personCount(life.calls.map(({ group }) => group))
        let brought = 0
        const end = drive(plan, {
          ...life,
          spanMs: SPAN_MS,
          look: (_before, after) => {
            if (heldPersonCount(after) !== after.arrivedCount) throw new Error(JSON.stringify(after))
            brought = after.arrivedCount
          },
        })
        // Some faults bring people of their own.
        expect(brought).toBeGreaterThanOrEqual(arrived)
        expect(end.arrivedCount).toBe(brought)
      }),
      { numRuns: 100 },
    )
  }, 120_000)

  it('never counts backwards', () => {
    fc.assert(
      fc.property(lives, ({ plan, ...life }) => {
        let shown = {}
        drive(plan, {
          ...life,
          spanMs: SPAN_MS,
          look: (_before, after, atMs) => {
            const now = readStatistics(plan, after, atMs)
            for (const [name, value] of Object.entries(shown))
              if (Reflect.get(now, name) < Number(value))
                throw new Error(`${name} fell from ${String(value)} at ${atMs}`)
            shown = now
          },
        })
      }),
      { numRuns: 60 },
    )
  }, 120_000)

  it('comes to the same state however its time is cut', () => {
    fc.assert(
      fc.property(
        lives,
        fc.array(fc.integer({ min: 0, max: SPAN_MS }), { maxLength: 60 }),
        ({ plan, ...life }, cuts) => {
          const atOnce = drive(plan, { ...life, spanMs: SPAN_MS })
          expect(drive(plan, { ...life, spanMs: SPAN_MS, cuts })).toEqual(atOnce)
        },
      ),
      { numRuns: 60 },
    )
  }, 120_000)

  it('gets on: every fault ends, everybody arrives, and in the end it is idle with nothing left behind', () => {
    fc.assert(
      fc.property(lives, ({ plan, ...life }) => {
        const end = drive(plan, { ...life, spanMs: SPAN_MS + 5 * 60 * MINUTE_MS })
        expect(end).toMatchObject({
          phase: 'idle',
          fault: null,
          trapped: null,
          conditions: [],
          waiting: [],
          aboard: [],
          serviceMode: 1,
          onBatterySinceMs: null,
          alarmButton: false,
          isEvacuating: false,
          positionErrorMm: 0,
        })
        expect(end.arrivedCount).toBe(end.deliveredCount + end.stairsCount)
      }),
      { numRuns: 100 },
    )
  }, 120_000)
})

describe('the table of phases', () => {
  it('lets the car move with doors that are not closed in two phases alone', () => {
    const open = Object.entries(PHASES).filter(([, { moves, doorStatus }]) => moves && doorStatus !== 2)
    expect(open.map(([phase]) => phase)).toEqual(['braking-ajar', 'drifting'])
  })
})
