/** What can be made to go wrong, by name. The table is what `--help` prints and what random faults are drawn from. */
import type { LiftId } from '#contract/ids'
import { blockDoor, cutPower, stopBetween } from './lift.ts'
import type { LiftPlan, LiftState } from './lift-state.ts'
import type { RandomStream } from './random.ts'

type Play = (plan: LiftPlan, state: LiftState, durationMs: number, atMs: number) => LiftState

export const SCENARIOS = {
  'entrapment-between-floors': {
    zh: '非平层困人',
    en: 'the car stops between two landings with people inside, its doors closed; then it goes on and lets them out',
    durationMs: 120_000,
    spreadMs: 120_000,
    weight: 3,
    play: stopBetween,
  },
  'door-blocked': {
    zh: '关门受阻',
    en: 'something keeps the doors from closing',
    durationMs: 90_000,
    spreadMs: 90_000,
    weight: 4,
    play: (_plan, state, durationMs, atMs) => blockDoor(state, durationMs, atMs),
  },
  'power-cut': {
    zh: '停电',
    en: 'the mains of one lift fail; the battery brings the car to a landing',
    durationMs: 240_000,
    spreadMs: 180_000,
    weight: 2,
    play: (_plan, state, durationMs, atMs) => cutPower(state, durationMs, atMs),
  },
  'terminal-dies': {
    zh: '终端失联',
    en: 'the terminal falls silent without a goodbye; the lift goes on unseen',
    durationMs: 480_000,
    spreadMs: 240_000,
    weight: 2,
    play: null,
  },
} as const satisfies Record<
  string,
  { zh: string; en: string; durationMs: number; spreadMs: number; weight: number; play: Play | null }
>
export type ScenarioName = keyof typeof SCENARIOS
export const SCENARIO_NAMES = Object.keys(SCENARIOS) as ScenarioName[]
export const isScenarioName = (text: string): text is ScenarioName => Object.hasOwn(SCENARIOS, text)

/** `durationMs` is how long the trouble lasts from when it begins to bite; without it the table's value holds. */
export type Scenario = { readonly name: ScenarioName; readonly lift: LiftId; readonly durationMs?: number }

/** A scenario for one of the lifts, drawn by weight. */
export function drawScenario(random: RandomStream, lifts: readonly LiftId[]): Scenario {
  const lift = random.pick(lifts)
  const weightSum = SCENARIO_NAMES.reduce((sum, name) => sum + SCENARIOS[name].weight, 0)
  let left = random.next() * weightSum
  const name = SCENARIO_NAMES.find((candidate) => (left -= SCENARIOS[candidate].weight) < 0) ?? 'door-blocked'
  const { durationMs, spreadMs } = SCENARIOS[name]
  return { name, lift, durationMs: Math.round(durationMs + (random.next() - 0.5) * spreadMs) }
}
