/** The terminals of a benchmark: serials, lifts and topics by number, one secret, and what they say. */
import type { TerminalRow, Terminals } from '#broker/terminal-rows'
import type { LiftId, TerminalSerial } from '#contract/ids'
import { hashTerminalSecret } from '#storage/register/secrets'
import { connectPacket } from '#simulator/load/packets'
import { StatusPacket } from '#simulator/load/status-packet'
import type { SimulatedTerminal } from '#simulator/terminal/credentials'

export const SECRET = 'dGhlLXNlY3JldC1vZi1hLXRlcm1pbmFs'
export const serialOf = (number: number) => `TJ-${100_000 + number}` as TerminalSerial // the pattern is kept
export const liftOf = (number: number) => `lift-${100_000 + number}` as LiftId
export const topicOf = (number: number) => `lifts/v1/${liftOf(number)}/status`

/** Terminals by number: `first` and the `count - 1` that follow. */
export const terminalsOf = (first: number, count: number): SimulatedTerminal[] =>
  Array.from({ length: count }, (_, index) => ({
    serial: serialOf(first + index),
    lift: liftOf(first + index),
    secret: SECRET,
  }))

/** What every terminal of a benchmark counts as its starts. */
export const BOOT = 17
const SAMPLED_AT_MS = 1_795_190_400_123

export const connectBytes = (number: number, keepaliveS = 300): Buffer =>
  connectPacket({ clientId: serialOf(number), username: serialOf(number), password: SECRET, keepalive: keepaliveS })

/** A status as terminals send it, 250 bytes. */
export const statusPacket = (number: number, id: number, seq = 48_213): Buffer =>
  new StatusPacket(topicOf(number), BOOT).fill(id, seq, SAMPLED_AT_MS).bytes

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
