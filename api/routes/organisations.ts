/** Organisations: a contractor sees its own and the operations centre. */
import { Type } from 'typebox'
import { Organisation } from '#contract/register'
import { signedInOf, type ApiApp, type AppParts } from '../api-app.ts'
import { FLEET_AGE_MS_MAX } from '../fleet.ts'
import { problemAnswers } from '../problems.ts'

export function organisationRoutes(app: ApiApp, { fleet }: AppParts): void {
  app.get(
    '/api/v1/organisations',
    {
      config: { act: 'lifts.read' },
      schema: {
        tags: ['lifts'],
        summary: 'Operations centre and contractors',
        response: { 200: Type.Object({ items: Type.Array(Organisation) }), ...problemAnswers },
      },
    },
    async (request) => {
      const { scope } = signedInOf(request)
      await fleet.refresh({ ageMsMax: FLEET_AGE_MS_MAX })
      const visible = [...fleet.organisations.values()].filter(
        ({ id, kind }) => 'all' in scope || kind === 'operations-centre' || id === scope.contractor,
      )
      return { items: visible.sort((a, b) => a.id.localeCompare(b.id)) }
    },
  )
}
