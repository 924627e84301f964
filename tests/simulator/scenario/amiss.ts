/** What does not fit together in a scenario that was played: its expectations, its ground truth and what its terminals told. */
import { ALARM_KINDS, type AlarmKind } from '#contract/alarms'
import { faultOf } from '#contract/faults'
import type { ScenarioPlan } from '#simulator/scenario/scenario-file'
import { dueOf } from './evidence.ts'
import { dueByCodes, type Story } from './story.ts'

/** From the end of a fault until the car has crept to a landing and its doors are open. */
const CREEP_MS = 25_000

const kindsOf = (plan: ScenarioPlan, lift: number): AlarmKind[] =>
  plan.expected.filter((one) => one.lift === lift).map(({ alarm }) => alarm)

export type PlayedScenario = { readonly name: string; readonly plan: ScenarioPlan; readonly story: Story }

/** In sentences; nothing when all is well. */
export const amiss = (played: PlayedScenario): string[] => [
  ...notDue(played),
  ...notOver(played),
  ...notExpected(played),
  ...neitherExpectedNorAllowed(played),
]

/** Alarms that are expected and not due within their window. */
function notDue({ name, plan, story }: PlayedScenario): string[] {
  return plan.expected.flatMap(({ alarm, lift, afterMs, byMs }) => {
    const told = story.lifts[lift - 1]
    const due = told === undefined ? [] : dueOf(alarm, told, plan)
    const isDue = due.some((atMs) => atMs >= afterMs && atMs <= byMs)
    return isDue ? [] : [`${name}: ${alarm} at lift ${lift} is due at ${due.join(', ')}`]
  })
}

/** Entrapments that are expected to be over and are not. */
function notOver({ name, plan, story }: PlayedScenario): string[] {
  return plan.expected.flatMap(({ alarm, lift, afterMs, byMs, clearedByMs }) => {
    if (clearedByMs === undefined || !alarm.startsWith('entrapment')) return []
    const spans = story.lifts[lift - 1]?.trapped.filter(({ fromMs, toMs }) => fromMs <= byMs && toMs > afterMs) ?? []
    const isOver = spans.length === 1 && spans.every(({ toMs }) => toMs < clearedByMs)
    return isOver ? [] : [`${name}: ${alarm} at lift ${lift} lasts until ${spans.map(({ toMs }) => toMs).join(', ')}`]
  })
}

/** People who are trapped for longer than the threshold, and no alarm of it is expected. */
function notExpected({ name, plan, story }: PlayedScenario): string[] {
  return story.lifts.flatMap(({ trapped }, index) =>
    trapped.flatMap(({ fromMs, toMs, place }) => {
      const kind = place === 'between' ? 'entrapment-between-floors' : 'entrapment-at-landing'
      const isExpected = kindsOf(plan, index + 1).includes(kind) || isToldHoursLater(name)
      const isLong = toMs - fromMs >= ALARM_KINDS[kind].delayMs + CREEP_MS
      return isLong && !isExpected ? [`${name}: ${kind} at lift ${index + 1} from ${fromMs} to ${toMs}`] : []
    }),
  )
}

/** What the controller speaks of for longer than the threshold, and the scenario does not. */
function neitherExpectedNorAllowed({ name, plan, story }: PlayedScenario): string[] {
  return story.lifts.flatMap((lift, index) => {
    const known = new Set([...kindsOf(plan, index + 1), ...plan.allowed])
    const said = new Set(lift.messages.flatMap(({ codeSet, code }) => faultOf(codeSet, code)?.alarmKind ?? []))
    const unknown = [...said].filter((kind) => !known.has(kind) && dueByCodes(lift, kind).length > 0)
    return isToldHoursLater(name) ? [] : unknown.map((kind) => `${name}: ${kind} at lift ${index + 1}`)
  })
}

/** It was over when the first word of it came: history, and no alarm. */
const isToldHoursLater = (name: string): boolean => name.startsWith('entrapment/long-ended-when-told')
