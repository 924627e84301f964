import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import mqtt from 'mqtt'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import {
  brokerUnderTest,
  CONNECTION_TOPIC,
  eventually,
  SECRET,
  SERIAL,
  STATUS_TOPIC,
  type UnderTest,
} from './broker-under-test.ts'

const good = { username: SERIAL, password: SECRET, clientId: 'over-web-socket', reconnectPeriod: 0 }
let under: UnderTest
let http: Server
let url: string
beforeEach(async () => {
  under = await brokerUnderTest()
  http = createServer()
  http.on('upgrade', (request, socket, head) => under.broker.acceptWebSocket(request, socket, head))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/mqtt`
})
afterEach(async () => {
  await under[Symbol.asyncDispose]()
  http.closeAllConnections()
  await new Promise((resolve) => http.close(resolve))
})

/** How the server ends an attempt: the HTTP status of a refused upgrade, or the close code afterwards. */
const endOf = (protocols: string[], onOpen: (socket: WebSocket) => void = () => {}) =>
  new Promise<number>((resolve) => {
    const socket = new WebSocket(url, protocols)
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
    socket.on('open', () => onOpen(socket))
    socket.on('close', resolve)
    socket.on('error', () => {})
  })

describe('MQTT over WebSocket', () => {
  it('takes a publication into the journal and acknowledges it, and says the will at the end', async () => {
    const client = await mqtt.connectAsync(url, {
      ...good,
      will: { topic: CONNECTION_TOPIC, payload: Buffer.from('offline'), qos: 1, retain: false },
    })
    await client.publishAsync(STATUS_TOPIC, 'over web socket', { qos: 1 })
    expect(under.broker.status().connectedCount).toBe(1)
    await client.endAsync(true)
    await eventually('the will is in the journal', async () => (await under.records()).length === 2)
    expect((await under.records()).map(({ payload }) => Buffer.from(payload).toString())).toEqual([
      'over web socket',
      'offline',
    ])
    await eventually('none is connected', () => under.broker.status().connectedCount === 0)
  })

  it('answers a wrong secret with its CONNACK code', async () => {
    await expect(mqtt.connectAsync(url, { ...good, password: 'wrong' })).rejects.toMatchObject({ code: 4 })
    expect(await under.refusals()).toEqual({ 'admission.badCredentials': 1 })
  })

  it('needs the subprotocol mqtt', async () => {
    expect(await endOf([])).toBe(400)
    expect(await endOf(['mqttv3.1'])).toBe(400)
  })

  it('closes on text and on messages that are too large', async () => {
    expect(await endOf(['mqtt'], (socket) => socket.send('text'))).toBe(1003)
    expect(await endOf(['mqtt'], (socket) => socket.send(Buffer.alloc(100_000)))).not.toBe(1000)
    await eventually('both are gone', async () => (await under.metric('tiwang_broker_connections')) === 0)
  })

  it('is turned away with 503 once the broker stops, and open connections are closed', async () => {
    const client = await mqtt.connectAsync(url, good)
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
    await under.broker[Symbol.asyncDispose]()
    await closed
    expect(await endOf(['mqtt'])).toBe(503)
  })
})
