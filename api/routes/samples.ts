/** Samples (采样) as they were taken, page by page, for a closer look and for programs. */
import { Type } from 'typebox'
import { MEASUREMENTS, type Measurement } from '#contract/history'
import { toWire } from '#contract/wire'
import { HEADER_FIELDS, type TelemetryPoint } from '#storage/telemetry/telemetry-store'
import type { ApiApp, AppParts } from '../api-app.ts'
import { problemAnswers, valueOf } from '../problems.ts'
import { cursorOf, readSamplesRange } from '../sample-cursor.ts'
import { openQuestions } from '../store-questions.ts'
import { dateTime, isoOf, LiftParams, measurementOf, measuredLift, rangeQuery } from './measured-lift.ts'

const SAMPLES_MAX = 5_000
export const ALL_MEASUREMENTS: readonly Measurement[] = ['status', 'statistics', 'message', 'connection']

const SamplesQuery = Type.Object(
  {
    measurement: measurementOf(ALL_MEASUREMENTS),
    ...rangeQuery,
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: SAMPLES_MAX, description: '200 unless told' })),
    after: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 400,
        description: '`next` of the page before; the range stays that of the first page',
      }),
    ),
  },
  { additionalProperties: false },
)
const Sample = Type.Object({
  sampledAt: dateTime(),
  boot: Type.Integer(),
  seq: Type.Integer(),
  receivedAt: dateTime(),
  fields: Type.Unsafe<Record<string, number | string | boolean>>({
    type: 'object',
    additionalProperties: { type: ['number', 'string', 'boolean'] },
  }),
})
const SamplesPage = Type.Object({
  measurement: Type.String(),
  from: dateTime(),
  to: dateTime(),
  items: Type.Array(Sample, { description: 'By sample time, boot and seq; oldest first' }),
  next: Type.Union([Type.String(), Type.Null()], {
    description: 'For `after` of the next page; null on the last. Samples that arrive behind it are not told any more',
  }),
})

function sampleOf({ measurement, sampledAtMs, receivedAtMs, boot, seq, fields }: TelemetryPoint) {
  const known = Object.entries(fields).filter(
    ([name]) => Object.hasOwn(MEASUREMENTS[measurement], name) && !HEADER_FIELDS.has(name),
  )
  return { ...toWire({ sampledAtMs, boot, seq, receivedAtMs }), fields: Object.fromEntries(known) }
}

export function sampleRoutes(app: ApiApp, { fleet, telemetry, nowMs }: AppParts): void {
  const questions = openQuestions()
  app.get(
    '/api/v1/lifts/:lift/samples',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: 'Samples (采样) as they were taken, oldest first',
        params: LiftParams,
        querystring: SamplesQuery,
        response: { 200: SamplesPage, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { measurement: asked, from, to, limit = 200, after } = request.query
      const lift = await measuredLift(fleet, request)
      const range = valueOf(readSamplesRange({ lift: lift.id, measurement: asked, from, to, after, nowMs: nowMs() }))
      const { measurement, fromMs, toMs } = range
      const points = await questions.ask(reply.raw, (signal) =>
        telemetry.points({ ...range, lift: lift.id, limit: limit + 1, signal }),
      )
      const items = points.slice(0, limit)
      const last = items.at(-1)
      const next = points.length > limit && last !== undefined ? cursorOf(range, last) : null
      return { measurement, from: isoOf(fromMs), to: isoOf(toMs), items: items.map(sampleOf), next }
    },
  )
}
