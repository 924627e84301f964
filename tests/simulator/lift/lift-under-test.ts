/** Lifts for tests: plans, people and faults at random, and a drive that looks at every change of state. */
import fc from 'fast-check'
import type { LiftId } from '#contract/ids'
import { isLiftId } from '#contract/ids'
import { personCount } from '#simulator/lift/calls'
import { beginFault, LIFT_FAULT_NAMES, LIFT_FAULTS, rescueLift, type LiftFaultName } from '#simulator/lift/faults'
import { advanceLift, callLift, nextChangeAtMs, startLift } from '#simulator/lift/lift'
import { heightMmAt, type LiftPlan, type LiftState } from '#simulator/lift/lift-state'
import type { RiderGroup } from '#simulator/town/residents'

/** A Saturday morning in Asia/Shanghai. */
export const START_MS = Date.parse('2026-11-21T08:00:00+08:00')
export const MINUTE_MS = 60_000

function liftId(text: string): LiftId {
  if (!isLiftId(text)) throw new Error(`${text} is no lift id`)
  return text
}

export function somePlan(o: {
  name?: string
  storeyCount?: number
  storeyMm?: number
  isHalf?: boolean
  ratedMmps?: number
  ratedLoadKg?: number
  seed?: number
}): LiftPlan {
  const { name = 'abc-1-1', storeyCount = 6, storeyMm = 2800, isHalf = false } = o
  const heightsMm = isHalf
    ? [0, ...Array.from({ length: storeyCount - 2 }, (_, index) => Math.round((index + 1.5) * storeyMm))]
    : Array.from({ length: storeyCount }, (_, floor) => floor * storeyMm)
  const labels = heightsMm.map((_, landing) => (isHalf && landing > 0 ? `${landing + 1}.5` : String(landing + 1)))
  const id = liftId(name)
  const entry = isHalf ? 'half-landing' : 'full-floor'
  const house = {
    lift: id,
    seed: o.seed ?? 1,
    landingCount: heightsMm.length,
    entry,
    speed: 1,
    pattern: 'real',
  } as const
  return { id, labels, heightsMm, ratedMmps: o.ratedMmps ?? 1000, ratedLoadKg: o.ratedLoadKg ?? 630, house }
}

export const plans: fc.Arbitrary<LiftPlan> = fc
  .record({
    name: fc.constantFrom('abc-1-1', 'abc-2-1', 'xyz-10-3'),
    storeyCount: fc.constantFrom(6, 7),
    storeyMm: fc.constantFrom(2800, 2900, 3000),
    isHalf: fc.boolean(),
    ratedMmps: fc.constantFrom(630, 1000),
    ratedLoadKg: fc.constantFrom(320, 400, 450, 630),
    seed: fc.nat(1000),
  })
  .map(somePlan)

/** Somebody who calls `afterMs` after the start. */
export type Call = { readonly afterMs: number; readonly group: RiderGroup }
/** Begins `changeCount` changes of the lift after `afterMs`, in the very ms of the last of them; 0 = at `afterMs` itself. */
export type Trouble = {
  readonly afterMs: number
  readonly changeCount?: number
  readonly name: LiftFaultName
  readonly durationMs: number
}

/** `from` and `to` are taken modulo the landings of the lift by `drive`. */
export const callsWithin = (spanMs: number, countMax: number): fc.Arbitrary<Call[]> =>
  fc.array(
    fc.record({
      afterMs: fc.integer({ min: 0, max: spanMs }),
      group: fc.record({
        count: fc.integer({ min: 1, max: 4 }),
        massKg: fc.integer({ min: 30, max: 380 }),
        from: fc.nat(6),
        to: fc.nat(6),
        transferMs: fc.integer({ min: 1500, max: 16_000 }),
      }),
    }),
    { maxLength: countMax },
  )

