/**
 * What a terminal says (design of the MQTT contract, version 1). Item names and numeric codes follow the real-time status
 * items of GB/T 24476 as public implementations of it use them; the standard's own text was not available to us.
 *
 * Unknown extra fields are tolerated, dropped at decoding and counted: a newer firmware must never silence a trapped person.
 */
import { Type, type Static } from 'typebox'
import { TerminalSerial } from './ids.ts'

/** A message sampled longer ago than this is quarantined. */
export const SAMPLE_AGE_MS_MAX = 30 * 24 * 3600 * 1000
/** A message sampled further ahead of the platform's clock than this is quarantined. */
export const SAMPLE_AHEAD_MS_MAX = 5 * 60 * 1000

/** 当前服务模式. Index = stored code. */
export const SERVICE_MODES = [
  { name: 'out-of-service', zh: '停止服务', en: 'out of service' },
  { name: 'normal', zh: '正常运行', en: 'normal' },
  { name: 'inspection', zh: '检修', en: 'inspection' },
  { name: 'fire-recall', zh: '消防返回', en: 'fire recall' },
  { name: 'firefighter', zh: '消防员运行', en: 'firefighter operation' },
  { name: 'emergency-power', zh: '应急电源运行', en: 'emergency power' },
  { name: 'earthquake', zh: '地震模式', en: 'earthquake' },
  { name: 'unknown', zh: '未知', en: 'unknown' },
] as const
/** 轿厢运行状态. */
export const CAR_STATUSES = [
  { name: 'stopped', zh: '停止', en: 'stopped' },
  { name: 'running', zh: '运行', en: 'running' },
] as const
/** 轿厢运行方向. */
export const CAR_DIRECTIONS = [
  { name: 'none', zh: '无方向', en: 'none' },
  { name: 'up', zh: '上行', en: 'up' },
  { name: 'down', zh: '下行', en: 'down' },
] as const
/** 轿门状态. */
export const DOOR_STATUSES = [
  { name: 'unknown', zh: '未知', en: 'unknown' },
  { name: 'closing', zh: '正在关门', en: 'closing' },
  { name: 'closed', zh: '关门到位', en: 'closed' },
  { name: 'opening', zh: '正在开门', en: 'opening' },
  { name: 'open', zh: '开门到位', en: 'open' },
  { name: 'locked', zh: '门锁锁止', en: 'locked' },
  { name: 'held', zh: '未完全关闭', en: 'held not fully closed' },
] as const

const safeInteger = (description: string) => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })
const code = (max: number, description: string) => Type.Integer({ minimum: 0, maximum: max, description })
const number = (minimum: number, maximum: number, description: string) => Type.Number({ minimum, maximum, description })
const flag = (description: string) => Type.Boolean({ description })

const header = {
  v: Type.Literal(1, { description: 'Contract version' }),
  boot: Type.Integer({ minimum: 0, maximum: 0xffffffff, description: "Count of the terminal's starts" }),
  seq: Type.Integer({ minimum: 0, maximum: 0xffffffff, description: 'Grows by one within a boot' }),
}
const sampledAtMs = safeInteger('Unix ms of the device clock')

/** The measured part of a status. Optional fields are left out when not measured, never sent as a guess. */
export const STATUS_FIELDS = {
  serviceMode: code(7, 'Service_Mode 当前服务模式'),
  carStatus: code(1, 'Car_Status 轿厢运行状态'),
  carDirection: code(2, 'Car_Direction 轿厢运行方向'),
  doorZone: flag('Door_Zone 门区: the car is in the unlocking zone'),
  carPosition: Type.String({
    minLength: 1,
    maxLength: 4,
    pattern: '^[^\\u0000-\\u001f\\u007f]+$',
    description: 'Car_Position 当前楼层: the label that people read, such as "3", "B1", "2.5"',
  }),
  floorIndex: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 127, description: 'Landing from the bottom, 0 = lowest' }),
  ),
  positionMm: Type.Optional(
    Type.Integer({ minimum: -10_000, maximum: 500_000, description: 'Car floor above the lowest landing, mm' }),
  ),
  doorStatus: Type.Optional(code(6, 'Door_Status 轿门状态')),
  doorClosed: flag('Door_Close_Status 关门到位'),
  passengerPresent: flag('Passenger_Status 轿内是否有人'),
  passengerCount: Type.Optional(Type.Integer({ minimum: 0, maximum: 100, description: 'Persons in the car' })),
  speedMps: Type.Optional(number(-20, 20, 'Car speed, m/s, up is positive')),
  loadKg: Type.Optional(number(0, 10_000, 'Load in the car, kg')),
  overload: Type.Optional(flag('Car_Overload 轿厢超载')),
  powerSource: Type.Optional(
    Type.Union([Type.Literal('mains'), Type.Literal('battery')], { description: '供电: 市电 or 电池' }),
  ),
  alarmButton: Type.Optional(flag('报警按钮 pressed')),
  safetyCircuitClosed: Type.Optional(flag('安全回路 closed')),
  doorLockClosed: Type.Optional(flag('门锁回路 closed')),
  temperatureC: Type.Optional(number(-60, 150, 'Temperature at the controller, °C')),
  vibrationMg: Type.Optional(number(0, 10_000, 'Peak vibration since the last sample, mg')),
  rssiDbm: Type.Optional(Type.Integer({ minimum: -150, maximum: 0, description: 'Radio signal, dBm' })),
  batteryPct: Type.Optional(number(0, 100, 'Battery charge, %')),
}

