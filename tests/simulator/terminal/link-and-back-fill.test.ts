import { describe, expect, it } from 'vitest'
import { generateTown } from '#simulator/town/town'
import { impairmentOf, Link, type Impairment } from '#simulator/terminal/link'
import { mqttWires } from '#simulator/terminal/mqtt-client'
import { SimulatedLift } from '#simulator/terminal/simulated-lift'
import { SimulatedTerminalDevice } from '#simulator/terminal/terminal'
import { PlainBroker, until } from './plain-broker.ts'
import { HOUR_MS, MORNING_MS } from './terminal-lift.ts'

type Said = { boot: number; seq: number; sampledAtMs?: number; atMs?: number; state?: string }
const said = (payload: string) => JSON.parse(payload) as Said

/**
 * Terminals on a clock that is set: it runs with the real one, and can be pushed on by hours. The connections are real.
 */
class Fleet implements AsyncDisposable {
  readonly devices: SimulatedTerminalDevice[]
  readonly connected: { lift: string; atMs: number }[] = []
  readonly lost: { lift: string; atMs: number; reason: string }[] = []
  readonly sent: string[] = []
  #pushedMs = 0
  readonly #realStartMs = Date.now()
  readonly #timer: NodeJS.Timeout

  constructor(o: { broker: PlainBroker; count: number; impairment?: Partial<Impairment>; keptMax?: number }) {
    const town = generateTown({ seed: 20, liftCount: Math.max(8, o.count), boundAtMs: MORNING_MS })
    const impairment = { ...impairmentOf('none'), ...o.impairment }
    this.devices = town.lifts.slice(0, o.count).map((lift, index) => {
      const serial = town.terminals[index]?.serial
      if (serial === undefined) throw new Error('every lift has a terminal')
      return new SimulatedTerminalDevice({
        openWire: mqttWires(o.broker.url),
        identity: { serial, lift: lift.id, secret: 'secret' },
        lift: new SimulatedLift({ lift, serial, seed: 20, speed: 1, startAtMs: MORNING_MS }),
        link: new Link({ impairment, seed: 20, serial, startAtMs: MORNING_MS }),
        seed: 20,
        ...(o.keptMax === undefined ? {} : { keptMax: o.keptMax }),
        connectAtMs: MORNING_MS,
        nowMs: () => this.nowMs,
        events: {
          onConnected: (id) => this.connected.push({ lift: id, atMs: this.nowMs }),
          onLost: (id, reason) => this.lost.push({ lift: id, atMs: this.nowMs, reason }),
          onSent: (id, { payload }) => this.sent.push(`${id} ${said(payload).boot} ${said(payload).seq}`),
        },
      })
    })
    this.#timer = setInterval(() => this.tick(), 20)
  }

  get nowMs(): number {
    return MORNING_MS + this.#pushedMs + Date.now() - this.#realStartMs
  }
  get connectedCount(): number {
    return this.devices.filter(({ isConnected }) => isConnected).length
  }

  tick(): void {
    for (const device of this.devices) if (this.nowMs >= device.dueAtMs) device.tick(this.nowMs)
  }

  /** Hours go by in steps that are no sleep. */
  push(spanMs: number): void {
    for (let leftMs = spanMs; leftMs > 0; leftMs -= 60_000) {
      this.#pushedMs += Math.min(60_000, leftMs)
      this.tick()
    }
  }

  /** Whatever was said is acknowledged, kept or dropped. */
  expectNothingLost(): void {
    for (const { queue } of this.devices)
      expect(queue.acknowledgedCount + queue.size + queue.droppedCount).toBe(queue.spokenCount)
  }

