import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { PAYLOAD_BYTES_TAKEN_MAX } from '#contract/topics'
import { STATUS_TOPIC } from './broker-under-test.ts'
import { conformanceBroker, good, PINGRESP } from './conformance.ts'
import { connack, connectPacket, PINGREQ, puback, publishPacket } from './raw-terminal.ts'

const { broker } = conformanceBroker()
let http: Server
let url = ''
beforeAll(async () => {
  http = createServer()
  http.on('upgrade', (request, socket, head) => broker().broker.acceptWebSocket(request, socket, head))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/mqtt`
})
afterAll(async () => {
  http.closeAllConnections()
  await new Promise((resolve) => http.close(resolve))
})

/** An open WebSocket, and what it has received so far as one run of bytes. */
async function open(protocols = ['mqtt']) {
  const socket = new WebSocket(url, protocols)
  let received = Buffer.alloc(0)
  let wake: () => void = () => {}
  socket.on('message', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes])
    wake()
  })
  socket.on('error', () => {})
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  await once(socket, 'open')
  return {
    socket,
    closed,
    expects: async (...packets: Buffer[]) => {
      const bytes = Buffer.concat(packets)
      while (received.length < bytes.length && socket.readyState === socket.OPEN)
        await Promise.race([new Promise<void>((resolve) => (wake = resolve)), closed])
      expect(received).toEqual(bytes)
      received = Buffer.alloc(0)
    },
  }
}

describe('MQTT over WebSocket', () => {
  it('[MQTT-6.0.0-1] a text frame closes the connection', async () => {
    const { socket, closed } = await open()
    socket.send('text')
    expect(await closed).toBe(1003)
  })

  it('[MQTT-6.0.0-2, MQTT-7.1.1-1] one frame may hold several packets, and one packet may come in several frames', async () => {
    const { socket, expects } = await open()
    socket.send(Buffer.concat([connectPacket(good), PINGREQ, PINGREQ]))
    await expects(connack(0), PINGRESP, PINGRESP)
    const packet = publishPacket({ topic: STATUS_TOPIC, payload: 'in pieces', id: 7 })
    for (const byte of packet) socket.send(Buffer.from([byte]))
    await expects(puback(7))
    socket.terminate()
  })

  it('[MQTT-6.0.0-2] the largest publication fits into one frame', async () => {
    const { socket, expects } = await open()
    socket.send(connectPacket(good))
    await expects(connack(0))
    socket.send(publishPacket({ topic: STATUS_TOPIC, payload: Buffer.alloc(PAYLOAD_BYTES_TAKEN_MAX, 'x'), id: 8 }))
    await expects(puback(8))
    socket.terminate()
  })

  it('[MQTT-6.0.0-3] a client that does not offer mqtt is turned away', async () => {
    await expect(open(['mqttv3.1'])).rejects.toThrow('400')
  })

  it('[MQTT-6.0.0-4] of the protocols that a client offers, mqtt is chosen', async () => {
    const { socket } = await open(['mqttv3.1', 'mqtt'])
    expect(socket.protocol).toBe('mqtt')
    socket.terminate()
  })

  it('answers pings of WebSocket, which are no sign of life for MQTT', async () => {
    const { socket } = await open()
    socket.ping('here')
    const [data] = (await once(socket, 'pong')) as [Buffer]
    expect(data.toString()).toBe('here')
    socket.terminate()
  })
})
