/** 总览: is the town heard, what do its controllers say, which lifts want a look. */
import {
  DashboardBuilder,
  DashboardCursorSync,
  TextBoxVariableBuilder,
  type Dashboard,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { CODE_SET_NOTES } from '#contract/faults'
import { CODE_SETS, SERVICE_MODES } from '#contract/telemetry'
import { colourOf, fallingThresholds, risingThresholds } from './colours.ts'
import { DASHBOARDS } from './layout.ts'
import { VisibleLink } from './links.ts'
import * as mapping from './mappings.ts'
import { bars, columns, facts, rows } from './panels.ts'
import * as connection from './queries/connection.ts'
import * as message from './queries/message.ts'
import * as statistics from './queries/statistics.ts'
import * as status from './queries/status.ts'
import { unitOf } from './units.ts'

const modeTitle = ({ zh, en }: { zh: string; en: string }) => `${zh} ${en}`
/** Mean radio signal below which a terminal is about to lose its network, dBm. For the eye only: nothing is raised from it. */
const SIGNAL_MARKS_DBM = [
  [-110, 3],
  [-100, 4],
] as const

const townFacts = () => [
  facts({
    title: '10 分钟内有状态的电梯 Heard within 10 min',
    description: '最近 10 分钟内至少收到一条状态的电梯数。没有收到的电梯状态未知，不等于正常。',
    queries: [status.heardLifts],
    width: 6,
    height: 5,
    range: '10m',
    look: { decimals: 0 },
  }),
  facts({
    title: '终端连接 Terminal links',
    description:
      '每台电梯最后收到的一条连接报文（30 天内）。没有离线终端时不显示“离线”一项。离线报警由平台判定，以平台为准。',
    queries: [connection.liftsWithLink('online', '在线 online'), connection.liftsWithLink('offline', '离线 offline')],
    width: 6,
    height: 5,
    range: '30d',
    look: { decimals: 0 },
    looks: { '离线 offline': { thresholds: risingThresholds([1, 4]) } },
  }),
  bars({
    title: '服务模式 Service mode',
    description: '10 分钟内有状态的电梯，按最后一条状态的服务模式计数。没有电梯的模式不显示。',
    queries: SERVICE_MODES.map((mode, code) => status.liftsInServiceMode(code, modeTitle(mode))),
    width: 12,
    height: 5,
    range: '10m',
    look: { decimals: 0 },
    looks: Object.fromEntries(
      SERVICE_MODES.map((mode) => [modeTitle(mode), { colour: mapping.colourOfMode(mode.name) }]),
    ),
  }),
]

const townTrends = () => [
  columns({
    title: '收到的状态 Statuses received',
    description: '全部电梯每个时间段的状态条数（按采样时间）。下降说明有终端没有上报。',
    queries: [status.receivedCount],
    width: 12,
    height: 7,
    bucket: '1m',
    look: { unit: 'short' },
  }),
  columns({
    title: '故障、事件、报警 Messages raised',
    description: '控制器发生（不含恢复）的故障、事件和报警条数。',
    queries: [
      message.raisedCount('alarm', '报警 alarm'),
      message.raisedCount('fault', '故障 fault'),
      message.raisedCount('event', '事件 event'),
    ],
    width: 12,
    height: 7,
    bucket: '5m',
    look: { unit: 'short', decimals: 0 },
    looks: {
      '报警 alarm': { colour: colourOf(1) },
      '故障 fault': { colour: colourOf(2) },
      '事件 event': { colour: colourOf(4) },
    },
  }),
]

const age = { unit: 'dateTimeFromNow', title: '收到于 Received' }
/** A lift id is text, even one that looks like a number. */
const lift = { title: '电梯 Lift', unit: 'string', link: 'lift' } as const

const liftsToLookAt = () => [
  rows({
    title: '门区外停且有人（最后状态）Stopped outside the zone, occupied',
    description:
      '最后一条状态为停止、门区外、有人的电梯，最多 100 台。只是线索：是否困人由平台按时间规则判定，请看平台的报警。空表也可能是没有数据。',
    queries: [status.occupiedOutsideDoorZone],
    width: 12,
    height: 8,
    range: '24h',
    looks: { lift, receivedAtMs: age },
    hidden: ['Time', 'stopped', 'zone', 'person'],
  }),
  rows({
    title: '最久没有状态 Silent the longest',
    description: '7 天内有过状态的电梯中，最后一条状态最旧的 50 台。',
    queries: [status.longestSilent],
    width: 12,
    height: 8,
    range: '7d',
    looks: { lift, receivedAtMs: age },
    hidden: ['Time'],
  }),
]

const messageTables = () =>
  CODE_SETS.map((codeSet) =>
    rows({
      title: `最近报文 Newest messages · ${codeSet}`,
      description: `${CODE_SET_NOTES[codeSet].zh}。不认识的代码按原数字显示，不会丢弃。最多 200 条。`,
      queries: [message.newestOfTown(codeSet)],
      width: 12,
      height: 9,
      looks: {
        Time: { title: '时间 Time' },
        lift,
        kind: { title: '类别 Class', mapping: mapping.messageClass },
        code: { title: '代码 Code', mapping: mapping.faultCodes(codeSet) },
        raised: { title: '状态 State', mapping: mapping.raised },
      },
    }),
  )

const townUse = () => [
  columns({
    title: '运行次数 Runs',
    description: '全部电梯每个时间段增加的运行次数。更换控制器造成的倒退不计。',
    queries: [statistics.townGrowth('runCount', '运行 runs')],
    width: 12,
    height: 8,
    bucket: '15m',
    look: { unit: 'short', decimals: 0 },
  }),
  rows({
    title: '运行最多 Most runs',
    description: '所选时间内运行次数增加最多的 20 台电梯。',
    queries: [statistics.mostGrowth('runCount')],
    width: 6,
    height: 8,
    looks: { lift, runCount: { title: '运行次数 Runs', unit: 'short', decimals: 0 } },
    hidden: ['Time'],
  }),
  rows({
    title: '信号最弱 Weakest signal',
    description: '最近 30 分钟平均信号最弱的 20 台终端。',
    queries: [status.weakestSignal],
    width: 6,
    height: 8,
    range: '30m',
    looks: {
      lift,
      rssiDbm: {
        title: '信号 Signal',
        unit: unitOf('rssiDbm'),
        decimals: 0,
        thresholds: fallingThresholds(...SIGNAL_MARKS_DBM),
      },
    },
    hidden: ['Time'],
  }),
]

export function buildOverview(): Dashboard {
  const dashboard = new DashboardBuilder(`梯望 · ${DASHBOARDS.overview.title}`)
    .uid(DASHBOARDS.overview.uid)
    .description('全镇电梯接入、报文和使用情况。由程序生成，改动请改源文件。')
    .tags(['tiwang', 'generated'])
    .readonly()
    .timezone('Asia/Shanghai')
    .refresh('30s')
    .time({ from: 'now-3h', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(
      new TextBoxVariableBuilder('lift')
        .label('电梯编号含 Lift id holds')
        .description('筛选下面的列表；留空为全部')
        .defaultValue(''),
    )
    .link(new VisibleLink(DASHBOARDS.lift.title, `/d/${DASHBOARDS.lift.uid}?var-find=\${lift}`))
  const panels = [...townFacts(), ...townTrends(), ...liftsToLookAt(), ...messageTables(), ...townUse()]
  panels.forEach((panel, index) => dashboard.withPanel(panel.id(index + 1)))
  return dashboard.build()
}
