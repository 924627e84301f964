/** Lifts and the live state of one. */
import { Type } from 'typebox'
import { LiftId } from '#contract/ids'
import { freshnessOf, LiveState, statusAgeMs, type Freshness } from '#contract/live'
import { Lift } from '#contract/register'
import { toWire, wireSchema, type Wire } from '#contract/wire'
import { signedInOf, type ApiApp, type AppParts } from '../api-app.ts'
import { FLEET_AGE_MS_MAX, liftInScope, type Fleet } from '../fleet.ts'
import { problemAnswers, Refusal } from '../problems.ts'

const contractorName = {
  contractorName: Type.Union([Type.String(), Type.Null()], { description: 'Name of the contractor' }),
}
const LiftRow = Type.Object({ ...Lift.properties, ...contractorName })
const LiftRowOnWire = wireSchema(LiftRow)
const LiftWithLive = Type.Unsafe<
  Wire<Lift> & { contractorName: string | null; live: LiveState; freshness: Freshness; ageMs: number | null }
>(
  Type.Object({
    ...LiftRow.properties,
    live: LiveState,
    freshness: Type.Enum(['fresh', 'late', 'stale', 'lost', 'never'], {
      description: 'How far the live state may be believed now',
    }),
    ageMs: Type.Union([Type.Number(), Type.Null()], { description: 'Age of the status, ms' }),
  }),
)
const LiftParams = Type.Object({ lift: LiftId })

function rowOf(lift: Lift, fleet: Fleet): Wire<Lift> & { contractorName: string | null } {
  return {
    ...toWire(lift),
    contractorName: lift.contractor === null ? null : (fleet.organisations.get(lift.contractor)?.name ?? null),
  }
}

export function liftRoutes(app: ApiApp, { fleet, liveStates, nowMs }: AppParts): void {
  app.get(
    '/api/v1/lifts',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: 'All lifts in scope, ordered by id',
        response: { 200: Type.Object({ items: Type.Array(LiftRowOnWire) }), ...problemAnswers },
      },
    },
    async (request) => {
      const { scope } = signedInOf(request)
      await fleet.refresh({ ageMsMax: FLEET_AGE_MS_MAX })
      return { items: fleet.inScope(scope).map((lift) => rowOf(lift, fleet)) }
    },
  )
  app.get(
    '/api/v1/lifts/:lift',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: 'One lift with its live state, in the words of the MQTT contract',
        params: LiftParams,
        response: { 200: LiftWithLive, ...problemAnswers },
      },
    },
    async (request) => {
      const lift = await liftInScope(fleet, request.params.lift, signedInOf(request).scope)
      if (lift === undefined) throw new Refusal('notFound', 'There is no such lift in your scope')
      const live = liveStates.of(lift.id)
      const atMs = nowMs()
      return { ...rowOf(lift, fleet), live, freshness: freshnessOf(live, atMs), ageMs: statusAgeMs(live, atMs) ?? null }
    },
  )
}
