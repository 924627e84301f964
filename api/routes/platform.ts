/** What machines ask about the platform itself: alive, ready, measured, which version, which contract. */
import { readFile } from 'node:fs/promises'
import { Type } from 'typebox'
import type { ApiApp, AppParts } from '../api-app.ts'
import { problemAnswers, Refusal } from '../problems.ts'

const text = { 'text/plain': { schema: Type.String() } }
const Ready = Type.Object({
  status: Type.String(),
  // Reasons may speak of the inner network: they go to the log and to people who are signed in.
  degraded: Type.Array(Type.Object({ part: Type.String(), since: Type.String({ format: 'date-time' }) })),
})

export async function platformRoutes(app: ApiApp, { health, metrics, version }: AppParts): Promise<void> {
  const asyncapi = await readAsyncApi()
  const about = (summary: string) => ({ tags: ['platform'], summary, security: [] })
  app.get(
    '/livez',
    {
      config: { rateLimit: false },
      schema: { ...about('The process is alive'), response: { 200: Type.Object({ status: Type.String() }) } },
    },
    async () => ({ status: 'ok' }),
  )
  app.get(
    '/readyz',
    {
      config: { rateLimit: false },
      schema: {
        ...about('The stores can be reached and ingest is heard; otherwise 503 with the parts that are missing'),
        response: { 200: Ready, 503: Ready },
      },
    },
    async (_request, reply) => {
      const degraded = (await health.check()).map(({ part, sinceAtMs }) => ({
        part,
        since: new Date(sinceAtMs).toISOString(),
      }))
      return reply
        .code(degraded.length === 0 ? 200 : 503)
        .header('cache-control', 'no-store')
        .send({ status: degraded.length === 0 ? 'ok' : 'unavailable', degraded })
    },
  )
  app.get(
    '/metrics',
    {
      config: { rateLimit: false },
      schema: {
        ...about('Prometheus metrics'),
        response: { 200: { description: 'Text exposition format', content: text } },
      },
    },
    async (_request, reply) => reply.header('content-type', metrics.contentType).send(await metrics.metrics()),
  )
  app.get(
    '/version',
    {
      schema: {
        ...about('Which version runs'),
        response: { 200: Type.Object({ name: Type.String(), version: Type.String() }) },
      },
    },
    async () => ({ name: 'tiwang', version }),
  )
  app.get(
    '/asyncapi.json',
    {
      schema: {
        ...about('The MQTT contract and the live view, AsyncAPI 3.0'),
        response: { 200: { type: 'object', additionalProperties: true }, ...problemAnswers },
      },
    },
    async (_request, reply) => {
      if (asyncapi === undefined) throw new Refusal('notFound', 'The contract document was not generated')
      return reply.header('content-type', 'application/json; charset=utf-8').send(asyncapi)
    },
  )
}

/** The generated contract lies beside the source; seen from the built files it is one folder further up. */
async function readAsyncApi(): Promise<Record<string, unknown> | undefined> {
  for (const place of ['../../contract/generated/asyncapi.json', '../../../contract/generated/asyncapi.json']) {
    try {
      return JSON.parse(await readFile(new URL(place, import.meta.url), 'utf8')) as Record<string, unknown>
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return undefined
}
