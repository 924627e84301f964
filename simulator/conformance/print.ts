/** The report and the progress as text for people, in one language. */
import { CONTRACT_VERSION } from '#contract/asyncapi'
import { deviceTopic, MESSAGE_KINDS } from '#contract/topics'
import type { Subject } from './course.ts'
import { PHASES, type Fact, type PhaseName } from './facts.ts'
import { KIT_VERSION, type CheckResult, type Report } from './report.ts'
import { fingerprintOf } from './signature.ts'
import { printable, spanWords, type Language, type Words } from './words.ts'

const RESULTS: Readonly<Record<CheckResult['result'], Words>> = {
  passed: { zh: '通过', en: 'passed' },
  failed: { zh: '不通过', en: 'FAILED' },
  notObserved: { zh: '未观察到', en: 'not observed' },
  noted: { zh: '说明', en: 'noted' },
}
const REMARK: Words = { zh: '建议', en: 'remark' }
const OUTCOMES: Readonly<Record<Report['outcome'], Words>> = {
  passed: { zh: '符合约定', en: 'PASSED' },
  failed: { zh: '不符合约定', en: 'FAILED' },
  incomplete: { zh: '测试不完整', en: 'INCOMPLETE' },
}
const UNFINISHED: Readonly<Record<NonNullable<Report['unfinished']>, Words>> = {
  stopped: { zh: '测试被中止', en: 'the run was stopped' },
  neverConnected: { zh: '终端始终没有连接', en: 'the terminal never connected' },
  tooMuch: { zh: '终端发送的数据过多，没有全部保留', en: 'the terminal said more than could be kept' },
  notRestarted: { zh: '要求重启终端，但没有重启', en: 'a restart was asked for and did not happen' },
}
const RETURN_CODES: Readonly<Record<number, Words>> = {
  0: { zh: '已连接', en: 'connected' },
  1: { zh: '已拒绝：不是 MQTT 3.1.1', en: 'refused: not MQTT 3.1.1' },
  4: { zh: '已拒绝：不是被测终端', en: 'refused: not the terminal under test' },
  3: { zh: '已拒绝：模拟平台忙', en: 'refused: playing a busy platform' },
}

/** What to set in the terminal, before it begins. */
export function settingLines(o: {
  subject: Subject
  addresses: readonly string[]
  port: number
  isTls: boolean
  language: Language
}): string[] {
  const { lift, terminal } = o.subject
  const zh = o.language === 'zh'
  const setting = (zhName: string, enName: string, value: string) =>
    zh ? `  ${zhName}：${value}` : `  ${enName.padEnd(11)}${value}`
  return [
    zh
      ? `梯望终端符合性测试 ${KIT_VERSION}，约定版本 ${CONTRACT_VERSION}`
      : `Tiwang device conformance kit ${KIT_VERSION}, contract ${CONTRACT_VERSION}`,
    zh ? '请在终端上设置：' : 'Set in the terminal:',
    ...o.addresses.map((address) =>
      setting('服务器', 'server', `${o.isTls ? 'mqtts' : 'mqtt'}://${hostOf(address)}:${o.port}`),
    ),
    setting('客户端标识', 'client id', terminal),
    setting('用户名', 'user name', terminal),
    setting('口令', 'password', zh ? '终端的口令（不核对，也不记录）' : 'its secret (neither checked nor kept here)'),
    ...MESSAGE_KINDS.map((kind) => setting('发布主题', 'topic', deviceTopic(lift, kind))),
    setting('遗嘱主题', 'will topic', `${deviceTopic(lift, 'connection')} (QoS 1)`),
    setting('遗嘱内容', 'will', JSON.stringify({ v: 1, state: 'offline', terminal })),
    zh
      ? '测试期间请让电梯载人运行，并制造、排除一次故障（例如按下报警按钮）。Ctrl-C 可提前结束。'
      : 'Meanwhile let the lift run with somebody inside, and provoke and end a fault (press the alarm button). Ctrl-C ends early.',
  ]
}

const hostOf = (address: string) => (address.includes(':') ? `[${address}]` : address)

/** A phase begins. */
export function phaseLine(phase: PhaseName, lastsMs: number, language: Language): string {
  const asked: Words =
    phase === 'restart'
      ? { zh: '：请切断终端电源再接通', en: ': switch the terminal off and on again' }
      : { zh: '', en: '' }
  const lasts = spanWords(lastsMs)[language]
  const most = language === 'zh' ? `（最多 ${lasts}）` : ` (${lasts} at most)`
  return `▸ ${PHASES[phase][language]}${asked[language]}${most}`
}

/** A fact worth a line on the screen while it runs; undefined for the others. */
export function factLine(fact: Fact, language: Language): string | undefined {
  if (fact.what === 'connect') {
    const words = RETURN_CODES[fact.returnCode]?.[language] ?? ''
    return `  ${words} · ${printable(fact.packet.userName ?? '')}`
  }
  if (fact.what === 'broken')
    return `  ${language === 'zh' ? '违反 MQTT 规则' : 'breaks MQTT'}: ${printable(fact.detail, 200)}`
  if (fact.what === 'closed' && fact.by === 'terminal')
    return language === 'zh' ? '  终端断开了连接' : '  the terminal closed the connection'
  return undefined
}

