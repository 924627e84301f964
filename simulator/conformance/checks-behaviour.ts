/** Checks of when statuses are said, and whether they fit together: heartbeat, changes. */
import type { Status } from '#contract/telemetry'
import { byBoot, judgeEach, notObserved, pairs, type Check } from './check.ts'
import { endOf, isLive, saidAt, type Course } from './course.ts'
import { IDLE_LATE_MS, IDLE_MS, sampledStatuses, statuses, type Said } from './said.ts'
import { spanWords } from './words.ts'

/** The contract's intervals, and how late a terminal may be. */
const BUSY_MS = 10_000
const BUSY_LATE_MS = 2000
/** A change is heard so soon after it was sampled. */
const DELAY_MS_MAX = 5000

const CLOSED_DOORS: ReadonlySet<number> = new Set([2, 5])
const OPEN_DOORS: ReadonlySet<number> = new Set([3, 4])

const needsRides = { zh: '请让电梯运行并载人', en: 'let the lift run with somebody inside' }

export const BEHAVIOUR_CHECKS: readonly Check[] = [
  {
    id: 'heartbeat.busy',
    zh: '运行或有人时至少每 10 秒一次状态',
    en: 'a status at least every 10 s while running or occupied',
    clause: 'lifts/v1/{lift}/status: at least every 10 s while running or occupied',
    severity: 'must',
    unseen: 'incomplete',
    hint: needsRides,
    judge: (course) => judgeHeartbeat(course, true),
  },
  {
    id: 'heartbeat.idle',
    zh: '空闲时至少每 60 秒一次状态',
    en: 'a status at least every 60 s when idle',
    clause: 'lifts/v1/{lift}/status: 60 s idle',
    severity: 'must',
    unseen: 'told',
    hint: { zh: '请让电梯空闲一分钟以上', en: 'leave the lift idle for more than a minute' },
    judge: (course) => judgeHeartbeat(course, false),
  },
  {
    id: 'change.delay',
    zh: `变化在 ${DELAY_MS_MAX / 1000} 秒内送达`,
    en: `what changed is heard within ${DELAY_MS_MAX / 1000} s`,
    clause: 'lifts/v1/{lift}/status: on change',
    severity: 'should',
    unseen: 'incomplete',
    hint: { zh: '没有收到状态', en: 'no status was heard' },
    judge: (course) =>
      judgeEach(
        course.publications.filter((one) => !one.isRepeat && one.kind !== 'message' && isLive(course, one)),
        (publication) => {
          const lateMs = publication.fact.atMs - (saidAt(course, publication) ?? 0)
          const span = spanWords(lateMs)
          return lateMs > DELAY_MS_MAX
            ? {
                words: { zh: `采样后 ${span.zh} 才送达`, en: `heard ${span.en} after it was sampled` },
                fact: publication.fact,
              }
            : undefined
        },
      ),
  },
  {
    id: 'change.motion',
    zh: '楼层变化时报告了运行',
    en: 'running is told when the floor changes',
    clause: 'carStatus, carPosition: on change',
    severity: 'must',
    unseen: 'incomplete',
    hint: needsRides,
    judge: (course) =>
      judgeEach(
        statusPairs(course).filter(([before, after]) => before.value.carPosition !== after.value.carPosition),
        ([before, after]) =>
          before.value.carStatus === 1 || after.value.carStatus === 1
            ? undefined
            : {
                words: {
                  zh: `楼层从 ${before.value.carPosition} 变为 ${after.value.carPosition}，其间没有报告运行`,
                  en: `floor went from ${before.value.carPosition} to ${after.value.carPosition} and running was not told`,
                },
                fact: after.fact,
              },
      ),
  },
  {
    id: 'change.doors',
    zh: '轿门状态与关门到位一致',
    en: 'door status and door closed agree',
    clause: 'Door_Status, Door_Close_Status',
    severity: 'should',
    unseen: 'told',
    hint: { zh: '终端不报告轿门状态', en: 'the terminal tells no door status' },
    judge: (course) =>
      judgeEach(
        statuses(course).filter(({ value }) => value.doorStatus !== undefined),
        ({ value: { doorStatus = 0, doorClosed }, fact }) =>
          (doorClosed ? OPEN_DOORS : CLOSED_DOORS).has(doorStatus)
            ? {
                words: {
                  zh: `轿门状态为 ${doorStatus}，关门到位为 ${doorClosed}`,
                  en: `door status ${doorStatus}, door closed ${doorClosed}`,
                },
                fact,
              }
            : undefined,
      ),
  },
]

