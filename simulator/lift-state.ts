/** What a simulated lift is at one moment. Times are Unix ms, heights mm above the lowest landing. */
import type { LiftId } from '#contract/ids'
import type { Direction } from './calls.ts'
import type { Counters } from './counters.ts'
import type { Motion } from './motion.ts'
import type { Household, RiderGroup } from './residents.ts'

/** Door codes are those of `DOOR_STATUSES`, car codes those of `CAR_STATUSES`. */
export const PHASES = {
  idle: { doorStatus: 2, carStatus: 0 },
  starting: { doorStatus: 2, carStatus: 0 },
  running: { doorStatus: 2, carStatus: 1 },
  levelling: { doorStatus: 2, carStatus: 1 },
  opening: { doorStatus: 3, carStatus: 0 },
  open: { doorStatus: 4, carStatus: 0 },
  exchanged: { doorStatus: 4, carStatus: 0 },
  closing: { doorStatus: 1, carStatus: 0 },
  held: { doorStatus: 6, carStatus: 0 },
  stuck: { doorStatus: 2, carStatus: 0 },
  braking: { doorStatus: 2, carStatus: 1 },
  dark: { doorStatus: 2, carStatus: 0 },
  rescuing: { doorStatus: 2, carStatus: 1 },
  'out-of-service': { doorStatus: 2, carStatus: 0 },
} as const
export type Phase = keyof typeof PHASES

/** What does not change while the lift is simulated. */
export type LiftPlan = {
  readonly id: LiftId
  readonly labels: readonly string[]
  readonly heightsMm: readonly number[]
  readonly ratedMmps: number
  readonly ratedLoadKg: number
  readonly household: Household
}

/** A message of the controller that stands: raised and not yet cleared. Codes are of the set `gbt24476`. */
export type Condition = { readonly code: number; readonly kind: 'fault' | 'event' | 'alarm'; readonly sinceMs: number }

/** What is wrong. `endsAtMs` is null until it has begun to bite. */
export type Trouble =
  | { readonly kind: 'stop-between'; readonly durationMs: number; readonly endsAtMs: number | null }
  | {
      readonly kind: 'door-blocked'
      readonly durationMs: number
      readonly endsAtMs: number | null
      readonly attemptCount: number
    }
  | { readonly kind: 'power-cut'; readonly endsAtMs: number }

export type LiftState = {
  readonly phase: Phase
  readonly sinceMs: number
  /** When the phase ends by itself; Infinity when it waits for a call. */
  readonly untilMs: number
  /** Counted from `sinceMs`. */
  readonly motion: Motion
  /** Where and when the present run began. */
  readonly run: { readonly fromMm: number; readonly atMs: number } | null
  /** The landing at which the car stands or to which it goes; null when it stops between two. */
  readonly stop: number | null
  readonly direction: Direction
  /** 0 closed to 1 open, at `sinceMs`. */
  readonly openness: number
  readonly reopenCount: number
  /** The closing doors will meet something half way. */
  readonly isObstructed: boolean
  readonly waiting: readonly RiderGroup[]
  readonly aboard: readonly RiderGroup[]
  readonly counters: Counters
  /** No counter is shown lower than here. */
  readonly countersFloor: Counters
  readonly trouble: Trouble | null
  /** Everybody gets out at the next stop and nobody gets in. */
  readonly isEvacuating: boolean
  readonly conditions: readonly Condition[]
  readonly serviceMode: number
  readonly onBatterySinceMs: number | null
  readonly alarmButton: boolean
  /** How far the sequence of a stuck car has got. */
  readonly stage: number
  /** Groups that found a full landing and took the stairs. */
  readonly stairsCount: number
}
