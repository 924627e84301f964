import { Value } from 'typebox/value'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { sql } from 'kysely'
import { Alarm, Occurrence } from '#contract/alarms'
import type { OrganisationId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { alarmTopic } from '#contract/topics'
import { toWire, wireSchema } from '#contract/wire'
import { openPgliteDatabase } from '#storage/register/pglite-database'
import { registerOn } from '#storage/register/register-on'
import { hashPassword } from '#storage/register/secrets'
import { AsyncDisposables } from '../platform/disposables.ts'
import {
  changeOf,
  connectPacket,
  ended,
  heardAll,
  rawSubscriber,
  subscribePacket,
  subscriber,
  subscribers,
  urlOf,
} from './subscribers.ts'
import { fillRegister, LIFTS, liftId, liftOf, openWorld, PASSWORD, type Who, type World } from './world.ts'

// Every subscriber comes from one address here.
const MANY = { connectsPerMinuteMax: 10_000, halfOpenPerAddressMax: 50 }
const TOWN = LIFTS[0]?.town ?? ''
const topicOf = (lift: string) => alarmTopic(TOWN, liftId(lift))
vi.setConfig({ testTimeout: 60_000 })

let world: World
beforeAll(async () => {
  world = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY })
})
afterAll(() => world[Symbol.asyncDispose]())

const CONTRACTORS = {
  'lift-a1': 'contractor-a',
  'lift-a2': 'contractor-a',
  'lift-b1': 'contractor-b',
  'lift-nobody': null,
}
type LiftName = keyof typeof CONTRACTORS
const tell = (lift: LiftName, number = 1, on: World = world) =>
  on.bus.publish('alarm', changeOf(lift, CONTRACTORS[lift], number))
const tellAllLifts = (number: number, on: World = world) => {
  for (const lift of Object.keys(CONTRACTORS)) tell(lift as LiftName, number, on)
}
const refusals = async (code: string, on: World = world): Promise<number> =>
  Number(new RegExp(`code="${code}"} (\\d+)`).exec(await on.metrics.metrics())?.[1] ?? 0)

