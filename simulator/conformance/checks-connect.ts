/** Checks of the CONNECT and of what a device may not do. */
import { judgeEach, noted, notObserved, type Check, type Fault } from './check.ts'
import { endOf, isOwn, ownAttemptsOf, type Course, type Session } from './course.ts'
import type { Fact, FactOf } from './facts.ts'
import { quoted, spanWords } from './words.ts'

const CLIENT_ID_LENGTH_MAX = 128
/** Longest secret that the platform takes, bytes. */
export const SECRET_BYTES_MAX = 256
/** A longer keep alive, or none, counts as this one at the platform. */
const KEEPALIVE_S_MAX = 300
const CONTROL_PACKETS_PER_MINUTE_MAX = 120

export const needsConnection = { zh: '终端没有连接', en: 'the terminal did not connect' }
const always = { unseen: 'incomplete', hint: needsConnection } as const

const PASSWORD_FAULTS: Readonly<Record<FactOf<'connect'>['packet']['password'], Fault['words'] | undefined>> = {
  none: { zh: '既无口令也无证书', en: 'neither password nor certificate' },
  empty: { zh: '口令为空', en: 'the password is empty' },
  tooLong: { zh: `口令超过 ${SECRET_BYTES_MAX} 字节`, en: `the password has more than ${SECRET_BYTES_MAX} bytes` },
  sound: undefined,
}

export const connects = ({ facts }: Course): FactOf<'connect'>[] =>
  facts.filter((fact) => fact.what === 'connect').filter(isOwn)
export const judgeConnects = (
  course: Course,
  faultOf: (packet: FactOf<'connect'>['packet'], fact: FactOf<'connect'>) => Fault['words'] | undefined,
) =>
  judgeEach(connects(course), (fact) => {
    const words = faultOf(fact.packet, fact)
    return words === undefined ? undefined : { words, fact }
  })

