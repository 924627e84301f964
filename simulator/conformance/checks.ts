/** All checks, in the order in which the report lists them. */
import { BACKFILL_CHECKS } from './checks-backfill.ts'
import { BEHAVIOUR_CHECKS } from './checks-behaviour.ts'
import { CONNECT_CHECKS } from './checks-connect.ts'
import { COUNTER_CHECKS } from './checks-counters.ts'
import { PUBLISH_CHECKS } from './checks-publish.ts'
import { RECONNECT_CHECKS } from './checks-reconnect.ts'
import { WILL_CHECKS } from './checks-will.ts'
import type { Check, Verdict } from './check.ts'
import type { Course } from './course.ts'

export const CHECKS: readonly Check[] = [
  ...CONNECT_CHECKS,
  ...WILL_CHECKS,
  ...PUBLISH_CHECKS,
  ...BEHAVIOUR_CHECKS,
  ...COUNTER_CHECKS,
  ...RECONNECT_CHECKS,
  ...BACKFILL_CHECKS,
]

export type Outcome = 'passed' | 'failed' | 'incomplete'
export type Judged = { readonly check: Check; readonly verdict: Verdict }

export const judgeAll = (course: Course): Judged[] => CHECKS.map((check) => ({ check, verdict: check.judge(course) }))

/**
 * Failed when something that must be is not; incomplete when the run was, or when something could not be judged that the kit
 * brings about itself. What should be and is not is a remark.
 */
export function outcomeOf(judged: readonly Judged[], isWhole: boolean): Outcome {
  const musts = judged.filter(({ check }) => check.severity === 'must')
  if (musts.some(({ verdict }) => verdict.state === 'failed')) return 'failed'
  const isSeen = musts.every(({ check, verdict }) => verdict.state !== 'notObserved' || check.unseen === 'told')
  return isWhole && isSeen ? 'passed' : 'incomplete'
}
