/** Who comes in. The order of an admission: what can be said at once, the row, the proof, the will. */
import type { AuthenticateError, Client } from 'aedes'
import { refuse, type AdmissionRefusal, type Result } from '#contract/errors'
import { CONNACK_CODES, judgeConnect, judgeTerminal, type Claim, type ConnectRequest } from './admission.ts'
import type { Connection } from './connection.ts'
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

/** A CONNECT has come: answered at once when something stands against it, else its claim is kept for the proof. */
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

  const judged = judgeArrival(o, connection, packet)
  if (judged.ok) {
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
  const error = refused(o, connection, judged.code, judged.detail)
  const returnCode = CONNACK_CODES[error.code]
  if (returnCode === undefined) return reply(error, false)
  // Aedes has no way to answer a CONNECT from here; four bytes do [MQTT-3.1.2-2, MQTT-3.1.3-8].
  connection.conn.write(Buffer.from([0x20, 2, 0, returnCode]), () => reply(error, false))
}

/** What can be said about a CONNECT at once. Whoever is locked out is refused before anything is looked up or hashed for it. */
function judgeArrival(
  o: HookContext,
  { address, certificate }: Connection,
  packet: MutableConnect,
): Result<Claim, AdmissionRefusal> {
  if (certificate?.ok === false)
    return refuse('admission.badCertificate', `${certificate.detail} (${certificate.code})`)
  const fault = certificate && o.certificateFault(certificate.value)
  if (fault !== undefined) return refuse('admission.badCertificate', fault)
  const judged = judgeConnect(packet, certificate?.value)
  if (!judged.ok) return judged
  const claim = judged.value
  if (isLockedOut(o, address, claim)) return refuse('admission.lockedOut', 'too many wrong sign-ins')
  if (o.isStopping()) return refuse('admission.storeAway', 'stopping')
  const { takes, degraded } = o.journal.status()
  return takes === 'nothing' ? refuse('admission.storeAway', degraded ?? 'takes nothing') : judged
}

/** A terminal that was proved before is no guess: it comes in also from an address that it shares with a guesser. */
const isLockedOut = (o: HookContext, address: string, claim: Claim): boolean =>
  claim.proof === 'secret' &&
  !o.credentials.remembers(claim) &&
  !o.lockouts.mayTry(address, claim.serial, o.credentials.knows(claim.serial))

/** Proves the claim of a CONNECT and lets the terminal in, or answers why not. */
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
  if (!proven.ok) {
    // Whoever holds a certificate guesses nothing, also when the register does not know its serial.
    if (claim.proof === 'secret' && proven.code === 'admission.badCredentials')
      o.lockouts.noteWrong(connection.address, claim.serial)
    return refuseClaim(proven)
  }
  // From here to `admit` nothing waits: a change that comes later finds the connection and cuts it.
  const newest = o.credentials.newest(proven.value)
  if (!newest.ok) return refuseClaim(newest)
  const judged = judgeTerminal(newest.value, claim.will)
  if (!judged.ok) return refuseClaim(judged)
  // Counted after the proof, so that nobody can use up the CONNECTs of another terminal.
  if (!o.connectRates.take(claim.serial))
    return refuseClaim({ code: 'admission.tooOften', detail: 'connects too often' })
  connection.terminal = judged.value
  connection.secretHash = newest.value.secretHash
  o.takeovers.admit(claim.serial, connection)
  reply(null, true)
}