describe('a subscriber', () => {
  const EVERYTHING = Object.keys(CONTRACTORS) as LiftName[]
  const SEES: Record<Who, readonly LiftName[]> = {
    admin: EVERYTHING,
    operator: EVERYTHING,
    alpha: ['lift-a1', 'lift-a2'],
    beta: ['lift-b1'],
  }
  const FILTERS: readonly { filter: string; lifts: readonly LiftName[] }[] = [
    { filter: 'alarms/v1/#', lifts: EVERYTHING },
    { filter: 'alarms/v1/+/+', lifts: EVERYTHING },
    { filter: 'alarms/v1/+/#', lifts: EVERYTHING },
    { filter: `alarms/v1/${TOWN}/+`, lifts: EVERYTHING },
    { filter: 'alarms/v1/+/lift-a1', lifts: ['lift-a1'] },
    { filter: topicOf('lift-b1'), lifts: ['lift-b1'] },
    { filter: 'alarms/v1/elsewhere/#', lifts: [] },
    { filter: 'alarms/v1/+', lifts: [] },
  ]
  it.each(FILTERS)(
    'hears through $filter what its role and scope allow, and nothing more',
    async ({ filter, lifts }) => {
      const names = Object.keys(SEES) as Who[]
      await using started = new AsyncDisposables()
      const all = (await subscribers(world, names)).map((one) => started.add(one))
      for (const { mqtt } of all) expect(await mqtt.subscribeAsync(filter, { qos: 1 })).toMatchObject([{ qos: 1 }])
      await using witness = await subscriber(world, 'admin')
      await witness.mqtt.subscribeAsync('alarms/v1/#')
      tellAllLifts(1)
      await expect.poll(() => witness.heard.length, { timeout: 20_000 }).toBe(4)
      for (const [index, name] of names.entries()) {
        const one = all[index]
        if (one === undefined) throw new Error(name)
        await heardAll(one)
        const expected = SEES[name].filter((lift) => lifts.includes(lift)).map(topicOf)
        expect(
          one.heard.map(({ topic }) => topic),
          name,
        ).toEqual(expected)
      }
    },
  )

  it('gets the change in its wire form, with times as text, once though two filters match, never retained', async () => {
    await using one = await subscriber(world, 'operator')
    await one.mqtt.subscribeAsync({ 'alarms/v1/#': { qos: 0 }, [topicOf('lift-a1')]: { qos: 1 } })
    tell('lift-a1', 7)
    await expect.poll(() => one.heard.length).toBe(1)
    await heardAll(one)
    const [heard] = one.heard
    expect(heard).toMatchObject({ topic: topicOf('lift-a1'), qos: 1, retain: false })
    expect(heard?.json).toEqual(JSON.parse(JSON.stringify(toWire(changeOf('lift-a1', 'contractor-a', 7)))))
    expect(Value.Check(wireSchema(Alarm), heard?.json['alarm'])).toBe(true)
    expect(Value.Check(wireSchema(Occurrence), heard?.json['occurrence'])).toBe(true)
    expect(one.heard).toHaveLength(1)
  })

  it('hears what happens over HTTP as well: an acknowledgement with the name of the person', async () => {
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY })
    const { alarm } = await own.raise('lift-a1')
    await using one = await subscriber(own, 'alpha')
    await one.mqtt.subscribeAsync('alarms/v1/#')
    await own.ask(`/api/v1/alarms/${alarm.id}/acknowledge`, { method: 'POST', as: 'operator' })
    await expect.poll(() => one.heard.length).toBe(2)
    expect(one.heard.map(({ json }) => json['occurrence'])).toMatchObject([
      { number: 1, event: 'raise' },
      { number: 2, event: 'acknowledge', by: '王值班' },
    ])
  })

  it('of a lift in a town with a slash in its name, or of none, still has its level', async () => {
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY })
    await own.register.lifts.put([{ ...liftOf('lift-slash', null), town: '张江/川沙+#' }])
    await using one = await subscriber(own, 'admin')
    await one.mqtt.subscribeAsync('alarms/v1/#')
    own.bus.publish('alarm', changeOf('lift-slash', null))
    own.bus.publish('alarm', changeOf('lift-unknown', null))
    await expect.poll(() => one.heard.length).toBe(2)
    expect(one.heard.map(({ topic }) => topic)).toEqual([
      'alarms/v1/张江-川沙--/lift-slash',
      'alarms/v1/-/lift-unknown',
    ])
  })

  it('with the filter taken back hears nothing more', async () => {
    await using own = await subscriber(world, 'admin')
    await own.mqtt.subscribeAsync(['alarms/v1/#', topicOf('lift-b1')])
    await own.mqtt.unsubscribeAsync('alarms/v1/#')
    tellAllLifts(1)
    await expect.poll(() => own.heard.length).toBe(1)
    expect(own.heard[0]?.topic).toBe(topicOf('lift-b1'))
  })

  it('that asks for QoS 2 is granted 1', async () => {
    await using own = await subscriber(world, 'admin')
    expect(await own.mqtt.subscribeAsync('alarms/v1/#', { qos: 2 })).toMatchObject([{ qos: 1 }])
    tell('lift-a1')
    await expect.poll(() => own.heard.map(({ qos }) => qos)).toEqual([1])
  })

  it.each([
    ...[
      '#',
      '+/+/+/+',
      'alarms/#',
      'alarms/v2/#',
      '$SYS/#',
      'lifts/v1/#',
      'alarms/v1',
      'alarms/v1/a#',
      'alarms/v1/#/x',
    ],
    ...['alarms/v1/a+/x', `alarms/v1/${'x'.repeat(300)}`],
  ])('may not ask for %s', async (filter) => {
    await using own = await rawSubscriber(world)
    own.socket.write(connectPacket('admin'))
    expect([...(await own.read(4))]).toEqual([0x20, 2, 0, 0])
    own.socket.write(subscribePacket(filter))
    // 0x80 in the SUBACK, or the end of the connection for a filter that is none.
    const answer = await Promise.race([own.read(5).then((bytes) => bytes[4]), own.closed.then(() => 'closed')])
    expect([0x80, 'closed']).toContain(answer)
  })

  it('may hold twenty filters', async () => {
    await using own = await subscriber(world, 'admin')
    for (let number = 1; number <= 20; number += 1) await own.mqtt.subscribeAsync(`alarms/v1/town-${number}/+`)
    await expect(own.mqtt.subscribeAsync('alarms/v1/#')).rejects.toThrow()
    expect(await own.mqtt.subscribeAsync('alarms/v1/town-1/+', { qos: 1 })).toMatchObject([{ qos: 1 }])
    await own.mqtt.unsubscribeAsync('alarms/v1/town-2/+')
    expect(await own.mqtt.subscribeAsync('alarms/v1/#')).toMatchObject([{ qos: 0 }])
  })
})

