/** The story of one fault, from when it is put upon a lift until long after it is over. */
import { stands, type Code } from '#simulator/lift/conditions'
import { beginFault, LIFT_FAULTS, rescueLift, type LiftFaultName } from '#simulator/lift/faults'
import { advanceLift, callLift, nextChangeAtMs, startLift } from '#simulator/lift/lift'
import { type LiftPlan, type LiftState } from '#simulator/lift/lift-state'
import { readStatus, type StatusFields } from '#simulator/lift/lift-status'
import { truthAt, type Truth } from '#simulator/lift/truth'
import { MINUTE_MS, somePlan, START_MS } from './lift-under-test.ts'

/** Everything at every change and twice a second. */
export type Sight = {
  readonly atMs: number
  readonly state: LiftState
  readonly status: StatusFields
  readonly truth: Truth
}
export type Story = {
  readonly plan: LiftPlan
  readonly sights: readonly Sight[]
  readonly end: LiftState
  readonly endMs: number
  /** While the fault bites. */
  readonly during: readonly Sight[]
}

export const group = (from: number, to: number, o: { count?: number; massKg?: number } = {}) => ({
  count: 1,
  massKg: 68,
  from,
  to,
  transferMs: 1800,
  ...o,
})

/** How the lift is when the fault is put upon it. */
export const SETTINGS = {
  idle: { calls: [], untilPhase: 'idle' },
  running: { calls: [group(0, 5)], untilPhase: 'running' },
  full: {
    calls: [
      ...Array.from({ length: 4 }, () => group(0, 5, { count: 2, massKg: 145 })),
      group(3, 1),
      group(2, 4),
      group(5, 0),
    ],
    untilPhase: 'running',
  },
} as const
export type Setting = keyof typeof SETTINGS

export function tell(o: {
  name: LiftFaultName
  setting?: Setting
  plan?: LiftPlan
  durationMs?: number
  rescueAfterMs?: number
  /** Somebody calls now and then, also later. */
  isUsed?: boolean
}): Story {
  const {
    name,
    setting = 'running',
    plan = somePlan({}),
    durationMs = LIFT_FAULTS[name].durationMs,
    isUsed = false,
  } = o
  let state = startLift(plan, START_MS)
  let atMs = START_MS
  for (const call of SETTINGS[setting].calls) state = callLift(plan, state, call, atMs)
  const isThere = () => state.phase === SETTINGS[setting].untilPhase && (setting === 'idle' || state.aboard.length > 0)
  while (!isThere()) {
    atMs = nextChangeAtMs(state)
    state = advanceLift(plan, state, atMs)
  }
  // In the middle of the first run.
  if (setting !== 'idle') atMs += 1500
  const begun = beginFault(plan, state, { name, durationMs }, atMs)
  if (begun === undefined) throw new Error('refused')
  state = begun
  const sights: Sight[] = []
  const see = () =>
    sights.push({ atMs, state, status: readStatus(plan, state, atMs), truth: truthAt(plan, state, atMs) })
  see()
  const endMs = atMs + durationMs + 40 * MINUTE_MS
  let nextCallMs = atMs + 45_000
  let trappedAtMs: number | undefined
  while (atMs < endMs) {
    const toMs = Math.min(nextChangeAtMs(state), (Math.floor(atMs / 500) + 1) * 500)
    atMs = toMs
    state = advanceLift(plan, state, atMs)
    if (isUsed && atMs >= nextCallMs) {
      const landing = 1 + ((nextCallMs / 45_000) % 4)
      state = callLift(plan, state, group(Math.floor(landing), 0), atMs)
      nextCallMs += 45_000
    }
    trappedAtMs = state.trapped === null ? trappedAtMs : (trappedAtMs ?? atMs)
    if (o.rescueAfterMs !== undefined && trappedAtMs !== undefined && atMs >= trappedAtMs + o.rescueAfterMs)
      state = rescueLift(plan, state, atMs)
    see()
  }
  return { plan, sights, end: state, endMs, during: sights.filter(({ truth }) => truth.fault !== null) }
}

export const codesOf = (story: Story): Set<string> =>
  new Set(story.sights.flatMap(({ state }) => state.conditions.map(({ codeSet, code }) => `${codeSet} ${code}`)))
export const text = ({ codeSet, code }: Code) => `${codeSet} ${code}`
export const trappedIn = (story: Story) => story.sights.filter(({ truth }) => truth.trapped !== null)
export const standsWith = (story: Story, code: Code) => story.sights.filter(({ state }) => stands(state, code))
export const phasesOf = (story: Story) => new Set(story.sights.map(({ state }) => state.phase))
export const heightsOf = (story: Story) => story.sights.map(({ truth }) => truth.heightMm)
export const topMm = (plan: LiftPlan) => plan.heightsMm.at(-1) ?? NaN
