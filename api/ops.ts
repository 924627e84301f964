/** The listener of a process without the API: health and metrics for whoever watches the process, and MQTT over WebSocket. */
import { createServer, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Registry } from 'prom-client'

export type Ops = AsyncDisposable & { readonly url: string }

export async function startOps(o: {
  host: string
  port: number
  checks: readonly { part: string; check: () => Promise<void> }[]
  metrics: Registry
  acceptMqttWebSocket?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
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
  // Upgraded sockets are no longer the server's: closing it would wait for them for ever.
  const taken = new Set<Duplex>()
  server.on('upgrade', (request, socket, head) => {
    taken.add(socket)
    socket.once('close', () => taken.delete(socket))
    if (request.url?.split('?')[0] === '/mqtt' && o.acceptMqttWebSocket) o.acceptMqttWebSocket(request, socket, head)
    else socket.destroy()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`HTTP_PORT: port ${o.port} is in use by another program; stop it or choose another port`)
          : error,
      ),
    )
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
        for (const socket of taken) socket.destroy()
      }),
  }
}

const json = (status: number, body: unknown) => ({
  status,
  type: 'application/json; charset=utf-8',
  body: JSON.stringify(body),
})

/** The parts whose check rejects, or does not answer within 2 s. */
export async function failingParts(
  checks: readonly { part: string; check: () => Promise<void> }[],
): Promise<{ part: string; reason: string }[]> {
  const results = await Promise.all(
    checks.map(async ({ part, check }) => {
      let timer: NodeJS.Timeout | undefined
      const tooLong = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('no answer within 2 s')), 2_000)
      })
      const reason = await Promise.race([check(), tooLong]).then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )
      clearTimeout(timer)
      return reason === undefined ? [] : [{ part, reason }]
    }),
  )
  return results.flat()
}
