/**
 * The figures (统计数据) of a lift: what is told of one hour, and of the days and months that are summed from hours. They are
 * computed from samples by event time and outlive them. What could not be known is absent, or counted in `unknownMs`.
 */
import { Type, type Static, type TInteger } from 'typebox'
import { CALENDAR_FROM_MS, HOUR_MS } from './calendar.ts'
import type { FieldType } from './history.ts'
import { LiftId } from './ids.ts'
import type { STATISTICS_FIELDS } from './telemetry.ts'

/** Readings of a counter further apart than this tell nothing of the hours between them; a terminal says its counters every 15 minutes. */
export const READING_GAP_MS_MAX = HOUR_MS
/** At most so many rows in one answer: more than five years of one lift. */
export const FIGURES_LIMIT_MAX = 50_000
/** At most so many lifts are named in one question. */
export const FIGURES_LIFTS_MAX = 1_000

/**
 * So long after its end an hour has figures, as far as samples came in time. Answers from stored hours alone speak of the
 * hours that are older, so that an hour that is still being computed is not taken for unknown.
 *
 * An hour is due three minutes after its end, that of all lifts at once, and one worker computes the hours of 18 lifts a
 * second: those of 10 000 lifts are there 12 to 13 minutes after the end. A store that is busy may take twice as long.
 */
export const FIGURES_READY_MS = 1_800_000

/** No sample says more (contract of `vibrationMg`). */
export const VIBRATION_MG_MAX = 10_000

type CounterField = keyof typeof STATISTICS_FIELDS

/**
 * The figures that are increases of a counter of `statistics` (GB/T 24476, statistics items), and the fastest that each
 * can grow, per second. A counter that grew faster was not counting: it was exchanged for another.
 */
export const COUNTER_FIGURES = {
  /** A run takes at least two seconds. */
  runCount: { field: 'runCount', perSMax: 0.5, description: 'Runs (Present_Counter_Value 运行次数)' },
  doorCycleCount: { field: 'doorOpenCount', perSMax: 0.5, description: 'Door openings (Door_Open_Count 开门次数)' },
  /** Twenty sheaves. */
  ropeBendCount: { field: 'ropeBendCount', perSMax: 10, description: 'Rope bends (Rope_Bend_Count 钢丝绳折弯次数)' },
  runTimeS: { field: 'runTimeS', perSMax: 1, description: 'Time in motion (Total_Running_Time 运行时间), s' },
  /** The contract knows no speed above 20 m/s. */
  distanceM: { field: 'distanceM', perSMax: 20, description: 'Distance (Lift_Mileage 运行距离), m' },
  /** A drive of 360 kW. */
  energyKWh: { field: 'energyKWh', perSMax: 0.1, description: 'Energy (Power_Consumption 能耗), kWh' },
} as const satisfies Record<string, { field: CounterField; perSMax: number; description: string }>
export type CounterFigure = keyof typeof COUNTER_FIGURES

/** How each code of `serviceMode` counts (index = code). */
export const SERVICE_OF_MODE = [
  'outOfServiceMs',
  'inServiceMs',
  /** 检修. Telemetry does not tell whether it was planned. */
  'maintenanceMs',
  /** Fire recall, firefighters, emergency power, earthquake: the lift may be sound, but nobody could ride. */
  'outOfServiceMs',
  'outOfServiceMs',
  'outOfServiceMs',
  'outOfServiceMs',
  'unknownMs',
] as const
export type ServiceSpan = (typeof SERVICE_OF_MODE)[number]

const span = (description: string) => Type.Integer({ minimum: 0, maximum: HOUR_MS, description })
const inHour = (name: CounterFigure) => ({
  minimum: 0,
  maximum: COUNTER_FIGURES[name].perSMax * 3600,
  description: COUNTER_FIGURES[name].description,
})
const count = (name: CounterFigure) => Type.Optional(Type.Integer(inHour(name)))
const amount = (name: CounterFigure) => Type.Optional(Type.Number(inHour(name)))

const worstVibrationMg = Type.Optional(
  Type.Number({
    minimum: 0,
    maximum: VIBRATION_MG_MAX,
    description: 'Largest peak vibration, mg; absent = not measured',
  }),
)

/**
 * One lift, one hour; known by `lift` and `hourAtMs`. `inServiceMs`, `outOfServiceMs`, `maintenanceMs` and `unknownMs` sum
 * up to the hour. The state of a lift is known from a sample up to the next one, at most `STATE_SILENCE_MS_MAX`.
 */
