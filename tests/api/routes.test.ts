import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LiveState } from '#contract/live'
import type { TerminalSerial } from '#contract/ids'
import { alarmOf, liftId, liftOf, openWorld, stateOf, type Json, type Who, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
  for (const lift of ['lift-a1', 'lift-b1', 'lift-nobody']) await world.raise(lift)
  await world.register.quarantine.put([
    {
      position: 7,
      receivedAtMs: 1_000,
      terminal: 'T-1' as TerminalSerial,
      topic: 'x',
      reason: 'payload.notJson',
      detail: 'Unexpected token',
      payload: '<script>',
    },
  ])
})
afterAll(() => world[Symbol.asyncDispose]())

/** Every route of /api, who may ask it, and of whose lift it speaks. */
const ROUTES: readonly {
  path: string
  method?: string
  body?: unknown
  /** Answered to whoever may ask; 200 unless told. */
  status?: number
  only?: readonly Who[]
  lift?: string
  open?: true
}[] = [
  { path: '/api/v1/session', method: 'POST', open: true },
  { path: '/api/v1/session', open: true },
  { path: '/api/v1/session', method: 'DELETE', open: true },
  { path: '/api/v1/lifts' },
  { path: '/api/v1/lifts/lift-a1', lift: 'lift-a1' },
  { path: '/api/v1/lifts/lift-nobody', lift: 'lift-nobody' },
  { path: '/api/v1/lifts/lift-a1/history?field=speedMps', lift: 'lift-a1' },
  { path: '/api/v1/lifts/lift-a1/spans?field=doorClosed', lift: 'lift-a1' },
  { path: '/api/v1/lifts/lift-a1/samples', lift: 'lift-a1' },
  { path: '/api/v1/lifts/lift-a1/export', lift: 'lift-a1' },
  { path: '/api/v1/lifts/lift-a1/figures', lift: 'lift-a1' },
  { path: '/api/v1/lifts/lift-a1/availability', lift: 'lift-a1' },
  { path: '/api/v1/lifts/lift-a1/runs-by-hour', lift: 'lift-a1' },
  { path: '/api/v1/figures' },
  { path: '/api/v1/figures/total' },
  { path: '/api/v1/alarms' },
  { path: `/api/v1/alarms/${alarmOf('lift-a1')}`, lift: 'lift-a1' },
  { path: `/api/v1/alarms/${alarmOf('lift-a1')}/acknowledge`, method: 'POST', lift: 'lift-a1' },
  { path: '/api/v1/quarantine', only: ['admin'] },
  { path: '/api/v1/audit', only: ['admin'] },
  { path: '/api/v1/organisations' },
  {
    path: '/api/v1/terminals',
    method: 'POST',
    body: { serial: 'TJ-0001', lift: null, credential: 'secret' },
    status: 201,
    only: ['admin'],
  },
  { path: '/api/v1/terminals', only: ['admin'] },
  { path: '/api/v1/terminals/TJ-0001', only: ['admin'] },
  { path: '/api/v1/terminals/TJ-0001/bind', method: 'POST', body: { lift: 'lift-a2' }, only: ['admin'] },
  { path: '/api/v1/terminals/TJ-0001/revoke', method: 'POST', only: ['admin'] },
  { path: '/api/v1/terminals/TJ-0001/restore', method: 'POST', only: ['admin'] },
  { path: '/api/v1/terminals/TJ-0001/secret', method: 'POST', only: ['admin'] },
  {
    path: '/api/v1/claim-codes',
    method: 'POST',
    body: { lift: 'lift-a2', validForHours: 1 },
    status: 201,
    only: ['admin'],
  },
  { path: '/api/v1/terminals/claim', method: 'POST', open: true },
]
const patternOf = (path: string) =>
  path
    .split('?')[0]
    ?.replace(/lift-[a-z0-9]+(?=$|\/)/, '{lift}')
    .replace(/\/alarms\/[^/]+/, '/alarms/{id}')
    .replace(/\/TJ-[0-9]+/, '/{serial}') ?? ''
const CONTRACTOR_OF: Record<string, Who | undefined> = { 'lift-a1': 'alpha', 'lift-b1': 'beta' }