/** Whether something that cannot be read was said as a status in between: then nothing is known of the stretch. */
function readsThrough(course: Course): (fromMs: number, toMs: number) => boolean {
  // How many could not be read up to each: a stretch reads through when the count is the same at both ends.
  let unreadCount = 0
  const counts = new Map<number, number>()
  for (const { body, atMs } of sampledStatuses(course)) {
    if (body === undefined) unreadCount += 1
    counts.set(atMs, unreadCount)
  }
  return (fromMs, toMs) => counts.get(fromMs) === (counts.get(toMs) ?? unreadCount)
}

/** Neighbouring statuses of one boot and one connection, both sampled while it stood. */
function statusPairs(course: Course): (readonly [Said<Status>, Said<Status>])[] {
  const live = statuses(course).filter((status) => isLive(course, status))
  const known = new Map(live.map((status) => [status.index, status]))
  const isReadable = readsThrough(course)
  return [...byBoot(live).values()].flatMap((group) =>
    [...pairs(group)].flatMap(([before, after]) => {
      const [from, to] = [known.get(before.index), known.get(after.index)]
      if (from === undefined || to === undefined || from.session !== to.session) return []
      return isReadable(from.atMs, to.atMs) ? [[from, to] as const] : []
    }),
  )
}

/** A stretch counts as seen when it lasted for one whole interval. */
function judgeHeartbeat(course: Course, isBusy: boolean) {
  const [everyMs, lateMs] = isBusy ? [BUSY_MS, BUSY_LATE_MS] : [IDLE_MS, IDLE_LATE_MS]
  const isMeant = ({ value }: Said<Status>) => (value.carStatus === 1 || value.passengerPresent) === isBusy
  const ofKind = [...statusPairs(course), ...silentEnds(course)].filter(([before]) => isMeant(before))
  let stretchMs = 0
  let longestMs = 0
  let lastIndex = -1
  for (const [before, after] of ofKind) {
    stretchMs = (before.index === lastIndex ? stretchMs : 0) + (after.atMs - before.atMs)
    lastIndex = after.index
    longestMs = Math.max(longestMs, stretchMs)
  }
  if (longestMs < everyMs * 0.9) return notObserved
  return judgeEach(ofKind, ([before, after]) => {
    const gapMs = after.atMs - before.atMs
    const span = spanWords(gapMs)
    return gapMs > everyMs + lateMs
      ? {
          words: {
            zh: `序号 ${before.seq} 之后 ${span.zh} 没有状态`,
            en: `no status for ${span.en} after number ${before.seq}`,
          },
          fact: before.fact,
        }
      : undefined
  })
}

/**
 * The last status of each connection, and its end: nothing came in between. A status that was sampled in time and came only
 * over the next connection ends the stretch as well.
 */
function silentEnds(course: Course): (readonly [Said<Status>, { readonly atMs: number; readonly index: number }])[] {
  const last = new Map(statuses(course).map((status) => [status.session, status]))
  const answered = course.facts.filter((fact) => fact.what === 'phase')
  const isReadable = readsThrough(course)
  const sampled = new Map<number, number[]>()
  for (const { boot, atMs } of sampledStatuses(course))
    if (boot !== undefined && sampled.get(boot)?.push(atMs) === undefined) sampled.set(boot, [atMs])
  return [...last.values()]
    .filter((status) => isLive(course, status) && isReadable(status.atMs, Infinity))
    .map((status) => {
      // A terminal may wait for an acknowledgement that is withheld.
      const withheld = answered.find(({ phase, atMs }) => phase === 'withhold' && atMs > status.atMs)?.atMs ?? Infinity
      const nextMs = sampled.get(status.boot ?? -1)?.find((atMs) => atMs > status.atMs) ?? Infinity
      const endMs = Math.min(endOf(course, status.session), withheld, nextMs)
      return [status, { atMs: endMs, index: -2 }] as const
    })
}
