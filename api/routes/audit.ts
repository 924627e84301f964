/** Who did what, newest first. */
import { Type } from 'typebox'
import { toWire } from '#contract/wire'
import type { ApiApp, AppParts } from '../api-app.ts'
import { PageQuery, pageOf } from '../page-query.ts'
import { problemAnswers } from '../problems.ts'

const AuditPage = Type.Object({
  items: Type.Array(
    Type.Object({
      at: Type.String({ format: 'date-time' }),
      by: Type.String({ description: 'Name of the person or part' }),
      act: Type.String(),
      subject: Type.String(),
      detail: Type.String(),
    }),
  ),
  next: Type.Union([Type.String(), Type.Null()]),
})

export function auditRoutes(app: ApiApp, { register }: AppParts): void {
  app.get(
    '/api/v1/audit',
    {
      config: { act: 'audit.read' },
      schema: {
        tags: ['administration'],
        summary: 'Who did what',
        querystring: PageQuery,
        response: { 200: AuditPage, ...problemAnswers },
      },
    },
    async (request) => {
      const { rows, next } = await register.audit.list(pageOf(request.query))
      return { items: toWire(rows), next }
    },
  )
}