export const CONNECT_CHECKS: readonly Check[] = [
  {
    id: 'connect.protocol',
    zh: '使用 MQTT 3.1.1',
    en: 'speaks MQTT 3.1.1',
    clause: 'MQTT 3.1.1; MQTT-3.1.2-2',
    severity: 'must',
    ...always,
    judge: (course) =>
      judgeConnects(course, ({ protocol, level }) =>
        protocol === 'MQTT' && level === 4
          ? undefined
          : { zh: `协议为 ${quoted(protocol)}，级别 ${level}`, en: `protocol ${quoted(protocol)}, level ${level}` },
      ),
  },
  {
    id: 'connect.userName',
    zh: '用户名为终端序列号；出示证书时可以没有',
    en: 'user name is the serial of the terminal; with a certificate it may be left out',
    clause: 'identity: user name = serial, or certificate CN = serial',
    severity: 'must',
    ...always,
    judge: (course) =>
      judgeConnects(course, ({ userName = '' }, { certificate }) =>
        userName === course.subject.terminal || (userName === '' && certificate.commonName === course.subject.terminal)
          ? undefined
          : { zh: `用户名为 ${quoted(userName)}`, en: `user name ${quoted(userName)}` },
      ),
  },
  {
    id: 'connect.proof',
    zh: `携带 1 至 ${SECRET_BYTES_MAX} 字节的口令，或 CN 为终端序列号的客户端证书`,
    en: `brings a password of 1 to ${SECRET_BYTES_MAX} bytes, or a client certificate whose CN is the serial`,
    clause: 'identity: secret or certificate',
    severity: 'must',
    ...always,
    judge: (course) =>
      judgeConnects(course, ({ password }, { certificate: { isShown, commonName } }) => {
        // The platform looks at no password of whoever shows a certificate.
        if (isShown)
          return commonName === course.subject.terminal
            ? undefined
            : { zh: `证书的 CN 为 ${quoted(commonName)}`, en: `the CN of the certificate is ${quoted(commonName)}` }
        return PASSWORD_FAULTS[password]
      }),
  },
  {
    id: 'connect.clientId',
    zh: `客户端标识不超过 ${CLIENT_ID_LENGTH_MAX} 个字符，为空时 clean session 为 1`,
    en: `client id of at most ${CLIENT_ID_LENGTH_MAX} characters, empty only with clean session`,
    clause: 'MQTT-3.1.3-5, MQTT-3.1.3-8',
    severity: 'must',
    ...always,
    judge: (course) =>
      judgeConnects(course, ({ clientId, isClean }) =>
        clientId.length > CLIENT_ID_LENGTH_MAX || (clientId === '' && !isClean)
          ? { zh: `客户端标识为 ${quoted(clientId)}`, en: `client id ${quoted(clientId)}` }
          : undefined,
      ),
  },
  {
    id: 'connect.clientIdSerial',
    zh: '客户端标识为终端序列号',
    en: 'client id is the serial of the terminal',
    clause: 'identity: one client id, one connection',
    severity: 'should',
    ...always,
    judge: (course) =>
      judgeConnects(course, ({ clientId }) =>
        clientId === course.subject.terminal
          ? undefined
          : { zh: `客户端标识为 ${quoted(clientId)}`, en: `client id ${quoted(clientId)}` },
      ),
  },
  {
    id: 'connect.clean',
    zh: 'clean session 为 1',
    en: 'clean session',
    clause: 'no persistent sessions',
    severity: 'should',
    ...always,
    judge: (course) =>
      judgeConnects(course, ({ isClean }) =>
        isClean
          ? undefined
          : { zh: 'clean session 为 0，但平台从不保存会话', en: 'asks for a session, but none is ever kept' },
      ),
  },
  {
    id: 'connect.keepAlive',
    zh: `保活时间为 1 至 ${KEEPALIVE_S_MAX} 秒`,
    en: `keep alive of 1 to ${KEEPALIVE_S_MAX} s`,
    clause: 'MQTT-3.1.2-24',
    severity: 'should',
    ...always,
    judge: (course) =>
      judgeConnects(course, ({ keepaliveS }) =>
        keepaliveS >= 1 && keepaliveS <= KEEPALIVE_S_MAX
          ? undefined
          : {
              zh: `保活时间为 ${keepaliveS} 秒，平台按 ${KEEPALIVE_S_MAX} 秒处理`,
              en: `keep alive ${keepaliveS} s; the platform takes it as ${KEEPALIVE_S_MAX} s`,
            },
      ),
  },
  {
    id: 'connect.silence',
    zh: '连接期间静默不超过保活时间的 1.5 倍',
    en: 'never silent for longer than one and a half keep alives',
    clause: 'MQTT-3.1.2-23, MQTT-3.1.2-24',
    severity: 'must',
    ...always,
    judge: (course) => judgeEach(course.sessions, (session) => silenceOf(session, endOf(course, session))),
  },
  {
    id: 'subscribe.none',
    zh: '不订阅任何主题',
    en: 'subscribes to nothing',
    clause: 'monitoring only: devices may subscribe to nothing',
    severity: 'must',
    ...always,
    judge: (course) =>
      judgeOver(course, 'subscribe', (fact) => ({
        zh: `订阅了 ${quoted(fact.filters[0])}`,
        en: `subscribed to ${quoted(fact.filters[0])}`,
      })),
  },
  {
    id: 'mqtt.rules',
    zh: '报文可以解析，种类与顺序正确，报文标识不为 0，QoS 0 不带 DUP',
    en: 'packets can be read, are of a kind and in an order that a device may send, no id 0, no DUP with QoS 0',
    clause: 'MQTT-4.8.0-1',
    severity: 'must',
    ...always,
    judge: (course) => {
      // Before its CONNECT only its address says who somebody is.
      const own = new Set(ownAttemptsOf(course).map(({ connection }) => connection))
      return judgeOver(
        course,
        'broken',
        ({ detail }) => ({ zh: detail, en: detail }),
        ({ connection }) => own.has(connection),
      )
    },
  },
  {
    id: 'mqtt.flood',
    zh: `每分钟控制报文不超过 ${CONTROL_PACKETS_PER_MINUTE_MAX} 个`,
    en: `at most ${CONTROL_PACKETS_PER_MINUTE_MAX} control packets a minute`,
    clause: 'bounds of the broker: MQTT_CONTROL_PACKETS_PER_MINUTE_MAX',
    severity: 'must',
    ...always,
    judge: (course) => {
      const controls = new Map<number, Fact[]>()
      for (const fact of course.facts) {
        if (!isControl(fact)) continue
        const packets = controls.get(fact.connection)
        if (packets === undefined) controls.set(fact.connection, [fact])
        else packets.push(fact)
      }
      return judgeEach(course.sessions, (session) => {
        const packets = controls.get(session.number) ?? []
        const fact = packets.find(
          ({ atMs }, index) => atMs - (packets[index - CONTROL_PACKETS_PER_MINUTE_MAX]?.atMs ?? -Infinity) < 60_000,
        )
        return fact === undefined
          ? undefined
          : { words: { zh: '一分钟内控制报文过多', en: 'too many control packets within a minute' }, fact }
      })
    },
  },
  {
    id: 'end.goodbye',
    zh: '主动断开时发送 DISCONNECT',
    en: 'says DISCONNECT when it leaves',
    clause: 'MQTT-3.14.4-3',
    severity: 'info',
    unseen: 'told',
    hint: { zh: '终端没有主动断开', en: 'the terminal never left by itself' },
    judge: ({ facts, sessions }) => {
      const left = sessions.flatMap(({ closed }) => (closed?.by === 'terminal' ? [closed] : []))
      if (left.length === 0) return notObserved
      const goodbyes = facts.filter((fact) => fact.what === 'disconnect')
      return noted(left.length, {
        zh: `终端主动断开 ${left.length} 次，其中 ${goodbyes.length} 次发送了 DISCONNECT`,
        en: `left ${left.length} times by itself, ${goodbyes.length} of them with DISCONNECT`,
      })
    },
  },
]

