/** The built view: files from its folder, and `index.html` for every address that the view itself routes. */
import { existsSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fastifyStatic } from '@fastify/static'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiApp, AppParts } from './api-app.ts'
import { Refusal } from './problems.ts'

/** Built assets carry a hash in their name: the same name is the same content for ever. */
const IMMUTABLE = 'public, max-age=31536000, immutable'

export async function serveView(app: ApiApp, { viewFolder }: Pick<AppParts, 'viewFolder'>): Promise<void> {
  const built = existsSync(join(viewFolder, 'index.html'))
  if (built)
    await app.register(fastifyStatic, {
      root: viewFolder,
      cacheControl: false,
      setHeaders: (reply, path) =>
        void reply.setHeader('cache-control', path.includes(`${sep}assets${sep}`) ? IMMUTABLE : 'no-cache'),
    })
  app.setNotFoundHandler((request, reply) => {
    if (!isViewRoute(request)) throw new Refusal('notFound', 'There is nothing at this address')
    return built
      ? sendIndex(reply)
      : reply
          .code(404)
          .type('text/plain; charset=utf-8')
          .send('The view has not been built here; the API answers at /docs.\n')
  })
}

function sendIndex(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-cache').sendFile('index.html')
}

/** A page that a person opens: not a name with an ending, not the API, and asked for as HTML. */
function isViewRoute({ method, url, headers }: FastifyRequest): boolean {
  const path = url.split('?')[0] ?? '/'
  if (method !== 'GET' && method !== 'HEAD') return false
  if (/^\/(api|docs|socket\.io|mqtt)(\/|$)/.test(path)) return false
  return !/\.[a-z0-9]+$/i.test(path) && (headers.accept ?? '*/*').includes('text/html')
}
