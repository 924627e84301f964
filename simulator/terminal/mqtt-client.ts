/** A wire over a real network: one client of mqtt.js for each connection, which never connects again by itself. */
import { connect, type MqttClient } from 'mqtt'
import { deviceTopic } from '#contract/topics'
import type { SimulatedTerminal } from './credentials.ts'
import { KEEPALIVE_S, offlinePayload, type OpenWire } from './wire.ts'
import { within } from './within.ts'

const CONNECT_MS_MAX = 15_000
const GOODBYE_MS = { offline: 1000, end: 1000 } as const

/** Wires to the broker at this address. */
export const mqttWires =
  (brokerUrl: string): OpenWire =>
  (identity, { onOpen, onClosed }) => {
    const client = openClient(brokerUrl, identity)
    let isOpen = false
    let reason = 'connection closed'
    client.on('connect', () => {
      isOpen = true
      onOpen()
    })
    client.on('error', (error) => {
      reason = error.message || (error as NodeJS.ErrnoException).code || 'error'
      // A refused CONNECT leaves the socket to the broker; without this it would stay half open until the broker cuts it.
      if (!isOpen) client.end(true)
    })
    client.on('close', () => onClosed(reason))
    return {
      publish({ kind, payload, isRedelivered }, onTaken) {
        client.publish(deviceTopic(identity.lift, kind), payload, { qos: 1, dup: isRedelivered }, (error) => {
          if (!error) onTaken()
        })
      },
      cut() {
        client.end(true)
      },
      freeze() {
        client.stream?.cork()
        client.stream?.pause()
      },
      async leave() {
        const farewell = client.publishAsync(deviceTopic(identity.lift, 'connection'), offlinePayload(identity), {
          qos: 1,
        })
        await within(GOODBYE_MS.offline, farewell)
        await within(GOODBYE_MS.end, client.endAsync())
      },
    }
  }

function openClient(brokerUrl: string, identity: SimulatedTerminal): MqttClient {
  const { serial, secret, lift } = identity
  return connect(brokerUrl, {
    clientId: serial,
    username: serial,
    ...(secret === '' ? {} : { password: secret }),
    protocolVersion: 4,
    clean: true,
    keepalive: KEEPALIVE_S,
    connectTimeout: CONNECT_MS_MAX,
    reconnectPeriod: 0,
    queueQoSZero: false,
    resubscribe: false,
    will: {
      topic: deviceTopic(lift, 'connection'),
      payload: Buffer.from(offlinePayload(identity)),
      qos: 1,
      retain: false,
    },
  })
}
