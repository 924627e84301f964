/**
 * The fault table (故障代码表): what the codes in a `message` mean. A code is known only together with its code set.
 *
 * What we know and how: the codes, classes and Chinese names were seen in several independent public implementations
 * that agree with each other. They were not read in the text of GB/T 24476 itself, and whether its 2023 edition
 * renumbered them is unknown. This table is no claim of conformity to any standard. English names and priorities are ours.
 */
import type { AlarmKind, Priority } from './alarms.ts'
import { CODE_SETS, type CodeSet, type MessageClass } from './telemetry.ts'

/** `log` = recorded and shown in the history of the lift, nobody is alerted. */
export type FaultPriority = Priority | 'log'

/** What one code of one code set says. `alarmKind` names the alarm that speaks of the same condition, where there is one. */
export type Fault = {
  readonly codeSet: CodeSet
  readonly code: number
  readonly class: MessageClass
  readonly zh: string
  readonly en: string
  readonly priority: FaultPriority
  readonly alarmKind?: AlarmKind
}

/** What each code set is, for people. */
export const CODE_SET_NOTES: Readonly<Record<CodeSet, { zh: string; en: string }>> = {
  gbt24476: {
    zh: 'GB/T 24476 风格的故障、事件和报警代码',
    en: 'fault, event and alarm codes in the manner of GB/T 24476',
  },
  'vendor-sh': {
    zh: '上海某物联网厂商的电梯代码（不含自动扶梯）',
    en: 'lift codes of an IoT vendor in Shanghai (its escalator codes are left out)',
  },
}

type Row = readonly [
  code: number,
  class_: MessageClass,
  zh: string,
  en: string,
  priority: FaultPriority,
  alarmKind?: AlarmKind,
]

/** 0 is the all-clear and counts as an event. */
const GBT24476: readonly Row[] = [
  [0, 'event', '电梯无故障', 'no fault', 'log'],
  [1, 'fault', '电梯运行时安全回路断路', 'safety circuit open while running', 2, 'safety-circuit-open'],
  [2, 'fault', '关门故障', 'door closing fault', 3, 'door-will-not-close'],
  [3, 'fault', '开门故障', 'door opening fault', 3, 'door-will-not-open'],
  [4, 'fault', '轿厢在开锁区域外停止', 'car stopped outside the unlocking zone', 2, 'stopped-outside-door-zone'],
  [5, 'fault', '轿厢意外移动', 'unintended car movement', 1, 'unintended-movement'],
  [6, 'fault', '电动机运转时间限制器动作', 'motor run-time limiter operated', 2, 'run-time-limiter-operated'],
  [7, 'fault', '楼层位置丢失', 'floor position lost', 3, 'position-lost'],
  [8, 'fault', '防止电梯再运行故障', 'fault that prevents a restart', 2, 'restart-prevented'],
  [40, 'event', '恢复自动运行模式', 'returned to automatic operation', 'log'],
  [41, 'event', '主电源断电', 'main power lost', 3, 'main-power-lost'],
  [42, 'event', '进入停止服务', 'entered out of service', 'log'],
  [43, 'event', '进入检修运行模式', 'entered inspection', 4, 'inspection-mode'],
  [44, 'event', '进入消防返回模式', 'entered fire recall', 2, 'fire-recall'],
  [45, 'event', '进入消防员运行模式', 'entered firefighter operation', 2, 'firefighter-operation'],
  [46, 'event', '进入应急电源运行', 'entered emergency power operation', 4, 'emergency-power'],
  [47, 'event', '地震模式', 'earthquake mode', 4, 'earthquake-mode'],
  [90, 'alarm', '报警按钮动作', 'alarm button pressed', 2, 'alarm-button'],
]

/** 23–36 are escalator codes and 39 was not seen: they stay unknown here. The classes of this set are our own sorting. */
const VENDOR_SH: readonly Row[] = [
  [1, 'fault', '冲顶', 'car hit the top', 1, 'hit-top'],
  [2, 'fault', '蹲底', 'car hit the bottom', 1, 'hit-bottom'],
  [3, 'fault', '超速', 'overspeed', 1, 'overspeed'],
  [4, 'fault', '运行中开门', 'door open while running', 1, 'door-open-while-running'],
  [5, 'fault', '开门走车', 'moving away with the door open', 1, 'unintended-movement'],
  [6, 'fault', '门区外停梯', 'stopped outside the door zone', 2, 'stopped-outside-door-zone'],
  [7, 'alarm', '平层关人', 'entrapment at a landing', 1, 'entrapment-at-landing'],
  [8, 'alarm', '非平层关人', 'entrapment between floors', 1, 'entrapment-between-floors'],
  [9, 'event', '停电', 'power cut', 3, 'main-power-lost'],
  [10, 'fault', '安全回路断路', 'safety circuit open', 2, 'safety-circuit-open'],
  [11, 'fault', '开门故障', 'door opening fault', 3, 'door-will-not-open'],
  [12, 'fault', '关门故障', 'door closing fault', 3, 'door-will-not-close'],
  [13, 'fault', '门锁回路断路', 'door lock circuit open', 2],
  [14, 'fault', '按钮粘连', 'button stuck', 4],
  [15, 'fault', '运行速度异常', 'abnormal running speed', 3],
  [16, 'fault', '制动系统故障', 'brake system fault', 2],
  [17, 'fault', '电动机运转时间限制器动作', 'motor run-time limiter operated', 2, 'run-time-limiter-operated'],
  [18, 'fault', '温度传感器异常', 'temperature sensor fault', 4],
  [19, 'fault', '楼层信息丢失', 'floor information lost', 3, 'position-lost'],
  [20, 'event', '关门时受阻挡', 'door obstructed while closing', 'log'],
  [21, 'alarm', '用户报警', 'alarm raised by a user', 2, 'alarm-button'],
  [22, 'event', '电池电量', 'battery charge', 4, 'battery-low'],
  [37, 'event', '电动车乘梯', 'e-bike in the car', 3, 'e-bike-in-car'],
  [38, 'fault', '异常震动', 'abnormal vibration', 3, 'abnormal-vibration'],
  [40, 'fault', '门电机阻塞', 'door motor blocked', 3],
  [41, 'event', '主动开关断电', 'main switch off', 3, 'main-power-lost'],
  [42, 'fault', '气压传感器异常', 'air pressure sensor fault', 4],
]

const toFaults = (codeSet: CodeSet, rows: readonly Row[]): readonly Fault[] =>
  rows.map(([code, class_, zh, en, priority, alarmKind]) => ({
    codeSet,
    code,
    class: class_,
    zh,
    en,
    priority,
    ...(alarmKind === undefined ? {} : { alarmKind }),
  }))

/** Every code that we know, in order of code set and code. */
export const FAULTS: readonly Fault[] = [...toFaults('gbt24476', GBT24476), ...toFaults('vendor-sh', VENDOR_SH)]

const bySet: ReadonlyMap<CodeSet, ReadonlyMap<number, Fault>> = new Map(
  CODE_SETS.map((codeSet) => [
    codeSet,
    new Map(FAULTS.filter((fault) => fault.codeSet === codeSet).map((fault) => [fault.code, fault])),
  ]),
)

/** What a code says, or undefined when we do not know it. An unknown code is recorded, counted and shown, never dropped. */
export const faultOf = (codeSet: CodeSet, code: number): Fault | undefined => bySet.get(codeSet)?.get(code)
