import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Answer = { status: number; headers?: Record<string, string>; body?: object }
/** `undefined` = never, `closed` = takes the request and closes the connection, a promise = later. */
type AnyAnswer = Answer | 'closed' | undefined
export type Asked = { line: string; authorization: string | undefined; atMs: number; bytes: number }

/** An HTTP server that answers what a real InfluxDB cannot be made to answer at will. */
export async function startAnswering(answer: (request: IncomingMessage) => AnyAnswer | Promise<AnyAnswer>) {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    const { method, url, headers } = request
    const one: Asked = { line: `${method} ${url}`, authorization: headers.authorization, atMs: Date.now(), bytes: 0 }
    asked.push(one)
    request.on('data', (data: Buffer) => (one.bytes += data.length))
    request.once('end', () => void Promise.resolve(answer(request)).then((told) => tell(response, told)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    asked,
    host: `127.0.0.1:${port}`,
    storeUrl: `influx+http://127.0.0.1:${port}/lifts`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function tell(response: ServerResponse, told: AnyAnswer): void {
  if (told === undefined) return
  if (told === 'closed') return void response.destroy()
  response.writeHead(told.status, { 'content-type': 'application/json', ...told.headers })
  response.end(told.status === 204 ? undefined : JSON.stringify(told.body ?? {}))
}