const CONTROLS: ReadonlySet<Fact['what']> = new Set(['ping', 'subscribe', 'unsubscribe', 'pubrel'])
const isControl = (fact: Fact): fact is FactOf<'ping' | 'subscribe' | 'unsubscribe' | 'pubrel'> =>
  CONTROLS.has(fact.what)

/** Sessions in which something must not happen at all. */
function judgeOver<What extends Fact['what']>(
  course: Course,
  what: What,
  wordsOf: (fact: FactOf<What>) => Fault['words'],
  isMeant: (fact: FactOf<What>) => boolean = () => true,
) {
  const isIt = (fact: Fact): fact is FactOf<What> => fact.what === what
  const found = course.facts.filter(isIt).filter(isMeant)
  const innocent = course.sessions.length
  const [first] = found
  if (first === undefined) return judgeEach(course.sessions, () => undefined)
  return {
    ...judgeEach([first], (fact) => ({ words: wordsOf(fact), fact })),
    lookedAtCount: Math.max(innocent, found.length),
    faultCount: found.length,
  }
}

function silenceOf(session: Session, endMs: number): Fault | undefined {
  const { keepaliveS } = session.connect.packet
  const limitMs = 1500 * (keepaliveS === 0 ? KEEPALIVE_S_MAX : Math.min(keepaliveS, KEEPALIVE_S_MAX))
  const times = [...session.heardAtMs, endMs]
  for (let index = 1; index < times.length; index += 1) {
    const silentMs = (times[index] ?? 0) - (times[index - 1] ?? 0)
    if (silentMs <= limitMs) continue
    const [span, limit] = [spanWords(silentMs), spanWords(limitMs)]
    return {
      words: { zh: `静默 ${span.zh}，上限 ${limit.zh}`, en: `silent for ${span.en}, ${limit.en} at most` },
      fact: session.connect,
    }
  }
  return undefined
}