  async [Symbol.asyncDispose]() {
    clearInterval(this.#timer)
    await Promise.all(this.devices.map((device) => device.leave()))
  }
}

const ofLift = (broker: PlainBroker, device: SimulatedTerminalDevice) =>
  broker.taken
    .filter(({ topic }) => topic.startsWith(`lifts/v1/${device.lift.plan.id}/`))
    .map(({ payload }) => said(payload))
    .filter(({ seq }) => seq !== undefined)
const timeOf = ({ sampledAtMs, atMs }: Said) => sampledAtMs ?? atMs ?? 0
const isAscending = (numbers: readonly number[]) =>
  numbers.every((one, index) => index === 0 || one > (numbers[index - 1] ?? 0))

describe('a terminal that comes back after hours', () => {
  it('sends what it kept late, in order and with its own times, beside what happens now', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    await using fleet = new Fleet({ broker, count: 3 })
    await until('all connected', () => fleet.connectedCount === 3)
    await until('all greeted', () => fleet.devices.every(({ queue }) => queue.size === 0))
    await broker.stop()
    fleet.push(2 * HOUR_MS)
    expect(fleet.devices.every(({ queue }) => queue.size > 400)).toBe(true)
    const keptCounts = fleet.devices.map(({ queue }) => queue.waitingCount)
    const backAtMs = fleet.nowMs
    await broker.start()
    await until('all connected again', () => fleet.connectedCount === 3, 40_000)
    await until('the late ones come', () => fleet.devices.every((device) => ofLift(broker, device).length > 40))
    const [device] = fleet.devices
    if (device === undefined) throw new Error('there is a terminal')
    const since = ofLift(broker, device).slice(ofLift(broker, device).findLastIndex(({ state }) => state === 'online'))
    // The greeting is said at once, not after hours of late ones, and the rate of these is bounded.
    expect(since[0]).toMatchObject({ state: 'online' })
    expect(device.queue.size).toBeGreaterThan((keptCounts[0] ?? 0) / 3)
    const late = since.filter((one) => timeOf(one) < backAtMs)
    expect(late.length).toBeGreaterThan(10)
    expect(isAscending(late.map(({ seq }) => seq))).toBe(true)
    expect(isAscending(since.filter((one) => timeOf(one) >= backAtMs).map(({ seq }) => seq))).toBe(true)
    // The rest is let through as fast as the rate allows on a clock that is pushed on.
    await until(
      'everything is sent',
      () => {
        fleet.push(500)
        return fleet.devices.every(({ queue }) => queue.size === 0)
      },
      60_000,
    )
    fleet.expectNothingLost()
    for (const one of fleet.devices) {
      expect(one.queue.droppedCount).toBe(0)
      const numbers = ofLift(broker, one).map(({ seq }) => seq)
      const highest = Math.max(...numbers)
      expect(new Set(numbers).size).toBe(highest)
    }
  }, 150_000)

  it('throws away statuses when its memory is full, counts them, and keeps every fault and alarm', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    await using fleet = new Fleet({ broker, count: 1, keptMax: 150 })
    const [device] = fleet.devices
    if (device === undefined) throw new Error('there is a terminal')
    await until('connected', () => fleet.connectedCount === 1)
    await broker.stop()
    fleet.push(10_000)
    expect(device.play('entrapment-between-floors', 100_000, fleet.nowMs)).toBe(true)
    fleet.push(3 * HOUR_MS)
    expect(device.queue.droppedCount).toBeGreaterThan(100)
    expect(device.queue.waitingCount).toBeLessThanOrEqual(150)
    await broker.start()
    await until('connected again', () => fleet.connectedCount === 1, 40_000)
    await until(
      'everything is sent',
      () => {
        fleet.push(500)
        return device.queue.size === 0
      },
      60_000,
    )
    fleet.expectNothingLost()
    const messages = broker.taken.filter(({ topic }) => topic.endsWith('/message'))
    // 4 and 90, raised and cleared.
    expect(messages.length).toBe(4)
    const numbers = new Set(ofLift(broker, device).map(({ seq }) => seq))
    expect(numbers.size).toBe(Math.max(...numbers) - device.queue.droppedCount)
  }, 90_000)
})