/** What is on the screen every few seconds. */
export const progressLine = (
  publishedCount: number,
  refusedCount: number,
  leftMs: number,
  language: Language,
): string =>
  language === 'zh'
    ? `  报文 ${publishedCount} 条 · 拒绝连接 ${refusedCount} 次 · 本阶段还剩 ${spanWords(leftMs).zh}`
    : `  ${publishedCount} messages · ${refusedCount} connects refused · ${spanWords(leftMs).en} left in this phase`

const resultOf = ({ result, severity }: CheckResult): Words =>
  result === 'failed' && severity === 'should' ? REMARK : RESULTS[result]

/** The report as lines. `publicKey` = whose signature it carries. */
export const reportLines = (report: Report, publicKey: string, language: Language): string[] => [
  '',
  ...headLines(report)[language],
  '',
  ...report.checks.flatMap((check) => checkLines(check, language)),
  '',
  ...outcomeLines(report, publicKey)[language],
]

type Lines = Readonly<Record<Language, readonly string[]>>

function headLines({
  terminal,
  lift,
  startedAt,
  endedAt,
  kitVersion,
  contractVersion,
  counts,
  ...rest
}: Report): Lines {
  const firmware = printable(rest.firmware ?? '—')
  const { sha256, lineCount, droppedCount } = rest.transcript
  return {
    zh: [
      '终端符合性测试报告',
      `  终端：${terminal}，电梯：${lift}，固件：${firmware}`,
      `  时间：${startedAt} – ${endedAt}`,
      `  版本：测试程序 ${kitVersion}，约定 ${contractVersion}`,
      `  数量：连接 ${counts.connections}，报文 ${counts.publications}（重复 ${counts.repeats}），${counts.payloadBytes} 字节`,
      `  记录：SHA-256 ${sha256}，${lineCount} 行${droppedCount > 0 ? `，另有 ${droppedCount} 行未记录` : ''}`,
    ],
    en: [
      'Device conformance report',
      `  terminal    ${terminal}, lift ${lift}, firmware ${firmware}`,
      `  time        ${startedAt} – ${endedAt}`,
      `  versions    kit ${kitVersion}, contract ${contractVersion}`,
      `  counts      ${counts.connections} connections, ${counts.publications} messages (${counts.repeats} repeated), ${counts.payloadBytes} bytes`,
      `  transcript  SHA-256 ${sha256}, ${lineCount} lines${droppedCount > 0 ? `, ${droppedCount} more not written` : ''}`,
    ],
  }
}

function outcomeLines({ checks, outcome, unfinished }: Report, publicKey: string): Lines {
  const count = (result: CheckResult['result'], ...severities: readonly CheckResult['severity'][]) =>
    checks.filter((check) => check.result === result && severities.includes(check.severity)).length
  const passed = count('passed', 'must', 'should')
  const failed = count('failed', 'must')
  const remarks = count('failed', 'should')
  const unseen = count('notObserved', 'must', 'should')
  const why = unfinished === null ? undefined : UNFINISHED[unfinished]
  const fingerprint = fingerprintOf(publicKey)
  return {
    zh: [
      `结论：${OUTCOMES[outcome].zh}${why === undefined ? '' : `（${why.zh}）`}`,
      `  通过 ${passed}，不通过 ${failed}，建议 ${remarks}，未观察到 ${unseen}`,
      `  签名：Ed25519，公钥 ${publicKey}（指纹 ${fingerprint}）`,
    ],
    en: [
      `Outcome: ${OUTCOMES[outcome].en}${why === undefined ? '' : ` (${why.en})`}`,
      `  ${passed} passed, ${failed} failed, ${remarks} remarks, ${unseen} not observed`,
      `  signed with Ed25519, public key ${publicKey} (fingerprint ${fingerprint})`,
    ],
  }
}

function checkLines(check: CheckResult, language: Language): string[] {
  // What was not there to be told needs no line.
  if (check.severity === 'info' && check.result === 'notObserved') return []
  const { evidence } = check
  const mark = { passed: '✓', failed: check.severity === 'should' ? '!' : '✗', notObserved: '?', noted: '·' }[
    check.result
  ]
  const counted = check.lookedAtCount === 0 ? '' : ` [${check.lookedAtCount - check.faultCount}/${check.lookedAtCount}]`
  const head = `${mark} ${check.id.padEnd(22)} ${resultOf(check)[language]}${check.result === 'noted' ? '' : counted} ${check[language]}`
  if (evidence === null) return [head]
  const place = [evidence.at, evidence.topic].filter((part) => part !== null).join(' ')
  return [
    head,
    `      ${evidence[language]}${place === '' ? '' : ` ${place}`}`,
    ...(evidence.excerpt === null ? [] : [`      ${evidence.excerpt}`]),
  ]
}