describe('publishing', () => {
  it.each(['alarms/v1/town/lift-a1', 'lifts/v1/lift-a1/status', '$SYS/x', 'anything'])(
    'to %s ends the connection, and nobody hears of it',
    async (topic) => {
      const before = await refusals('subscriber.publish')
      await using witness = await subscriber(world, 'admin')
      await witness.mqtt.subscribeAsync('alarms/v1/#')
      for (const options of [{ qos: 0 }, { qos: 1, retain: true }] as const) {
        await using own = await subscriber(world, 'admin')
        const isOver = ended(own)
        own.mqtt.publish(topic, '{"alarm":{}}', options)
        await isOver
      }
      expect(await refusals('subscriber.publish')).toBe(before + 2)
      await using later = await subscriber(world, 'operator')
      await later.mqtt.subscribeAsync('alarms/v1/#')
      await heardAll(witness)
      await heardAll(later)
      expect([...witness.heard, ...later.heard]).toEqual([])
    },
  )
})

describe('open alarms', () => {
  it('are told on SUBSCRIBE, oldest raise first, in scope, as far as the filter matches, without those that are over', async () => {
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY })
    for (const [index, lift] of ['lift-b1', 'lift-a2', 'lift-nobody', 'lift-a1'].entries()) {
      own.clock.shiftMs = index * 1_000
      await own.raise(lift)
    }
    const { alarm } = await own.raise('lift-a1', 99_000) // a repeat, so that the newest line is not the first
    await using admin = await subscriber(own, 'admin')
    await admin.mqtt.subscribeAsync('alarms/v1/#', { qos: 1 })
    await expect.poll(() => admin.heard.length).toBe(4)
    const lifts = ['lift-b1', 'lift-a2', 'lift-nobody', 'lift-a1']
    expect(admin.heard.map(({ topic, qos }) => [topic, qos])).toEqual(lifts.map((lift) => [topicOf(lift), 1]))
    expect(admin.heard[3]?.json).toMatchObject({ alarm: { id: alarm.id, raiseCount: 2 }, occurrence: { number: 2 } })
    await using alpha = await subscriber(own, 'alpha')
    await alpha.mqtt.subscribeAsync('alarms/v1/#')
    await expect.poll(() => alpha.heard.map(({ topic }) => topic)).toEqual(['lift-a2', 'lift-a1'].map(topicOf))
    await alpha.mqtt.subscribeAsync('alarms/v1/+/lift-a2')
    await expect.poll(() => alpha.heard.length).toBe(3)
    expect(alpha.heard[2]?.topic).toBe(topicOf('lift-a2'))
  })

  it('come before the changes that happen meanwhile, and no change is left out', async () => {
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY })
    const { alarm, occurrence } = await own.raise('lift-a1')
    await using witness = await subscriber(own, 'admin')
    await witness.mqtt.subscribeAsync('alarms/v1/#')
    for (let round = 1; round <= 10; round += 1) {
      await using one = await subscriber(own, 'admin')
      const subscribed = one.mqtt.subscribeAsync('alarms/v1/#')
      // Sent in the same turn as the SUBSCRIBE, and while the open alarms are read.
      for (let number = 2; number <= 20; number += 1) {
        own.bus.publish('alarm', { alarm, occurrence: { ...occurrence, number } })
        await new Promise((wake) => setImmediate(wake))
      }
      await subscribed
      own.bus.publish('alarm', { alarm, occurrence: { ...occurrence, number: 21 } })
      await expect.poll(() => one.heard.at(-1)?.json['occurrence']?.['number'], { timeout: 20_000 }).toBe(21)
      const numbers = one.heard.map(({ json }) => Number(json['occurrence']?.['number']))
      const told = numbers.lastIndexOf(1)
      expect(told).toBeGreaterThanOrEqual(0)
      const after = numbers.slice(told + 1)
      expect(after).toEqual(after.map((_, index) => 21 - after.length + 1 + index))
    }
  })

  it('are not read again for a filter that was told a moment ago and is still held', async () => {
    const register = registerOn(await openPgliteDatabase('memory', { log: silentLog }))
    await fillRegister(register)
    let readCount = 0
    const open: typeof register.alarms.open = (o) => {
      readCount += 1
      return register.alarms.open(o)
    }
    const counted = { ...register, alarms: { ...register.alarms, open } }
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY }, { ...world, register: counted })
    await own.raise('lift-a1')
    await using one = await subscriber(own, 'admin')
    await one.mqtt.subscribeAsync('alarms/v1/#')
    await expect.poll(() => one.heard.length).toBe(1)
    expect(readCount).toBe(1)
    for (let round = 0; round < 20; round += 1) await one.mqtt.subscribeAsync('alarms/v1/#', { qos: 1 })
    expect(readCount).toBe(1)
    own.clock.shiftMs = 11_000
    await one.mqtt.subscribeAsync('alarms/v1/#')
    await expect.poll(() => one.heard.length).toBe(2)
    // Taken back for a moment, in which changes were not told: those that are open are told again.
    await one.mqtt.unsubscribeAsync('alarms/v1/#')
    await one.mqtt.subscribeAsync('alarms/v1/#')
    await expect.poll(() => one.heard.length).toBe(3)
    expect(readCount).toBe(3)
    await own[Symbol.asyncDispose]()
    await register[Symbol.asyncDispose]()
  })

  it('are told again to everybody when the bus may have lost something', async () => {
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY })
    await using one = await subscriber(own, 'admin')
    await one.mqtt.subscribeAsync('alarms/v1/#')
    await heardAll(one)
    await own.raise('lift-a1') // nobody told the bus
    own.api.northbound?.startOver()
    await expect.poll(() => one.heard.map(({ topic }) => topic)).toEqual([topicOf('lift-a1')])
  })

  it('that cannot be read cut the subscriber, who then comes back', async () => {
    const register = registerOn(await openPgliteDatabase('memory', { log: silentLog }))
    await fillRegister(register)
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY }, { ...world, register })
    await using one = await subscriber(own, 'admin')
    await register[Symbol.asyncDispose]()
    const isOver = ended(one)
    one.mqtt.subscribe('alarms/v1/#')
    await isOver
    expect(await refusals('subscriber.missed', own)).toBe(1)
    // The register is away: who is known may not come in now, and is told to try later.
    await expect(subscriber(own, 'admin')).rejects.toMatchObject({ code: 3 })
  })
})