export const troublesWithin = (spanMs: number, countMax: number): fc.Arbitrary<Trouble[]> =>
  fc.array(
    fc.record({
      afterMs: fc.integer({ min: 0, max: spanMs }),
      changeCount: fc.integer({ min: 0, max: 9 }),
      name: fc.constantFrom(...LIFT_FAULT_NAMES),
      durationMs: fc.integer({ min: 1, max: 20 * MINUTE_MS }),
    }),
    { maxLength: countMax },
  )

/** A group that this lift can carry from one landing to another. */
export function fitting(plan: LiftPlan, group: RiderGroup): RiderGroup {
  const count = plan.heightsMm.length
  const from = group.from % count
  const to = group.to % count
  return { ...group, from, to: to === from ? (from + 1) % count : to }
}

type Deed = {
  readonly afterMs: number
  readonly changeCount?: number
  readonly do: (state: LiftState, atMs: number) => LiftState
}

/**
 * Lives from `START_MS` for `spanMs`. `look` sees the state before and after each single change, with the time of it. Without
 * `look` the lift is advanced from one deed to the next in one step.
 */
export function drive(
  plan: LiftPlan,
  o: {
    spanMs: number
    calls?: readonly Call[]
    troubles?: readonly Trouble[]
    rescues?: readonly number[]
    /** Times after the start to which it is advanced, and nothing done. */
    cuts?: readonly number[]
    look?: (before: LiftState, after: LiftState, atMs: number) => void
    state?: LiftState
    fromMs?: number
  },
): LiftState {
  const { look, fromMs = START_MS } = o
  const deeds: Deed[] = [
    ...(o.calls ?? []).map(({ afterMs, group }): Deed => ({
      afterMs,
      do: (state, atMs) => callLift(plan, state, fitting(plan, group), atMs),
    })),
    ...(o.troubles ?? []).map(({ afterMs, changeCount = 0, ...trouble }): Deed => ({
      afterMs,
      changeCount,
      do: (state, atMs) => beginFault(plan, state, trouble, atMs) ?? state,
    })),
    ...(o.rescues ?? []).map((afterMs): Deed => ({ afterMs, do: (state, atMs) => rescueLift(plan, state, atMs) })),
    ...(o.cuts ?? []).map((afterMs): Deed => ({ afterMs, do: (state) => state })),
  ].sort((a, b) => a.afterMs - b.afterMs)
  let state = o.state ?? startLift(plan, fromMs)
  const advance = (toMs: number) => {
    if (look === undefined) {
      state = advanceLift(plan, state, toMs)
      return
    }
    for (let atMs = nextChangeAtMs(state); atMs <= toMs; atMs = nextChangeAtMs(state)) {
      // One change: nothing else is due at that time unless the change itself makes it so.
      const after = advanceLift(plan, state, atMs)
      look(state, after, atMs)
      state = after
    }
  }
  let atMs = fromMs
  for (const deed of deeds) {
    atMs = Math.max(atMs, fromMs + deed.afterMs)
    advance(atMs)
    for (let leftCount = deed.changeCount ?? 0; leftCount > 0; leftCount -= 1) {
      const changeAtMs = nextChangeAtMs(state)
      if (changeAtMs > fromMs + o.spanMs) break
      atMs = changeAtMs
      advance(atMs)
    }
    const after = deed.do(state, atMs)
    look?.(state, after, atMs)
    state = after
  }
  advance(fromMs + o.spanMs)
  return state
}

export const personsOf = (state: LiftState): number => personCount(state.waiting) + personCount(state.aboard)
export const heldPersonCount = (state: LiftState): number => personsOf(state) + state.deliveredCount + state.stairsCount
export const isAtRest = (state: LiftState, atMs: number): boolean =>
  state.phase === 'idle' && heightMmAt(state, atMs) === heightMmAt(state, atMs + 1000)
/** As long as usual. */
export const usual = (name: LiftFaultName): number => LIFT_FAULTS[name].durationMs
