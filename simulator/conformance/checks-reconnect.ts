/** Checks of what follows when the connection breaks: coming back and sending again. */
import { judgeEach, noted, notObserved, pairs, type Check, type Fault } from './check.ts'
import { outagesOf, ownAttemptsOf, type Break, type Course, type Publication } from './course.ts'
import type { Fact } from './facts.ts'
import { spanWords } from './words.ts'

/** After so much silence the platform raises an offline alarm. */
export const RETURN_MS_MAX = 5 * 60_000
const RETURN_MS_WANTED = 2 * 60_000
/** The platform takes 30 CONNECTs a minute of one terminal, 15 of them at once. */
const ATTEMPTS = [
  { count: 15, spanMs: 10_000 },
  { count: 30, spanMs: 60_000 },
] as const
const BACK_OFF_FACTOR = 2
/** Fewer pauses say nothing about whether they grow. */
const PAUSES_MIN = 4

const needsBreak = {
  zh: '终端断开后没有再连接，或没有未应答的报文',
  en: 'the terminal did not come back, or nothing was unanswered',
}

export const RECONNECT_CHECKS: readonly Check[] = [
  {
    id: 'resend.again',
    zh: '未应答的报文在重连后以原序号重发',
    en: 'what was not acknowledged comes again after the reconnect, with its number',
    clause: 'QoS 1: acknowledged or sent again',
    severity: 'must',
    unseen: 'incomplete',
    hint: needsBreak,
    judge: (course) =>
      judgeEach(withheld(course), (publication) =>
        againOf(course, publication) === undefined
          ? {
              words: {
                zh: `序号 ${publication.seq ?? '?'} 没有得到应答，也没有重发`,
                en: `number ${publication.seq ?? '?'} was not acknowledged and did not come again`,
              },
              fact: publication.fact,
            }
          : undefined,
      ),
  },
  {
    id: 'resend.same',
    zh: '重发的内容与原报文相同',
    en: 'what comes again is the same, byte for byte',
    clause: 'a message is known by (lift, boot, seq)',
    severity: 'must',
    unseen: 'told',
    hint: needsBreak,
    judge: (course) =>
      judgeEach(
        withheld(course).flatMap((first) => againOf(course, first) ?? []),
        ({ isRepeat, seq, fact }) =>
          isRepeat
            ? undefined
            : {
                words: { zh: `序号 ${seq} 重发时内容不同`, en: `number ${seq} came again with another content` },
                fact,
              },
      ),
  },
  {
    id: 'resend.dup',
    zh: '重发报文的 DUP 标志',
    en: 'DUP flag of what came again',
    clause: 'MQTT-3.3.1-1',
    severity: 'info',
    unseen: 'told',
    hint: needsBreak,
    judge: (course) => {
      const again = withheld(course).flatMap((first) => againOf(course, first) ?? [])
      if (again.length === 0) return notObserved
      const dupCount = again.filter(({ fact }) => fact.isDuplicate).length
      return noted(again.length, {
        zh: `重发 ${again.length} 条，其中 ${dupCount} 条带 DUP；两者平台都接受`,
        en: `${again.length} came again, ${dupCount} with DUP; the platform takes both`,
      })
    },
  },
  {
    id: 'reconnect.return',
    zh: `断开后 ${RETURN_MS_MAX / 60_000} 分钟内重新连接`,
    en: `comes back within ${RETURN_MS_MAX / 60_000} min`,
    clause: 'offline alarm after five minutes of silence',
    severity: 'must',
    unseen: 'incomplete',
    hint: needsBreak,
    judge: (course) => judgeReturn(course, RETURN_MS_MAX),
  },
  {
    id: 'reconnect.prompt',
    zh: `断开后 ${RETURN_MS_WANTED / 60_000} 分钟内重新连接`,
    en: `comes back within ${RETURN_MS_WANTED / 60_000} min`,
    clause: 'freshness of live states',
    severity: 'should',
    unseen: 'told',
    hint: needsBreak,
    judge: (course) => judgeReturn(course, RETURN_MS_WANTED),
  },
  {
    id: 'reconnect.hammering',
    zh: '重连不过于频繁',
    en: 'does not hammer the platform',
    clause: 'bounds of the broker: MQTT_CONNECTS_PER_MINUTE_MAX',
    severity: 'must',
    unseen: 'incomplete',
    hint: needsBreak,
    judge: (course) => judgeHammering(course),
  },
  {
    id: 'reconnect.backOff',
    zh: '连接失败后逐步延长重试间隔',
    en: 'pauses grow while connecting fails',
    clause: 'back-off of terminals',
    severity: 'should',
    unseen: 'told',
    hint: {
      zh: '中断期间重试少于 5 次，可用 --outage 延长',
      en: 'fewer than five tries during the outage; --outage makes it longer',
    },
    judge: (course) =>
      judgeEach(
        outagesOf(course).filter((one) => pausesOf(course, one).length >= PAUSES_MIN),
        (one) => backOffFault(course, one),
      ),
  },
]