describe('a slow reader', () => {
  it('is cut when it leaves too much lying, and holds nobody up', async () => {
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY })
    await using quick = await subscriber(own, 'admin')
    await quick.mqtt.subscribeAsync('alarms/v1/#')
    await using slow = await rawSubscriber(own)
    slow.socket.write(Buffer.concat([connectPacket('operator'), subscribePacket('alarms/v1/#')]))
    await slow.read(9) // CONNACK and SUBACK; then it reads nothing more
    const state = () => own.api.northbound?.subscribers().find(({ person }) => person?.user.id === 'operator')
    await expect.poll(() => state()?.filters.size).toBe(1)
    const note = 'x'.repeat(64 * 1024)
    let toldCount = 0
    let mostUnread = 0
    while (state() !== undefined && toldCount < 2_000) {
      toldCount += 1
      own.bus.publish('alarm', changeOf('lift-a1', 'contractor-a', toldCount, note))
      await expect.poll(() => quick.heard.length, { interval: 1, timeout: 20_000 }).toBe(toldCount)
      mostUnread = Math.max(mostUnread, state()?.unreadBytes ?? 0)
    }
    expect(state()).toBeUndefined()
    expect(mostUnread).toBeGreaterThan(1024 * 1024)
    expect(mostUnread).toBeLessThanOrEqual(4 * 1024 * 1024)
    expect(await refusals('subscriber.slow', own)).toBe(1)
    expect(quick.heard.map(({ json }) => Number(json['occurrence']?.['number']))).toEqual(
      quick.heard.map((_, index) => index + 1),
    )
  })

  it('is cut when its socket stays full, however little that is', async () => {
    const limits = { ...MANY, drainMs: 200, unreadBytesMax: 1024 * 1024 * 1024 }
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: limits })
    await using slow = await rawSubscriber(own)
    slow.socket.write(Buffer.concat([connectPacket('operator'), subscribePacket('alarms/v1/#')]))
    await slow.read(9)
    const note = 'x'.repeat(1024 * 1024)
    for (let number = 1; number <= 32; number += 1)
      own.bus.publish('alarm', changeOf('lift-a1', 'contractor-a', number, note))
    await expect.poll(() => own.api.northbound?.subscribers().length, { timeout: 20_000 }).toBe(0)
    expect(await refusals('subscriber.slow', own)).toBe(1)
  })

  it('is cut when it acknowledges nothing', async () => {
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: { ...MANY, unackedMax: 8 } })
    await using silent = await rawSubscriber(own)
    silent.socket.write(Buffer.concat([connectPacket('operator'), subscribePacket('alarms/v1/#', 1)]))
    await silent.read(9)
    silent.socket.resume()
    for (let number = 1; number <= 9; number += 1) own.bus.publish('alarm', changeOf('lift-a1', 'contractor-a', number))
    await silent.closed
    expect(await refusals('subscriber.slow', own)).toBe(1)
    await using good = await subscriber(own, 'operator')
    await good.mqtt.subscribeAsync('alarms/v1/#', { qos: 1 })
    for (let number = 1; number <= 40; number += 1) {
      own.bus.publish('alarm', changeOf('lift-a1', 'contractor-a', number))
      await expect.poll(() => own.api.northbound?.subscribers()[0]?.unackedCount, { interval: 1 }).toBe(0)
    }
    await expect.poll(() => good.heard.length).toBe(40)
  })
})