describe('every route', () => {
  const guarded = ROUTES.filter(({ open }) => open === undefined)

  it.each(guarded)('$method $path asks for a session', async ({ path, method }) => {
    const answer = await world.ask(path, { ...(method === undefined ? {} : { method }) })
    expect(answer.json).toMatchObject({ status: 401, code: 'session.missing' })
  })

  const pairs = guarded.flatMap((route) =>
    (['admin', 'operator', 'alpha', 'beta'] as const).map((who) => ({ ...route, who })),
  )
  it.each(pairs)(
    '$method $path answers $who as its role and scope allow',
    async ({ path, method, body, status = 200, only, lift, who }) => {
      // Each asker meets an alarm of its own onset, so that nobody acknowledges for another.
      const onsetAtMs = 2_000 + pairs.findIndex((pair) => pair.path === path && pair.who === who)
      const own = path.replace(alarmOf('lift-a1'), alarmOf('lift-a1', onsetAtMs))
      if (own !== path) await raiseAlone('lift-a1', onsetAtMs)
      const answer = await world.ask(own, { as: who, body, ...(method === undefined ? {} : { method }) })
      const contractor = who === 'alpha' || who === 'beta'
      if (only !== undefined && !only.includes(who))
        expect(answer.json).toMatchObject({ status: 403, code: 'role.forbidden' })
      else if (lift !== undefined && contractor && CONTRACTOR_OF[lift] !== who)
        expect(answer.json).toMatchObject({ status: 404, code: 'notFound' })
      else expect(answer.status).toBe(status)
    },
  )

  it('is listed in /openapi.json, and nothing else is', async () => {
    const { json } = await world.ask('/openapi.json')
    expect(json['openapi']).toBe('3.1.0')
    const listed = Object.entries(json['paths'] ?? {}).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    )
    const platform = ['/livez', '/readyz', '/metrics', '/version', '/asyncapi.json'].map((path) => `get ${path}`)
    const expected = new Set([
      ...ROUTES.map(({ method = 'GET', path }) => `${method.toLowerCase()} ${patternOf(path)}`),
      ...platform,
    ])
    expect(new Set(listed)).toEqual(expected)
  })

  it('says in /openapi.json that its refusals are problem details', async () => {
    const { json } = await world.ask('/openapi.json')
    for (const [path, operations] of Object.entries(json['paths'] ?? {})) {
      if (!path.startsWith('/api/')) continue
      for (const operation of Object.values(operations as unknown as Record<string, Json>))
        expect(Object.keys(operation['responses']?.['4XX']?.['content'] ?? {}), path).toEqual([
          'application/problem+json',
        ])
    }
  })
})

/** An alarm of a lift that has no other open alarm: what stood before is acknowledged and over. */
async function raiseAlone(lift: string, onsetAtMs: number): Promise<void> {
  const { rows } = await world.register.alarms.list({
    scope: { all: true },
    lift: liftId(lift),
    states: ['unacknowledged', 'acknowledged'],
    limit: 10,
  })
  for (const alarm of rows) {
    const { id, kind, priority, certainty, onsetAtMs: begunAtMs, summary } = alarm
    const trace = {
      rule: kind,
      sinceAtMs: begunAtMs,
      decidedAtMs: begunAtMs,
      thresholdMs: 0,
      samples: [],
      byClock: false,
    }
    await world.register.alarms.apply({
      event: 'return',
      id,
      lift: alarm.lift,
      kind,
      priority,
      certainty,
      onsetAtMs: begunAtMs,
      atMs: world.clock.nowMs(),
      summary,
      trace,
    })
    await world.register.alarms.acknowledge({
      id,
      scope: { all: true },
      by: 'test',
      note: null,
      atMs: world.clock.nowMs(),
    })
  }
  await world.raise(lift, onsetAtMs)
}

const itemsOf = (json: Json) => [...(json['items'] ?? [])]
const ids = (json: Json) => itemsOf(json).map(({ id }) => id)

