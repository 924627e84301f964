/** Figures (统计数据) of all lifts in scope: each by itself, page by page, and all of them together. */
import type { ServerResponse } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { hourStartMs } from '#contract/calendar'
import { FIGURES_READY_MS } from '#contract/figures'
import type { LiftId } from '#contract/ids'
import { together, type HourSums } from '#storage/telemetry/sum-figures'
import { signedInOf, type ApiApp, type AppParts } from '../api-app.ts'
import { figuresOnWire, spanOnWire, toFigures, toSpan } from '../figure-rows.ts'
import { cursorOf, readFleetRange, type FleetRange } from '../figures-cursor.ts'
import { FIGURES_LIMITS } from '../figures-limits.ts'
import { FLEET_AGE_MS_MAX } from '../fleet.ts'
import { NO_SUMS } from '../lift-hours.ts'
import { PageQuery } from '../page-query.ts'
import { problemAnswers, Refusal, valueOf } from '../problems.ts'
import { openQuestions } from '../store-questions.ts'
import { periodQuery } from './figures.ts'

const days = periodQuery('the 30th day counted back from `to`')
const OF_STORED_HOURS =
  'Whole days of Asia/Shanghai, at most 366. Only stored hours count: `until` is the end of the last hour that ended ' +
  `${FIGURES_READY_MS / 60_000} minutes ago or earlier, and the day that is running is told up to there. Time of which there are no figures is unknown, also that before a lift had a terminal.`

const PageAnswer = Type.Object({
  ...spanOnWire,
  items: Type.Array(Type.Object({ lift: Type.String(), ...figuresOnWire }), {
    description: 'By the id of the lift; one of which nothing is known is there, with `hourCount` 0',
  }),
  next: Type.Union([Type.String(), Type.Null()], {
    description: 'For `after` of the next page, which speaks of the same time; null on the last',
  }),
})
const TotalAnswer = Type.Object({
  ...spanOnWire,
  liftCount: Type.Integer({ description: 'Lifts in scope' }),
  liftsWithFigures: Type.Integer({ description: 'Those of which there is an hour with figures' }),
  ...figuresOnWire,
})

type FleetFigures = {
  /** By id. */
  readonly liftsOf: (request: FastifyRequest) => Promise<LiftId[]>
  readonly rangeOf: (query: { from?: string; to?: string; after?: string }) => FleetRange
  /** In one place of the bounded ones, and within one time, however many lifts they are. */
  readonly sumsOf: (
    answerTo: ServerResponse,
    range: FleetRange,
    lifts: readonly LiftId[],
  ) => Promise<readonly HourSums[]>
}

export function fleetFigureRoutes(app: ApiApp, { fleet, telemetry, nowMs, figuresLimits }: AppParts): void {
  const { fleetQuestionsMax, fleetMsMax, askedLifts, totalLiftsMax } = { ...FIGURES_LIMITS, ...figuresLimits }
  const questions = openQuestions({ questionsMax: fleetQuestionsMax, questionMsMax: fleetMsMax })
  const figures: FleetFigures = {
    async liftsOf(request) {
      await fleet.refresh({ ageMsMax: FLEET_AGE_MS_MAX })
      const lifts = fleet.inScope(signedInOf(request).scope).map(({ id }) => id)
      // Ids are ASCII; a register may order them by the rules of a language.
      return lifts.sort((a, b) => (a < b ? -1 : 1))
    },
    rangeOf(query) {
      const atMs = nowMs()
      return valueOf(readFleetRange({ ...query, readyMs: hourStartMs(atMs - FIGURES_READY_MS), nowMs: atMs }))
    },
    sumsOf: (answerTo, { fromMs, untilMs }, lifts) =>
      questions.ask(answerTo, async (signal) => {
        const sums: HourSums[] = []
        for (let first = 0; first < lifts.length && fromMs < untilMs; first += askedLifts) {
          signal.throwIfAborted()
          const asked = lifts.slice(first, first + askedLifts)
          sums.push(...(await telemetry.sums({ lifts: asked, fromMs, toMs: untilMs, signal })))
        }
        return sums
      }),
  }
  pageRoute(app, figures)
  totalRoute(app, figures, totalLiftsMax)
}

function pageRoute(app: ApiApp, { liftsOf, rangeOf, sumsOf }: FleetFigures): void {
  app.get(
    '/api/v1/figures',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: 'Figures (统计数据) of each lift in scope over the same days, ordered by id',
        description: OF_STORED_HOURS,
        querystring: Type.Object({ ...days, ...PageQuery.properties }, { additionalProperties: false }),
        response: { 200: PageAnswer, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { limit = 100, ...query } = request.query
      const range = rangeOf(query)
      const { after } = range
      const lifts = await liftsOf(request)
      const behind = after === undefined ? lifts : lifts.filter((id) => id > after)
      const page = behind.slice(0, limit)
      const byLift = new Map((await sumsOf(reply.raw, range, page)).map((sums) => [sums.lift, sums]))
      const last = page.at(-1)
      return {
        ...toSpan(range, range.untilMs).onWire,
        items: page.map((lift) => ({ lift, ...toFigures(byLift.get(lift) ?? NO_SUMS, range, range.untilMs) })),
        next: behind.length > limit && last !== undefined ? cursorOf(range, last) : null,
      }
    },
  )
}

function totalRoute(app: ApiApp, { liftsOf, rangeOf, sumsOf }: FleetFigures, liftsMax: number): void {
  app.get(
    '/api/v1/figures/total',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: 'Figures (统计数据) of all lifts in scope together: 在线率, 可用率, counters',
        description: `Shares are those of the time of all lifts in scope, at most ${liftsMax} of them. ${OF_STORED_HOURS}`,
        querystring: Type.Object(days, { additionalProperties: false }),
        response: { 200: TotalAnswer, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const range = rangeOf(request.query)
      const lifts = await liftsOf(request)
      if (lifts.length > liftsMax)
        throw new Refusal(
          'figures.tooManyLifts',
          `${lifts.length} lifts are in your scope, and a total is made of at most ${liftsMax}; add up the pages of /api/v1/figures`,
        )
      const all = await sumsOf(reply.raw, range, lifts)
      return {
        ...toSpan(range, range.untilMs).onWire,
        liftCount: lifts.length,
        liftsWithFigures: all.length,
        ...toFigures(together(all), range, range.untilMs, lifts.length),
      }
    },
  )
}
