/** Figures (统计数据) of one lift: by hour, day and month, its availability, its runs by the hour of the day. */
import type { ServerResponse } from 'node:http'
import { Type, type Static, type TOptional, type TString } from 'typebox'
import { HOUR_MS, hourOfDay } from '#contract/calendar'
import { COUNTER_FIGURES } from '#contract/figures'
import { HISTORY_POINTS_MAX } from '#contract/history'
import type { ApiApp, AppParts } from '../api-app.ts'
import { figuresOnWire, FiguresRow, spanOnWire, toFigures, toFiguresCsv, toFiguresRow, toSpan } from '../figure-rows.ts'
import { PERIODS, periodsOf, periodStartMs, readPeriodRange, type Period } from '../figure-ranges.ts'
import { FIGURES_LIMITS } from '../figures-limits.ts'
import type { HistoryRange } from '../history-range.ts'
import { hoursOfLift, NO_SUMS, RECENT_HOURS_MAX, sumsByKey, type HoursQuestion } from '../lift-hours.ts'
import { problemAnswers, valueOf } from '../problems.ts'
import { openQuestions } from '../store-questions.ts'
import { LiftParams, measuredLift } from './measured-lift.ts'

const HOURS_OF_DAY = 24

const begin = (description: string): TOptional<TString> =>
  Type.Optional(
    Type.String({
      maxLength: 40,
      description: `${description}. RFC 3339, or a day (2026-03-01) or month (2026-03) of Asia/Shanghai, which stands for its begin`,
    }),
  )
export const periodQuery = (unlessTold: string) => ({
  from: begin(`Included; ${unlessTold} unless told`),
  to: begin('Not included, as everywhere: `to=2026-03-01` is the end of February; now unless told'),
})
const UP_TO_NOW = `Hours that ended in the last ${RECENT_HOURS_MAX} hours and are not stored yet, and the one that is running, are computed from samples. Nothing is told of time that has not passed.`

const FiguresQuery = Type.Object(
  {
    period: Type.Optional(Type.Unsafe<Period>(Type.Enum([...PERIODS], { description: '`day` unless told' }))),
    ...periodQuery('the 30th day (24th hour, 12th month) counted back from `to`'),
    format: Type.Optional(
      Type.Unsafe<'json' | 'csv'>(Type.Enum(['json', 'csv'], { description: '`json` unless told' })),
    ),
  },
  { additionalProperties: false },
)
const FiguresAnswer = Type.Object({
  lift: Type.String(),
  period: Type.Enum([...PERIODS]),
  ...spanOnWire,
  rows: Type.Array(FiguresRow, {
    description: 'Oldest first; each period that the range touches and that has begun, whole',
    maxItems: HISTORY_POINTS_MAX,
  }),
})

const RangeQuery = Type.Object(periodQuery('the begin of the 30th day counted back from `to`'), {
  additionalProperties: false,
})
const {
  availability,
  inServiceMs,
  outOfServiceMs,
  maintenanceMs,
  unknownMs,
  unknownShare,
  onlineMs,
  onlineShare,
  hourCount,
} = figuresOnWire
const AvailabilityAnswer = Type.Object({
  lift: Type.String(),
  ...spanOnWire,
  ...{
    availability,
    inServiceMs,
    outOfServiceMs,
    maintenanceMs,
    unknownMs,
    unknownShare,
    onlineMs,
    onlineShare,
    hourCount,
  },
})
const RunsByHourAnswer = Type.Object({
  lift: Type.String(),
  ...spanOnWire,
  rows: Type.Array(
    Type.Object({
      hour: Type.Integer({ minimum: 0, maximum: HOURS_OF_DAY - 1, description: 'Hour of the day in Asia/Shanghai' }),
      runCount: Type.Optional(Type.Integer({ description: 'Runs in the time that was counted; absent = none was' })),
      dayCount: Type.Integer({ description: 'Days on which runs are known of a part of this hour, or of all of it' }),
      countedMs: Type.Integer({ description: 'Time in which runs were counted, ms' }),
      meanRunCount: Type.Optional(
        Type.Number({ description: 'Runs per hour of counted time; absent when no time was counted' }),
      ),
    }),
    { minItems: HOURS_OF_DAY, maxItems: HOURS_OF_DAY, description: 'From 0 to 23 o’clock' },
  ),
})

type LiftFigures = Pick<AppParts, 'fleet' | 'nowMs'> & {
  /** Reads the hours of a lift within the bounds of one question. */
  readonly ask: <T>(
    answerTo: ServerResponse,
    question: HoursQuestion,
    read: (hours: ReturnType<typeof hoursOfLift>) => Promise<T>,
  ) => Promise<T>
  /** The range that is asked for, from the begin of an hour to that of another. */
  readonly wholeHours: (asked: Static<typeof RangeQuery>) => { atMs: number; range: HistoryRange }
}

export function figureRoutes(app: ApiApp, { fleet, telemetry, nowMs, figuresLimits }: AppParts): void {
  const questions = openQuestions()
  const limits = { ...FIGURES_LIMITS, ...figuresLimits }
  const figures: LiftFigures = {
    fleet,
    nowMs,
    ask: (answerTo, question, read) =>
      questions.ask(answerTo, (signal) => read(hoursOfLift(telemetry, { ...question, signal, limits }))),
    wholeHours: (asked) => {
      const atMs = nowMs()
      return { atMs, range: valueOf(readPeriodRange({ ...asked, period: 'hour', unlessToldOf: 'day', nowMs: atMs })) }
    },
  }
  periodsRoute(app, figures)
  availabilityRoute(app, figures)
  runsByHourRoute(app, figures)
}

