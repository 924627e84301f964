/**
 * What can be made to go wrong with a lift or with its terminal, by name: one table of both. It is what `--help` prints and
 * what random faults are drawn from.
 */
import type { LiftId } from '#contract/ids'
import { LIFT_FAULTS } from './lift/faults.ts'
import type { RandomStream } from './random.ts'
import { TERMINAL_FAULTS } from './terminal/terminal-faults.ts'

export const SCENARIOS = { ...LIFT_FAULTS, ...TERMINAL_FAULTS } as const
export type ScenarioName = keyof typeof SCENARIOS
export const SCENARIO_NAMES = Object.keys(SCENARIOS) as ScenarioName[]
export const isScenarioName = (text: string): text is ScenarioName => Object.hasOwn(SCENARIOS, text)

/** `durationMs` is how long the trouble lasts from when it begins to bite; without it the table's value holds. */
export type Scenario = { readonly name: ScenarioName; readonly lift: LiftId; readonly durationMs?: number }

/**
 * How often each comes in a demonstration, which must show in minutes what a town sees in months: what is seen best comes most.
 * The `weight` of a lift fault is its share in real life.
 */
const DEMONSTRATED = {
  'entrapment-between-floors': 5,
  'door-blocked': 5,
  'power-cut': 3,
  'terminal-dies': 3,
  'door-will-not-open': 2,
  'safety-circuit-open': 2,
  'door-held-open': 2,
  'lock-contact-bounces': 2,
  'alarm-by-mistake': 2,
  'e-bike': 2,
  'abnormal-vibration': 1,
  'water-in-pit': 1,
  'encoder-drift': 1,
  'cannot-restart': 1,
} as const satisfies Partial<Record<ScenarioName, number>>
type DemonstratedName = keyof typeof DEMONSTRATED
export const DEMONSTRATED_NAMES = Object.keys(DEMONSTRATED) as DemonstratedName[]

/** A scenario for one of the lifts of a demonstration. */
export function drawScenario(random: RandomStream, lifts: readonly LiftId[]): Scenario {
  const lift = random.pick(lifts)
  const weightSum = DEMONSTRATED_NAMES.reduce((sum, name) => sum + DEMONSTRATED[name], 0)
  let left = random.next() * weightSum
  const name = DEMONSTRATED_NAMES.find((candidate) => (left -= DEMONSTRATED[candidate]) < 0) ?? 'door-blocked'
  const { durationMs, spreadMs } = SCENARIOS[name]
  return { name, lift, durationMs: Math.round(durationMs + (random.next() - 0.5) * spreadMs) }
}
