import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { once } from 'node:events'
import WebSocket from 'ws'
import { SESSION_MS_MAX } from '#api/sessions'
import { DELTAS_PER_SECOND_MAX, type LiveState } from '#contract/live'
import { RegisterAwayError } from '#storage/register/register'
import {
  fillRegister,
  liftOf,
  openStores,
  openWorld,
  stateOf,
  type Json,
  type Stores,
  type Viewer,
  type World,
} from './world.ts'

let stores: Stores
let world: World
beforeAll(async () => {
  stores = await openStores()
})
afterAll(() => stores[Symbol.asyncDispose]())
beforeEach(async () => {
  world = await openWorld({}, stores)
})
afterEach(() => world[Symbol.asyncDispose]())

const say = (...states: LiveState[]) => world.bus.publish('live', { atMs: world.clock.nowMs(), states })
const lifts = (message: Json) => [...(message['rows'] ?? [])].map(({ lift }) => String(lift))
const metric = async (name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await world.metrics.metrics())?.[1])

/** A bare connection that shows nothing by itself, and what it heard. */
function stranger(url: string, headers: Record<string, string> = {}): WebSocket & { heardTexts: string[] } {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, { headers })
  const heardTexts: string[] = []
  socket.on('message', (data: Buffer) => heardTexts.push(String(data)))
  return Object.assign(socket, { heardTexts })
}

/** A viewer that said hello and has its snapshot. */
async function join(as: 'operator' | 'admin' | 'alpha' | 'beta', since?: number): Promise<Viewer> {
  const viewer = world.connect({ as })
  await viewer.next('connect', 1)
  await viewer.hello(since === undefined ? {} : { since })
  await viewer.next('snapshot', 1)
  return viewer
}

