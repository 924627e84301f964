/** /openapi.json (3.1, from the schemas of the routes) and its reading room at /docs, which asks no other site for anything. */
import { fastifySwagger } from '@fastify/swagger'
import { fastifySwaggerUi } from '@fastify/swagger-ui'
import type { ApiApp, AppParts } from './api-app.ts'

export async function describeApi(
  app: ApiApp,
  { version, cookie }: Pick<AppParts, 'version' | 'cookie'>,
): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: '梯望 Tiwang',
        description:
          'Lifts added to old walk-up blocks, watched over after they are handed over. Times are RFC 3339 UTC, except inside `live`, which speaks the words of the MQTT contract.',
        version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags: [
        { name: 'session', description: '登录' },
        { name: 'lifts', description: '电梯与历史数据' },
        { name: 'alarms', description: '报警' },
        { name: 'terminals', description: '终端接入' },
        { name: 'administration', description: '管理' },
        { name: 'platform', description: '平台自身' },
      ],
      components: { securitySchemes: { session: { type: 'apiKey', in: 'cookie', name: cookie.name } } },
      security: [{ session: [] }],
    },
  })
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    uiConfig: { validatorUrl: null, docExpansion: 'list' },
    validatorUrl: false,
  })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
