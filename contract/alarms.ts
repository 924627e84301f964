/**
 * The alarm list (报警一览) and the life of an alarm. States are those of ISA-18.2 / IEC 62682; priorities P1–P4 stand for
 * 红橙黄蓝 and are our own proposal. Ingest raises, the view shows the thresholds, the simulator provokes.
 */
import { Type, type Static } from 'typebox'
import { accept, refuse, type Result } from './errors.ts'
import { AlarmId, LiftId, OrganisationId } from './ids.ts'

export const PRIORITIES = [
  { priority: 1, zh: '紧急', en: 'people at risk', colour: '红 red' },
  { priority: 2, zh: '重要', en: 'lift out of use or monitoring lost', colour: '橙 orange' },
  { priority: 3, zh: '提示', en: 'advice', colour: '黄 yellow' },
  { priority: 4, zh: '信息', en: 'information', colour: '蓝 blue' },
] as const
export type Priority = 1 | 2 | 3 | 4
export const Priority = Type.Unsafe<Priority>(
  Type.Integer({ minimum: 1, maximum: 4, description: '1 is the most urgent' }),
)

/** One kind of alarm. `delayMs` is the on-delay in ms of event time, 0 where the controller, a count or a calendar decides. */
type AlarmKindRow = {
  readonly zh: string
  readonly en: string
  readonly priority: Priority
  readonly delayMs: number
  /** Stays after its condition is over, until a reset: by whoever looked at the lift, or by its return to automatic operation. */
  readonly latched: boolean
  /** Whether this version raises it; the others are named so that nobody names them twice. */
  readonly detected: boolean
}

