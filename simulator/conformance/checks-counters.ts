/** Checks of statistics and of messages raised and cleared. */
import type { Message, Statistics } from '#contract/telemetry'
import { judgeEach, notObserved, pairs, type Check } from './check.ts'
import type { Course } from './course.ts'
import type { Fact } from './facts.ts'
import { messages, statistics, type Said } from './said.ts'
import { spanWords } from './words.ts'

const STATISTICS_MS = 15 * 60_000
const STATISTICS_LATE_MS = 90_000
const RUNS_MAX = 100
const RUNS_LATE = 10

export const COUNTER_CHECKS: readonly Check[] = [
  {
    id: 'statistics.cadence',
    zh: '每 15 分钟及每运行 100 次发送统计',
    en: 'statistics every 15 min and after each 100 runs',
    clause: 'lifts/v1/{lift}/statistics: every 15 min and after each 100 runs',
    severity: 'must',
    unseen: 'told',
    hint: { zh: '请使用 --minutes 28 以上', en: 'use --minutes 28 or more' },
    judge: judgeCadence,
  },
  {
    id: 'statistics.counters',
    zh: '累计值从不减小',
    en: 'counters never fall',
    clause: 'lifts/v1/{lift}/statistics: counters that only grow',
    severity: 'must',
    unseen: 'told',
    hint: { zh: '统计少于两次，请延长观察时间', en: 'fewer than two statistics; observe for longer' },
    judge: (course) => judgeEach(pairs(statistics(course)), fallingCounter),
  },
  {
    id: 'message.pair',
    zh: '解除报文与发生报文的 id 相同',
    en: 'raised and cleared carry the same id',
    clause: 'Message.id: the same for raised and cleared',
    severity: 'must',
    unseen: 'told',
    hint: { zh: '请制造一次故障并排除', en: 'provoke a fault and end it' },
    judge: judgePairs,
  },
  {
    id: 'message.order',
    zh: '解除不早于发生',
    en: 'cleared comes after raised',
    clause: 'Message.occurredAtMs',
    severity: 'must',
    unseen: 'told',
    hint: { zh: '请制造一次故障并排除', en: 'provoke a fault and end it' },
    judge: judgeOrder,
  },
]

/** A moment from which the next statistics are due. */
type Mark = {
  readonly atMs: number
  readonly value: Pick<Statistics, 'runCount'>
  readonly fact: Fact | undefined
}

function judgeCadence(course: Course) {
  const said = statistics(course)
  const first = course.sessions[0]
  const beganAtMs = first?.connect.atMs ?? course.endedAtMs
  // A terminal that just begins has its interval from then on, unless it tells of one that began before.
  const isFirstKnown = (said[0]?.atMs ?? 0) > beganAtMs
  const marks: Mark[] = isFirstKnown ? [{ atMs: beganAtMs, value: {}, fact: undefined }, ...said] : said
  const judged = judgeEach(pairs(marks), ([before, after]) => {
    const gapMs = after.atMs - before.atMs
    const runCount = (after.value.runCount ?? 0) - (before.value.runCount ?? after.value.runCount ?? 0)
    const span = spanWords(gapMs)
    if (gapMs > STATISTICS_MS + STATISTICS_LATE_MS)
      return { words: { zh: `${span.zh} 没有统计`, en: `no statistics for ${span.en}` }, fact: after.fact }
    return runCount > RUNS_MAX + RUNS_LATE
      ? { words: { zh: `${runCount} 次运行之间没有统计`, en: `${runCount} runs without statistics` }, fact: after.fact }
      : undefined
  })
  const [spanMs, limitMs] = [course.endedAtMs - beganAtMs, STATISTICS_MS + STATISTICS_LATE_MS]
  const sinceMs = course.endedAtMs - (said.at(-1)?.atMs ?? beganAtMs)
  if (sinceMs > limitMs) {
    const span = spanWords(sinceMs)
    const words = { zh: `${span.zh} 没有统计`, en: `no statistics for ${span.en}` }
    return judgeEach([sinceMs], () => ({ words, fact: said.at(-1)?.fact }))
  }
  return spanMs < STATISTICS_MS && judged.state === 'passed' ? notObserved : judged
}

const COUNTERS = [
  'runCount',
  'runTimeS',
  'doorOpenCount',
  'ropeBendCount',
  'distanceM',
  'energyKWh',
  'passengerCount',
] as const

function fallingCounter([before, after]: readonly [Said<Statistics>, Said<Statistics>]) {
  const name = COUNTERS.find((counter) => (after.value[counter] ?? Infinity) < (before.value[counter] ?? -Infinity))
  if (name === undefined) return undefined
  const [from, to] = [before.value[name], after.value[name]]
  return { words: { zh: `${name} 从 ${from} 减到 ${to}`, en: `${name} fell from ${from} to ${to}` }, fact: after.fact }
}

const sameThing = (a: Message, b: Message) => a.codeSet === b.codeSet && a.code === b.code && a.kind === b.kind

/** Of a condition that was there before the kit was, nothing is known: its end is not judged. */
function judgePairs(course: Course) {
  const all = messages(course)
  const ends = all.flatMap((cleared) => {
    if (cleared.value.raised) return []
    const earlier = all.filter(({ value, index }) => value.raised && index < cleared.index)
    const own = earlier.find(({ value }) => value.id === cleared.value.id)
    // One that was cleared under its own id is over: its sensor may have raised another before it.
    const over = new Set(all.flatMap(({ value, index }) => (!value.raised && index < cleared.index ? [value.id] : [])))
    const alike = earlier.findLast(({ value }) => sameThing(value, cleared.value) && !over.has(value.id))
    return own === undefined && alike === undefined ? [] : [{ cleared, own, alike }]
  })
  return judgeEach(ends, ({ cleared, own, alike }) => {
    const { id, code } = cleared.value
    if (own === undefined)
      return {
        words: {
          zh: `代码 ${code} 发生时 id 为 ${alike?.value.id ?? ''}，解除时为 ${id}`,
          en: `code ${code} was raised as ${alike?.value.id ?? ''} and cleared as ${id}`,
        },
        fact: cleared.fact,
      }
    return sameThing(own.value, cleared.value)
      ? undefined
      : {
          words: {
            zh: `id ${id} 发生时代码为 ${own.value.code}，解除时为 ${code}`,
            en: `${id} was raised with code ${own.value.code} and cleared with ${code}`,
          },
          fact: cleared.fact,
        }
  })
}

function judgeOrder(course: Course) {
  const all = messages(course)
  const raised = new Map(all.flatMap((one) => (one.value.raised ? [[one.value.id, one] as const] : [])))
  const ends = all.filter(({ value }) => !value.raised && raised.has(value.id))
  return judgeEach(ends, (cleared) => {
    const begun = raised.get(cleared.value.id)
    const isEarly = begun !== undefined && cleared.value.occurredAtMs < begun.value.occurredAtMs
    return isEarly || (begun?.index ?? -1) > cleared.index
      ? {
          words: {
            zh: `${cleared.value.id} 的解除早于发生`,
            en: `${cleared.value.id} was cleared before it was raised`,
          },
          fact: cleared.fact,
        }
      : undefined
  })
}
