/** Checks of the last will and of the birth message. */
import { Compile } from 'typebox/compile'
import { ConnectionOffline } from '#contract/telemetry'
import { deviceTopic } from '#contract/topics'
import { judgeEach, type Check, type Fault } from './check.ts'
import { connects, judgeConnects, needsConnection } from './checks-connect.ts'
import { birthOf, saidAt, type Course, type Session } from './course.ts'
import type { FactOf } from './facts.ts'
import { quoted } from './words.ts'

/** So long after its CONNECT a terminal has said `online`. */
const GREETING_MS = 5000

type Will = NonNullable<FactOf<'connect'>['packet']['will']>
const judgeWills = (course: Course, faultOf: (will: Will) => Fault['words'] | undefined) =>
  judgeEach(
    connects(course).filter(({ packet }) => packet.will !== undefined),
    (fact) => {
      const words = fact.packet.will === undefined ? undefined : faultOf(fact.packet.will)
      return words === undefined ? undefined : { words, fact }
    },
  )

const offline = Compile(ConnectionOffline)

export const WILL_CHECKS: readonly Check[] = [
  {
    id: 'will.present',
    zh: '设置遗嘱',
    en: 'leaves a will',
    clause: 'lifts/v1/{lift}/connection: last will',
    severity: 'must',
    unseen: 'incomplete',
    hint: needsConnection,
    judge: (course) =>
      judgeConnects(course, ({ will }) => (will === undefined ? { zh: '没有遗嘱', en: 'no will' } : undefined)),
  },
  {
    id: 'will.topic',
    zh: '遗嘱主题为本梯的 connection',
    en: 'will is on the connection topic of the lift',
    clause: 'lifts/v1/{lift}/connection: last will',
    severity: 'must',
    unseen: 'told',
    hint: { zh: '没有遗嘱', en: 'there was no will' },
    judge: (course) =>
      judgeWills(course, ({ topic }) =>
        topic === deviceTopic(course.subject.lift, 'connection')
          ? undefined
          : { zh: `遗嘱主题为 ${quoted(topic)}`, en: `will topic ${quoted(topic)}` },
      ),
  },
  {
    id: 'will.payload',
    zh: '遗嘱内容正确，不含序号与时间',
    en: 'will says offline, who, and neither number nor time',
    clause: 'ConnectionOffline',
    severity: 'must',
    unseen: 'told',
    hint: { zh: '没有遗嘱', en: 'there was no will' },
    judge: (course) => judgeWills(course, ({ payload }) => willFault(payload, course.subject.terminal)),
  },
  {
    id: 'will.flags',
    zh: '遗嘱 QoS 1，不保留',
    en: 'will has QoS 1 and is not retained',
    clause: 'lifts/v1/{lift}/connection: QoS 1, not retained',
    severity: 'must',
    unseen: 'told',
    hint: { zh: '没有遗嘱', en: 'there was no will' },
    judge: (course) =>
      judgeWills(course, ({ qos, isRetained }) =>
        qos === 1 && !isRetained
          ? undefined
          : {
              zh: `遗嘱 QoS ${qos}${isRetained ? '，带保留标志' : ''}`,
              en: `will with QoS ${qos}${isRetained ? ', retained' : ''}`,
            },
      ),
  },
  {
    id: 'birth.present',
    zh: '每次连接后发送 online',
    en: 'says online after each connect',
    clause: 'ConnectionOnline',
    severity: 'must',
    unseen: 'incomplete',
    hint: { zh: '终端连接后没有发送任何内容', en: 'the terminal said nothing after it connected' },
    judge: (course) =>
      judgeEach(
        course.sessions.filter((session) => isTalking(course, session)),
        (session) =>
          birthOf(session) === undefined
            ? {
                words: { zh: '连接后没有发送 online', en: 'online was not said on this connection' },
                fact: session.connect,
              }
            : undefined,
      ),
  },
  {
    id: 'birth.first',
    zh: 'online 先于连接后的其他报文',
    en: 'online comes before what is sampled after it',
    clause: 'ConnectionOnline',
    severity: 'must',
    unseen: 'told',
    hint: { zh: '没有收到 online', en: 'online was not heard' },
    judge: (course) =>
      judgeEach(
        course.sessions.flatMap((session) => birthOf(session) ?? []),
        (birth) => {
          const early = birth.session.publications.find(
            ({ index, boot, seq, isRepeat }) =>
              !isRepeat && index < birth.index && boot === birth.boot && (seq ?? 0) > (birth.seq ?? Infinity),
          )
          return early === undefined
            ? undefined
            : {
                words: { zh: `序号 ${early.seq} 先于 online 到达`, en: `number ${early.seq} came before online` },
                fact: early.fact,
              }
        },
      ),
  },
  {
    id: 'birth.boot',
    zh: 'online 与其后的报文启动次数相同、序列号正确',
    en: 'online carries the boot of what follows and the right serial',
    clause: 'ConnectionOnline',
    severity: 'must',
    unseen: 'told',
    hint: { zh: '没有收到 online', en: 'online was not heard' },
    judge: (course) =>
      judgeEach(
        course.sessions.flatMap((session) => birthOf(session) ?? []),
        (birth) => {
          if (birth.body?.kind === 'online' && birth.body.value.terminal !== course.subject.terminal) {
            const said = quoted(birth.body.value.terminal)
            return {
              words: { zh: `online 中的终端为 ${said}`, en: `online names the terminal ${said}` },
              fact: birth.fact,
            }
          }
          const other = birth.session.publications.find(
            ({ index, boot, isRepeat }) =>
              !isRepeat && index > birth.index && boot !== undefined && boot > (birth.boot ?? 0),
          )
          return other === undefined
            ? undefined
            : {
                words: {
                  zh: `online 的启动次数为 ${birth.boot}，其后为 ${other.boot}`,
                  en: `online says boot ${birth.boot}, what follows says ${other.boot}`,
                },
                fact: other.fact,
              }
        },
      ),
  },
]

/** Whether something was said on it that was sampled well after the connect. */
const isTalking = (course: Course, session: Session): boolean =>
  session.publications.some((publication) => (saidAt(course, publication) ?? 0) > session.connect.atMs + GREETING_MS)

function willFault(payload: Buffer, terminal: string): Fault['words'] | undefined {
  let said: unknown
  try {
    said = JSON.parse(payload.toString('utf8'))
  } catch {
    return { zh: '遗嘱不是 JSON', en: 'the will is no JSON' }
  }
  if (!offline.Check(said)) return { zh: '遗嘱不符合约定', en: 'the will does not match the contract' }
  if (said.terminal !== terminal)
    return { zh: `遗嘱中的终端为 ${quoted(said.terminal)}`, en: `the will names the terminal ${quoted(said.terminal)}` }
  const extra = Object.keys(said).find((name) => ['boot', 'seq', 'atMs', 'sampledAtMs'].includes(name))
  return extra === undefined ? undefined : { zh: `遗嘱不应包含 ${extra}`, en: `a will carries no ${extra}` }
}
