/** The terminals of a benchmark: serials, lifts and topics by number, one secret, and what they say. */
import type { TerminalRow, Terminals } from '#broker/terminal-rows'
import type { LiftId, TerminalSerial } from '#contract/ids'
import { hashTerminalSecret } from '#storage/register/secrets'
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

/** The first so many terminals in memory; they never change. */
export async function memoryTerminals(count: number): Promise<Terminals> {
  const secretHash = await hashTerminalSecret(SECRET)
  const rows = new Map<string, TerminalRow>()
  for (let number = 0; number < count; number += 1) {
    const serial = serialOf(number)
    rows.set(serial, { serial, lift: liftOf(number), boundAtMs: 0, revokedAtMs: null, secretHash, revision: 1 })
  }
  return {
    bySerial: async (serial) => rows.get(serial),
    changedAfter: async (revision) => ({ rows: revision === 0 ? [...rows.values()] : [], revision: 1 }),
  }
}
