import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket, { WebSocketServer } from 'ws'
import { mergeDegraded, openHealth, PART_SILENCE_MS_MAX } from '#api/health'
import { silentLog } from '#contract/log-events'
import { ERRORS } from '#contract/errors'
import { openBus } from '#storage/bus/bus'
import { RegisterAwayError } from '#storage/register/register'
import { tempFolder } from '../servers/temp-folder.ts'
import { openWorld, type World } from './world.ts'

let world: World
let view: Awaited<ReturnType<typeof tempFolder>>
const sockets = new WebSocketServer({ noServer: true })
beforeAll(async () => {
  view = await tempFolder('view')
  await mkdir(join(view.path, 'assets'))
  await writeFile(join(view.path, 'index.html'), '<!doctype html><title>梯望</title>')
  await writeFile(join(view.path, 'assets', 'index-4f2a.js'), 'export {}')
  world = await openWorld({
    viewFolder: view.path,
    acceptMqttWebSocket: (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (ws) => ws.on('message', (data) => ws.send(data))),
  })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await view[Symbol.asyncDispose]()
})

describe('what machines ask', () => {
  it('is answered without a session', async () => {
    expect((await world.ask('/livez')).json).toEqual({ status: 'ok' })
    expect((await world.ask('/readyz')).json).toEqual({ status: 'ok', degraded: [] })
    expect((await world.ask('/version')).json).toEqual({ name: 'tiwang', version: '1.2.3' })
    const metrics = await world.ask('/metrics')
    expect(metrics.headers['content-type']).toContain('text/plain')
    expect(metrics.text).toMatch(/tiwang_api_requests_total\{method="GET",route="\/livez",status="200"\} 1/)
  })

  it('counts requests by the pattern of their route, never by what somebody made up', async () => {
    await world.ask('/api/v1/lifts/lift-a1')
    await world.ask('/made/up/4711')
    const { text } = await world.ask('/metrics')
    expect(text).toContain('route="/api/v1/lifts/:lift"')
    expect(text).not.toContain('4711')
  })

  it('includes the contract of the MQTT topics, as it is kept in the repository', async () => {
    const { status, json } = await world.ask('/asyncapi.json')
    expect(status).toBe(200)
    expect(json['asyncapi']).toBe('3.0.0')
    expect(Object.keys(json['channels'] ?? {}).length).toBeGreaterThan(0)
  })

  it('gets 503 with the parts that do not answer, within the time that a probe waits', async () => {
    await using broken = await openWorld(
      {
        checks: [
          { part: 'register', check: () => new Promise(() => {}) },
          { part: 'telemetry', check: async () => Promise.reject(new Error('no')) },
          { part: 'broker', check: async () => {} },
        ],
      },
      world,
    )
    const startMs = performance.now()
    const { status, json } = await broken.ask('/readyz')
    expect(performance.now() - startMs).toBeLessThan(3_000)
    expect([status, json]).toMatchObject([
      503,
      { status: 'unavailable', degraded: [{ part: 'register' }, { part: 'telemetry' }] },
    ])
    expect((await broken.ask('/livez')).status).toBe(200)
  })
})

