/** Who comes in. The order of an admission: what can be said at once, the row, the proof, the will. */
import type { AuthenticateError, Client } from 'aedes'
import type { AdmissionRefusal } from '#contract/errors'
import { CONNACK_CODES, judgeConnect, judgeTerminal, type ConnectRequest } from './admission.ts'
import { refused, type HookContext } from './hook-context.ts'

/** The parts of a CONNECT that are changed before Aedes goes on with it. */
export type MutableConnect = ConnectRequest & {
  clientId?: string
  password?: Uint8Array
  clean?: boolean
  keepalive?: number
}

/** Aedes answers a CONNECT with the code that stands on the error. */
export const withReturnCode = (error: Error, returnCode: 1 | 2 | 3 | 4 | 5) => Object.assign(error, { returnCode })

export function preConnect(
  o: HookContext,
  client: Client,
  packet: MutableConnect,
  reply: (error: Error | null, successful: boolean) => void,
): void {
  const connection = o.connectionOf(client)
  if (connection === undefined) return reply(new Error('connection is closed'), false)
  connection.answerTimer = setTimeout(() => {
    refused(o, connection, 'admission.timeout', 'CONNECT without an answer')
    connection.conn.destroy()
  }, o.answerMs)

  const judged = judgeConnect(packet)
  const degraded = o.journal.status().degraded
  if (judged.ok && degraded === undefined && !o.isStopping()) {
    connection.claim = judged.value
    // Aedes keeps the CONNECT for as long as the connection stands; the secret is needed only until it is proved.
    delete packet.password
    // The serial takes the place of the client id: so a terminal holds one connection, the newest, and can never put
    // another terminal's connection to an end by naming its client id.
    packet.clientId = judged.value.serial
    packet.clean = true
    // A terminal speaks at least once a minute. One that asks for a longer keep alive, or none, is only held to this.
    packet.keepalive = Math.min(packet.keepalive || o.limits.keepaliveSMax, o.limits.keepaliveSMax)
    return reply(null, true)
  }
  const error = judged.ok
    ? refused(o, connection, 'admission.storeAway', degraded ?? 'stopping')
    : refused(o, connection, judged.code, judged.detail)
  const returnCode = CONNACK_CODES[error.code]
  if (returnCode === undefined) return reply(error, false)
  // Aedes has no way to answer a CONNECT from here; four bytes do [MQTT-3.1.2-2, MQTT-3.1.3-8].
  connection.conn.write(Buffer.from([0x20, 2, 0, returnCode]), () => reply(error, false))
}

export async function authenticate(
  o: HookContext,
  client: Client,
  reply: (error: AuthenticateError | null, successful: boolean) => void,
): Promise<void> {
  const connection = o.connectionOf(client)
  const claim = connection?.claim
  if (connection === undefined || claim === undefined) return reply(withReturnCode(new Error('no claim'), 3), false)
  connection.claim = { ...claim, secret: '' }
  const proven = await o.credentials.prove(claim)
  // The device may be gone by now, or was cut because this took too long: then nobody waits for the answer.
  if (connection.conn.destroyed) return
  const refuseClaim = ({ code, detail }: { code: AdmissionRefusal; detail: string }): void =>
    reply(withReturnCode(refused(o, connection, code, detail), CONNACK_CODES[code] ?? 5), false)
  if (!proven.ok) return refuseClaim(proven)
  const judged = judgeTerminal(proven.value, claim.will)
  if (!judged.ok) return refuseClaim(judged)
  connection.terminal = judged.value
  connection.secretHash = proven.value.secretHash
  reply(null, true)
}