describe('a person', () => {
  it('who was removed, or has another password, role or organisation, is cut', async () => {
    const database = await openPgliteDatabase('memory', { log: silentLog })
    const register = registerOn(database)
    await fillRegister(register)
    await using own = await openWorld(
      { alarmsMqttPort: 0, subscriberLimits: { ...MANY, recheckMs: 50 } },
      { ...world, register },
    )
    const [admin, operator, alpha, beta] = await subscribers(own, ['admin', 'operator', 'alpha', 'beta'])
    await using stays = await subscriber(own, 'admin')
    if (!admin || !operator || !alpha || !beta) throw new Error('four')
    const over = [operator, alpha, beta].map(ended)
    const row = async (name: Who) => {
      const found = await register.users.byUsername(name)
      if (found === undefined) throw new Error(name)
      return found
    }
    await register.users.put([{ ...(await row('operator')), passwordHash: await hashPassword('another one 8') }])
    await register.users.put([{ ...(await row('alpha')), organisation: 'contractor-b' as OrganisationId }])
    await sql`delete from users where id = 'beta'`.execute(database.kysely)
    await Promise.all(over)
    expect(await refusals('subscriber.changed', own)).toBe(3)
    await expect(subscriber(own, 'operator')).rejects.toMatchObject({ code: 4 })
    await expect(subscriber(own, 'beta')).rejects.toMatchObject({ code: 4 })
    expect([admin.mqtt.connected, stays.mqtt.connected]).toEqual([true, true])
    await using again = await subscriber(own, 'alpha')
    await again.mqtt.subscribeAsync('alarms/v1/#')
    await stays.mqtt.subscribeAsync('alarms/v1/#')
    tellAllLifts(1, own)
    await expect.poll(() => stays.heard.length).toBe(4)
    await heardAll(again)
    expect(again.heard.map(({ topic }) => topic)).toEqual([topicOf('lift-b1')])
    await admin.mqtt.endAsync(true)
    await own[Symbol.asyncDispose]()
    await register[Symbol.asyncDispose]()
  })

  it('with a wrong password is refused, counted with the tries over HTTP, and locked out of both', async () => {
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY }, world)
    for (let number = 0; number < 5; number += 1) {
      await expect(subscriber(own, 'beta', { password: `no ${number}` })).rejects.toMatchObject({ code: 4 })
      const body = { username: 'beta', password: 'no' }
      expect((await own.ask('/api/v1/session', { method: 'POST', body })).status).toBe(401)
    }
    await expect(subscriber(own, 'beta')).rejects.toMatchObject({ code: 4 })
    const locked = await own.ask('/api/v1/session', { method: 'POST', body: { username: 'beta', password: PASSWORD } })
    expect(locked.json).toMatchObject({ code: 'session.lockedOut' })
    await using other = await subscriber(own, 'alpha')
    expect(other.mqtt.connected).toBe(true)
  })

  it('whose program comes back again and again has the password looked at once, until it is another one', async () => {
    const register = registerOn(await openPgliteDatabase('memory', { log: silentLog }))
    await fillRegister(register)
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY }, { ...world, register })
    const signIns = async () =>
      (await register.audit.list({ limit: 100 })).rows.filter(({ act }) => act === 'subscriber.signedIn')
    for (let round = 1; round <= 5; round += 1) await (await subscriber(own, 'alpha'))[Symbol.asyncDispose]()
    expect(await signIns()).toMatchObject([
      { by: '李维保', subject: 'alpha', detail: expect.stringContaining('127.0.0.1') as string },
    ])
    await expect(subscriber(own, 'alpha', { password: 'no' })).rejects.toMatchObject({ code: 4 })
    await fillRegister(register) // hashes anew
    await (await subscriber(own, 'alpha'))[Symbol.asyncDispose]()
    expect(await signIns()).toHaveLength(2)
    await own[Symbol.asyncDispose]()
    await register[Symbol.asyncDispose]()
  })

  it('has one connection for each client id, and no other person’s', async () => {
    await using first = await subscriber(world, 'admin', { clientId: 'flow' })
    await using foreign = await subscriber(world, 'operator', { clientId: 'flow' })
    const isOver = ended(first)
    await using second = await subscriber(world, 'admin', { clientId: 'flow' })
    await isOver
    expect([foreign.mqtt.connected, second.mqtt.connected]).toEqual([true, true])
  })
})