describe('the pages', () => {
  it('are the built view: index for its own routes, hashed files for ever', async () => {
    const html = { accept: 'text/html' }
    for (const path of ['/', '/lifts/lift-a1', '/sign-in?next=%2F']) {
      const page = await world.ask(path, { headers: html })
      expect([page.status, page.text]).toEqual([200, expect.stringContaining('梯望')])
      expect(page.headers['cache-control']).toBe('no-cache')
    }
    const asset = await world.ask('/assets/index-4f2a.js')
    expect(asset.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    expect((await world.ask('/assets/index-gone.js', { headers: html })).json).toMatchObject({
      status: 404,
      code: 'notFound',
    })
  })

  it.each(['/%2e%2e/%2e%2e/package.json', '/..%2f..%2fpackage.json', '/assets/..%5c..%5cpackage.json'])(
    'do not leave their folder for %s',
    async (path) => {
      expect((await world.ask(path)).status).toBeGreaterThanOrEqual(400)
    },
  )

  it('forbid inline script, foreign sources and framing', async () => {
    const { headers } = await world.ask('/', { headers: { accept: 'text/html' } })
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("default-src 'self'")
    expect(policy).toContain("script-src 'self'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe')
    expect(policy).not.toContain('upgrade-insecure-requests')
    expect(headers['x-content-type-options']).toBe('nosniff')
  })

  it('include a reading room for the interface that names no other site', async () => {
    const page = await world.ask('/docs/', { headers: { accept: 'text/html' } })
    const start = await world.ask('/docs/static/swagger-initializer.js')
    expect([page.status, start.status]).toEqual([200, 200])
    // Comments do not ask anybody for anything.
    expect(page.text + start.text.replace(/^\s*\/\/.*$/gm, '')).not.toMatch(/https?:\/\//)
    expect(page.text).not.toMatch(/<script>|<style>| style=/)
    expect(start.text).toContain("resolveUrl('./json')")
    expect((await world.ask('/docs/json')).json).toEqual((await world.ask('/openapi.json')).json)
  })

  it('are compressed for those who ask for it', async () => {
    const answer = await fetch(new URL('/openapi.json', world.api.url), { headers: { 'accept-encoding': 'gzip' } })
    expect(answer.headers.get('content-encoding')).toBe('gzip')
    expect(await answer.json()).toMatchObject({ openapi: '3.1.0' })
  })
})

describe('a refusal', () => {
  it('is a problem with a stable code, a title in the asked language and the id of the request', async () => {
    const [zh, en] = [
      await world.ask('/api/v1/lifts'),
      await world.ask('/api/v1/lifts', { headers: { 'accept-language': 'en' } }),
    ]
    expect(zh.json).toEqual({
      type: 'urn:tiwang:problem:session.missing',
      title: ERRORS['session.missing'].zh,
      status: 401,
      detail: expect.any(String) as string,
      instance: '/api/v1/lifts',
      code: 'session.missing',
      traceId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    })
    expect(en.json).toMatchObject({ title: ERRORS['session.missing'].en })
    expect(zh.headers['content-type']).toContain('application/problem+json')
    expect(zh.headers['cache-control']).toBe('no-store')
  })

  it('points at what was wrong with the request', async () => {
    const { json } = await world.ask('/api/v1/lifts/UPPER', { as: 'operator' })
    expect(json).toMatchObject({ status: 400, code: 'request.invalid', errors: [{ in: 'params', pointer: '/lift' }] })
  })

  it.each([
    [
      'a body of 65 KiB',
      '/api/v1/session',
      { method: 'POST', body: JSON.stringify({ username: 'x', password: 'y'.repeat(65 * 1024) }) },
      413,
      'request.tooLarge',
    ],
    [
      'a body that is no JSON type',
      '/api/v1/session',
      { method: 'POST', body: '<x/>', headers: { 'content-type': 'text/xml' } },
      400,
      'request.invalid',
    ],
    ['an unknown address', '/api/v1/nothing', {}, 404, 'notFound'],
    ['an unknown method', '/api/v1/lifts', { method: 'PUT' }, 404, 'notFound'],
    ['a broken address', '/api/v1/lifts/%zz', {}, 400, 'request.invalid'],
    ['an address too long', `/api/v1/alarms/${'a'.repeat(2_000)}`, {}, 404, 'notFound'],
  ])('of %s has its code', async (_name, path, o, status, code) => {
    const answer = await world.ask(path, o)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.json).toMatchObject({ status, code })
    expect(answer.status).toBe(status)
  })

  it('never carries a stack or the words of an inner error', async () => {
    const lines: unknown[] = []
    const register = Object.create(world.register) as typeof world.register
    Object.defineProperty(register, 'audit', {
      value: { ...world.register.audit, list: async () => Promise.reject(new Error('secret of /inner/path')) },
    })
    await using broken = await openWorld(
      {
        register,
        log: { ...silentLog, error: (event, fields) => lines.push({ event, ...fields }) },
      },
      world,
    )
    const answer = await broken.ask('/api/v1/audit', { as: 'admin' })
    expect(answer.json).toMatchObject({ status: 500, code: 'internal' })
    expect(answer.text).not.toMatch(/secret|at |\.ts/)
    expect(lines).toMatchObject([{ event: 'api.error', traceId: answer.json['traceId'] }])
  })

  it('says that a register is away, when it is', async () => {
    const register = Object.create(world.register) as typeof world.register
    const away = async () => Promise.reject(new RegisterAwayError('connect ECONNREFUSED'))
    Object.defineProperty(register, 'sessions', { value: { ...world.register.sessions, use: away } })
    await using broken = await openWorld({ register }, world)
    const cookie = await world.signIn('operator')
    expect((await broken.ask('/api/v1/lifts', { cookie })).json).toMatchObject({ status: 503, code: 'store.away' })
  })

  it('comes at last to an address that asks without end', async () => {
    await using flooded = await openWorld({}, world)
    const codes = new Set<number>()
    for (let round = 0; round < 70 && !codes.has(429); round += 1)
      codes.add((await flooded.ask('/api/v1/session', { method: 'POST', body: {} })).status)
    expect(codes).toEqual(new Set([400, 429]))
    expect((await flooded.ask('/api/v1/session', { method: 'POST', body: {} })).json).toMatchObject({
      code: 'request.tooMany',
    })
    expect((await flooded.ask('/livez')).status).toBe(200)
  })
})

describe('acknowledging', () => {
  it('is possible while everything else of the same address is asked for without end', async () => {
    await using flooded = await openWorld({}, world)
    const { alarm } = await world.raise('lift-a1', 77_000)
    const cookie = await flooded.signIn('operator')
    const lifts = async () => (await flooded.ask('/api/v1/lifts', { as: 'admin' })).status
    let status = 200
    for (let round = 0; round < 60 && status !== 429; round += 1)
      status = Math.max(...(await Promise.all(Array.from({ length: 25 }, lifts))))
    expect(status).toBe(429)
    expect((await flooded.ask('/api/v1/alarms', { cookie })).status).toBe(200)
    expect((await flooded.ask(`/api/v1/alarms/${alarm.id}`, { cookie })).status).toBe(200)
    const done = await flooded.ask(`/api/v1/alarms/${alarm.id}/acknowledge`, { method: 'POST', cookie })
    expect(done.status).toBe(200)
  }, 120_000)

  it('is refused for an alarm that was raised again since the person saw it', async () => {
    const { alarm } = await world.raise('lift-b1', 77_000)
    await world.raise('lift-b1', 78_000)
    const acknowledge = (body: unknown) =>
      world.ask(`/api/v1/alarms/${alarm.id}/acknowledge`, { method: 'POST', as: 'operator', body })
    expect((await acknowledge({ raiseCount: 1 })).json).toMatchObject({
      status: 409,
      code: 'alarm.wrongState',
      detail: expect.stringContaining('raised again meanwhile') as string,
    })
    for (const raiseCount of [0, 1.5, '2'])
      expect((await acknowledge({ raiseCount })).json).toMatchObject({ code: 'request.invalid' })
    expect((await acknowledge({ raiseCount: 2 })).json).toMatchObject({ state: 'acknowledged', raiseCount: 2 })
  })
})

describe('upgrades', () => {
  it('of /mqtt reach the broker', async () => {
    const socket = new WebSocket(`${world.api.url.replace('http', 'ws')}/mqtt`)
    await once(socket, 'open')
    socket.send('hello')
    const [echo] = (await once(socket, 'message')) as [Buffer]
    expect(String(echo)).toBe('hello')
    socket.close()
    await once(socket, 'close')
  })

  it('of anything else are turned away at once', async () => {
    const socket = new WebSocket(`${world.api.url.replace('http', 'ws')}/elsewhere`)
    const [error] = (await once(socket, 'error')) as [Error]
    expect(error.message).toContain('404')
  })
})

describe('starting and stopping', () => {
  it('a port that is taken is refused with a sentence that names HTTP_PORT', async () => {
    const port = Number(new URL(world.api.url).port)
    await expect(openWorld({ port }, world)).rejects.toThrow(`HTTP_PORT=${port} is taken`)
  })

  it('stops within its bound although viewers, devices and half a request are connected', async () => {
    const stopping = await openWorld(
      {
        acceptMqttWebSocket: (request, socket, head) => sockets.handleUpgrade(request, socket, head, () => {}),
      },
      world,
    )
    const viewer = stopping.connect({ as: 'operator' })
    await viewer.next('connect', 1)
    const device = new WebSocket(`${stopping.api.url.replace('http', 'ws')}/mqtt`)
    await once(device, 'open')
    const half = connect(Number(new URL(stopping.api.url).port), '127.0.0.1')
    half.on('error', () => {})
    half.write(
      'POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    )
    await new Promise((resolve) => setTimeout(resolve, 100))
    const startMs = performance.now()
    await stopping.api[Symbol.asyncDispose]()
    expect(performance.now() - startMs).toBeLessThan(6_000)
    await viewer.next('disconnect', 1)
    await expect(stopping.ask('/livez')).rejects.toThrow()
    half.destroy()
    device.terminate()
    await stopping[Symbol.asyncDispose]()
  })
})

describe('health', () => {
  it('names a part that was heard and is then silent, once, until it is heard again', async () => {
    await using bus = await openBus('local:', { log: silentLog })
    let nowMs = 1_000
    await using health = await openHealth({ checks: [], bus, log: silentLog, nowMs: () => nowMs, periodMs: 10 })
    const told: unknown[] = []
    health.onChanged(({ degraded }) => told.push(degraded))
    bus.publish('health', { part: 'ingest', atMs: 1_000, degraded: [] })
    expect(health.now().degraded).toEqual([])
    nowMs += PART_SILENCE_MS_MAX + 1
    await expect.poll(() => told).toEqual([[{ part: 'ingest', reason: 'no sign of life', sinceAtMs: 1_000 }]])
    bus.publish('health', { part: 'ingest', atMs: nowMs, degraded: [] })
    await expect.poll(() => told).toHaveLength(2)
    expect(health.now().degraded).toEqual([])
  })

  it('names ingest when it was never heard of, also to machines, until it is heard', async () => {
    await using alone = await openWorld({ isIngestSilent: true }, world)
    const beganAtMs = alone.clock.nowMs()
    alone.clock.shiftMs = PART_SILENCE_MS_MAX - 10_000
    expect((await alone.ask('/readyz')).status).toBe(200)
    alone.clock.shiftMs = PART_SILENCE_MS_MAX + 1_000
    const { status, json } = await alone.ask('/readyz')
    expect([status, json]).toMatchObject([503, { degraded: [{ part: 'ingest' }] }])
    expect(Date.parse(String(json['degraded']?.[0]?.['since']))).toBeLessThanOrEqual(beganAtMs)
    const viewer = alone.connect({ as: 'operator' })
    expect(await viewer.next('health', 1)).toMatchObject({
      degraded: [{ part: 'ingest', reason: 'no sign of life since the API began' }],
    })
    alone.bus.publish('health', { part: 'ingest', atMs: alone.clock.nowMs(), degraded: [] })
    expect((await alone.ask('/readyz')).status).toBe(200)
    await viewer.next('health', 2)
    expect(viewer.of('health').at(-1)).toMatchObject({ degraded: [] })
  })

  it('hides credentials that a driver put into its reason, and keeps since when a part is missing', async () => {
    await using bus = await openBus('local:', { log: silentLog })
    let nowMs = 1_000
    const checks = [
      { part: 'register', check: async () => Promise.reject(new Error('cannot reach postgres://user:pa55@db:5432/x')) },
    ]
    await using health = await openHealth({ checks, bus, log: silentLog, nowMs: () => nowMs, periodMs: 60_000 })
    nowMs = 9_000
    expect(await health.check()).toEqual([
      { part: 'register', reason: 'cannot reach postgres://db:5432/x', sinceAtMs: 1_000 },
    ])
  })

  it('shows a part that several miss once, since the earliest', () => {
    const own = { part: 'telemetry', reason: 'own', sinceAtMs: 5 }
    expect(mergeDegraded([[own], [{ part: 'telemetry', reason: 'other', sinceAtMs: 3 }], []])).toEqual([
      { ...own, sinceAtMs: 3 },
    ])
  })
})
