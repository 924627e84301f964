/** 单梯: what one lift says now, and how it came to it. */
import {
  DashboardBuilder,
  DashboardCursorSync,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableRefresh,
  VariableSort,
  type Dashboard,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { CODE_SET_NOTES } from '#contract/faults'
import { CODE_SETS } from '#contract/telemetry'
import { fallingThresholds } from './colours.ts'
import { DASHBOARDS, DATA_SOURCE, OFFERED_LIFTS_MAX } from './layout.ts'
import { VisibleLink } from './links.ts'
import * as mapping from './mappings.ts'
import { columns, facts, lines, rows, states } from './panels.ts'
import * as connection from './queries/connection.ts'
import * as message from './queries/message.ts'
import * as statistics from './queries/statistics.ts'
import * as status from './queries/status.ts'
import { unitOf } from './units.ts'

/** Battery charge below which the terminal will not outlive a long power cut, %. For the eye only: nothing is raised from it. */
const BATTERY_MARKS_PCT = [
  [10, 2],
  [20, 3],
] as const

/** The states of a lift that have a text, in the order in which people ask for them. */
const STATES = [
  { field: 'serviceMode', title: '服务模式 Mode', mapping: mapping.serviceMode },
  { field: 'carStatus', title: '轿厢 Car', mapping: mapping.carStatus },
  { field: 'carDirection', title: '方向 Direction', mapping: mapping.carDirection },
  { field: 'doorZone', title: '门区 Zone', mapping: mapping.doorZone },
  { field: 'doorStatus', title: '轿门 Door', mapping: mapping.doorStatus },
  { field: 'doorClosed', title: '关门到位 Door closed', mapping: mapping.doorClosed },
  { field: 'passengerPresent', title: '有人 Occupied', mapping: mapping.passengerPresent },
  { field: 'alarmButton', title: '报警按钮 Button', mapping: mapping.alarmButton },
  { field: 'safetyCircuitClosed', title: '安全回路 Safety circuit', mapping: mapping.safetyCircuit },
] as const
/** Text stays text: the firmware 1.10 is not the number 1.1. */
const TEXT = { unit: 'string' } as const
const looksOfStates = Object.fromEntries(STATES.map(({ title, mapping }) => [title, { mapping }]))

const present = () => [
  facts({
    title: '最后状态 Newest status',
    description: '所选时间内的最后一条状态。先看“收到于”：时间久了就不是现在的状态。',
    queries: [
      status.newest('receivedAtMs', '收到于 Received'),
      status.newest('carPosition', '楼层 Landing'),
      ...STATES.map(({ field, title }) => status.newest(field, title)),
    ],
    width: 18,
    height: 7,
    looks: { '收到于 Received': { unit: 'dateTimeFromNow' }, '楼层 Landing': TEXT, ...looksOfStates },
  }),
  facts({
    title: '终端 Terminal',
    description: '30 天内最后一条连接报文中的终端和固件。',
    queries: [
      connection.newest('terminal', '终端 Terminal'),
      connection.newest('firmware', '固件 Firmware'),
      connection.newest('state', '连接 Link'),
    ],
    width: 6,
    height: 7,
    range: '30d',
    looks: { '终端 Terminal': TEXT, '固件 Firmware': TEXT, '连接 Link': { mapping: mapping.link } },
  }),
]

const timeline = () => [
  states({
    title: '状态时间线 States',
    description: '每个时间段的最后一个值。空白是 2 分钟以上没有收到状态，不是正常。',
    queries: STATES.map(({ field, title }) => status.perBucket('last', field, title)),
    width: 24,
    height: 10,
    bucket: '10s',
    looks: looksOfStates,
  }),
]

const motion = () => [
  lines({
    title: '位置 Position',
    description: '轿厢地面距最低层站的高度。',
    queries: [status.perBucket('last', 'positionMm', '位置 position')],
    width: 12,
    height: 7,
    bucket: '10s',
    look: { unit: unitOf('positionMm') },
  }),
  lines({
    title: '速度 Speed',
    description: '每个时间段的最大和最小速度，向上为正。',
    queries: [status.perBucket('max', 'speedMps', '最大 highest'), status.perBucket('min', 'speedMps', '最小 lowest')],
    width: 12,
    height: 7,
    bucket: '10s',
    look: { unit: unitOf('speedMps'), decimals: 2 },
  }),
  lines({
    title: '载荷 Load',
    description: '每个时间段的最大载荷。',
    queries: [status.perBucket('max', 'loadKg', '载荷 load')],
    width: 12,
    height: 7,
    bucket: '10s',
    look: { unit: unitOf('loadKg'), decimals: 0 },
  }),
  lines({
    title: '人数 Persons',
    description: '每个时间段的最大轿内人数。',
    queries: [status.perBucket('max', 'passengerCount', '人数 persons')],
    width: 12,
    height: 7,
    bucket: '10s',
    look: { decimals: 0 },
  }),
]

const health = () => [
  lines({
    title: '温度 Temperature',
    description: '控制器处的平均温度。',
    queries: [status.perBucket('mean', 'temperatureC', '温度 temperature')],
    width: 8,
    height: 7,
    bucket: '1m',
    look: { unit: unitOf('temperatureC'), decimals: 1 },
  }),
  lines({
    title: '振动 Vibration',
    description: '每个时间段的最大振动峰值（毫 g）。',
    queries: [status.perBucket('max', 'vibrationMg', '振动 vibration')],
    width: 8,
    height: 7,
    bucket: '1m',
    look: { unit: unitOf('vibrationMg'), decimals: 1 },
  }),
  lines({
    title: '终端信号与电池 Signal and battery',
    description: '平均信号强度和最低电量。',
    queries: [
      status.perBucket('mean', 'rssiDbm', '信号 signal'),
      status.perBucket('min', 'batteryPct', '电池 battery'),
    ],
    width: 8,
    height: 7,
    bucket: '1m',
    looks: {
      '信号 signal': { unit: unitOf('rssiDbm'), decimals: 0 },
      '电池 battery': { unit: unitOf('batteryPct'), thresholds: fallingThresholds(...BATTERY_MARKS_PCT) },
    },
  }),
]

const use = () => [
  columns({
    title: '运行与开门 Runs and door openings',
    description: '每个时间段增加的次数。更换控制器造成的倒退不计。',
    queries: [
      statistics.liftGrowth('runCount', '运行 runs'),
      statistics.liftGrowth('doorOpenCount', '开门 door openings'),
    ],
    width: 12,
    height: 7,
    bucket: '15m',
    look: { unit: 'short', decimals: 0 },
  }),
  columns({
    title: '能耗 Energy',
    description: '每个时间段增加的能耗。',
    queries: [statistics.liftGrowth('energyKWh', '能耗 energy')],
    width: 12,
    height: 7,
    bucket: '1h',
    look: { unit: unitOf('energyKWh'), decimals: 2 },
  }),
]

const histories = () => [
  ...CODE_SETS.map((codeSet) =>
    rows({
      title: `报文 Messages · ${codeSet}`,
      description: `${CODE_SET_NOTES[codeSet].zh}。不认识的代码按原数字显示，不会丢弃。最多 200 条。`,
      queries: [message.newestOfLift(codeSet)],
      width: 8,
      height: 9,
      looks: {
        Time: { title: '时间 Time' },
        kind: { title: '类别 Class', mapping: mapping.messageClass },
        code: { title: '代码 Code', mapping: mapping.faultCodes(codeSet) },
        raised: { title: '状态 State', mapping: mapping.raised },
      },
      hidden: ['lift'],
    }),
  ),
  rows({
    title: '连接记录 Link changes',
    description: '终端上线和离线，最多 200 条。上线用终端时钟，离线用平台时钟。',
    queries: [connection.linkChanges],
    width: 8,
    height: 9,
    looks: {
      Time: { title: '时间 Time' },
      state: { title: '连接 Link', mapping: mapping.link },
      terminal: { title: '终端 Terminal', ...TEXT },
      firmware: { title: '固件 Firmware', ...TEXT },
      boot: { title: '启动次数 Boot', decimals: 0 },
    },
  }),
]

export function buildLift(): Dashboard {
  const dashboard = new DashboardBuilder(`梯望 · ${DASHBOARDS.lift.title}`)
    .uid(DASHBOARDS.lift.uid)
    .description('一台电梯的状态、使用和报文。由程序生成，改动请改源文件。')
    .tags(['tiwang', 'generated'])
    .readonly()
    .timezone('Asia/Shanghai')
    .refresh('30s')
    .time({ from: 'now-3h', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(
      new TextBoxVariableBuilder('find')
        .label('查找 Find')
        .description(`电梯编号的一部分；右边最多列出 ${OFFERED_LIFTS_MAX} 台`)
        .defaultValue(''),
    )
    .withVariable(
      new QueryVariableBuilder('lift')
        .label('电梯 Lift')
        .datasource(DATA_SOURCE)
        .query(status.offeredLifts)
        .definition(status.offeredLifts)
        .refresh(VariableRefresh.OnDashboardLoad)
        .sort(VariableSort.NaturalAsc)
        .multi(false)
        .includeAll(false)
        .allowCustomValue(true),
    )
    .link(new VisibleLink(DASHBOARDS.overview.title, `/d/${DASHBOARDS.overview.uid}?var-lift=\${lift}`))
  const panels = [...present(), ...timeline(), ...motion(), ...health(), ...use(), ...histories()]
  panels.forEach((panel, index) => dashboard.withPanel(panel.id(index + 1)))
  return dashboard.build()
}