/** Publications that got no acknowledgement because the kit withheld it, and that could be sent again since. */
const withheld = ({ publications, sessions }: Course): Publication[] =>
  publications.filter(
    ({ fact, isRepeat, session }) =>
      !fact.isAnswered &&
      !isRepeat &&
      sessions.some(({ connect }) => connect.atMs > (session.closed?.atMs ?? Infinity) - 1),
  )

const againOf = ({ publications }: Course, first: Publication): Publication | undefined =>
  publications.find(
    ({ index, boot, seq, session }) =>
      index > first.index && session !== first.session && seq !== undefined && boot === first.boot && seq === first.seq,
  )

function judgeReturn({ breaks, endedAtMs }: Course, limitMs: number) {
  // A run that ended before the limit says nothing about a terminal that is not back.
  const judged = breaks.filter(
    ({ returned, openAtMs, refusedMs }) => returned !== undefined || endedAtMs - openAtMs - refusedMs >= limitMs,
  )
  return judgeEach(judged, ({ returned, openAtMs, refusedMs, atMs }): Fault | undefined => {
    const tookMs = (returned?.connect.atMs ?? endedAtMs) - Math.max(openAtMs, atMs) - refusedMs
    if (tookMs <= limitMs && returned !== undefined) return undefined
    const span = spanWords(tookMs)
    return {
      words:
        returned === undefined
          ? { zh: `${span.zh} 后仍未重新连接`, en: `not back after ${span.en}` }
          : { zh: `${span.zh} 后才重新连接`, en: `back only after ${span.en}` },
      fact: returned?.connect,
    }
  })
}

function judgeHammering(course: Course) {
  const attempts = ownAttemptsOf(course)
  // Without a break nothing was tried again.
  if (course.breaks.length === 0 && attempts.length < 2) return notObserved
  return judgeEach(attempts.entries(), ([index, attempt]) => {
    const over = ATTEMPTS.find(
      ({ count, spanMs }) => attempt.atMs - (attempts[index - count]?.atMs ?? -Infinity) < spanMs,
    )
    return over === undefined
      ? undefined
      : {
          words: {
            zh: `${over.spanMs / 1000} 秒内连接超过 ${over.count} 次`,
            en: `more than ${over.count} connects within ${over.spanMs / 1000} s`,
          },
          fact: attempt,
        }
  })
}

/** Pauses between the attempts that were refused in an outage. */
function pausesOf(course: Course, { atMs, openAtMs }: Break): number[] {
  const tries = ownAttemptsOf(course).filter((fact) => fact.atMs >= atMs && fact.atMs <= openAtMs)
  return [...pairs(tries)].map(([before, after]) => after.atMs - before.atMs)
}

function backOffFault(course: Course, one: Break): Fault | undefined {
  const pauses = pausesOf(course, one)
  // One pause may be long by chance; the middle of the last three is not.
  const firstMs = Math.max(1, Math.min(...pauses.slice(0, 2)))
  const longestMs = pauses.slice(-3).sort((x, y) => x - y)[1] ?? 0
  if (longestMs >= firstMs * BACK_OFF_FACTOR) return undefined
  const [first, longest] = [spanWords(firstMs), spanWords(longestMs)]
  const fact: Fact | undefined = course.facts.find((each) => each.what === 'attempt' && each.atMs >= one.atMs)
  return {
    words: {
      zh: `${pauses.length + 1} 次重试，间隔从 ${first.zh} 到 ${longest.zh}，没有延长`,
      en: `${pauses.length + 1} tries with pauses from ${first.en} to ${longest.en}: they do not grow`,
    },
    fact,
  }
}