/** `lifts/v1/{lift}/status`: on change, at least every 10 s while running or occupied, every 60 s when idle. */
export const Status = Type.Object({ ...header, sampledAtMs, ...STATUS_FIELDS })
export type Status = Static<typeof Status>

/** The measured fields alone: what a message carries as its snapshot. */
const StatusSnapshot = Type.Partial(Type.Object(STATUS_FIELDS))
type StatusSnapshot = Static<typeof StatusSnapshot>

export const STATISTICS_FIELDS = {
  runCount: Type.Optional(safeInteger('Present_Counter_Value 累计运行次数')),
  runTimeS: Type.Optional(number(0, 1e10, 'Total_Running_Time 累计运行时间, s of motion, not calendar time')),
  doorOpenCount: Type.Optional(safeInteger('Door_Open_Count 开门次数')),
  ropeBendCount: Type.Optional(safeInteger('Rope_Bend_Count 钢丝绳折弯次数')),
  distanceM: Type.Optional(number(0, 1e10, 'Lift_Mileage 累计运行距离, m')),
  energyKWh: Type.Optional(number(0, 1e9, 'Power_Consumption 能耗, kWh')),
  passengerCount: Type.Optional(safeInteger('Passenger_Counter 乘梯人数')),
}
/** `lifts/v1/{lift}/statistics`: counters that only grow; one that goes down means the controller was replaced. */
export const Statistics = Type.Object({ ...header, sampledAtMs, ...STATISTICS_FIELDS })
export type Statistics = Static<typeof Statistics>

export const CODE_SETS = ['gbt24476', 'vendor-sh'] as const
/** A bare code means nothing: regional interfaces use the same numbers for different things. */
export type CodeSet = (typeof CODE_SETS)[number]
export const CodeSet = Type.Unsafe<CodeSet>(
  Type.Enum([...CODE_SETS], { description: 'Which table the code belongs to' }),
)

/** GB/T 24476 keeps the three apart: 故障 fault, 事件 event, 报警 alarm. */
export const MESSAGE_CLASSES = ['fault', 'event', 'alarm'] as const
export type MessageClass = (typeof MESSAGE_CLASSES)[number]

/** `lifts/v1/{lift}/message`: a fault, event or alarm that the controller raised or cleared. */
export const Message = Type.Object({
  ...header,
  id: Type.String({
    minLength: 1,
    maxLength: 64,
    pattern: '^[A-Za-z0-9._:-]+$',
    description: 'The same for raised and cleared',
  }),
  codeSet: CodeSet,
  code: Type.Integer({ minimum: 0, maximum: 99_999 }),
  kind: Type.Unsafe<MessageClass>(Type.Enum([...MESSAGE_CLASSES])),
  raised: Type.Boolean({ description: 'true = raised, false = cleared' }),
  occurredAtMs: safeInteger('Unix ms of the device clock'),
  snapshot: StatusSnapshot,
})
export type Message = Static<typeof Message>

/** `lifts/v1/{lift}/connection`, said by the terminal after it connects. */
export const ConnectionOnline = Type.Object({
  ...header,
  state: Type.Literal('online'),
  terminal: TerminalSerial,
  firmware: Type.Optional(Type.String({ maxLength: 40 })),
  iccid: Type.Optional(Type.String({ maxLength: 22, pattern: '^[0-9A-Fa-f]*$' })),
  atMs: safeInteger('Unix ms of the device clock'),
})
/** The last will on the same topic: no sequence, no time, because the broker says it for a terminal that is gone. */
export const ConnectionOffline = Type.Object({
  v: Type.Literal(1),
  state: Type.Literal('offline'),
  terminal: TerminalSerial,
})
export const Connection = Type.Union([ConnectionOnline, ConnectionOffline])
export type Connection = Static<typeof Connection>
