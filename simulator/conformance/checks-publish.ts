/** Checks of what is published: topics, flags, schema, numbers, clock. */
import { SAMPLE_AGE_MS_MAX, SAMPLE_AHEAD_MS_MAX } from '#contract/telemetry'
import { MESSAGE_KINDS, PAYLOAD_BYTES_MAX, type MessageKind } from '#contract/topics'
import { byBoot, judgeEach, noted, notObserved, pairs, type Check, type Fault } from './check.ts'
import type { Course, Publication } from './course.ts'
import { quoted, spanWords, type Words } from './words.ts'

/** A healthy idle lift whose samples are older than this is shown as late or stale. */
const CLOCK_OFF_MS_MAX = 60_000
/** A clock that is set right may go back by so much. */
const CLOCK_BACK_MS_MAX = 1000

const always = {
  unseen: 'incomplete',
  hint: { zh: '终端没有发送任何报文', en: 'the terminal published nothing' },
} as const

const judgePublications = (course: Course, faultOf: (publication: Publication) => Words | undefined) =>
  judgeEach(course.publications, (publication) => {
    const words = faultOf(publication)
    return words === undefined ? undefined : { words, fact: publication.fact }
  })

const SCHEMA_ROWS: Readonly<Record<MessageKind, Words & { readonly unseen: Check['unseen']; readonly hint: Words }>> = {
  status: { zh: '实时状态', en: 'status', ...always },
  statistics: {
    zh: '统计信息',
    en: 'statistics',
    unseen: 'told',
    hint: { zh: '每 15 分钟一次，请延长观察时间', en: 'said every 15 minutes; observe for longer' },
  },
  message: {
    zh: '故障、事件、报警',
    en: 'message',
    unseen: 'told',
    hint: { zh: '请制造一次故障或按下报警按钮', en: 'provoke a fault or press the alarm button' },
  },
  connection: {
    zh: '连接',
    en: 'connection',
    unseen: 'told',
    hint: { zh: '没有收到 online', en: 'online was not heard' },
  },
}

const SCHEMA_CHECKS: readonly Check[] = MESSAGE_KINDS.map((kind) => ({
  id: `schema.${kind}`,
  zh: `${SCHEMA_ROWS[kind].zh}的内容符合约定`,
  en: `${SCHEMA_ROWS[kind].en}: content as in the contract`,
  clause: `lifts/v1/{lift}/${kind}: schema`,
  severity: 'must',
  unseen: SCHEMA_ROWS[kind].unseen,
  hint: SCHEMA_ROWS[kind].hint,
  judge: (course) =>
    judgeEach(
      course.publications.filter((publication) => publication.kind === kind),
      ({ fault, fact }) => (fault === undefined ? undefined : { words: fault, fact }),
    ),
}))

const DAY_MS = 24 * 3600 * 1000

