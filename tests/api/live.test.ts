import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { once } from 'node:events'
import WebSocket from 'ws'
import { SESSION_MS_MAX } from '#api/sessions'
import { DELTAS_PER_SECOND_MAX, type LiveState } from '#contract/live'
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
    const port = Number(new URL(small.api.url).port)
    const strangers = Array.from(
      { length: 2 },
      () => new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`),
    )
    for (const stranger of strangers) await once(stranger, 'open')
    await small.connect({ as: 'beta' }).next('connect_error', 1)
    for (const stranger of strangers) {
      stranger.close()
      await once(stranger, 'close')
    }
    await small.connect({ as: 'beta' }).next('connect', 1)
    for (const viewer of viewers) expect(viewer.of('disconnect')).toEqual([])
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
    world.bus.publish('health', { part: 'ingest', atMs: 1, degraded: [missing] })
    expect(await viewer.next('health', 2)).toMatchObject({ degraded: [missing] })
    world.bus.publish('health', { part: 'ingest', atMs: 2, degraded: [] })
    expect(await viewer.next('health', 3)).toMatchObject({ degraded: [] })
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
