/** The alarm list, one alarm with its history, and acknowledging it. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { ALARM_STATE_NAMES, ALARM_STATES, Alarm, Occurrence, type AlarmState } from '#contract/alarms'
import { AlarmId, LiftId } from '#contract/ids'
import { toWire, wireSchema } from '#contract/wire'
import { signedInOf, type ApiApp, type AppParts } from '../api-app.ts'
import { problemAnswers, Refusal, valueOf } from '../problems.ts'

const AlarmOnWire = wireSchema(Alarm)
const AlarmWithHistory = wireSchema(
  Type.Object({ ...Alarm.properties, occurrences: Type.Array(Occurrence, { description: 'Oldest first' }) }),
)
const AlarmParams = Type.Object({ id: AlarmId })
const AlarmsQuery = Type.Object(
  {
    state: Type.Optional(
      Type.Unsafe<'open' | 'closed' | 'all'>(
        Type.Enum(['open', 'closed', 'all'], { description: '`open` unless told' }),
      ),
    ),
    lift: Type.Optional(LiftId),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, description: '100 unless told' })),
    after: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: '`next` of the page before' })),
  },
  { additionalProperties: false },
)
const AlarmPage = Type.Object({ items: Type.Array(AlarmOnWire), next: Type.Union([Type.String(), Type.Null()]) })
const Acknowledgement = Type.Object(
  {
    note: Type.Optional(Type.Union([Type.String({ maxLength: 500 }), Type.Null()])),
    raiseCount: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: '`raiseCount` that the person has seen; with another one the alarm is not acknowledged',
      }),
    ),
  },
  { additionalProperties: false },
)

/** Requests of one session in a minute to each route of alarms. */
const ALARM_REQUESTS_PER_MINUTE_MAX = 1_200
/**
 * Alarms are counted by session, and each route by itself: whatever else comes from the same address, or is read in a
 * hurry, an operator can acknowledge. The session was checked before, so nobody gets a count of their own by inventing one.
 */
const rateLimit = {
  max: ALARM_REQUESTS_PER_MINUTE_MAX,
  timeWindow: '1 minute',
  keyGenerator: (request: FastifyRequest) => request.signedIn?.tokenHash ?? request.ip,
}

const STATES_OF: Readonly<Record<'open' | 'closed' | 'all', readonly AlarmState[]>> = {
  open: ALARM_STATE_NAMES.filter((name) => ALARM_STATES[name].open),
  closed: ALARM_STATE_NAMES.filter((name) => !ALARM_STATES[name].open),
  all: ALARM_STATE_NAMES,
}

export function alarmRoutes(app: ApiApp, parts: AppParts): void {
  const { register } = parts
  const withHistory = async (alarm: Alarm) => ({
    ...toWire(alarm),
    occurrences: toWire(await register.alarms.occurrences(alarm.id)),
  })
  app.get(
    '/api/v1/alarms',
    {
      config: { act: 'alarms.read', rateLimit },
      schema: {
        tags: ['alarms'],
        summary: 'Alarms, newest raise first',
        querystring: AlarmsQuery,
        response: { 200: AlarmPage, ...problemAnswers },
      },
    },
    async (request) => {
      const { state = 'open', lift, limit = 100, after } = request.query
      const { rows, next } = await register.alarms.list({
        scope: signedInOf(request).scope,
        states: STATES_OF[state],
        limit,
        ...(lift === undefined ? {} : { lift }),
        ...(after === undefined ? {} : { after }),
      })
      return { items: toWire(rows), next }
    },
  )
  app.get(
    '/api/v1/alarms/:id',
    {
      config: { act: 'alarms.read', rateLimit },
      schema: {
        tags: ['alarms'],
        summary: 'One alarm and its history',
        params: AlarmParams,
        response: { 200: AlarmWithHistory, ...problemAnswers },
      },
    },
    async (request) => {
      const alarm = await register.alarms.byId(request.params.id, signedInOf(request).scope)
      if (alarm === undefined) throw new Refusal('notFound', 'There is no such alarm in your scope')
      return withHistory(alarm)
    },
  )
  app.post(
    '/api/v1/alarms/:id/acknowledge',
    {
      config: { act: 'alarms.acknowledge', rateLimit },
      schema: {
        tags: ['alarms'],
        summary: 'Acknowledge by the person who is signed in',
        params: AlarmParams,
        body: Type.Optional(Acknowledgement),
        response: { 200: AlarmWithHistory, ...problemAnswers },
      },
    },
    async (request) => {
      const { user, scope } = signedInOf(request)
      const atMs = parts.nowMs()
      const { note = null, raiseCount } = request.body ?? {}
      const applied = valueOf(
        await register.alarms.acknowledge({
          ...{ id: request.params.id, scope, by: user.name, note, atMs },
          ...(raiseCount === undefined ? {} : { raiseCount }),
        }),
      )
      parts.bus.publish('alarm', applied)
      await register.audit
        .add({ atMs, by: user.name, act: 'alarms.acknowledge', subject: applied.alarm.id, detail: note ?? '' })
        .catch((error: unknown) => {
          // It is done, and the history of the alarm says by whom: to answer with a refusal would be wrong.
          parts.log.error('api.error', { traceId: request.id, alarm: applied.alarm.id, err: error })
        })
      return withHistory(applied.alarm)
    },
  )
}
