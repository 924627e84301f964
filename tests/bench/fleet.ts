/** The terminals of a benchmark: serials, lifts and topics by number, one secret, and what they say. */
import type { LiftId, TerminalSerial } from '#contract/ids'
import { connectPacket, publishPacket } from '../broker/raw-terminal.ts'

export const SECRET = 'dGhlLXNlY3JldC1vZi1hLXRlcm1pbmFs'
export const serialOf = (number: number) => `TJ-${100_000 + number}` as TerminalSerial // the pattern is kept
export const liftOf = (number: number) => `lift-${100_000 + number}` as LiftId
export const topicOf = (number: number) => `lifts/v1/${liftOf(number)}/status`

/** A status as terminals send it, 250 bytes. */
const STATUS = {
  ...{ v: 1, boot: 17, seq: 48213, sampledAtMs: 1795190400123, serviceMode: 1, carStatus: 1, carDirection: 1 },
  ...{ doorZone: false, carPosition: '3', floorIndex: 2, doorStatus: 2, doorClosed: true, passengerPresent: true },
  ...{ speedMps: 0.98, alarmButton: false, rssiDbm: -71 },
}
const PAYLOAD_BYTES = 250
export const statusPayload = (seq: number): Buffer =>
  Buffer.from(JSON.stringify({ ...STATUS, seq }).padEnd(PAYLOAD_BYTES, ' '))

export const connectBytes = (number: number, keepaliveS = 300): Buffer =>
  connectPacket({ clientId: serialOf(number), username: serialOf(number), password: SECRET, keepalive: keepaliveS })

export const statusPacket = (number: number, id: number, seq = 48213): Buffer =>
  publishPacket({ topic: topicOf(number), payload: statusPayload(seq), id })
