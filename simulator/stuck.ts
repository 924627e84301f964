/** What happens in and to a car that stands between two landings with people inside. */
import type { LiftState } from './lift-state.ts'

type Mark = { readonly afterMs: number; readonly pass: (state: LiftState, atMs: number) => Partial<LiftState> }

/** ms after the stop. The controller says so soon; somebody holds the alarm button for a while. */
const MARKS: readonly Mark[] = [
  {
    afterMs: 2000,
    pass: ({ conditions }, atMs) => ({ conditions: [...conditions, { code: 4, kind: 'fault', sinceMs: atMs }] }),
  },
  {
    afterMs: 40_000,
    pass: ({ conditions }, atMs) => ({
      alarmButton: true,
      conditions: [...conditions, { code: 90, kind: 'alarm', sinceMs: atMs }],
    }),
  },
  {
    afterMs: 45_000,
    pass: ({ conditions }) => ({ alarmButton: false, conditions: conditions.filter(({ code }) => code !== 90) }),
  },
]

/** How long the first stretch of a stop of `durationMs` lasts. */
export const firstStuckMarkMs = (durationMs: number): number => Math.min(durationMs, MARKS[0]?.afterMs ?? durationMs)

/** The state after the mark that is due now; undefined when the stop is over. */
export function passStuckMark(state: LiftState, atMs: number): LiftState | undefined {
  const { trouble, stage } = state
  const endsAtMs = trouble?.kind === 'stop-between' ? (trouble.endsAtMs ?? atMs) : atMs
  const mark = MARKS[stage]
  if (mark === undefined || atMs >= endsAtMs) return undefined
  const next = MARKS[stage + 1]
  const untilMs = next === undefined ? endsAtMs : Math.min(endsAtMs, atMs - mark.afterMs + next.afterMs)
  return { ...state, ...mark.pass(state, atMs), stage: stage + 1, untilMs }
}
