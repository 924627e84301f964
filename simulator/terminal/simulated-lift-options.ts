/** What a simulated lift and its terminal are made of. */
import type { TerminalSerial } from '#contract/ids'
import type { Lift } from '#contract/register'
import type { Truth } from '../lift/truth.ts'
import type { Pattern } from '../town/residents.ts'
import type { ClockPlan } from './clock.ts'
import type { Counted } from './own-counters.ts'
import type { TerminalKind } from './sensing.ts'

export type SimulatedLiftOptions = {
  readonly lift: Lift
  readonly serial: TerminalSerial
  readonly seed: number
  readonly speed: number
  readonly startAtMs: number
  /** `controller` unless told otherwise. */
  readonly kind?: TerminalKind
  /** Always right unless told otherwise. */
  readonly clock?: ClockPlan
  /** How people ride; `lively` unless told otherwise. */
  readonly pattern?: Pattern
  /** What was counted before; without it, what such a lift has probably counted. */
  readonly counted?: Counted
  /** Hears what is really so: at the start, and whenever people, who is trapped, or the fault of the lift change. */
  readonly onTruth?: (truth: Truth) => void
}
