/** The hooks that Aedes calls, each made total. The order of an admission: what can be said at once, the row, the proof, the will. */
import type { AedesOptions, Client } from 'aedes'
import type { AdmissionRefusal } from '#contract/errors'
import type { Journal } from '#storage/journal/journal'
import {
  AdmissionError,
  CONNACK_CODES,
  judgeConnect,
  judgePublication,
  judgeSubscription,
  judgeTerminal,
  type ConnectRequest,
} from './admission.ts'
import type { Commits } from './commits.ts'
import type { Connection } from './connection.ts'
import type { Credentials } from './credentials.ts'
import type { Refusals } from './refusals.ts'
import { totalHook } from './total-hook.ts'

/** Longest keep alive that counts, s: a connection that says nothing for one and a half times as long is closed. */
export const KEEPALIVE_S_MAX = 300

export type HookDependencies = {
  connectionOf: (client: object) => Connection | undefined
  credentials: Pick<Credentials, 'prove'>
  commits: Pick<Commits, 'commit'>
  journal: Pick<Journal, 'status'>
  refusals: Pick<Refusals, 'count'>
  isStopping: () => boolean
  onFault: (hook: string, fault: unknown) => void
  /** How long a CONNECT may stay without an answer, ms. */
  answerMs: number
}

type Hooks = Required<
  Pick<AedesOptions, 'preConnect' | 'authenticate' | 'authorizePublish' | 'authorizeSubscribe' | 'authorizeForward'>
>

/** The parts of a CONNECT that are changed before Aedes goes on with it. */
type MutableConnect = ConnectRequest & { clientId?: string; password?: Uint8Array; clean?: boolean; keepalive?: number }

export function deviceHooks(o: HookDependencies): Hooks {
  return {
    preConnect: totalHook<[Client, MutableConnect], [Error | null, boolean]>(
      (client, packet, reply) => preConnect(o, client, packet, reply),
      (fault) => [faultOf(o, 'preConnect', fault), false],
    ),
    authenticate: totalHook<[Client, unknown, unknown], [AuthenticateReply, boolean]>(
      (client, _username, _password, reply) => authenticate(o, client, reply),
      (fault) => [withReturnCode(faultOf(o, 'authenticate', fault), 3), false],
    ),
    authorizePublish: totalHook<[Client | null, MutablePublication], [Error | null]>(
      (client, packet, reply) => authorizePublish(o, client, packet, reply),
      (fault) => [faultOf(o, 'authorizePublish', fault)],
    ),
    authorizeSubscribe: totalHook<[Client, { topic: string }], [Error | null, null]>(
      (client, subscription, reply) => authorizeSubscribe(o, client, subscription, reply),
      (fault) => [faultOf(o, 'authorizeSubscribe', fault), null],
    ),
    authorizeForward: () => null,
  }
}

type AuthenticateReply = Parameters<Parameters<Hooks['authenticate']>[3]>[0]
type MutablePublication = { topic: string; qos: number; payload: Uint8Array | string; retain?: boolean; cmd?: string }

function faultOf(o: HookDependencies, hook: string, fault: unknown): Error {
  o.onFault(hook, fault)
  return fault instanceof Error ? fault : new Error(`hook ${hook} failed`)
}

/** Aedes answers a CONNECT with the code that stands on the error. */
const withReturnCode = (error: Error, returnCode: 1 | 2 | 3 | 4 | 5) => Object.assign(error, { returnCode })

/** Counts a refusal; the error that is returned closes the connection and is not counted again. */
function refused(
  o: HookDependencies,
  connection: Connection | undefined,
  code: AdmissionRefusal,
  detail: string,
): AdmissionError {
  if (connection) connection.endReason = code
  o.refusals.count(code, { terminal: connection?.terminalName, address: connection?.address ?? '', detail })
  return new AdmissionError(code, detail)
}

function preConnect(
  o: HookDependencies,
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
    packet.keepalive = Math.min(packet.keepalive || KEEPALIVE_S_MAX, KEEPALIVE_S_MAX)
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

async function authenticate(
  o: HookDependencies,
  client: Client,
  reply: (error: AuthenticateReply, successful: boolean) => void,
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

function authorizePublish(
  o: HookDependencies,
  client: Client | null,
  packet: MutablePublication,
  reply: (error: Error | null) => void,
): void {
  const connection = client === null ? undefined : o.connectionOf(client)
  const terminal = connection?.terminal
  if (connection === undefined || terminal === undefined) return reply(new Error('not from an admitted terminal'))
  // While the platform stops, nothing more is taken. That includes wills: its own end says nothing about a terminal.
  if (o.isStopping()) return reply(new Error('the broker is stopping'))
  const judged = judgePublication(terminal, packet)
  if (!judged.ok) return reply(refused(o, connection, judged.code, judged.detail))
  packet.retain = false
  // What arrives as a packet has a command; a will is a part of the CONNECT.
  const isWill = packet.cmd === undefined
  o.commits.commit(
    connection,
    { serial: terminal.serial, kind: judged.value, publication: packet, isWill },
    (error) => {
      if (error === undefined) reply(null)
      else reply(refused(o, connection, 'admission.storeAway', error.message))
    },
  )
}

function authorizeSubscribe(
  o: HookDependencies,
  client: Client,
  subscription: { topic: string },
  reply: (error: Error | null, granted: null) => void,
): void {
  const code = judgeSubscription(subscription.topic)
  const error = refused(o, o.connectionOf(client), code, subscription.topic)
  // Without an error but without a subscription, Aedes answers 0x80 [MQTT-3.9.3-2].
  reply(code === 'admission.badString' ? error : null, null)
}
