/** Checks of what a terminal kept while it was away. */
import { byBoot, judgeEach, notObserved, pairs, type Check, type Fault } from './check.ts'
import { birthOf, outagesOf, saidAt, type Break, type Course, type Publication } from './course.ts'
import { IDLE_LATE_MS, IDLE_MS, sampledStatuses } from './said.ts'
import { spanWords } from './words.ts'

/** A time is taken for that of the connect when it is so close to it. */
const EDGE_MS = 2000
/** So many statuses within `EDGE_MS` are no lift that moves, but times of sending. */
const BURST_COUNT = 5

const needsOutage = {
  zh: '中断期间没有采样，请让电梯运行',
  en: 'nothing was sampled during the outage; let the lift run',
}

export const BACKFILL_CHECKS: readonly Check[] = [
  {
    id: 'backfill.complete',
    zh: '断开期间的数据全部补传',
    en: 'nothing said while away is lost',
    clause: 'seq: grows by one within a boot; offline buffering',
    severity: 'must',
    unseen: 'incomplete',
    hint: needsOutage,
    judge: judgeComplete,
  },
  {
    id: 'backfill.time',
    zh: '补传数据保留原采样时间',
    en: 'what was kept carries the time at which it was sampled',
    clause: 'sampledAtMs: event time decides',
    severity: 'must',
    unseen: 'incomplete',
    hint: needsOutage,
    judge: (course) => {
      const stamped = outagesOf(course).flatMap((one) => stampedLate(course, one))
      const kept = outagesOf(course).flatMap((one) => keptOf(course, one))
      if (stamped.length === 0) return judgeEach(kept, () => undefined)
      return judgeEach(stamped, ({ fact, seq }) => ({
        words: {
          zh: `序号 ${seq} 在中断期间产生，却带有发送时间`,
          en: `number ${seq} is from the outage but carries the time of sending`,
        },
        fact,
      }))
    },
  },
  {
    id: 'backfill.order',
    zh: '补传按序号顺序发送',
    en: 'back-fill comes in the order of its numbers',
    clause: 'seq: grows by one within a boot',
    severity: 'should',
    unseen: 'told',
    hint: needsOutage,
    judge: judgeOrder,
  },
]

/** Said while the terminal was away, by its own time. */
const keptOf = (course: Course, { atMs, returned }: Break): Publication[] =>
  returned === undefined
    ? []
    : course.publications.filter((publication) => {
        const saidAtMs = saidAt(course, publication) ?? 0
        return (
          !publication.isRepeat &&
          publication.fact.atMs >= returned.connect.atMs &&
          saidAtMs > atMs + EDGE_MS &&
          saidAtMs < returned.connect.atMs - EDGE_MS
        )
      })

/**
 * What was made while the terminal was away and carries a time after it: numbers before that of `online`, or more statuses
 * at once than a lift can change. Empty when anything carries a time of the outage.
 */
function stampedLate(course: Course, one: Break): Publication[] {
  const { returned } = one
  if (returned === undefined || keptOf(course, one).length > 0) return []
  const fresh = returned.publications.filter(
    (publication) => !publication.isRepeat && (saidAt(course, publication) ?? 0) >= returned.connect.atMs - EDGE_MS,
  )
  const birth = birthOf(returned)
  const before =
    birth === undefined ? [] : fresh.filter(({ boot, seq = Infinity }) => boot === birth.boot && seq < (birth.seq ?? 0))
  if (before.length > 1) return before
  // Later a lift may move, and say as much at once.
  const sampled = fresh.filter(
    (one) => one.kind === 'status' && (saidAt(course, one) ?? Infinity) <= returned.connect.atMs + EDGE_MS,
  )
  const start = sampled.findIndex(
    (status, index) => (sampled[index + BURST_COUNT - 1]?.saidAtMs ?? Infinity) - (status.saidAtMs ?? 0) <= EDGE_MS,
  )
  return start < 0 ? [] : sampled.slice(start, start + BURST_COUNT)
}

function judgeComplete(course: Course) {
  const across = [...byBoot(course.publications).values()].flatMap((group) =>
    [...pairs(group)].filter(([before, after]) => before.session !== after.session),
  )
  const lost = across.map(([before, after]): Fault | undefined =>
    after.seq <= before.seq + 1
      ? undefined
      : {
          words: {
            zh: `断开前后缺少序号 ${before.seq + 1} 至 ${after.seq - 1}`,
            en: `numbers ${before.seq + 1} to ${after.seq - 1} are missing across a break`,
          },
          fact: after.fact,
        },
  )
  const outages = outagesOf(course)
  const stamped = outages.flatMap((one) => stampedLate(course, one))
  const holes = stamped.length > 0 ? [] : outages.flatMap((one) => holesOf(course, one))
  const verdict = judgeEach([...lost, ...holes], (fault) => fault)
  // Numbers without a gap say nothing when there was nothing to keep.
  const isEmpty = stamped.length === 0 && outages.every((one) => keptOf(course, one).length === 0)
  return isEmpty && verdict.state === 'passed' ? notObserved : verdict
}

/** Stretches of an outage without any sample, one entry for each neighbouring pair of samples. */
function holesOf(course: Course, { atMs, returned }: Break): (Fault | undefined)[] {
  if (returned === undefined) return []
  const sampled = sampledStatuses(course)
  const from = sampled.findLastIndex((status) => status.atMs <= atMs)
  const to = sampled.findIndex((status) => status.atMs >= returned.connect.atMs)
  if (from < 0 || to < 0) return []
  return [...pairs(sampled.slice(from, to + 1))].map(([before, after]) => {
    const span = spanWords(after.atMs - before.atMs)
    return after.atMs - before.atMs <= IDLE_MS + IDLE_LATE_MS
      ? undefined
      : {
          words: { zh: `中断期间 ${span.zh} 没有采样`, en: `nothing was sampled for ${span.en} of the outage` },
          fact: after.fact,
        }
  })
}

function judgeOrder(course: Course) {
  const used = new Set<string>()
  const births = new Set(course.sessions.map(birthOf))
  const inOrder = course.publications.flatMap((publication) => {
    const { boot, seq, isRepeat, session } = publication
    if (boot === undefined || seq === undefined || isRepeat) return []
    const isUsed = used.has(`${boot} ${seq}`)
    used.add(`${boot} ${seq}`)
    // `online` may overtake what was kept; a number that is used twice is judged elsewhere.
    return isUsed || births.has(publication) || session === course.sessions[0] ? [] : [{ ...publication, seq }]
  })
  const steps = [...pairs(inOrder)].filter(
    ([before, after]) => before.session === after.session && before.boot === after.boot,
  )
  return judgeEach(steps, ([before, after]) =>
    after.seq < before.seq
      ? {
          words: { zh: `序号 ${after.seq} 在 ${before.seq} 之后`, en: `number ${after.seq} came after ${before.seq}` },
          fact: after.fact,
        }
      : undefined,
  )
}