function periodsRoute(app: ApiApp, { fleet, nowMs, ask }: LiftFigures): void {
  app.get(
    '/api/v1/lifts/:lift/figures',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: `Figures (统计数据) by hour, day or month of Asia/Shanghai; at most ${HISTORY_POINTS_MAX} rows`,
        description: `Runs, door openings, rope bends, running time, distance, energy, worst vibration, time in each service state, 可用率 and 在线率. A counter that is absent is not known; \`countedMs\` says how much of the time each of the others covers. ${UP_TO_NOW}`,
        params: LiftParams,
        querystring: FiguresQuery,
        response: {
          200: {
            description:
              'JSON, or CSV (RFC 4180, UTF-8 with a byte order mark), where the label of an hour is its begin in Asia/Shanghai',
            content: { 'application/json': { schema: FiguresAnswer }, 'text/csv': { schema: { type: 'string' } } },
          },
          ...problemAnswers,
        },
      },
    },
    async (request, reply) => {
      const { period = 'day', from, to, format = 'json' } = request.query
      const { id: lift } = await measuredLift(fleet, request)
      const atMs = nowMs()
      const range = valueOf(readPeriodRange({ period, from, to, nowMs: atMs }))
      const periods = valueOf(periodsOf(period, range)).filter(({ fromMs }) => fromMs < atMs)
      const sums = await ask(reply.raw, { lift, range, nowMs: atMs }, (hours) =>
        sumsByKey(hours, ({ hourAtMs }) => periodStartMs(period, hourAtMs)),
      )
      const rows = periods.map((one) => toFiguresRow(sums.get(one.fromMs) ?? NO_SUMS, one, atMs))
      if (format === 'json') return reply.send({ lift, period, ...toSpan(range, atMs).onWire, rows })
      const ends = [periods[0], periods.at(-1)].map((one) => one?.label.replaceAll(':', '') ?? 'none')
      return reply
        .header('content-type', 'text/csv; charset=utf-8; header=present')
        .header('content-disposition', `attachment; filename="${lift}-figures-${ends.join('-to-')}.csv"`)
        .send(toFiguresCsv(lift, period, rows))
    },
  )
}

function availabilityRoute(app: ApiApp, { fleet, ask, wholeHours }: LiftFigures): void {
  app.get(
    '/api/v1/lifts/:lift/availability',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: 'Availability (可用率) of a range of whole hours',
        description: `\`inServiceMs / (inServiceMs + outOfServiceMs)\`: of the time in which the lift was known to be in service or out of it. Time in inspection operation (检修) is outside: telemetry does not tell whether maintenance was planned, so planned and unplanned are both left out. So is unknown time, which is why \`unknownShare\` belongs beside the availability. Fire recall, firefighters, emergency power and earthquake count as out of service. ${UP_TO_NOW}`,
        params: LiftParams,
        querystring: RangeQuery,
        response: { 200: AvailabilityAnswer, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { id: lift } = await measuredLift(fleet, request)
      const { atMs, range } = wholeHours(request.query)
      const sums = await ask(reply.raw, { lift, range, nowMs: atMs }, (hours) => sumsByKey(hours, () => 0))
      return { lift, ...toSpan(range, atMs).onWire, ...toFigures(sums.get(0) ?? NO_SUMS, range, atMs) }
    },
  )
}

function runsByHourRoute(app: ApiApp, { fleet, ask, wholeHours }: LiftFigures): void {
  app.get(
    '/api/v1/lifts/:lift/runs-by-hour',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: `${COUNTER_FIGURES.runCount.description} by the hour of the day in Asia/Shanghai`,
        description: `All days of the range together. The mean is that of the counted time, so that hours in which only a part was counted do not lower it. ${UP_TO_NOW}`,
        params: LiftParams,
        querystring: RangeQuery,
        response: { 200: RunsByHourAnswer, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { id: lift } = await measuredLift(fleet, request)
      const { atMs, range } = wholeHours(request.query)
      const sums = await ask(reply.raw, { lift, range, nowMs: atMs }, (hours) =>
        sumsByKey(counted(hours), ({ hourAtMs }) => hourOfDay(hourAtMs)),
      )
      const rows = Array.from({ length: HOURS_OF_DAY }, (_, hour) => {
        const { counters, countedMs, hourCount: dayCount } = sums.get(hour) ?? NO_SUMS
        const { runCount } = counters
        const known =
          runCount === undefined ? {} : { runCount, meanRunCount: (runCount * HOUR_MS) / countedMs.runCount }
        return { hour, dayCount, countedMs: countedMs.runCount, ...known }
      })
      return { lift, ...toSpan(range, atMs).onWire, rows }
    },
  )
}

/** Only the hours in which runs were counted. */
async function* counted(pieces: ReturnType<typeof hoursOfLift>): ReturnType<typeof hoursOfLift> {
  for await (const piece of pieces) yield piece.filter((hour) => hour.runCount !== undefined && hour.countedMs > 0)
}
