/** The listener of a process without the API: health and metrics for whoever watches the process, and MQTT over WebSocket. */
import { createServer } from 'node:http'
import type { Registry } from 'prom-client'
import { bindHostOf, listenRefusal, urlHostOf } from '#contract/listening'
import { failingParts, type PartCheck } from './part-checks.ts'
import { routeUpgrades, type AcceptUpgrade } from './upgrades.ts'

/** `url` is `http://HOST:PORT`, as reached from this machine. */
export type Ops = AsyncDisposable & { readonly url: string }

/** Resolves when it answers. A port that is taken is refused with a sentence. */
export async function startOps(o: {
  host: string
  port: number
  checks: readonly PartCheck[]
  metrics: Registry
  acceptMqttWebSocket?: AcceptUpgrade
}): Promise<Ops> {
  const answers: Readonly<Record<string, () => Promise<{ status: number; type: string; body: string }>>> = {
    '/livez': async () => json(200, { status: 'ok' }),
    '/readyz': async () => {
      const failing = await failingParts(o.checks)
      return json(failing.length === 0 ? 200 : 503, { status: failing.length === 0 ? 'ok' : 'degraded', failing })
    },
    '/metrics': async () => ({ status: 200, type: o.metrics.contentType, body: await o.metrics.metrics() }),
  }
  const server = createServer((request, response) => {
    const answer = answers[(request.url ?? '').split('?')[0] ?? '']
    void (answer?.() ?? Promise.resolve(json(404, { status: 'not found' })))
      .catch(() => json(500, { status: 'error' }))
      .then(({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body))
  })
  const upgrades = routeUpgrades(server, o)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenRefusal(error, o.port, 'HTTP_PORT')))
    server.listen(o.port, bindHostOf(o.host), resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : o.port
  return {
    url: `http://${urlHostOf(o.host)}:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
        upgrades.cut()
      }),
  }
}

const json = (status: number, body: unknown) => ({
  status,
  type: 'application/json; charset=utf-8',
  body: JSON.stringify(body),
})
