/** The listener of a process without the API: health and metrics for whoever watches the process, and MQTT over WebSocket. */
import { createServer } from 'node:http'
import type { Registry } from 'prom-client'
import { listenRefusal } from './listen-refusal.ts'
import { failingParts, type PartCheck } from './part-checks.ts'
import { routeUpgrades, type AcceptUpgrade } from './upgrades.ts'

export type Ops = AsyncDisposable & { readonly url: string }

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
    server.once('error', (error) => reject(listenRefusal(error, o.port)))
    server.listen(o.port, o.host, resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : o.port
  return {
    url: `http://127.0.0.1:${port}`,
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
