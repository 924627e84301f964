import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Alarm } from '#contract/alarms'
import type { AlarmId, LiftId } from '#contract/ids'
import { freshnessOf, silentLift, statusAgeMs, type LiveState } from '#contract/live'
import type { Status } from '#contract/telemetry'
import { alarmFacts, freshnessRows, stateSentence } from '#dashboards/view/src/words/lift-words'
import { en } from '#dashboards/view/src/words/en'
import { ageWords, clockWords, elapsedWords, momentWords, spanWords } from '#dashboards/view/src/words/times'
import { zhCN } from '#dashboards/view/src/words/zh-cn'

const SOURCE = new URL('../../dashboards/view/src', import.meta.url).pathname
const AT_MS = Date.parse('2026-11-21T06:31:52Z')
const status: Status = {
  v: 1, boot: 1, seq: 1, sampledAtMs: AT_MS, serviceMode: 1, carStatus: 1, carDirection: 1, doorZone: false, carPosition: '3',
  doorStatus: 2, doorClosed: true, passengerPresent: true, passengerCount: 2, speedMps: 0.98,
} // prettier-ignore
const heard = (o: Partial<LiveState> = {}): LiveState => ({
  ...silentLift('lift-001' as LiftId), link: 'online', linkAtMs: AT_MS, receivedAtMs: AT_MS, statusReceivedAtMs: AT_MS, status, ...o,
}) // prettier-ignore
const say = (state: LiveState, nowMs: number, isLinkAway = false) =>
  stateSentence(
    { state, freshness: freshnessOf(state, nowMs), ageMs: statusAgeMs(state, nowMs), isLinkAway },
    zhCN,
    'zh-CN',
  )

describe('what is said about a lift', () => {
  it('walks down the ladder of freshness at 9, 11, 76 and 601 s', () => {
    const state = heard()
    const ladder = [9, 11, 76, 601].map((seconds) => freshnessOf(state, AT_MS + seconds * 1000))
    expect(ladder).toEqual(['fresh', 'late', 'stale', 'lost'])
    expect(say(state, AT_MS + 9_000)).toBe('上行 · 1.0 m/s · 2 人')
    expect(say(state, AT_MS + 76_000)).toBe('上行 · 1.0 m/s · 2 人')
    expect(say(state, AT_MS + 12 * 60_000)).toBe('失联 12 分钟')
  })

  it('says lost at once when the terminal said goodbye, and nothing of a lift never heard', () => {
    expect(say(heard({ link: 'offline' }), AT_MS + 5_000)).toBe('失联 5 秒')
    expect(say(silentLift('lift-001' as LiftId), AT_MS)).toBe('尚无数据')
  })

  it('does not call a lift lost when it is our own link that is away', () => {
    expect(say(heard(), AT_MS + 12 * 60_000, true)).toBe('断线前所见 · 上行 · 1.0 m/s · 2 人')
    expect(say(heard({ link: 'offline' }), AT_MS + 12 * 60_000, true)).toBe('失联 12 分钟')
  })

  it('tells a mode other than normal, the door and a stop between floors first', () => {
    const stopped = { ...status, carStatus: 0, serviceMode: 2, passengerPresent: false, passengerCount: 0 }
    expect(say(heard({ status: stopped }), AT_MS)).toBe('检修 · 停 · 门闭 · 层间 · 无人')
  })

  it('does not call a lift out of normal whose terminal cannot hear the mode', () => {
    expect(say(heard({ status: { ...status, serviceMode: 7 } }), AT_MS)).toBe('上行 · 1.0 m/s · 2 人')
  })

  it('gives an entrapment its floor and people, and a silent terminal its last report', () => {
    const alarm: Alarm = {
      id: 'lift-001.entrapment-between-floors.1' as AlarmId, lift: 'lift-001' as LiftId, kind: 'entrapment-between-floors', priority: 1,
      state: 'unacknowledged', certainty: 'suspected', onsetAtMs: AT_MS, raisedAtMs: AT_MS, returnedAtMs: null, acknowledgedAtMs: null,
      acknowledgedBy: null, closedAtMs: null, raiseCount: 1, summary: { carPosition: '3', passengerCount: 2, lastHeardAtMs: AT_MS }, contractor: null,
    } // prettier-ignore
    expect(alarmFacts(alarm, AT_MS, zhCN, 'zh-CN')).toBe('3 层附近 · 轿内 2 人 · 14:31:52 起')
    expect(alarmFacts({ ...alarm, kind: 'terminal-offline' }, AT_MS, zhCN, 'zh-CN')).toBe(
      '3 层附近 · 最后上报 14:31:52',
    )
  })
})

describe('the help page', () => {
  it('gives the limits of freshness as they are applied', () => {
    expect(freshnessRows(en).map(([age]) => age)).toEqual([
      'under 10 s',
      '10 s to 75 s',
      '75 s to 10 min',
      'over 10 min, or terminal offline',
    ])
  })
})

describe('times', () => {
  it('are those of Asia/Shanghai, wherever the browser is', () => {
    expect(clockWords(AT_MS, 'zh-CN')).toBe('14:31:52')
    expect(clockWords(Date.parse('2026-11-20T16:00:00Z'), 'en')).toBe('00:00:00')
    expect(momentWords(Date.parse('2026-11-20T01:16:00Z'), AT_MS, 'zh-CN')).toBe('11-20 09:16')
  })

  it('are counted in whole units, with hours and minutes above an hour', () => {
    expect([0, 12_000, 60_000, 3_599_999, 3_600_000, 7_500_000, 200_000_000].map((ms) => ageWords(ms, zhCN))).toEqual([
      '刚刚', '12 秒前', '1 分钟前', '59 分钟前', '1 小时前', '2 小时 5 分前', '2 天前',
    ]) // prettier-ignore
    expect(spanWords(12 * 60_000, en)).toBe('12 min')
    expect(elapsedWords(402_000, zhCN)).toBe('06:42')
    expect(elapsedWords(3_900_000, zhCN)).toBe('1 小时 05 分')
    expect(ageWords(-5_000, zhCN)).toBe('刚刚')
  })
})

describe('the catalogues', () => {
  const shapeOf = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, inner]) => [key, shapeOf(inner)]),
        )
      : Array.isArray(value)
        ? value.length
        : typeof value
  it('have the same keys in Chinese and English, and no empty text', () => {
    expect(shapeOf(en)).toEqual(shapeOf(zhCN))
    expect(Object.entries(en).filter(([, text]) => text === '')).toEqual([])
  })

  it('hold all Chinese of the view: none is written into a component', async () => {
    const files = (await readdir(SOURCE, { recursive: true })).filter(
      (name) => /\.(vue|ts|css)$/.test(name) && !name.endsWith('zh-cn.ts') && !name.endsWith('en.ts'),
    )
    expect(files.length).toBeGreaterThan(25)
    const found: string[] = []
    for (const name of files) {
      const text = (await readFile(join(SOURCE, name), 'utf8')).replace(
        /\/\*[\s\S]*?\*\/|<!--[\s\S]*?-->|\/\/[^\n]*/g,
        '',
      )
      if (/\p{Script=Han}/u.test(text)) found.push(name)
    }
    expect(found).toEqual([])
  })
})
