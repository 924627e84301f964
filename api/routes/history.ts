/** What was measured, for charts: numbers in buckets, states in spans. */
import { Type } from 'typebox'
import {
  FIELD_UNITS,
  HISTORY_POINTS_MAX,
  HistoryPoint,
  isHistoryField,
  isStateField,
  STATE_SILENCE_MS_MAX,
  type StateValue,
} from '#contract/history'
import { toWire, wireSchema } from '#contract/wire'
import type { ApiApp, AppParts } from '../api-app.ts'
import { chooseBucket, readRange } from '../history-range.ts'
import { problemAnswers, Refusal, valueOf } from '../problems.ts'
import { openQuestions } from '../store-questions.ts'
import { dateTime, isoOf, LiftParams, measurementOf, measuredLift, rangeQuery } from './measured-lift.ts'

const field = Type.String({ minLength: 1, maxLength: 40 })
const HistoryQuery = Type.Object(
  {
    field,
    measurement: measurementOf(['status', 'statistics']),
    ...rangeQuery,
    bucketMs: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 366 * 86_400_000, description: 'Chosen by the server unless told' }),
    ),
  },
  { additionalProperties: false },
)
const HistoryAnswer = Type.Object({
  field: Type.String(),
  measurement: Type.String(),
  unit: Type.Union([Type.String(), Type.Null()]),
  bucketMs: Type.Integer(),
  from: dateTime(),
  to: dateTime(),
  points: Type.Array(wireSchema(HistoryPoint), {
    description: 'Buckets without samples are left out',
    maxItems: HISTORY_POINTS_MAX,
  }),
})

const SpansQuery = Type.Object(
  { field, measurement: measurementOf(['status']), ...rangeQuery },
  { additionalProperties: false },
)
const Span = Type.Object({
  from: dateTime('Included'),
  to: dateTime('Not included'),
  value: Type.Unsafe<StateValue>({
    type: ['boolean', 'number', 'string'],
    description: 'As the terminal says it: the code, not its name',
  }),
  sampleCount: Type.Integer({
    description: 'Samples within the span that say so; 0 when the state was brought along from before the range',
  }),
})
const SpansAnswer = Type.Object({
  field: Type.String(),
  measurement: Type.String(),
  silenceMs: Type.Integer({ description: 'A sample is believed until the next one, at most so long' }),
  from: dateTime(),
  to: dateTime('Never later than now: a state is not foretold'),
  isWhole: Type.Boolean({ description: 'The spans speak of the whole range' }),
  until: dateTime('The spans speak of the time before it; unless `isWhole`, ask for the rest with it as `from`'),
  spans: Type.Array(Span, {
    description: 'Oldest first; where there is none, the state is not known',
    maxItems: HISTORY_POINTS_MAX,
  }),
})

export function historyRoutes(app: ApiApp, { fleet, telemetry, nowMs }: AppParts): void {
  const questions = openQuestions()
  app.get(
    '/api/v1/lifts/:lift/history',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: 'Minimum, maximum, mean, last and count of one measured field per bucket',
        params: LiftParams,
        querystring: HistoryQuery,
        response: { 200: HistoryAnswer, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { field, measurement = 'status', from, to, bucketMs: askedMs } = request.query
      const lift = await measuredLift(fleet, request)
      if (!isHistoryField(measurement, field))
        throw new Refusal('history.unknownField', `${measurement} has no such numeric field`)
      const { fromMs, toMs } = valueOf(readRange({ from, to, nowMs: nowMs() }))
      const bucketMs = valueOf(chooseBucket({ fromMs, toMs }, askedMs))
      const points = await questions.ask(reply.raw, (signal) =>
        telemetry.history({ lift: lift.id, measurement, field, fromMs, toMs, bucketMs, signal }),
      )
      const unit = FIELD_UNITS[field] ?? null
      return { field, measurement, unit, bucketMs, from: isoOf(fromMs), to: isoOf(toMs), points: toWire(points) }
    },
  )
  app.get(
    '/api/v1/lifts/:lift/spans',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: `Spans (状态区间) of one state field: door, service mode, landing …; at most ${HISTORY_POINTS_MAX}`,
        params: LiftParams,
        querystring: SpansQuery,
        response: { 200: SpansAnswer, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { field, measurement = 'status', from, to } = request.query
      const lift = await measuredLift(fleet, request)
      if (!isStateField(field)) throw new Refusal('history.unknownField', `${measurement} has no such state field`)
      const atMs = nowMs()
      const { fromMs, toMs: askedToMs } = valueOf(readRange({ from, to, nowMs: atMs }))
      const toMs = Math.max(fromMs, Math.min(askedToMs, atMs))
      const limit = HISTORY_POINTS_MAX
      const { spans, isWhole, untilMs } = await questions.ask(reply.raw, (signal) =>
        telemetry.spans({ lift: lift.id, measurement, field, fromMs, toMs, limit, signal }),
      )
      return {
        ...{ field, measurement, silenceMs: STATE_SILENCE_MS_MAX, from: isoOf(fromMs), to: isoOf(toMs) },
        ...{ isWhole, until: isoOf(untilMs) },
        spans: spans.map(({ fromMs: beginMs, toMs: endMs, value, sampleCount }) => ({
          from: isoOf(beginMs),
          to: isoOf(endMs),
          value,
          sampleCount,
        })),
      }
    },
  )
}
