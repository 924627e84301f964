/** The messages of the controller that stand: which codes were raised and not yet cleared. */
import { faultOf } from '#contract/faults'
import type { CodeSet } from '#contract/telemetry'
import type { Condition, LiftState } from './lift-state.ts'

/** A code of the fault table, which means nothing without its code set. */
export type Code = { readonly codeSet: CodeSet; readonly code: number }
/** A code of the messages in the manner of GB/T 24476. */
export const gbt = (code: number): Code => ({ codeSet: 'gbt24476', code })
/** A code of the IoT vendor in Shanghai. */
export const vendor = (code: number): Code => ({ codeSet: 'vendor-sh', code })

const isOf = (condition: Condition, { codeSet, code }: Code): boolean =>
  condition.code === code && condition.codeSet === codeSet

export const stands = (state: LiftState, code: Code): boolean =>
  state.conditions.some((condition) => isOf(condition, code))

/** Raises each of the codes that does not stand yet. Throws for a code that the fault table does not know. */
export function raise(state: LiftState, codes: readonly Code[], atMs: number): LiftState {
  const fresh = codes.filter((code) => !stands(state, code))
  if (fresh.length === 0) return state
  const raised = fresh.map(({ codeSet, code }): Condition => {
    const known = faultOf(codeSet, code)
    if (known === undefined) throw new RangeError(`${codeSet} ${code} is not in the fault table`)
    return { codeSet, code, kind: known.class, sinceMs: atMs }
  })
  return { ...state, conditions: [...state.conditions, ...raised] }
}

export function clear(state: LiftState, codes: readonly Code[]): LiftState {
  const conditions = state.conditions.filter((condition) => !codes.some((code) => isOf(condition, code)))
  return conditions.length === state.conditions.length ? state : { ...state, conditions }
}

/** Somebody presses the alarm button. */
export const pressAlarm = (state: LiftState, atMs: number): LiftState => ({
  ...raise(state, [gbt(90)], atMs),
  alarmButton: true,
})
export const releaseAlarm = (state: LiftState): LiftState => ({ ...clear(state, [gbt(90)]), alarmButton: false })