describe('a bad link', () => {
  it('that breaks and forgets makes duplicates with the same boot and seq, and loses nothing', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    const impairment = {
      lossRate: 0.03,
      duplicateRate: 0.1,
      disorderRate: 0.5,
      delayMs: { median: 20, p95: 120 },
      burst: { everyMs: 6000, lastMs: 500 },
    }
    await using fleet = new Fleet({ broker, count: 8, impairment })
    await until(
      'it has been bad for a while',
      () => {
        fleet.push(400)
        const resentCount = fleet.devices.reduce((sum, { queue }) => sum + queue.resentCount, 0)
        const brokenCount = fleet.lost.filter(({ reason }) => reason === 'the connection broke').length
        return fleet.devices.every(({ queue }) => queue.acknowledgedCount > 15) && resentCount > 20 && brokenCount > 3
      },
      45_000,
    )
    fleet.expectNothingLost()
    let doubledCount = 0
    for (const device of fleet.devices) {
      const names = ofLift(broker, device).map(({ boot, seq }) => `${boot} ${seq}`)
      doubledCount += names.length - new Set(names).size
      // All that counts as acknowledged was taken.
      expect(new Set(names).size).toBeGreaterThanOrEqual(device.queue.acknowledgedCount)
      expect(device.queue.droppedCount).toBe(0)
    }
    expect(doubledCount).toBeGreaterThan(5)
    // However often a message goes, it leaves for the first time once.
    expect(new Set(fleet.sent).size).toBe(fleet.sent.length)
    expect(fleet.sent.length).toBe(fleet.devices.reduce((sum, { queue }) => sum + queue.publishedCount, 0))
    // What was under way on a connection that broke is marked; what the firmware says twice is not.
    const dups = broker.taken.filter(({ isDup }) => isDup)
    expect(dups.length).toBeGreaterThan(0)
    expect(dups.length).toBeLessThan(fleet.devices.reduce((sum, { queue }) => sum + queue.resentCount, 0))
  }, 60_000)

  it('in an outage falls silent without a goodbye, and nothing of it is lost', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    await using fleet = new Fleet({ broker, count: 2, impairment: { outages: [{ afterMs: 30_000, lastMs: 600_000 }] } })
    await until('connected', () => fleet.connectedCount === 2)
    await until('greeted', () => fleet.devices.every(({ queue }) => queue.size === 0))
    fleet.push(60_000)
    expect(fleet.connectedCount).toBe(0)
    const takenCount = broker.taken.length
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(fleet.connectedCount).toBe(0)
    expect(broker.taken.length - takenCount).toBeLessThanOrEqual(2)
    expect(broker.taken.some(({ payload }) => said(payload).state === 'offline')).toBe(false)
    fleet.push(600_000)
    await until('connected again', () => fleet.connectedCount === 2)
    await until('everything is sent', () => {
      fleet.push(500)
      return fleet.devices.every(({ queue }) => queue.size === 0)
    })
    fleet.expectNothingLost()
    expect(fleet.devices.every(({ queue }) => queue.droppedCount === 0)).toBe(true)
  }, 60_000)

  it('that a storm takes from all at once comes back for each in a moment of its own', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    await using fleet = new Fleet({ broker, count: 30, impairment: { reconnectStormEveryMs: 8000 } })
    await until('all connected', () => fleet.connectedCount === 30)
    const signInCount = broker.signIns.length
    await until('the storm', () => fleet.lost.length === 30)
    const timesMs = fleet.lost.map(({ atMs }) => atMs)
    // One moment: the same round of ticks.
    expect(Math.max(...timesMs) - Math.min(...timesMs)).toBeLessThan(500)
    await until('all connected again', () => fleet.connectedCount === 30)
    // Each waits at least half a second; whom chance gives more waits longer.
    const lostAtMs = new Map(fleet.lost.map(({ lift, atMs }) => [lift, atMs]))
    const backAfterMs = fleet.connected.slice(-30).map(({ lift, atMs }) => atMs - (lostAtMs.get(lift) ?? NaN))
    expect(Math.min(...backAfterMs)).toBeGreaterThan(450)
    expect(Math.max(...backAfterMs)).toBeGreaterThan(700)
    expect(new Set(fleet.connected.slice(-30).map(({ lift }) => lift)).size).toBe(30)
    expect(broker.signIns.length - signInCount).toBe(30)
    await until('everything is sent', () => fleet.devices.every(({ queue }) => queue.size === 0))
    fleet.expectNothingLost()
  }, 60_000)
})