describe('lists', () => {
  it('show a contractor the lifts that it serves and nobody else’s', async () => {
    expect(ids((await world.ask('/api/v1/lifts', { as: 'operator' })).json)).toEqual([
      'lift-a1',
      'lift-a2',
      'lift-b1',
      'lift-nobody',
    ])
    expect(ids((await world.ask('/api/v1/lifts', { as: 'alpha' })).json)).toEqual(['lift-a1', 'lift-a2'])
    expect(ids((await world.ask('/api/v1/lifts', { as: 'beta' })).json)).toEqual(['lift-b1'])
  })

  it('show a contractor the alarms of its lifts, and none when it asks for a foreign lift', async () => {
    const lifts = async (path: string, as: Who) =>
      new Set(itemsOf((await world.ask(path, { as })).json).map(({ lift }) => lift as unknown as string))
    expect(await lifts('/api/v1/alarms?state=all', 'operator')).toEqual(new Set(['lift-a1', 'lift-b1', 'lift-nobody']))
    expect(await lifts('/api/v1/alarms?state=all', 'beta')).toEqual(new Set(['lift-b1']))
    expect(await lifts('/api/v1/alarms?state=all&lift=lift-b1', 'alpha')).toEqual(new Set())
  })

  it('show a contractor its own organisation and the operations centre', async () => {
    expect(ids((await world.ask('/api/v1/organisations', { as: 'beta' })).json)).toEqual(['contractor-b', 'ops'])
    expect(ids((await world.ask('/api/v1/organisations', { as: 'operator' })).json)).toEqual([
      'contractor-a',
      'contractor-b',
      'ops',
    ])
  })

  it('carry names of contractors, and instants as RFC 3339', async () => {
    const [first] = itemsOf((await world.ask('/api/v1/lifts', { as: 'operator' })).json)
    expect(first).toMatchObject({
      id: 'lift-a1',
      contractor: 'contractor-a',
      contractorName: '甲维保',
      landings: [{ label: '1', heightMm: 0 }, {}],
    })
    const { json } = await world.ask('/api/v1/quarantine', { as: 'admin' })
    expect(json).toMatchObject({
      items: [{ position: 7, receivedAt: '1970-01-01T00:00:01.000Z', reason: 'payload.notJson' }],
      next: null,
      count: 1,
    })
    expect(itemsOf(json)[0]).not.toHaveProperty('receivedAtMs')
  })

  it('come in pages that together are the whole list, each row once', async () => {
    const seen: unknown[] = []
    let after = ''
    for (let page = 0; page < 30; page += 1) {
      const { json, status } = await world.ask(`/api/v1/alarms?state=all&limit=2${after}`, { as: 'operator' })
      expect(status).toBe(200)
      seen.push(...ids(json))
      if (json['next'] === null) break
      after = `&after=${encodeURIComponent(String(json['next']))}`
    }
    const { json } = await world.ask('/api/v1/alarms?state=all&limit=500', { as: 'operator' })
    expect(seen).toEqual(ids(json))
    expect(new Set(seen).size).toBe(seen.length)
  })

  it('show a lift that was registered while the API runs', async () => {
    await world.register.lifts.put([liftOf('lift-b2', 'contractor-b')])
    world.clock.shiftMs += 10_000
    expect((await world.ask('/api/v1/lifts/lift-b2', { as: 'beta' })).status).toBe(200)
    expect((await world.ask('/api/v1/lifts/lift-b2', { as: 'alpha' })).status).toBe(404)
  })
})

