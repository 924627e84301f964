/** Subscribers to alarms: mqtt.js as programs use it, and a socket that says and reads only what a test wants. */
import { connect as connectSocket, type Socket } from 'node:net'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { ALARM_EVENTS, type Alarm, type Occurrence } from '#contract/alarms'
import type { OrganisationId } from '#contract/ids'
import type { AppliedAlarm } from '#storage/register/register'
import { alarmOf, liftId, PASSWORD, type Json, type Who, type World } from './world.ts'

/** What a subscriber heard, in order. */
export type Heard = { readonly topic: string; readonly json: Json; readonly qos: number; readonly retain: boolean }
export type TestSubscriber = AsyncDisposable & { readonly mqtt: MqttClient; readonly heard: Heard[] }

export const urlOf = (world: World): string => world.api.northbound?.url ?? ''

/** Connects as one of the people, or rejects with the refusal; `ends` tells when the connection is over. */
export async function subscriber(
  world: World,
  username: string,
  o: Partial<IClientOptions> = {},
): Promise<TestSubscriber> {
  const mqtt = await connectAsync(
    urlOf(world),
    { username, password: PASSWORD, reconnectPeriod: 0, connectTimeout: 20_000, ...o },
    false,
  )
  const heard: Heard[] = []
  mqtt.on('message', (topic, payload, { qos, retain }) =>
    heard.push({ topic, json: JSON.parse(payload.toString()) as Json, qos, retain }),
  )
  mqtt.on('error', () => {})
  return { mqtt, heard, [Symbol.asyncDispose]: () => mqtt.endAsync(true) }
}

export const subscribers = async (world: World, names: readonly Who[]): Promise<TestSubscriber[]> =>
  Promise.all(names.map((name) => subscriber(world, name)))

/** Everything that was written to the subscriber before this has been heard when it resolves: answers come in order. */
export const heardAll = ({ mqtt }: TestSubscriber): Promise<unknown> => mqtt.unsubscribeAsync('alarms/v1/nothing')

export const ended = ({ mqtt }: TestSubscriber): Promise<void> =>
  mqtt.connected ? new Promise((resolve) => mqtt.once('close', () => resolve())) : Promise.resolve()

/** A change of an alarm as ingest tells it on the bus, without a register. */
export function changeOf(
  lift: string,
  contractor: string | null,
  number = 1,
  note: string | null = null,
): AppliedAlarm {
  const alarm: Alarm = {
    ...{ id: alarmOf(lift), lift: liftId(lift), kind: 'entrapment-between-floors', priority: 1 },
    ...{ state: 'unacknowledged', certainty: 'suspected', onsetAtMs: 1_000, raisedAtMs: 16_000 },
    ...{ returnedAtMs: null, acknowledgedAtMs: null, acknowledgedBy: null, closedAtMs: null, raiseCount: 1 },
    summary: { carPosition: '2', passengerCount: 1, lastHeardAtMs: 16_000 },
    contractor: contractor as OrganisationId | null,
  }
  const occurrence: Occurrence = {
    ...{ alarm: alarm.id, number, event: ALARM_EVENTS[0], atMs: 16_000, by: null, note, trace: null },
  }
  return { alarm, occurrence }
}

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
}
const packet = (header: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  const length: number[] = []
  for (let rest = body.length; ; rest >>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest)
    if (rest <= 127) break
  }
  return Buffer.concat([Buffer.from([header, ...length]), body])
}
export const connectPacket = (username: string): Buffer =>
  packet(0x10, text('MQTT'), Buffer.from([4, 0xc2, 0, 60]), text(''), text(username), text(PASSWORD))
export const subscribePacket = (filter: string, qos = 0): Buffer =>
  packet(0x82, Buffer.from([0, 7]), text(filter), Buffer.from([qos]))

export type RawSubscriber = AsyncDisposable & {
  readonly socket: Socket
  /** Resolves with so many bytes as soon as they have come. */
  read(byteCount: number): Promise<Buffer>
  readonly closed: Promise<void>
}

/** A socket to the listener that reads nothing by itself. */
export async function rawSubscriber(world: World): Promise<RawSubscriber> {
  const socket = connectSocket(Number(new URL(urlOf(world)).port), '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
  return {
    socket,
    closed,
    async read(byteCount) {
      for (;;) {
        const bytes = socket.read(byteCount) as Buffer | null
        if (bytes !== null) return bytes
        await new Promise((wake) => setTimeout(wake, 5)) // 'readable' would come at once, again and again, for fewer bytes
      }
    },
    async [Symbol.asyncDispose]() {
      socket.destroy()
      await closed
    },
  }
}
