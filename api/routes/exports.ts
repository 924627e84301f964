/**
 * Export (导出): the samples of a whole range as one file. It is read and sent page by page, at the pace of whoever reads
 * it. A file that could not be made to its end is never ended properly: the connection is cut instead.
 */
import { Readable } from 'node:stream'
import { Counter } from 'prom-client'
import { Type } from 'typebox'
import type { Measurement } from '#contract/history'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { signedInOf, type ApiApp, type AppParts } from '../api-app.ts'
import { EXPORT_FORMATS, type ExportFormat, type ExportFormatName } from '../export-formats.ts'
import { EXPORT_LIMITS, openExportPlaces, pagesOf } from '../exports.ts'
import { readRange } from '../history-range.ts'
import { problemAnswers, refusalOf, valueOf } from '../problems.ts'
import { openQuestions } from '../store-questions.ts'
import { LiftParams, measurementOf, measuredLift, rangeQuery } from './measured-lift.ts'
import { ALL_MEASUREMENTS } from './samples.ts'

const ExportQuery = Type.Object(
  {
    measurement: measurementOf(ALL_MEASUREMENTS),
    ...rangeQuery,
    format: Type.Optional(
      Type.Unsafe<ExportFormatName>(Type.Enum(Object.keys(EXPORT_FORMATS), { description: '`csv` unless told' })),
    ),
  },
  { additionalProperties: false },
)
const file = {
  description:
    'The file, oldest sample first. `X-Total-Count` says at the start how many samples it will have; those that arrive ' +
    'meanwhile may come on top. A file that broke off ends without the end of its transfer: do not use it.',
  headers: { 'X-Total-Count': { schema: { type: 'integer' }, description: 'Samples in the range' } },
  content: {
    'text/csv': {
      schema: {
        type: 'string',
        description:
          'RFC 4180, UTF-8 with a byte order mark, units in the header row. A text that a spreadsheet would run has an apostrophe in front.',
      },
    },
    'text/plain': { schema: { type: 'string', description: 'InfluxDB line protocol, times in ns' } },
  },
}

export function exportRoutes(app: ApiApp, { fleet, telemetry, metrics, log, nowMs, exportLimits }: AppParts): void {
  const limits = { ...EXPORT_LIMITS, ...exportLimits }
  const places = openExportPlaces(limits)
  // Every export has one question at a time, beside those of the charts.
  const questions = openQuestions({ questionsMax: limits.exportsMax })
  const endings = new Counter({
    name: 'tiwang_api_exports_total',
    help: 'Exports by how they ended: complete, left (the reader went away or was too slow), failed',
    labelNames: ['format', 'ending'] as const,
    registers: [metrics],
  })
  app.get(
    '/api/v1/lifts/:lift/export',
    {
      config: { act: 'lifts.read' },
      // The head of it would read the whole range to tell nothing.
      exposeHeadRoute: false,
      schema: {
        tags: ['lifts'],
        summary: 'Export (导出): the samples of a whole range as one file, CSV or InfluxDB line protocol',
        params: LiftParams,
        querystring: ExportQuery,
        response: { 200: file, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { measurement = 'status', format: name = 'csv', from, to } = request.query
      const { id: lift } = await measuredLift(fleet, request)
      const range = { lift, measurement, ...valueOf(readRange({ from, to, nowMs: nowMs() })) }
      const answerTo = reply.raw
      places.take(answerTo, signedInOf(request).user.id)
      const totalCount = await questions.ask(answerTo, () => telemetry.count(range))
      const pages = pagesOf(telemetry, { query: { ...range, limit: limits.pageSamples }, questions, answerTo })
      // The first page before the first byte: a store that is away is a problem with a code, not a broken file.
      const first = await pages.next()
      const format = EXPORT_FORMATS[name]
      let hasFailed = false
      const text = textOf(format, measurement, first.done === true ? [] : first.value, pages)
      const body = Readable.from(text, { objectMode: false, highWaterMark: 1 })
      body.once('error', (error) => {
        if (answerTo.destroyed) return
        hasFailed = true
        log.warn('api.error', { traceId: request.id, route: request.routeOptions.url, code: refusalOf(error).code })
      })
      answerTo.once('close', () =>
        endings.inc({ format: name, ending: hasFailed ? 'failed' : answerTo.writableFinished ? 'complete' : 'left' }),
      )
      const fileName = `${lift}-${measurement}-${stampOf(range.fromMs)}-${stampOf(range.toMs)}.${format.extension}`
      return reply
        .header('content-type', format.contentType)
        .header('content-disposition', `attachment; filename="${fileName}"`)
        .header('x-total-count', totalCount)
        .send(body)
    },
  )
}

async function* textOf(
  format: ExportFormat,
  measurement: Measurement,
  first: readonly TelemetryPoint[],
  more: AsyncIterable<readonly TelemetryPoint[]>,
): AsyncGenerator<string, void> {
  yield format.header(measurement) + first.map((point) => format.row(point)).join('')
  for await (const page of more) yield page.map((point) => format.row(point)).join('')
}

/** For names of files: `20261121T080000Z`. */
const stampOf = (atMs: number): string => new Date(atMs).toISOString().replace(/\.\d+|[-:]/g, '')
