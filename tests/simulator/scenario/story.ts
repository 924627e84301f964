/** What happened in a scenario that was played, sorted by lift, and what in it speaks for which alarm. */
import { ALARM_KINDS, type AlarmKind } from '#contract/alarms'
import { faultOf } from '#contract/faults'
import type { Connection, Message, Status } from '#contract/telemetry'
import type { Truth } from '#simulator/lift/truth'
import { playScenario, type Arrival, type Happening, type PlayOptions } from '#simulator/scenario/play'
import type { ScenarioPlan } from '#simulator/scenario/scenario-file'

/** Times in ms from the begin of the scenario. */
export type Span = { readonly fromMs: number; readonly toMs: number }
export type LiftStory = {
  readonly arrivals: readonly Arrival[]
  readonly truths: readonly Truth[]
  /** By the time at which the broker had them first, each once. */
  readonly statuses: readonly (Status & { readonly atMs: number })[]
  readonly messages: readonly (Message & { readonly atMs: number })[]
  /** Until the doors opened for those inside, or the scenario was over. */
  readonly trapped: readonly (Span & { readonly place: 'between' | 'at-level' })[]
  readonly spanMs: number
}
export type Story = { readonly happened: readonly Happening[]; readonly lifts: readonly LiftStory[] }

export function storyOf(plan: ScenarioPlan, o: PlayOptions = {}): Story {
  const happened = [...playScenario(plan, o)]
  const beganMs = o.startAtMs ?? plan.startsAtMs
  const ids = [...new Set(happened.map((one) => (one.do === 'truth' ? one.truth.lift : one.lift)))]
  // Every lift tells what is so with it at the begin, one after the other.
  return { happened, lifts: ids.map((id) => liftStory(happened, id, beganMs, plan.lastsMs)) }
}

function liftStory(happened: readonly Happening[], id: string, beganMs: number, spanMs: number): LiftStory {
  const arrivals = happened.flatMap((one) => (one.do === 'arrives' && one.lift === id ? [one] : []))
  const truths = happened.flatMap((one) => (one.do === 'truth' && one.truth.lift === id ? [one.truth] : []))
  const fresh = arrivals.filter(({ isAgain }) => !isAgain)
  const bodies = <Body>(kind: string) =>
    fresh
      .filter((one) => one.kind === kind)
      .map(({ atMs, payload }) => ({ ...(JSON.parse(payload) as Body), atMs: atMs - beganMs }))
  return {
    arrivals,
    truths,
    statuses: bodies<Status>('status'),
    messages: bodies<Message>('message'),
    trapped: trappedIn(truths, beganMs, spanMs),
    spanMs,
  }
}

function trappedIn(truths: readonly Truth[], beganMs: number, spanMs: number): LiftStory['trapped'] {
  const spans: { fromMs: number; toMs: number; place: 'between' | 'at-level' }[] = []
  let sinceMs: number | undefined
  for (const { trapped, atMs } of truths) {
    const last = spans.at(-1)
    if (trapped === null && last !== undefined && sinceMs !== undefined) last.toMs = atMs - beganMs
    if (trapped !== null && trapped.sinceMs !== sinceMs)
      spans.push({ fromMs: trapped.sinceMs - beganMs, toMs: spanMs, place: trapped.place })
    sinceMs = trapped?.sinceMs
  }
  return spans
}

/** When each kind is due at the earliest by what the controller said: raised, and not cleared before the delay was over. */
export function dueByCodes({ messages, spanMs }: LiftStory, kind: AlarmKind): number[] {
  const { delayMs } = ALARM_KINDS[kind]
  return messages.flatMap((raised, index) => {
    if (!raised.raised || faultOf(raised.codeSet, raised.code)?.alarmKind !== kind) return []
    const cleared = messages.slice(index).find(({ id, raised: isRaised }) => id === raised.id && !isRaised)
    const stoodMs = cleared === undefined ? spanMs : cleared.occurredAtMs - raised.occurredAtMs
    return stoodMs >= delayMs ? [raised.atMs + delayMs] : []
  })
}

/** When a condition of the statuses had stood for so long; `delayMs` is that of the kind. */
export function dueByStatuses(
  { statuses }: LiftStory,
  kind: AlarmKind,
  holds: (status: Status) => boolean,
  delayMs: number = ALARM_KINDS[kind].delayMs,
): number[] {
  const due: number[] = []
  let since: (typeof statuses)[number] | undefined
  for (const status of statuses) {
    if (since !== undefined && status.sampledAtMs - since.sampledAtMs >= delayMs)
      if (due.at(-1) !== since.atMs + delayMs) due.push(since.atMs + delayMs)
    since = holds(status) ? (since ?? status) : undefined
    if (since === status && delayMs === 0) due.push(status.atMs)
  }
  return due
}

/** When the terminal had said nothing for five minutes. Its will is not its word. */
export function dueBySilence({ arrivals, spanMs }: LiftStory, beganMs: number): number[] {
  const { delayMs } = ALARM_KINDS['terminal-offline']
  const words = arrivals.filter((one) => !isWill(one)).map(({ atMs }) => atMs - beganMs)
  return [...words, spanMs].flatMap((atMs, index) => {
    const before = words[index - 1]
    return before !== undefined && atMs - before >= delayMs ? [before + delayMs] : []
  })
}

export const isWill = ({ kind, payload }: Arrival): boolean =>
  kind === 'connection' && (JSON.parse(payload) as Connection).state === 'offline'
