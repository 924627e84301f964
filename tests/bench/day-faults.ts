/**
 * Faults of many lift-years. When a fault comes, which and to which lift is drawn at the rate of real lifts; then it is played on
 * that lift, with people who ride as on any day, from a quarter of an hour before it until it and its consequences are over. What
 * is counted of entrapments is what the lift really did.
 */
import { CHANCE_MS } from '#simulator/lift/faults/course'
import { beginFault, LIFT_FAULT_NAMES, LIFT_FAULTS, type FaultCause, type LiftFaultName } from '#simulator/lift/faults'
import { beginLife, live, nextEventAtMs } from '#simulator/lift/life'
import { planOf } from '#simulator/lift/lift-plan'
import { personCount } from '#simulator/lift/calls'
import { RandomStream } from '#simulator/random'
import { generateTown } from '#simulator/town/town'
import { DAY_FROM_MS } from './day-town.ts'

const YEAR_MS = 365.25 * 24 * 3600_000
const FAULTS_PER_YEAR = 3
const LIFT_COUNT = 300
const BEFORE_MS = 15 * 60_000
/** After a fault its people still have to get out. */
const AFTER_MS = 20 * 60_000

export type FaultFigures = {
  readonly liftYears: number
  /** Those that found their chance and bit. */
  readonly faultCount: number
  readonly entrapmentCount: number
  readonly trappedCount: number
  readonly causes: Readonly<Record<string, number>>
  readonly trapCauses: Readonly<Record<string, number>>
}

export function hoursOfFaults(seed: number, liftYears: number): FaultFigures {
  const { lifts } = generateTown({ seed, liftCount: LIFT_COUNT, boundAtMs: DAY_FROM_MS })
  const random = new RandomStream(seed, 70)
  const sums = { faultCount: 0, entrapmentCount: 0, trappedCount: 0 }
  const causes: Record<string, number> = {}
  const trapCauses: Record<string, number> = {}
  for (let atYear = random.wait(1 / FAULTS_PER_YEAR); atYear < liftYears; atYear += random.wait(1 / FAULTS_PER_YEAR)) {
    const name = drawName(random)
    const cause: FaultCause = LIFT_FAULTS[name].cause
    const atMs = DAY_FROM_MS + Math.floor(random.next() * YEAR_MS)
    const plan = planOf(random.pick(lifts), { seed, speed: 1, pattern: 'real' })
    const { durationMs, spreadMs } = LIFT_FAULTS[name]
    const lastsMs = Math.round(durationMs + (random.next() - 0.5) * spreadMs)
    const { isBitten, trappedCounts } = play(plan, { name, atMs, durationMs: lastsMs })
    if (!isBitten) continue
    sums.faultCount += 1
    causes[cause] = (causes[cause] ?? 0) + 1
    sums.entrapmentCount += trappedCounts.length
    if (trappedCounts.length > 0) trapCauses[cause] = (trapCauses[cause] ?? 0) + trappedCounts.length
    sums.trappedCount += trappedCounts.reduce((sum, count) => sum + count, 0)
  }
  return { liftYears, ...sums, causes, trapCauses }
}

function drawName(random: RandomStream): LiftFaultName {
  const weightSum = LIFT_FAULT_NAMES.reduce((sum, name) => sum + LIFT_FAULTS[name].weight, 0)
  let left = random.next() * weightSum
  return LIFT_FAULT_NAMES.find((name) => (left -= LIFT_FAULTS[name].weight) < 0) ?? 'door-blocked'
}

/** Whether it bit, and how many people each entrapment held. */
function play(
  plan: ReturnType<typeof planOf>,
  o: { name: LiftFaultName; atMs: number; durationMs: number },
): { isBitten: boolean; trappedCounts: readonly number[] } {
  let life = beginLife(plan, o.atMs - BEFORE_MS)
  let isBegun = false
  let isBitten = false
  const endAtMs = o.atMs + CHANCE_MS + o.durationMs + AFTER_MS
  const trapped = new Map<number, number>()
  for (;;) {
    const nextMs = nextEventAtMs(life)
    const atMs = isBegun ? nextMs : Math.min(nextMs, o.atMs)
    if (atMs > endAtMs) break
    life = live(plan, life, atMs)
    if (!isBegun && atMs >= o.atMs) {
      isBegun = true
      life = { ...life, state: beginFault(plan, life.state, o, atMs) ?? life.state }
    }
    const { state } = life
    isBitten ||= state.fault?.bittenAtMs != null
    if (state.trapped !== null) trapped.set(state.trapped.sinceMs, personCount(state.aboard))
    else if (isBitten && state.fault === null && atMs > o.atMs + AFTER_MS) break
  }
  return { isBitten, trappedCounts: [...trapped.values()] }
}