export const PUBLISH_CHECKS: readonly Check[] = [
  {
    id: 'topic.own',
    zh: '只发布到本梯的四个主题',
    en: 'publishes to the four topics of its lift only',
    clause: 'lifts/v1/{lift}/{kind}',
    severity: 'must',
    ...always,
    judge: (course) =>
      judgePublications(course, ({ lift, fact }) =>
        lift === course.subject.lift
          ? undefined
          : { zh: `发布到 ${quoted(fact.topic)}`, en: `published to ${quoted(fact.topic)}` },
      ),
  },
  {
    id: 'publish.qos',
    zh: '以 QoS 1 发布',
    en: 'publishes with QoS 1',
    clause: 'QoS 1 for everything a device says',
    severity: 'must',
    ...always,
    judge: (course) =>
      judgePublications(course, ({ fact }) =>
        fact.qos === 1 ? undefined : { zh: `以 QoS ${fact.qos} 发布`, en: `published with QoS ${fact.qos}` },
      ),
  },
  {
    id: 'publish.retain',
    zh: '不带保留标志',
    en: 'retain flag is not set',
    clause: 'topics: not retained',
    severity: 'should',
    ...always,
    judge: (course) =>
      judgePublications(course, ({ fact }) =>
        fact.isRetained ? { zh: '带保留标志', en: 'retain flag is set' } : undefined,
      ),
  },
  {
    id: 'payload.size',
    zh: `载荷不超过 ${PAYLOAD_BYTES_MAX} 字节`,
    en: `payload of at most ${PAYLOAD_BYTES_MAX} bytes`,
    clause: 'payloads: at most 16 KiB',
    severity: 'must',
    ...always,
    judge: (course) =>
      judgePublications(course, ({ fact: { payload } }) =>
        payload.length <= PAYLOAD_BYTES_MAX
          ? undefined
          : { zh: `载荷 ${payload.length} 字节`, en: `payload of ${payload.length} bytes` },
      ),
  },
  ...SCHEMA_CHECKS,
  {
    id: 'schema.unknown',
    zh: '约定之外的字段',
    en: 'fields that the contract does not know',
    clause: 'unknown fields are tolerated, dropped and counted',
    severity: 'info',
    unseen: 'told',
    hint: { zh: '没有', en: 'there were none' },
    judge: ({ publications }) => {
      const found = publications.filter(({ unknownFields }) => unknownFields.length > 0)
      const [first] = found
      if (first === undefined) return notObserved
      const names = [...new Set(found.flatMap(({ unknownFields }) => unknownFields))].slice(0, 8).map(quoted).join(', ')
      return noted(found.length, { zh: `多出字段 ${names}`, en: `extra fields ${names}` }, first.fact)
    },
  },
  {
    id: 'seq.step',
    zh: '同一启动次数内序号每次加 1',
    en: 'numbers grow by one within a boot',
    clause: 'seq: grows by one within a boot',
    severity: 'must',
    ...always,
    judge: (course) =>
      judgeEach(numberedPairs(course), ([before, after]) =>
        // What is missing between two connections is judged as back-fill.
        after.seq > before.seq + 1 && after.session === before.session
          ? {
              words: {
                zh: `序号从 ${before.seq} 跳到 ${after.seq}`,
                en: `numbers jump from ${before.seq} to ${after.seq}`,
              },
              fact: after.fact,
            }
          : undefined,
      ),
  },
  {
    id: 'seq.unique',
    zh: '同一启动次数内序号不重复使用',
    en: 'no number is used twice within a boot',
    clause: 'a message is known by (lift, boot, seq)',
    severity: 'must',
    ...always,
    judge: (course) =>
      judgeEach(numberedPairs(course), ([before, after]) =>
        after.seq === before.seq
          ? {
              words: {
                zh: `启动次数 ${after.boot} 的序号 ${after.seq} 用于不同的内容`,
                en: `number ${after.seq} of boot ${after.boot} stands for different contents`,
              },
              fact: after.fact,
            }
          : undefined,
      ),
  },
  {
    id: 'boot.grows',
    zh: '启动次数从不减小',
    en: 'boot never falls',
    clause: "boot: count of the terminal's starts",
    severity: 'must',
    ...always,
    judge: ({ publications }) => {
      let highest = 0
      return judgeEach(
        publications.filter(({ boot, isRepeat }) => boot !== undefined && !isRepeat),
        ({ boot = 0, session, fact }) => {
          // What waited through a restart may still come, but not on a connection that already spoke of the new boot.
          const isOld = boot < highest && session.publications[0]?.boot !== boot
          highest = Math.max(highest, boot)
          return isOld
            ? { words: { zh: `启动次数从 ${highest} 变为 ${boot}`, en: `boot went from ${highest} to ${boot}` }, fact }
            : undefined
        },
      )
    },
  },
  {
    id: 'boot.restart',
    zh: '重启后启动次数变大',
    en: 'boot is greater after a restart',
    clause: "boot: count of the terminal's starts",
    severity: 'must',
    unseen: 'told',
    hint: { zh: '使用 --restart，并按提示重启终端', en: 'use --restart and restart the terminal when asked' },
    judge: (course) => judgeRestart(course),
  },
  {
    id: 'clock.skew',
    zh: `终端时钟误差不超过 ${CLOCK_OFF_MS_MAX / 1000} 秒`,
    en: `clock is right within ${CLOCK_OFF_MS_MAX / 1000} s`,
    clause: 'sampledAtMs: event time decides',
    severity: 'must',
    ...always,
    judge: ({ publications, clockAheadMs }) => {
      const fresh = publications.filter(({ saidAtMs }) => saidAtMs !== undefined)
      if (clockAheadMs === undefined || Math.abs(clockAheadMs) <= CLOCK_OFF_MS_MAX)
        return judgeEach(fresh, () => undefined)
      const span = spanWords(clockAheadMs)
      const words: Words =
        clockAheadMs > 0
          ? { zh: `终端时钟快 ${span.zh}`, en: `the clock is ${span.en} ahead` }
          : { zh: `终端时钟慢 ${span.zh}`, en: `the clock is ${span.en} behind` }
      return judgeEach(fresh, ({ fact }) => ({ words, fact }))
    },
  },
  {
    id: 'clock.future',
    zh: `采样时间不超前 ${SAMPLE_AHEAD_MS_MAX / 60_000} 分钟以上`,
    en: `no time is more than ${SAMPLE_AHEAD_MS_MAX / 60_000} min ahead`,
    clause: 'quarantine: time.future',
    severity: 'must',
    ...always,
    judge: ({ publications }) =>
      judgeEach(
        publications.filter(({ saidAtMs }) => saidAtMs !== undefined),
        ({ fact, saidAtMs = 0 }) => {
          const span = spanWords(saidAtMs - fact.atMs)
          return saidAtMs - fact.atMs > SAMPLE_AHEAD_MS_MAX
            ? { words: { zh: `时间超前 ${span.zh}`, en: `time is ${span.en} ahead` }, fact }
            : undefined
        },
      ),
  },
  {
    id: 'clock.past',
    zh: `采样时间不早于 ${SAMPLE_AGE_MS_MAX / DAY_MS} 天前`,
    en: `no time is more than ${SAMPLE_AGE_MS_MAX / DAY_MS} days past`,
    clause: 'quarantine: time.tooOld',
    severity: 'must',
    ...always,
    judge: ({ publications }) =>
      judgeEach(
        publications.filter(({ saidAtMs }) => saidAtMs !== undefined),
        ({ fact, saidAtMs = 0 }) => {
          const span = spanWords(fact.atMs - saidAtMs)
          return fact.atMs - saidAtMs > SAMPLE_AGE_MS_MAX
            ? { words: { zh: `时间早于 ${span.zh}前`, en: `time is ${span.en} past` }, fact }
            : undefined
        },
      ),
  },
  {
    id: 'clock.back',
    zh: '采样时间不倒退',
    en: 'sample times never go back',
    clause: 'sampledAtMs: event time decides',
    severity: 'must',
    ...always,
    judge: (course) => judgeEach(sampledPairs(course), clockBack),
  },
]