describe('a CONNECT', () => {
  it.each([
    ['of MQTT 3.1', { protocolId: 'MQIsdp', protocolVersion: 3 }, 1],
    ['of MQTT 5', { protocolVersion: 5 }, 1],
    ['that wants a session to stay', { clean: false, clientId: 'stay' }, 5],
    ['with a will', { will: { topic: 'alarms/v1/a/b', payload: Buffer.from('x'), qos: 0, retain: false } }, 5],
    ['without a password', { password: '' }, 4],
    ['of nobody', { username: 'nobody-at-all' }, 4],
    ['with a client id that is too long', { clientId: 'x'.repeat(200) }, 2],
  ] as const)('%s is refused', async (_name, options, code) => {
    await expect(subscriber(world, 'admin', options as object)).rejects.toThrow(
      expect.objectContaining({ code }) as Error,
    )
  })

  it.each([
    ['a first packet that is no CONNECT', subscribePacket('alarms/v1/#')],
    ['a CONNECT of more than 4 KiB', Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f])],
    ['noise', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ])('is awaited: %s ends the connection', async (_name, bytes) => {
    await using own = await rawSubscriber(world)
    own.socket.write(bytes)
    own.socket.resume()
    await own.closed
  })

  it('is the only large thing that may come: a packet of more than 8 KiB ends the connection before it is read', async () => {
    const before = await refusals('subscriber.tooLarge')
    await using own = await rawSubscriber(world)
    own.socket.write(connectPacket('admin'))
    await own.read(4)
    own.socket.write(Buffer.from([0x82, 0x81, 0x40])) // 8 193 bytes are announced
    own.socket.resume()
    await own.closed
    expect(await refusals('subscriber.tooLarge')).toBe(before + 1)
  })

  it('that does not come in time ends the connection', async () => {
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: { ...MANY, connectMs: 100 } }, world)
    await using silent = await rawSubscriber(own)
    silent.socket.resume()
    await silent.closed
    expect(await refusals('subscriber.timeout', own)).toBe(1)
  })
})

