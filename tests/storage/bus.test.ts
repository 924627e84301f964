import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BusMessages } from '#contract/bus'
import { silentLog } from '#contract/log-events'
import { LiftId } from '#contract/ids'
import { silentLift } from '#contract/live'
import { openBus, type Bus } from '#storage/bus/bus'
import { natsServer, type NatsServer } from '../servers/nats.ts'
import { listeningLog, until } from './journal-under-test.ts'

const lift = (i: number) => silentLift(`lift-${String(i).padStart(4, '0')}` as LiftId)
const health = (part: string): BusMessages['health'] => ({ part, atMs: 1_795_190_400_000, degraded: [] })

for (const scheme of ['local:', 'nats:'] as const) {
  describe(`bus at ${scheme}`, () => {
    let server: NatsServer | undefined
    let bus: Bus
    const log = listeningLog()
    beforeEach(async () => {
      log.events.length = 0
      server = scheme === 'nats:' ? await natsServer() : undefined
      bus = await openBus(server?.url ?? 'local:', { log })
    })
    afterEach(async () => {
      await bus[Symbol.asyncDispose]()
      await server?.[Symbol.asyncDispose]()
    })

    it('brings each message to everybody who listens to its subject, in order, as it was', async () => {
      const first: BusMessages['live'][] = []
      const second: BusMessages['live'][] = []
      const wanted: BusMessages['live.wanted'][] = []
      await bus.subscribe('live', (message) => void first.push(message))
      await bus.subscribe('live', (message) => void second.push(message))
      await bus.subscribe('live.wanted', (message) => void wanted.push(message))
      const sent = [1, 2, 3].map((atMs) => ({ atMs, states: [lift(atMs)] }))
      for (const message of sent) bus.publish('live', message)
      bus.publish('live.wanted', { atMs: 4 })
      await until('all have come', () => wanted.length === 1 && second.length === 3)
      expect(first).toEqual(sent)
      expect(second).toEqual(sent)
      expect(wanted).toEqual([{ atMs: 4 }])
      expect(bus.status()).toEqual({ droppedCount: 0, degraded: undefined })
    })

    it('tells nobody who has stopped listening', async () => {
      const heard: string[] = []
      const stopped = await bus.subscribe('health', () => void heard.push('stopped'))
      await bus.subscribe('health', () => void heard.push('stays'))
      await stopped[Symbol.asyncDispose]()
      bus.publish('health', health('ingest'))
      await until('it has come', () => heard.includes('stays'))
      expect(heard).toEqual(['stays'])
    })

    it('lets no listener that throws disturb another', async () => {
      const heard: string[] = []
      await bus.subscribe('health', () => {
        throw new Error('a mistake of the listener')
      })
      await bus.subscribe('health', ({ part }) => void heard.push(part))
      bus.publish('health', health('one'))
      bus.publish('health', health('two'))
      await until('both have come', () => heard.length === 2)
      expect(heard).toEqual(['one', 'two'])
      expect(log.events.filter((event) => event === 'bus.listenerThrew')).toHaveLength(2)
    })

    it('brings a town of ten thousand lifts whole', async () => {
      const heard: string[] = []
      await bus.subscribe('live', ({ states }) => heard.push(...states.map((state) => state.lift)))
      const states = Array.from({ length: 10_000 }, (_, i) => lift(i))
      bus.publish('live', { atMs: 1, states })
      await until('all have come', () => heard.length >= 10_000)
      expect(heard).toEqual(states.map((state) => state.lift))
      expect(bus.status().droppedCount).toBe(0)
    })

    it('does not throw after it was closed', async () => {
      await bus[Symbol.asyncDispose]()
      expect(() => bus.publish('health', health('late'))).not.toThrow()
    })
  })
}

describe('local bus', () => {
  it('is one of its own each time', async () => {
    await using one = await openBus('local:', { log: silentLog })
    await using other = await openBus('local:', { log: silentLog })
    const heard: string[] = []
    await one.subscribe('health', () => void heard.push('one'))
    await other.subscribe('health', () => void heard.push('other'))
    other.publish('health', health('x'))
    expect(heard).toEqual(['other'])
  })
})

describe('nats bus', () => {
  it('drops and counts while its server is away, and brings messages again when it is back', async () => {
    await using server = await natsServer()
    const log = listeningLog()
    await using sender = await openBus(server.url, { log })
    await using receiver = await openBus(server.url, { log: silentLog })
    const heard: string[] = []
    await receiver.subscribe('health', ({ part }) => void heard.push(part))
    sender.publish('health', health('before'))
    await until('it has come', () => heard.length === 1)
    await server.kill()
    await until('both know', () => sender.status().degraded !== undefined && receiver.status().degraded !== undefined)
    sender.publish('health', health('meanwhile'))
    expect(sender.status().droppedCount).toBe(1)
    expect(sender.status().degraded).toContain('away')
    await server.start()
    await until('both know', () => sender.status().degraded === undefined && receiver.status().degraded === undefined)
    sender.publish('health', health('after'))
    await until('it has come', () => heard.length === 2)
    expect(heard).toEqual(['before', 'after'])
    expect(log.events).toEqual(['bus.away', 'bus.back'])
  })

  it('opens and subscribes without its server, and listens as soon as it is there', async () => {
    await using server = await natsServer({ isStarted: false })
    await using bus = await openBus(server.url, { log: silentLog })
    const heard: string[] = []
    await bus.subscribe('health', ({ part }) => void heard.push(part))
    bus.publish('health', health('too early'))
    await server.start()
    await until('it is connected', () => bus.status().degraded === undefined)
    bus.publish('health', health('now'))
    await until('it has come', () => heard.length > 0)
    expect(heard).toEqual(['now'])
    expect(bus.status().droppedCount).toBe(1)
  })

  it('drops what no server would take, and what is not JSON, without throwing', async () => {
    await using server = await natsServer()
    await using bus = await openBus(server.url, { log: silentLog })
    bus.publish('health', health('x'.repeat(2 * 1024 * 1024)))
    const circular = { ...health('x'), self: undefined as unknown }
    circular.self = circular
    bus.publish('health', circular)
    expect(bus.status()).toEqual({ droppedCount: 2, degraded: undefined })
  })
})