describe('a viewer', () => {
  it('gets a snapshot of every lift, heard of or not, then only what changes, numbered without a gap', async () => {
    say(stateOf('lift-a1', 1, { runCount: 10 }))
    const viewer = await join('operator')
    const snapshot = await viewer.next('snapshot', 1)
    expect(lifts(snapshot)).toEqual(['lift-a1', 'lift-a2', 'lift-b1', 'lift-nobody'])
    expect(snapshot['rows']?.[0]).toMatchObject({ position: 1, runCount: 10 })
    expect(snapshot['rows']?.[1]).toMatchObject({ link: 'unknown', status: null })
    expect(snapshot['health']).toMatchObject({ degraded: [] })

    say(stateOf('lift-a1', 2, { runCount: 11 }))
    const first = await viewer.next('delta', 1)
    expect(first).toMatchObject({ seq: Number(snapshot['seq']) + 1, rows: [{ lift: 'lift-a1', runCount: 11 }] })
    say(stateOf('lift-b1', 3), stateOf('lift-a2', 4))
    const second = await viewer.next('delta', 2)
    expect(second['seq']).toBe(Number(first['seq']) + 1)
    expect(lifts(second).sort()).toEqual(['lift-a2', 'lift-b1'])
  })

  it('hears nothing of lifts before it says hello', async () => {
    const silent = world.connect({ as: 'operator' })
    await silent.next('health', 1)
    const viewer = await join('admin')
    say(stateOf('lift-a1', 2))
    await viewer.next('delta', 1)
    expect(silent.of('delta')).toEqual([])
    expect(silent.of('snapshot')).toEqual([])
  })

  it('gets at most four deltas a second, each lift in it once and in its newest state', async () => {
    const viewer = await join('operator')
    const startMs = performance.now()
    let position = 0
    while (performance.now() - startMs < 1_500) {
      say(stateOf('lift-a1', (position += 1)))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await new Promise((resolve) => setTimeout(resolve, 600))
    const deltas = viewer.of('delta')
    expect(deltas.length).toBeGreaterThanOrEqual(3)
    expect(deltas.length).toBeLessThanOrEqual(Math.ceil(1.5 * DELTAS_PER_SECOND_MAX) + 1)
    for (const delta of deltas) expect(lifts(delta)).toEqual(['lift-a1'])
    expect(deltas.at(-1)?.['rows']?.[0]).toMatchObject({ position })
  })

  it('that comes back gets exactly the deltas it missed', async () => {
    const stays = await join('operator')
    const leaves = await join('operator')
    say(stateOf('lift-a1', 1))
    const seen = await leaves.next('delta', 1)
    await leaves.close()
    for (const [index, lift] of ['lift-a2', 'lift-b1', 'lift-a1'].entries()) {
      say(stateOf(lift, index + 2))
      await stays.next('delta', index + 2)
    }
    const back = world.connect({ as: 'operator' })
    await back.next('connect', 1)
    await back.hello({ since: Number(seen['seq']) })
    await back.next('delta', 3)
    expect(back.of('snapshot')).toEqual([])
    expect(back.of('delta')).toEqual(stays.of('delta').slice(1))
  })

  it.each([0, 1, Number.MAX_SAFE_INTEGER])(
    'that comes back with the unknown number %s gets a snapshot',
    async (since) => {
      const viewer = await join('operator', since)
      expect(viewer.of('delta')).toEqual([])
      expect(viewer.of('snapshot')).toHaveLength(1)
    },
  )

  it.each([{ since: -1 }, { since: 'x' }, 7, 'hello', [], { since: 1, room: 'contractor:contractor-b' }])(
    'that says %j as hello gets a snapshot of its own scope and nothing else',
    async (hello) => {
      const viewer = world.connect({ as: 'alpha' })
      await viewer.next('connect', 1)
      await viewer.hello(hello)
      expect(lifts(await viewer.next('snapshot', 1))).toEqual(['lift-a1', 'lift-a2'])
      say(stateOf('lift-b1', 1), stateOf('lift-a2', 1))
      expect(lifts(await viewer.next('delta', 1))).toEqual(['lift-a2'])
    },
  )

  it('works over long polling too', async () => {
    const viewer = world.connect({ as: 'operator', polling: true })
    await viewer.next('connect', 1)
    await viewer.hello({})
    await viewer.next('snapshot', 1)
    say(stateOf('lift-a1', 1))
    expect(lifts(await viewer.next('delta', 1))).toEqual(['lift-a1'])
  })

  it('gets a snapshot when the set of its lifts changed', async () => {
    const [alpha, beta] = [await join('alpha'), await join('beta')]
    await world.register.lifts.put([{ ...liftOf('lift-a2', 'contractor-b') }])
    world.clock.shiftMs += 10_000
    await world.ask('/api/v1/lifts', { as: 'operator' })
    expect(lifts(await alpha.next('snapshot', 2))).toEqual(['lift-a1'])
    expect(lifts(await beta.next('snapshot', 2))).toEqual(['lift-a2', 'lift-b1'])
    await fillRegister(world.register)
  })
})

describe('a contractor', () => {
  it('never hears of lifts, alarms or numbers of others', async () => {
    const [alpha, beta, operator] = [await join('alpha'), await join('beta'), await join('operator')]
    expect(lifts(await alpha.next('snapshot', 1))).toEqual(['lift-a1', 'lift-a2'])
    say(stateOf('lift-b1', 1), stateOf('lift-nobody', 2))
    await beta.next('delta', 1)
    const change = await world.raise('lift-b1')
    world.bus.publish('alarm', change)
    expect(await beta.next('alarm', 1)).toMatchObject({
      alarm: { lift: 'lift-b1', state: 'unacknowledged' },
      occurrence: { event: 'raise', number: 1 },
    })
    expect(await operator.next('alarm', 1)).toMatchObject({
      alarm: { id: change.alarm.id, onsetAt: '1970-01-01T00:00:01.000Z' },
    })
    say(stateOf('lift-a1', 3))
    const delta = await alpha.next('delta', 1)
    expect(lifts(delta)).toEqual(['lift-a1'])
    // Its own numbers have no gap for what it may not see.
    expect(delta['seq']).toBe(Number((await alpha.next('snapshot', 1))['seq']) + 1)
    expect(alpha.of('alarm')).toEqual([])
    expect(JSON.stringify(alpha.heard)).not.toMatch(/lift-b1|lift-nobody/)
  })

  it('cannot use the number of another scope to get that scope’s deltas', async () => {
    const operator = await join('operator')
    say(stateOf('lift-b1', 1))
    const { seq } = await operator.next('delta', 1)
    const alpha = await join('alpha', Number(seq) - 1)
    expect(lifts(await alpha.next('snapshot', 1))).toEqual(['lift-a1', 'lift-a2'])
    expect(alpha.of('delta')).toEqual([])
  })

  it('hears of an alarm that the operator acknowledges', async () => {
    const alpha = await join('alpha')
    const { alarm } = await world.raise('lift-a1')
    await world.ask(`/api/v1/alarms/${alarm.id}/acknowledge`, { method: 'POST', as: 'operator' })
    expect(await alpha.next('alarm', 1)).toMatchObject({
      alarm: { state: 'acknowledged', acknowledgedBy: '王值班' },
      occurrence: { event: 'acknowledge' },
    })
  })
})

describe('the door of the live view', () => {
  it.each([
    ['no cookie', {}],
    ['a made-up cookie', { cookie: `tiwang_session=${'a'.repeat(43)}.zzzzzzz` }],
  ])('stays closed for %s', async (_name, o) => {
    const viewer = world.connect(o)
    expect(await viewer.next('connect_error', 1)).toMatchObject({ message: 'session.missing' })
  })

  it.each([false, true])(
    'stays closed for a page of another site, even with a session (long polling: %s)',
    async (polling) => {
      const viewer = world.connect({ as: 'operator', headers: { origin: 'https://evil.example' }, polling })
      await viewer.next('connect_error', 1)
      expect(viewer.of('connect')).toEqual([])
    },
  )

  it('opens for the page of this platform', async () => {
    await world.connect({ as: 'operator', headers: { origin: world.api.url } }).next('connect', 1)
  })

  it('closes when the session is signed out, and leaves other sessions of the same person alone', async () => {
    const [first, second] = [await world.signIn('operator'), await world.signIn('operator')]
    const [gone, stays] = [world.connect({ cookie: first }), world.connect({ cookie: second })]
    await gone.next('connect', 1)
    await stays.next('connect', 1)
    expect(await metric('tiwang_live_viewers')).toBe(2)
    await world.ask('/api/v1/session', { method: 'DELETE', cookie: first })
    await gone.next('disconnect', 1)
    say(stateOf('lift-a1', 1))
    expect(stays.of('disconnect')).toEqual([])
    await expect.poll(() => metric('tiwang_live_viewers')).toBe(1)
  })

  it('closes when the session is over or closed by another process', async () => {
    await using quick = await openWorld({ liveLimits: { sessionCheckMs: 50 } }, stores)
    const viewer = quick.connect({ as: 'operator' })
    await viewer.next('health', 1)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(viewer.of('disconnect')).toEqual([])
    quick.clock.shiftMs = SESSION_MS_MAX + 1_000
    await viewer.next('disconnect', 1)
  })

  it('closes for a person whose scope changed', async () => {
    await using quick = await openWorld({ liveLimits: { sessionCheckMs: 50 } }, stores)
    const viewer = quick.connect({ as: 'alpha' })
    await viewer.next('health', 1)
    const row = await quick.register.users.byUsername('alpha')
    const other = await quick.register.users.byUsername('beta')
    if (row === undefined || other === undefined) throw new Error('people of the test exist')
    await quick.register.users.put([{ ...row, organisation: other.organisation }])
    await viewer.next('disconnect', 1)
    await fillRegister(quick.register)
  })

  it('keeps sockets that show no session from taking the place of viewers', async () => {
    await using small = await openWorld({ liveLimits: { strangersMax: 2 } }, stores)
    const viewers = [small.connect({ as: 'operator' }), small.connect({ as: 'admin' }), small.connect({ as: 'alpha' })]
    for (const viewer of viewers) await viewer.next('health', 1)
    const strangers = Array.from({ length: 2 }, () => stranger(small.api.url))
    for (const socket of strangers) await once(socket, 'open')
    await small.connect({ as: 'beta' }).next('connect_error', 1)
    for (const socket of strangers) {
      socket.close()
      await once(socket, 'close')
    }
    await small.connect({ as: 'beta' }).next('connect', 1)
    for (const viewer of viewers) expect(viewer.of('disconnect')).toEqual([])
  })

  it('keeps one address from taking all places of strangers, as told by the proxy before us', async () => {
    await using small = await openWorld(
      { publicOrigin: 'https://tiwang.example', liveLimits: { strangersPerAddressMax: 2 } },
      stores,
    )
    const cookie = (await small.signIn('operator')).split('=')[1] ?? ''
    const from = (address: string) => ({
      cookie: `__Host-tiwang_session=${cookie}`,
      headers: { 'x-forwarded-for': `6.6.6.6, ${address}` },
    })
    for (let number = 0; number < 2; number += 1)
      await once(stranger(small.api.url, { 'x-forwarded-for': '7.7.7.7' }), 'open')
    await small.connect(from('7.7.7.7')).next('connect_error', 1)
    await small.connect(from('8.8.8.8')).next('connect', 1)
  })

  it('closes on a stranger that joins the main namespace', async () => {
    const socket = stranger(world.api.url)
    await once(socket, 'message')
    socket.send('40')
    await once(socket, 'close', { signal: AbortSignal.timeout(2_000) })
    expect(socket.heardTexts.join()).not.toMatch(/^40/m)
  })

  it('asks the register once for each connection, and closes it on a refusal', async () => {
    let useCount = 0
    const register = Object.create(world.register) as typeof world.register
    const use = async () => {
      useCount += 1
      await new Promise((resolve) => setTimeout(resolve, 50))
      return undefined
    }
    Object.defineProperty(register, 'sessions', { value: { ...world.register.sessions, use } })
    await using counted = await openWorld({ register }, stores)
    const socket = stranger(counted.api.url, { cookie: `tiwang_session=${'a'.repeat(43)}.zzzzzzz` })
    await once(socket, 'message')
    for (let number = 0; number < 50; number += 1) socket.send('40/live,')
    await once(socket, 'close', { signal: AbortSignal.timeout(2_000) })
    expect(useCount).toBe(1)
    const refused = stranger(counted.api.url, { cookie: `tiwang_session=${'a'.repeat(43)}.zzzzzzz` })
    await once(refused, 'message')
    refused.send('40/live,')
    await once(refused, 'close', { signal: AbortSignal.timeout(2_000) })
    expect(refused.heardTexts.at(-1)).toContain('session.missing')
    expect(useCount).toBe(2)
  })

  it('opens for a viewer that tries again after the register was away', async () => {
    let isAway = true
    const register = Object.create(world.register) as typeof world.register
    const use: typeof register.sessions.use = async (...asked) => {
      if (isAway) throw new RegisterAwayError('connect ECONNREFUSED')
      return world.register.sessions.use(...asked)
    }
    Object.defineProperty(register, 'sessions', { value: { ...world.register.sessions, use } })
    await using shaky = await openWorld({ register }, stores)
    const viewer = shaky.connect({ cookie: await world.signIn('operator') })
    expect(await viewer.next('connect_error', 1)).toMatchObject({ message: 'store.away' })
    isAway = false
    await viewer.reconnect()
    await viewer.next('connect', 1)
  })

  it('does not keep the connection of a viewer that left', async () => {
    const socket = stranger(world.api.url, { cookie: await world.signIn('operator') })
    await once(socket, 'message')
    socket.send('40/live,')
    await expect.poll(() => socket.heardTexts.join('\n')).toContain('40/live,')
    socket.send('41/live,')
    await once(socket, 'close', { signal: AbortSignal.timeout(2_000) })
  })

  it('closes on a viewer whose session was signed out while the register was being asked about it', async () => {
    let answer: (() => void) | undefined
    const isAsked = new Promise<void>((asked) => {
      answer = asked
    })
    let release: () => void = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let useCount = 0
    const register = Object.create(world.register) as typeof world.register
    const use: typeof register.sessions.use = async (...asked) => {
      const user = await world.register.sessions.use(...asked)
      if ((useCount += 1) === 1) {
        answer?.()
        await held
      }
      return user
    }
    Object.defineProperty(register, 'sessions', { value: { ...world.register.sessions, use } })
    await using slow = await openWorld({ register }, stores)
    const cookie = await world.signIn('operator')
    const viewer = slow.connect({ cookie })
    await isAsked
    expect((await slow.ask('/api/v1/session', { method: 'DELETE', cookie })).status).toBe(204)
    release()
    await viewer.next('disconnect', 1)
    expect(viewer.of('health')).toEqual([])
  })

  it('lets no more sockets in than its bound', async () => {
    await using small = await openWorld({ liveLimits: { viewersMax: 1 } }, stores)
    await small.connect({ as: 'operator' }).next('connect', 1)
    await small.connect({ as: 'admin' }).next('connect_error', 1)
  })
})

describe('a slow viewer', () => {
  it('is skipped while it does not read, and is brought up to date when it reads again', async () => {
    await using own = await openStores()
    await own.register.lifts.put(Array.from({ length: 300 }, (_, number) => liftOf(`lift-x${number}`, 'contractor-a')))
    await using crowded = await openWorld({}, own)
    const slow = crowded.connect({ as: 'operator' })
    const quick = crowded.connect({ as: 'admin' })
    for (const viewer of [slow, quick]) {
      await viewer.next('connect', 1)
      await viewer.hello({})
      await viewer.next('snapshot', 1)
    }
    const transport = (await slow.engine()).transport as unknown as { ws: WebSocket }
    transport.ws.pause()
    const wide = 'x'.repeat(20_000)
    let position = 0
    const skipped = async () => Number(/^tiwang_live_skipped_total (\d+)$/m.exec(await crowded.metrics.metrics())?.[1])
    const untilMs = Date.now() + 20_000
    while ((await skipped()) < 2 && Date.now() < untilMs) {
      position += 1
      const states = Array.from({ length: 300 }, (_, number) =>
        stateOf(`lift-x${number}`, position, { terminal: wide as never }),
      )
      crowded.bus.publish('live', { atMs: 1, states })
      await quick.next('delta', position)
    }
    expect(await skipped()).toBeGreaterThanOrEqual(2)
    expect(slow.of('delta').length).toBeLessThan(position)
    transport.ws.resume()
    const newestSeq = Number(quick.of('delta').at(-1)?.['seq'])
    const seqOf = ({ data }: { data: Json }) => Number(data['seq'])
    await expect
      .poll(() => Math.max(...slow.heard.filter(({ event }) => event === 'snapshot' || event === 'delta').map(seqOf)), {
        timeout: 10_000,
      })
      .toBe(newestSeq)
    // What it heard has no gap that a snapshot did not bridge.
    let seq = 0
    for (const heard of slow.heard) {
      if (heard.event === 'delta') expect(seqOf(heard)).toBe(seq + 1)
      if (heard.event === 'delta' || heard.event === 'snapshot') seq = seqOf(heard)
    }
  }, 60_000)
})

describe('the health of the platform', () => {
  it('is told on joining and when another part says what it misses', async () => {
    const viewer = world.connect({ as: 'operator' })
    expect(await viewer.next('health', 1)).toMatchObject({ degraded: [] })
    const missing = { part: 'telemetry', reason: 'away', sinceAtMs: 5 }
    world.bus.publish('health', { part: 'writer', atMs: 1, degraded: [missing] })
    expect(await viewer.next('health', 2)).toMatchObject({ degraded: [missing] })
    world.bus.publish('health', { part: 'writer', atMs: 2, degraded: [] })
    expect(await viewer.next('health', 3)).toMatchObject({ degraded: [] })
  })
})

describe('an ingest that began anew', () => {
  it('is asked for every lift once, and its viewers get a snapshot', async () => {
    const viewer = await join('operator')
    const wanted: unknown[] = []
    await using _subscription = await world.bus.subscribe('live.wanted', (message) => wanted.push(message))
    const speak = (startedAtMs: number) =>
      world.bus.publish('health', { part: 'ingest', startedAtMs, atMs: world.clock.nowMs(), degraded: [] })
    for (let round = 0; round < 2; round += 1) speak(1_000)
    expect(wanted).toEqual([])
    for (let round = 0; round < 2; round += 1) speak(2_000)
    await viewer.next('snapshot', 2)
    expect(wanted).toHaveLength(1)
  })

  it('is asked too when it was first heard after this API began', async () => {
    const wanted: unknown[] = []
    await using _subscription = await world.bus.subscribe('live.wanted', (message) => wanted.push(message))
    const atMs = world.clock.nowMs() + 1
    for (let round = 0; round < 2; round += 1)
      world.bus.publish('health', { part: 'ingest', startedAtMs: atMs, atMs, degraded: [] })
    await expect.poll(() => wanted).toHaveLength(1)
  })
})

describe('an API that starts', () => {
  it('begins with the last checkpoint of the register and asks ingest for everything', async () => {
    await world.register.liveStates.save({
      position: 40,
      lifts: [{ state: stateOf('lift-a1', 40, { runCount: 7 }), memory: null }],
    })
    const wanted: unknown[] = []
    await using _subscription = await world.bus.subscribe('live.wanted', (message) => wanted.push(message))
    await using second = await openWorld({ bus: world.bus }, stores)
    expect(wanted).toHaveLength(1)
    const viewer = second.connect({ as: 'alpha' })
    await viewer.next('connect', 1)
    await viewer.hello({})
    expect((await viewer.next('snapshot', 1))['rows']?.[0]).toMatchObject({ lift: 'lift-a1', runCount: 7 })
  })
})