/** Neighbours by number within a boot. */
const numberedPairs = ({ publications }: Course) =>
  [...byBoot(publications).values()].flatMap((group) => [...pairs(group)])

/** The same of what is sampled: a message may tell of something earlier. A number that is used twice is judged elsewhere. */
const sampledPairs = ({ publications }: Course) =>
  [...byBoot(publications).values()].flatMap((group) => {
    const seqs = new Map<number, number>()
    for (const { seq } of group) seqs.set(seq, (seqs.get(seq) ?? 0) + 1)
    const isSampled = ({ kind, saidAtMs, seq }: (typeof group)[number]) =>
      kind !== 'message' && saidAtMs !== undefined && seqs.get(seq) === 1
    // Numbers that begin anew mix two stretches: only what was heard in this order is compared.
    return [...pairs(group.filter(isSampled))].filter(([before, after]) => before.index < after.index)
  })

function clockBack([before, after]: readonly [Publication, Publication]): Fault | undefined {
  const backMs = (before.saidAtMs ?? 0) - (after.saidAtMs ?? 0)
  if (backMs <= CLOCK_BACK_MS_MAX) return undefined
  const span = spanWords(backMs)
  return {
    words: { zh: `序号 ${after.seq} 的时间倒退 ${span.zh}`, en: `time of number ${after.seq} goes back by ${span.en}` },
    fact: after.fact,
  }
}

/** A restart is asked for by the kit; that boot did not grow shows in the same boot with numbers that begin anew. */
function judgeRestart(course: Course) {
  const asked = course.facts.find((fact) => fact.what === 'phase' && fact.phase === 'restart')
  const isAfter = ({ fact }: Publication) => asked !== undefined && fact.atMs >= asked.atMs
  const before = Math.max(-1, ...course.publications.filter((one) => !isAfter(one)).map(({ boot = -1 }) => boot))
  const greeted = course.sessions
    .filter(({ connect }) => asked !== undefined && connect.atMs >= asked.atMs)
    .flatMap(({ publications }) => publications.find(({ kind, isRepeat }) => kind === 'connection' && !isRepeat) ?? [])
  const numbers = course.publications.filter((one) => !isAfter(one) && one.boot === before).map(({ seq = -1 }) => seq)
  const highest = Math.max(-1, ...numbers)
  // The same boot with numbers that go on: only the connection was new, the terminal was not restarted.
  const isRestarted = ({ boot, seq = -1 }: Publication) => boot !== before || seq <= highest
  if (before < 0 || !greeted.some(isRestarted)) return notObserved
  const grown = greeted.filter(({ boot = -1 }) => boot > before)
  return judgeEach(grown.length > 0 ? grown : greeted.filter(isRestarted).slice(-1), (birth) =>
    (birth.boot ?? -1) > before
      ? undefined
      : {
          words: { zh: `重启后启动次数仍为 ${before}`, en: `boot is still ${before} after the restart` },
          fact: birth.fact,
        },
  )
}