/** Every kind of alarm with its name, default priority and default delay. */
export const ALARM_KINDS = {
  'entrapment-between-floors': {
    zh: '非平层困人',
    en: 'entrapment between floors',
    priority: 1,
    delayMs: 15_000,
    latched: false,
    detected: true,
  },
  'entrapment-at-landing': {
    zh: '平层困人',
    en: 'entrapment at a landing',
    priority: 1,
    delayMs: 90_000,
    latched: false,
    detected: false,
  },
  'alarm-button': {
    zh: '报警按钮',
    en: 'alarm button',
    priority: 2,
    delayMs: 3_000,
    latched: false,
    detected: false,
  },
  'unintended-movement': {
    zh: '轿厢意外移动、开门走车',
    en: 'unintended movement, or moving away with the door open',
    priority: 1,
    delayMs: 0,
    latched: true,
    detected: false,
  },
  'door-open-while-running': {
    zh: '运行中开门',
    en: 'door open while running',
    priority: 1,
    delayMs: 500,
    latched: true,
    detected: false,
  },
  overspeed: {
    zh: '超速',
    en: 'overspeed',
    priority: 1,
    delayMs: 0,
    latched: true,
    detected: false,
  },
  'hit-top': {
    zh: '冲顶',
    en: 'car hit the top',
    priority: 1,
    delayMs: 0,
    latched: true,
    detected: false,
  },
  'hit-bottom': {
    zh: '蹲底',
    en: 'car hit the bottom',
    priority: 1,
    delayMs: 0,
    latched: true,
    detected: false,
  },
  'safety-circuit-open': {
    zh: '安全回路断路',
    en: 'safety circuit open while running',
    priority: 2,
    delayMs: 2_000,
    latched: true,
    detected: false,
  },
  'stopped-outside-door-zone': {
    zh: '门区外停梯',
    en: 'stopped outside the door zone, nobody inside',
    priority: 2,
    delayMs: 15_000,
    latched: false,
    detected: false,
  },
  'restart-prevented': {
    zh: '防止再运行',
    en: 'restart prevented',
    priority: 2,
    delayMs: 0,
    latched: true,
    detected: false,
  },
  'run-time-limiter-operated': {
    zh: '运转时间限制器动作',
    en: 'motor run-time limiter operated',
    priority: 2,
    delayMs: 0,
    latched: true,
    detected: false,
  },
  'door-will-not-close': {
    zh: '关门故障',
    en: 'door will not close',
    priority: 3,
    delayMs: 60_000,
    latched: false,
    detected: false,
  },
  'door-will-not-open': {
    zh: '开门故障',
    en: 'door will not open',
    priority: 3,
    delayMs: 10_000,
    latched: false,
    detected: false,
  },
  'door-cycling': {
    zh: '反复开关门',
    en: 'door opens and closes again and again',
    priority: 3,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'door-held-open': {
    zh: '长时间开门',
    en: 'door held open',
    priority: 3,
    delayMs: 3 * 60_000,
    latched: false,
    detected: false,
  },
  'position-lost': {
    zh: '楼层位置丢失',
    en: 'floor position lost',
    priority: 3,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'main-power-lost': {
    zh: '停电',
    en: 'main power lost',
    priority: 3,
    delayMs: 5_000,
    latched: false,
    detected: false,
  },
  'out-of-service-long': {
    zh: '停梯超 24 小时',
    en: 'out of service for more than 24 h',
    priority: 2,
    delayMs: 24 * 3600_000,
    latched: false,
    detected: false,
  },
  'terminal-offline': {
    zh: '物联网设备离线',
    en: 'terminal offline',
    priority: 4,
    delayMs: 5 * 60_000,
    latched: false,
    detected: true,
  },
  'e-bike-in-car': {
    zh: '电动车乘梯',
    en: 'e-bike in the car',
    priority: 3,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'abnormal-vibration': {
    zh: '异常震动',
    en: 'abnormal vibration',
    priority: 3,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'abnormal-temperature': {
    zh: '温度异常',
    en: 'abnormal temperature',
    priority: 3,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'battery-low': {
    zh: '电池电量低',
    en: 'battery low',
    priority: 4,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'inspection-mode': {
    zh: '进入检修',
    en: 'inspection mode',
    priority: 4,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'fire-recall': {
    zh: '消防返回',
    en: 'fire recall',
    priority: 2,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'firefighter-operation': {
    zh: '消防员运行',
    en: 'firefighter operation',
    priority: 2,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'emergency-power': {
    zh: '应急电源运行',
    en: 'emergency power operation',
    priority: 4,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'earthquake-mode': {
    zh: '地震模式',
    en: 'earthquake mode',
    priority: 4,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'maintenance-overdue': {
    zh: '维保超期',
    en: 'maintenance overdue',
    priority: 3,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'maintenance-due': {
    zh: '维保 3 日内到期',
    en: 'maintenance due within 3 days',
    priority: 4,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'inspection-overdue': {
    zh: '检验（检测）超期',
    en: 'inspection or test overdue',
    priority: 2,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'inspection-due': {
    zh: '检验（检测）60 日内到期',
    en: 'inspection or test due within 60 days',
    priority: 4,
    delayMs: 0,
    latched: false,
    detected: false,
  },
  'fund-low': {
    zh: '经费不足',
    en: 'fund below its trigger',
    priority: 4,
    delayMs: 0,
    latched: false,
    detected: false,
  },
} as const satisfies Record<string, AlarmKindRow>
export type AlarmKind = keyof typeof ALARM_KINDS
export const ALARM_KIND_NAMES = Object.keys(ALARM_KINDS) as AlarmKind[]
export const AlarmKind = Type.Unsafe<AlarmKind>(Type.Enum([...ALARM_KIND_NAMES]))

/** A suspected entrapment counts as confirmed after this much event time, or at once when the alarm button is pressed. */
export const ENTRAPMENT_CONFIRMED_MS = 60_000
/** The person must be out of sight this long, in event time, before "no one inside" ends an entrapment outside the door zone. */
export const ENTRAPMENT_EMPTY_MS = 30_000
/** Silence this long lifts an offline alarm from P4 to P3, and to P2. */
export const OFFLINE_ESCALATION_MS = [
  { afterMs: 30 * 60_000, priority: 3 },
  { afterMs: 24 * 3600_000, priority: 2 },
] as const

/** States of ISA-18.2 with the letters of its state diagram. `closed` is A, normal, kept as history. */
export const ALARM_STATES = {
  unacknowledged: { letter: 'B', zh: '未确认', en: 'unacknowledged', open: true },
  acknowledged: { letter: 'C', zh: '已确认', en: 'acknowledged', open: true },
  'returned-unacknowledged': { letter: 'D', zh: '已恢复未确认', en: 'returned to normal, unacknowledged', open: true },
  closed: { letter: 'A', zh: '已关闭', en: 'closed', open: false },
} as const satisfies Record<string, { letter: string; zh: string; en: string; open: boolean }>
export type AlarmState = keyof typeof ALARM_STATES
export const ALARM_STATE_NAMES = Object.keys(ALARM_STATES) as AlarmState[]
export const AlarmState = Type.Unsafe<AlarmState>(Type.Enum([...ALARM_STATE_NAMES]))

/** What can happen to an alarm. `raise` on an open alarm is a repeat, `confirm` and `escalate` leave the state as it is. */
export const ALARM_EVENTS = ['raise', 'confirm', 'escalate', 'return', 'acknowledge'] as const
export type AlarmEvent = (typeof ALARM_EVENTS)[number]

const ALARM_NEXT = {
  unacknowledged: {
    raise: 'unacknowledged',
    confirm: 'unacknowledged',
    escalate: 'unacknowledged',
    return: 'returned-unacknowledged',
    acknowledge: 'acknowledged',
  },
  acknowledged: { raise: 'acknowledged', confirm: 'acknowledged', escalate: 'acknowledged', return: 'closed' },
  'returned-unacknowledged': { raise: 'unacknowledged', acknowledge: 'closed' },
  closed: {},
} as const satisfies Record<AlarmState, Partial<Record<AlarmEvent, AlarmState>>>

/** The state after an event, or why the event does not apply. Acknowledging never makes a standing condition go away. */
export function nextAlarmState(from: AlarmState, event: AlarmEvent): Result<AlarmState, 'alarm.wrongState'> {
  const row: Partial<Record<AlarmEvent, AlarmState>> = ALARM_NEXT[from]
  const to = row[event]
  return to === undefined
    ? refuse('alarm.wrongState', `${event} does not apply to an alarm that is ${from}`)
    : accept(to)
}

const CERTAINTIES = ['suspected', 'confirmed'] as const
export type Certainty = (typeof CERTAINTIES)[number]

/** Which rule looked at what: enough for a person to check the decision. Times are Unix ms of the device clock. */
export const DecisionTrace = Type.Object({
  rule: Type.String({ description: 'Kind of alarm whose rule decided' }),
  sinceAtMs: Type.Integer({ description: 'Since when the condition held without a break' }),
  decidedAtMs: Type.Integer({ description: 'Event time of the decision' }),
  thresholdMs: Type.Integer({
    description: 'How long it had to hold; 0 when a fact decided, such as the alarm button',
  }),
  samples: Type.Array(Type.Object({ boot: Type.Integer(), seq: Type.Integer(), sampledAtMs: Type.Integer() }), {
    maxItems: 32,
    description: 'The samples that the rule rests on, oldest first',
  }),
  byClock: Type.Boolean({ description: 'true when a timer decided, without a newer message' }),
})
export type DecisionTrace = Static<typeof DecisionTrace>

/** One episode of one kind of alarm on one lift: from its first raise until it is both over and acknowledged. */
export const Alarm = Type.Object({
  id: AlarmId,
  lift: LiftId,
  kind: AlarmKind,
  priority: Priority,
  state: AlarmState,
  certainty: Type.Unsafe<Certainty>(Type.Enum([...CERTAINTIES])),
  onsetAtMs: Type.Integer({ description: 'When the condition began, device clock' }),
  raisedAtMs: Type.Integer({ description: 'When the rule first decided, platform clock' }),
  returnedAtMs: Type.Union([Type.Integer(), Type.Null()]),
  acknowledgedAtMs: Type.Union([Type.Integer(), Type.Null()]),
  acknowledgedBy: Type.Union([Type.String(), Type.Null()], { description: 'Name of the person' }),
  closedAtMs: Type.Union([Type.Integer(), Type.Null()]),
  raiseCount: Type.Integer({ description: 'Raises within this episode' }),
  summary: Type.Object(
    {
      carPosition: Type.Union([Type.String(), Type.Null()]),
      passengerCount: Type.Union([Type.Integer(), Type.Null()]),
      lastHeardAtMs: Type.Union([Type.Integer(), Type.Null()]),
    },
    { description: 'Facts at the newest decision' },
  ),
  contractor: Type.Union([OrganisationId, Type.Null()], {
    description: 'Who serves the lift: decides who may see the alarm',
  }),
})
export type Alarm = Static<typeof Alarm>

/** One line of the history of an alarm. Lines are only ever added. */
export const Occurrence = Type.Object({
  alarm: AlarmId,
  number: Type.Integer({ minimum: 1, description: 'Grows by one within an alarm' }),
  event: Type.Unsafe<AlarmEvent>(Type.Enum([...ALARM_EVENTS])),
  atMs: Type.Integer({ description: 'Platform clock' }),
  by: Type.Union([Type.String(), Type.Null()], { description: 'Name of the person; null for the platform' }),
  note: Type.Union([Type.String({ maxLength: 500 }), Type.Null()]),
  trace: Type.Union([DecisionTrace, Type.Null()]),
})
export type Occurrence = Static<typeof Occurrence>

/** What ingest asks the register to do. Applying the same change twice does nothing the second time. */
export type AlarmChange = {
  readonly event: Exclude<AlarmEvent, 'acknowledge'>
  /** The id made from lift, kind and onset of the condition that this change speaks of. */
  readonly id: AlarmId
  readonly lift: LiftId
  readonly kind: AlarmKind
  readonly priority: Priority
  readonly certainty: Certainty
  readonly onsetAtMs: number
  readonly atMs: number
  readonly summary: Alarm['summary']
  readonly trace: DecisionTrace
}

/** Queue order: priority, then unacknowledged first, then the oldest first. */
export function compareAlarms(a: Alarm, b: Alarm): number {
  const waiting = (alarm: Alarm) => (alarm.state === 'acknowledged' ? 1 : 0)
  return a.priority - b.priority || waiting(a) - waiting(b) || a.raisedAtMs - b.raisedAtMs || a.id.localeCompare(b.id)
}