describe('bounds', () => {
  it('of connections, in all and of one person', async () => {
    const limits = { ...MANY, connectionsMax: 4, connectionsPerPersonMax: 2 }
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: limits }, world)
    await using _first = await subscriber(own, 'admin')
    await using second = await subscriber(own, 'admin')
    await expect(subscriber(own, 'admin')).rejects.toMatchObject({ code: 3 })
    await second[Symbol.asyncDispose]()
    await expect.poll(() => own.api.northbound?.subscribers().length).toBe(1)
    await using _third = await subscriber(own, 'admin')
    await using _fourth = await subscriber(own, 'alpha')
    await using _fifth = await subscriber(own, 'beta')
    await using sixth = await rawSubscriber(own)
    await sixth.closed
    expect(await refusals('subscriber.full', own)).toBe(2)
  })

  it('of connections that did not sign in, of one address and in all; those inside are not disturbed', async () => {
    const limits = { ...MANY, halfOpenPerAddressMax: 2, halfOpenMax: 3 }
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: limits }, world)
    await using inside = await subscriber(own, 'admin')
    await using _one = await rawSubscriber(own)
    await using two = await rawSubscriber(own)
    await using three = await rawSubscriber(own)
    await three.closed
    expect(inside.mqtt.connected).toBe(true)
    two.socket.destroy()
    await expect
      .poll(() => subscriber(own, 'alpha').then((one) => one[Symbol.asyncDispose]().then(() => 'in'), String))
      .toBe('in')
  })

  it('of PINGREQ, SUBSCRIBE and UNSUBSCRIBE of one connection in a minute', async () => {
    await using own = await openWorld(
      { alarmsMqttPort: 0, subscriberLimits: { ...MANY, controlPacketsPerMinuteMax: 10 } },
      world,
    )
    own.clock.shiftMs = 60_000 - (Date.now() % 60_000) // the beginning of a minute
    await using quiet = await subscriber(own, 'admin')
    await using noisy = await rawSubscriber(own)
    noisy.socket.write(connectPacket('operator'))
    await noisy.read(4)
    const pings = (count: number) => Buffer.concat(Array.from({ length: count }, () => Buffer.from([0xc0, 0])))
    noisy.socket.write(Buffer.concat([pings(9), subscribePacket('alarms/v1/#')]))
    await noisy.read(9 * 2 + 5)
    own.clock.shiftMs += 60_000
    noisy.socket.write(pings(10))
    await noisy.read(20)
    noisy.socket.write(pings(1_000))
    noisy.socket.resume()
    await noisy.closed
    expect(await refusals('subscriber.flood', own)).toBe(1)
    expect(quiet.mqtt.connected).toBe(true)
  })

  it('of silent sockets from anywhere: the oldest gives way to one that signs in', async () => {
    const limits = { ...MANY, halfOpenMax: 3, connectMs: 60_000 }
    await using own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: limits }, world)
    await using first = await rawSubscriber(own)
    await using _second = await rawSubscriber(own)
    await using _third = await rawSubscriber(own)
    await using one = await subscriber(own, 'admin')
    first.socket.resume()
    await first.closed
    expect(one.mqtt.connected).toBe(true)
  })

  it('of connections of one address in a minute', async () => {
    await using own = await openWorld(
      { alarmsMqttPort: 0, subscriberLimits: { ...MANY, connectsPerMinuteMax: 3 } },
      world,
    )
    own.clock.shiftMs = 60_000 - (Date.now() % 60_000) // the beginning of a minute
    for (let number = 1; number <= 3; number += 1) await (await subscriber(own, 'admin'))[Symbol.asyncDispose]()
    await using fourth = await rawSubscriber(own)
    await fourth.closed
    expect(await refusals('subscriber.tooOften', own)).toBe(1)
    own.clock.shiftMs += 60_000
    await using _fifth = await subscriber(own, 'admin')
  })
})

describe('the listener', () => {
  it('is not there when it has no port', async () => {
    await using own = await openWorld({}, world)
    expect(own.api.northbound).toBeUndefined()
  })

  it('on a port that is taken is refused with a sentence that names the setting', async () => {
    const port = Number(new URL(urlOf(world)).port)
    await expect(openWorld({ alarmsMqttPort: port }, world)).rejects.toThrow(
      `ALARMS_MQTT_PORT=${port} is taken by another program`,
    )
  })

  it('closes its connections when the API stops', async () => {
    const own = await openWorld({ alarmsMqttPort: 0, subscriberLimits: MANY }, world)
    await using one = await subscriber(own, 'admin')
    const isOver = ended(one)
    await own[Symbol.asyncDispose]()
    await isOver
    await expect(subscriber(own, 'admin')).rejects.toThrow('ECONNREFUSED')
  })
})