describe('one lift', () => {
  it('shows its live state in the words of the MQTT contract, how fresh it is and how old', async () => {
    const status = {
      v: 1,
      boot: 1,
      seq: 5,
      serviceMode: 1,
      carStatus: 0,
      carDirection: 0,
      doorZone: true,
      carPosition: '2',
      doorClosed: true,
      passengerPresent: false,
    } as const
    const atMs = world.clock.nowMs() - 20_000
    const state: LiveState = stateOf('lift-a1', 5, {
      link: 'online',
      statusReceivedAtMs: atMs,
      receivedAtMs: atMs,
      status: { ...status, sampledAtMs: atMs },
    })
    world.bus.publish('live', { atMs, states: [state] })
    const { json } = await world.ask('/api/v1/lifts/lift-a1', { as: 'alpha' })
    expect(json).toMatchObject({ id: 'lift-a1', live: JSON.parse(JSON.stringify(state)) as Json, freshness: 'late' })
    expect(Number(json['ageMs'])).toBeGreaterThanOrEqual(20_000)
  })

  it('is never green before anything was heard of it', async () => {
    const { json } = await world.ask('/api/v1/lifts/lift-a2', { as: 'alpha' })
    expect(json).toMatchObject({ freshness: 'never', ageMs: null, live: { status: null, link: 'unknown' } })
  })

  it('keeps the newer state when an older one comes late', async () => {
    world.bus.publish('live', { atMs: 1, states: [stateOf('lift-b1', 9, { runCount: 90 })] })
    world.bus.publish('live', {
      atMs: 1,
      states: [stateOf('lift-b1', 8, { runCount: 80 }), stateOf('lift-unheard-of', 1)],
    })
    const { json } = await world.ask('/api/v1/lifts/lift-b1', { as: 'beta' })
    expect(json).toMatchObject({ live: { position: 9, runCount: 90 } })
    expect(await world.metrics.metrics()).toMatch(/tiwang_live_unknown_lifts_total 1/)
  })
})

describe('acknowledging', () => {
  it('keeps name, time and note, tells the bus once, and is refused the second time', async () => {
    const id = alarmOf('lift-b1')
    const heard: unknown[] = []
    await using _subscription = await world.bus.subscribe('alarm', (message) => heard.push(message))
    const first = await world.ask(`/api/v1/alarms/${id}/acknowledge`, {
      method: 'POST',
      as: 'operator',
      body: { note: '已派人' },
    })
    expect(first.json).toMatchObject({
      id,
      state: 'acknowledged',
      acknowledgedBy: '王值班',
      occurrences: [
        { event: 'raise', by: null },
        { event: 'acknowledge', by: '王值班', note: '已派人' },
      ],
    })
    expect(Date.parse(String(first.json['acknowledgedAt']))).toBeGreaterThan(0)
    expect(heard).toMatchObject([{ alarm: { id, state: 'acknowledged' }, occurrence: { event: 'acknowledge' } }])
    const second = await world.ask(`/api/v1/alarms/${id}/acknowledge`, { method: 'POST', as: 'beta', body: {} })
    expect(second.json).toMatchObject({ status: 409, code: 'alarm.wrongState' })
    expect((await world.ask(`/api/v1/alarms/${id}`, { as: 'beta' })).json).toMatchObject({
      acknowledgedBy: '王值班',
      occurrences: { length: 2 },
    })
    expect(heard).toHaveLength(1)
    const { json } = await world.ask('/api/v1/audit?limit=500', { as: 'admin' })
    expect(
      itemsOf(json).filter(({ act, subject }) => String(act) === 'alarms.acknowledge' && String(subject) === id),
    ).toMatchObject([{ by: '王值班', detail: '已派人' }])
  })

  it('of a foreign or unknown alarm says not found and changes nothing', async () => {
    const id = alarmOf('lift-nobody')
    expect((await world.ask(`/api/v1/alarms/${id}/acknowledge`, { method: 'POST', as: 'alpha' })).json).toMatchObject({
      status: 404,
      code: 'notFound',
    })
    expect(
      (await world.ask(`/api/v1/alarms/${alarmOf('lift-a1', 77)}/acknowledge`, { method: 'POST', as: 'admin' })).status,
    ).toBe(404)
    expect((await world.ask(`/api/v1/alarms/${id}`, { as: 'admin' })).json).toMatchObject({ state: 'unacknowledged' })
  })

  it.each([
    ['a note that is too long', { note: 'x'.repeat(501) }],
    ['a number as note', { note: 5 }],
    ['a foreign name', { by: 'somebody else' }],
  ])('with %s is a bad request', async (_name, body) => {
    const answer = await world.ask(`/api/v1/alarms/${alarmOf('lift-nobody')}/acknowledge`, {
      method: 'POST',
      as: 'admin',
      body,
    })
    expect(answer.json).toMatchObject({ status: 400, code: 'request.invalid' })
  })
})
