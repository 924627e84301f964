/** What all questions about measured values have in common: the lift, the range, the measurement. */
import type { FastifyRequest } from 'fastify'
import { Type, type TOptional, type TUnsafe } from 'typebox'
import type { Measurement } from '#contract/history'
import { LiftId } from '#contract/ids'
import type { Lift } from '#contract/register'
import { signedInOf } from '../api-app.ts'
import { liftInScope, type Fleet } from '../fleet.ts'
import { Refusal } from '../problems.ts'

const instant = (description: string) => Type.Optional(Type.String({ maxLength: 40, description }))
export const rangeQuery = {
  from: instant('RFC 3339, included; an hour before `to` unless told'),
  to: instant('RFC 3339, not included; now unless told'),
}
export const measurementOf = <Name extends Measurement>(names: readonly Name[]): TOptional<TUnsafe<Name>> =>
  Type.Optional(Type.Unsafe<Name>(Type.Enum([...names], { description: '`status` unless told' })))
export const LiftParams = Type.Object({ lift: LiftId })
export const dateTime = (description?: string) =>
  Type.String({ format: 'date-time', ...(description === undefined ? {} : { description }) })
export const isoOf = (atMs: number): string => new Date(atMs).toISOString()

/** The lift of the path, when whoever asks may see it. */
export async function measuredLift(fleet: Fleet, request: FastifyRequest<{ Params: { lift: LiftId } }>): Promise<Lift> {
  const lift = await liftInScope(fleet, request.params.lift, signedInOf(request).scope)
  if (lift === undefined) throw new Refusal('notFound', 'There is no such lift in your scope')
  return lift
}
