/** Counts requests by method, route and status. The route is its pattern, never a path that somebody made up. */
import { Counter, Histogram } from 'prom-client'
import type { ApiApp, AppParts } from './api-app.ts'

export function countRequests(app: ApiApp, { metrics, log }: Pick<AppParts, 'metrics' | 'log'>): void {
  const requests = new Counter({
    name: 'tiwang_api_requests_total',
    help: 'Requests answered',
    labelNames: ['method', 'route', 'status'] as const,
    registers: [metrics],
  })
  const seconds = new Histogram({
    name: 'tiwang_api_request_seconds',
    help: 'Time from a request to the end of its answer',
    labelNames: ['method', 'route'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [metrics],
  })
  app.addHook('onResponse', async (request, reply) => {
    const { method } = request
    const route = request.routeOptions.url ?? 'none'
    requests.inc({ method, route, status: String(reply.statusCode) })
    seconds.observe({ method, route }, reply.elapsedTime / 1_000)
    const fields = { traceId: request.id, method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }
    if (method === 'GET' || method === 'HEAD') log.debug('api.request', fields)
    else log.info('api.request', fields)
  })
}
