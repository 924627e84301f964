import { createServer, type AddressInfo } from 'node:net'
import mqtt from 'mqtt'
import { Registry } from 'prom-client'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { BROKER_LIMITS } from '#broker/limits'
import { brokerMetrics } from '#broker/metrics'
import { openAdmission } from '#broker/open-admission'
import type { LiftId, TerminalSerial } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import {
  brokerUnderTest,
  CONNECTION_TOPIC,
  eventually,
  heldBack,
  SECRET,
  SERIAL,
  STATUS_TOPIC,
  terminalRow,
  TerminalTable,
} from './broker-under-test.ts'
import { openRaw, publishPacket, puback } from './raw-terminal.ts'

afterEach(() => void vi.useRealTimers())

describe('starting', () => {
  it.each([
    ['is refused', true],
    ['is stopped', false],
  ])('of admission leaves no timer behind when it %s', async (_what, isRefused) => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const registry = new Registry()
    const opening = openAdmission({
      terminals: new TerminalTable(),
      audit: { add: async () => {} },
      bus: {
        publish: () => {},
        subscribe: async () => {
          if (isRefused) throw new Error('no bus')
          return { [Symbol.asyncDispose]: async () => {} }
        },
      },
      connections: () => [],
      certificates: undefined,
      refusals: { count: () => {} },
      limits: BROKER_LIMITS,
      timeouts: { lookupMs: 1_000, feedMs: 1_000, recheckMs: 1_000, stopMs: 1_000 },
      metrics: brokerMetrics(registry),
      registry,
      log: silentLog,
      nowMs: () => Date.now(),
      onFault: () => {},
    })
    if (isRefused) await expect(opening).rejects.toThrow('no bus')
    else {
      const admission = await opening
      expect(vi.getTimerCount()).toBeGreaterThan(0)
      await admission.stop()
    }
    expect(vi.getTimerCount()).toBe(0)
  })

  it('on a port that is in use is refused with the port and the setting', async () => {
    const holder = createServer()
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
    const { port } = holder.address() as AddressInfo
    await expect(brokerUnderTest({ mqttPort: port })).rejects.toThrow(new RegExp(`${port}.*MQTT_PORT`))
    await new Promise((resolve) => holder.close(resolve))
  })
})

describe('stopping', () => {
  it('loses nothing that was acknowledged, under load from many terminals', async () => {
    const count = 10
    const terminals = new TerminalTable()
    for (let index = 0; index < count; index += 1)
      terminals.put(
        await terminalRow({ serial: `TJ-${1000 + index}` as TerminalSerial, lift: `lift-${1000 + index}` as LiftId }),
      )
    await using under = await brokerUnderTest({ terminals })
    const acknowledged: string[] = []
    const clients = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        mqtt.connectAsync(under.broker.mqttUrl, {
          username: `TJ-${1000 + index}`,
          password: SECRET,
          clientId: `c${index}`,
          reconnectPeriod: 0,
        }),
      ),
    )
    let isStopped = false
    const publish = async (client: mqtt.MqttClient, index: number, lane: number) => {
      for (let number = 0; !isStopped; number += 1) {
        const payload = `${index}.${lane}.${number}`
        // A publication that the stop cuts off never resolves; the connection's end rejects it or leaves it waiting.
        await Promise.race([
          client
            .publishAsync(`lifts/v1/lift-${1000 + index}/status`, payload, { qos: 1 })
            .then(() => void acknowledged.push(payload)),
          new Promise((_, reject) => client.once('close', () => reject(new Error('closed')))),
        ])
      }
    }
    const lanes = clients.flatMap((client, index) =>
      [0, 1, 2].map((lane) => publish(client.setMaxListeners(0), index, lane).catch(() => {})),
    )
    await eventually('there is load', () => acknowledged.length > 200)
    const beganAtMs = Date.now()
    await under.broker[Symbol.asyncDispose]()
    expect(Date.now() - beganAtMs).toBeLessThan(5_000)
    isStopped = true
    await Promise.all(lanes)
    await Promise.all(clients.map((client) => client.endAsync(true)))
    const kept = new Set((await under.records()).map(({ payload }) => Buffer.from(payload).toString()))
    expect(acknowledged.filter((payload) => !kept.has(payload))).toEqual([])
    expect(under.broker.status().connectedCount).toBe(0)
    await expect(openRaw(under.broker.mqttUrl)).rejects.toThrow(/ECONNREFUSED/)
  })

  it('waits for an append under way and still acknowledges it', async () => {
    let held: ReturnType<typeof heldBack> | undefined
    await using under = await brokerUnderTest({ journal: (real) => (held = heldBack(real)) })
    const terminal = await under.admitted()
    terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: '{}', id: 3 }))
    await eventually('the journal has it', () => held?.waitingCount === 1)
    const stopped = under.broker[Symbol.asyncDispose]()
    // From a promise, as an async journal does: the acknowledgement is then written after the stop has gone on.
    setTimeout(() => void Promise.resolve().then(() => held?.release()), 100)
    await stopped
    expect(await terminal.next()).toEqual(puback(3))
    expect(await terminal.next()).toBeUndefined()
  })

  it('does not wait for ever for a journal that never answers', async () => {
    await using under = await brokerUnderTest({
      journal: (real) => ({ status: () => real.status(), append: () => {} }),
      timeouts: { stopMs: 200 },
    })
    const terminal = await under.admitted()
    terminal.send(publishPacket({ topic: STATUS_TOPIC, payload: '{}' }))
    await new Promise((resolve) => setTimeout(resolve, 100))
    await under.broker[Symbol.asyncDispose]()
    expect(await terminal.next()).toBeUndefined()
  })

  it('says no will for anybody: that the platform stops says nothing about a terminal', async () => {
    let appendCount = 0
    await using under = await brokerUnderTest({
      journal: (real) => ({
        status: () => real.status(),
        append: (entry, done) => {
          appendCount += 1
          real.append(entry, done)
        },
      }),
    })
    const will = { topic: CONNECTION_TOPIC, payload: 'offline' }
    const vanishes = await under.admitted({ will })
    vanishes.socket.destroy()
    await eventually('the will of a terminal that vanished is said', () => appendCount === 1)
    await under.admitted({ will })
    await under.broker[Symbol.asyncDispose]()
    expect(appendCount).toBe(1)
  })

  it('closes sockets that never said anything at once, and may be asked twice', async () => {
    await using under = await brokerUnderTest()
    const silent = await under.raw()
    await under.admitted({ username: SERIAL })
    const beganAtMs = Date.now()
    await Promise.all([under.broker[Symbol.asyncDispose](), under.broker[Symbol.asyncDispose]()])
    await silent.closed
    expect(Date.now() - beganAtMs).toBeLessThan(2_000)
    expect(under.broker.status().connectedCount).toBe(0)
  })
})
