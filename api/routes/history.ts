/** What was measured: buckets for charts, raw samples for a closer look. */
import { Type } from 'typebox'
import { FIELD_UNITS, HistoryPoint, isHistoryField, MEASUREMENTS, type Measurement } from '#contract/history'
import { LiftId } from '#contract/ids'
import { toWire, wireSchema } from '#contract/wire'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { signedInOf, type ApiApp, type AppParts } from '../api-app.ts'
import { liftInScope } from '../fleet.ts'
import { chooseBucket, readRange } from '../history-range.ts'
import { problemAnswers, Refusal, valueOf } from '../problems.ts'
import { openQuestions } from '../store-questions.ts'

const SAMPLES_MAX = 1_000
const instant = (description: string) => Type.Optional(Type.String({ maxLength: 40, description }))
const range = {
  from: instant('RFC 3339, included; an hour before `to` unless told'),
  to: instant('RFC 3339, not included; now unless told'),
}
const measurement = <Name extends Measurement>(names: readonly Name[]) =>
  Type.Optional(Type.Unsafe<Name>(Type.Enum([...names], { description: '`status` unless told' })))
const LiftParams = Type.Object({ lift: LiftId })
const dateTime = Type.String({ format: 'date-time' })

const HistoryQuery = Type.Object(
  {
    field: Type.String({ minLength: 1, maxLength: 40 }),
    measurement: measurement(['status', 'statistics']),
    ...range,
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
  from: dateTime,
  to: dateTime,
  points: Type.Array(wireSchema(HistoryPoint), {
    description: 'Buckets without samples are left out',
  }),
})

const SamplesQuery = Type.Object(
  {
    measurement: measurement(['status', 'statistics', 'message', 'connection']),
    ...range,
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: SAMPLES_MAX, description: '200 unless told' })),
  },
  { additionalProperties: false },
)
const Sample = Type.Object({
  sampledAt: dateTime,
  boot: Type.Integer(),
  seq: Type.Integer(),
  receivedAt: dateTime,
  fields: Type.Unsafe<Record<string, number | string | boolean>>({
    type: 'object',
    additionalProperties: { type: ['number', 'string', 'boolean'] },
  }),
})
const SamplesAnswer = Type.Object({
  measurement: Type.String(),
  from: dateTime,
  to: dateTime,
  truncated: Type.Boolean({ description: 'There are more in the range' }),
  points: Type.Array(Sample, { description: 'Oldest first' }),
})

const HEADER_FIELDS: ReadonlySet<string> = new Set(['boot', 'seq', 'receivedAtMs'])

function sampleOf({ measurement, sampledAtMs, receivedAtMs, boot, seq, fields }: TelemetryPoint) {
  const known = Object.entries(fields).filter(
    ([name]) => Object.hasOwn(MEASUREMENTS[measurement], name) && !HEADER_FIELDS.has(name),
  )
  return { ...toWire({ sampledAtMs, boot, seq, receivedAtMs }), fields: Object.fromEntries(known) }
}

export function historyRoutes(app: ApiApp, { fleet, telemetry, nowMs }: AppParts): void {
  const questions = openQuestions()
  const iso = (atMs: number) => new Date(atMs).toISOString()
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
      const lift = await liftInScope(fleet, request.params.lift, signedInOf(request).scope)
      if (lift === undefined) throw new Refusal('notFound', 'There is no such lift in your scope')
      if (!isHistoryField(measurement, field))
        throw new Refusal('history.unknownField', `${measurement} has no such numeric field`)
      const { fromMs, toMs } = valueOf(readRange({ from, to, nowMs: nowMs() }))
      const bucketMs = valueOf(chooseBucket({ fromMs, toMs }, askedMs))
      const points = await questions.ask(reply.raw, (signal) =>
        telemetry.history({ lift: lift.id, measurement, field, fromMs, toMs, bucketMs, signal }),
      )
      const unit = FIELD_UNITS[field] ?? null
      return { field, measurement, unit, bucketMs, from: iso(fromMs), to: iso(toMs), points: toWire(points) }
    },
  )
  app.get(
    '/api/v1/lifts/:lift/samples',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: 'Raw samples, oldest first',
        params: LiftParams,
        querystring: SamplesQuery,
        response: { 200: SamplesAnswer, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { measurement = 'status', from, to, limit = 200 } = request.query
      const lift = await liftInScope(fleet, request.params.lift, signedInOf(request).scope)
      if (lift === undefined) throw new Refusal('notFound', 'There is no such lift in your scope')
      const { fromMs, toMs } = valueOf(readRange({ from, to, nowMs: nowMs() }))
      const points = await questions.ask(reply.raw, (signal) =>
        telemetry.points({ lift: lift.id, measurement, fromMs, toMs, limit: limit + 1, signal }),
      )
      return {
        measurement,
        from: iso(fromMs),
        to: iso(toMs),
        truncated: points.length > limit,
        points: points.slice(0, limit).map(sampleOf),
      }
    },
  )
}
