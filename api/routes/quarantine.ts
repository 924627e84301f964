/** Messages that were acknowledged but could not be understood, newest first. */
import { Type } from 'typebox'
import { QuarantineRow } from '#contract/register'
import { toWire, wireSchema } from '#contract/wire'
import type { ApiApp, AppParts } from '../api-app.ts'
import { PageQuery, pageOf } from '../page-query.ts'
import { problemAnswers } from '../problems.ts'

const QuarantinePage = Type.Object({
  items: Type.Array(wireSchema(QuarantineRow)),
  next: Type.Union([Type.String(), Type.Null()]),
  count: Type.Integer({ description: 'Rows that are kept' }),
})

export function quarantineRoutes(app: ApiApp, { register }: AppParts): void {
  app.get(
    '/api/v1/quarantine',
    {
      config: { act: 'quarantine.read' },
      schema: {
        tags: ['administration'],
        summary: 'Messages that could not be understood',
        querystring: PageQuery,
        response: { 200: QuarantinePage, ...problemAnswers },
      },
    },
    async (request) => {
      const [{ rows, next }, count] = await Promise.all([
        register.quarantine.list(pageOf(request.query)),
        register.quarantine.count(),
      ])
      return { items: toWire(rows), next, count }
    },
  )
}