export const HourFigures = Type.Object(
  {
    lift: LiftId,
    hourAtMs: Type.Integer({
      minimum: CALENDAR_FROM_MS,
      multipleOf: HOUR_MS,
      description: 'Begin of the hour, Unix ms: the same hours in UTC and in Asia/Shanghai',
    }),
    sampleCount: Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'Status samples measured in the hour, each once',
    }),
    countedMs: span('Time that the counters below cover, ms; less than the hour where readings are missing'),
    /** Increases within `countedMs`: all that are there cover the same time. Absent = not measured, or not known. */
    runCount: count('runCount'),
    doorCycleCount: count('doorCycleCount'),
    ropeBendCount: count('ropeBendCount'),
    runTimeS: amount('runTimeS'),
    distanceM: amount('distanceM'),
    energyKWh: amount('energyKWh'),
    worstVibrationMg,
    inServiceMs: span('In normal operation, ms'),
    outOfServiceMs: span('Not usable by passengers: out of service, fire, emergency power, earthquake, ms'),
    maintenanceMs: span('In inspection operation (检修), ms'),
    unknownMs: span('No sample says what the state was, ms'),
    onlineMs: span('The platform had a fresh sample, ms; samples that were sent later do not count'),
  },
  { additionalProperties: false },
)
export type HourFigures = Static<typeof HourFigures>

/** The fields of a row besides `lift` and `hourAtMs`, as stores keep them. All are 0 or more. */
export const HOUR_FIELDS: Readonly<Record<string, FieldType>> = Object.fromEntries(
  Object.entries<object>(HourFigures.properties).flatMap(([name, schema]): [string, FieldType][] =>
    name === 'lift' || name === 'hourAtMs'
      ? []
      : [[name, 'type' in schema && schema.type === 'integer' ? 'integer' : 'number']],
  ),
)

const total = (description: string) => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })
const share = (description: string) => Type.Number({ minimum: 0, maximum: 1, description })
const sumOf = (name: CounterFigure) =>
  Type.Optional(Type.Number({ minimum: 0, description: `${COUNTER_FIGURES[name].description}; absent = in no hour` }))

/**
 * The hours of one lift in `[fromAtMs, toAtMs)` together: a day, a month. They speak of the time before `untilAtMs`: what
 * has not happened is neither known nor unknown. Hours that are not there count as unknown. Each counter comes with the
 * time that it covers, because a sum over part of the time is not the sum of the time.
 */
export const SumFigures = Type.Object({
  lift: LiftId,
  fromAtMs: Type.Integer({ description: 'First instant' }),
  toAtMs: Type.Integer({ description: 'First instant after it' }),
  untilAtMs: Type.Integer({
    description: 'The figures speak of the time before it: that of `to`, or an earlier one while the time is running',
  }),
  hourCount: total('Hours of which there are figures'),
  sampleCount: total('Status samples'),
  runCount: sumOf('runCount'),
  doorCycleCount: sumOf('doorCycleCount'),
  ropeBendCount: sumOf('ropeBendCount'),
  runTimeS: sumOf('runTimeS'),
  distanceM: sumOf('distanceM'),
  energyKWh: sumOf('energyKWh'),
  countedMs: Type.Object(
    Object.fromEntries(Object.keys(COUNTER_FIGURES).map((name) => [name, total(`Time that ${name} covers, ms`)])) as {
      [Name in CounterFigure]: TInteger
    },
  ),
  worstVibrationMg,
  inServiceMs: total('In normal operation, ms'),
  outOfServiceMs: total('Not usable by passengers, ms'),
  maintenanceMs: total('In inspection operation, ms'),
  unknownMs: total('No sample says what the state was, ms'),
  onlineMs: total('The platform had a fresh sample, ms'),
  availability: Type.Optional(
    share('可用率: inServiceMs / (inServiceMs + outOfServiceMs); absent when both are 0. Maintenance is excluded'),
  ),
  unknownShare: Type.Optional(
    share(
      'unknownMs of the time before `until`: to be shown beside the availability; absent when there is no such time',
    ),
  ),
  onlineShare: Type.Optional(share('在线率: onlineMs of the time before `until`; absent when there is no such time')),
})
export type SumFigures = Static<typeof SumFigures>

/** 可用率, 0 to 1, of one hour or of many. Undefined when the lift was neither in service nor out of it, as far as is known. */
export function availabilityOf(spans: { inServiceMs: number; outOfServiceMs: number }): number | undefined {
  const knownMs = spans.inServiceMs + spans.outOfServiceMs
  return knownMs === 0 ? undefined : spans.inServiceMs / knownMs
}
