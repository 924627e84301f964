/** What Aedes asks about a subscriber, each hook made total: who comes in, what may be asked for, what may be heard. */
import { randomUUID } from 'node:crypto'
import type { AedesOptions, AedesPublishPacket, AuthenticateError, Client, ConnectPacket, Subscription } from 'aedes'
import type { SubscriberRefusal } from '#contract/errors'
import type { OrganisationId } from '#contract/ids'
import type { Log } from '#contract/log-events'
import { mayDo } from '#contract/roles'
import { isAlarmFilter } from '#contract/topics'
import { totalHook } from '#contract/total-hook'
import type { Register } from '#storage/register/register'
import type { Passwords } from '../passwords.ts'
import type { SubscriberLimits } from './limits.ts'
import type { Subscriber } from './subscriber.ts'

const USERNAME_LENGTH_MAX = 64
const PASSWORD_BYTES_MAX = 256
const CLIENT_ID_LENGTH_MAX = 128

export type SubscriberHooks = {
  readonly subscriberOf: (client: object) => Subscriber | undefined
  readonly subscribers: () => Iterable<Subscriber>
  readonly passwords: Passwords
  readonly register: Pick<Register, 'audit'>
  readonly limits: SubscriberLimits
  /** Whose lift a payload speaks of; undefined for one that is none of ours. */
  readonly contractorOf: (payload: object) => OrganisationId | null | undefined
  readonly count: (code: SubscriberRefusal, subscriber: Subscriber | undefined, detail: string) => void
  readonly onFault: (hook: string, fault: unknown) => void
  readonly log: Log
  readonly nowMs: () => number
}

type Hooks = Required<
  Pick<AedesOptions, 'preConnect' | 'authenticate' | 'authorizePublish' | 'authorizeSubscribe' | 'authorizeForward'>
>

/** The hooks for `Aedes.createBroker`. None ever throws or leaves Aedes without an answer; a fault refuses. */
export function subscriberHooks(o: SubscriberHooks): Hooks {
  const faultOf = (hook: string, fault: unknown): Error => {
    o.onFault(hook, fault)
    return new Error(`hook ${hook} failed`)
  }
  return {
    preConnect: totalHook<[Client, ConnectPacket], [Error | null, boolean]>(
      (client, packet, reply) => preConnect(o, client, packet, reply),
      (fault) => [faultOf('preConnect', fault), false],
    ),
    authenticate: totalHook<[Client, unknown, unknown], [AuthenticateError | null, boolean]>(
      (client, _username, _password, reply) => authenticate(o, client, reply),
      (fault) => [Object.assign(faultOf('authenticate', fault), { returnCode: 3 }), false],
    ),
    authorizePublish: totalHook<[Client | null, unknown], [Error | null]>(
      (client, _packet, reply) => {
        // MQTT 3.1.1 knows no refusal of a PUBLISH: the connection is closed [MQTT-3.3.5-2].
        o.count('subscriber.publish', client === null ? undefined : o.subscriberOf(client), '')
        reply(new Error('subscribers publish nothing'))
      },
      (fault) => [faultOf('authorizePublish', fault)],
    ),
    authorizeSubscribe: totalHook<[Client, Subscription], [Error | null, Subscription | null]>(
      (client, subscription, reply) => reply(null, authorizeSubscribe(o, client, subscription)),
      (fault) => [faultOf('authorizeSubscribe', fault), null],
    ),
    authorizeForward(client, packet) {
      try {
        return mayForward(o, client, packet) ? packet : null
      } catch (fault) {
        faultOf('authorizeForward', fault)
        return null
      }
    },
  }
}

/** The last wall: whatever Aedes is about to send, only alarms of ours, of lifts in the scope of the person, leave. */
function mayForward(o: SubscriberHooks, client: Client, { payload }: AedesPublishPacket): boolean {
  if (typeof payload !== 'object') return false
  const contractor = o.contractorOf(payload)
  return contractor !== undefined && o.subscriberOf(client)?.mayHear(contractor) === true
}

/** Aedes answers a CONNECT with the code that stands on the error (MQTT 3.1.1, table 3.1). */
const withReturnCode = (code: SubscriberRefusal, returnCode: 1 | 2 | 3 | 4 | 5) =>
  Object.assign(new Error(code), { returnCode })

function preConnect(
  o: SubscriberHooks,
  client: Client,
  packet: ConnectPacket,
  reply: (error: Error | null, successful: boolean) => void,
): void {
  const subscriber = o.subscriberOf(client)
  if (subscriber === undefined) return reply(new Error('connection is closed'), false)
  subscriber.place.ask()
  subscriber.answerTimer = setTimeout(() => {
    o.count('subscriber.timeout', subscriber, 'CONNECT without an answer')
    subscriber.conn.destroy()
  }, o.limits.answerMs)
  const refusal = judgeConnect(packet)
  if (refusal !== undefined) {
    o.count(refusal.code, subscriber, refusal.detail)
    const error = new Error(refusal.code)
    // Aedes has no way to answer a CONNECT from here; four bytes do [MQTT-3.1.2-2].
    subscriber.conn.write(Buffer.from([0x20, 2, 0, refusal.returnCode]), () => reply(error, false))
    return
  }
  const { username = '', password, clientId } = packet
  subscriber.claim = { username, password: (password ?? Buffer.alloc(0)).toString(), clientId }
  // Aedes keeps the CONNECT while the connection stands; the password is needed only until it is proved.
  delete packet.password
  // One person's program never ends the connection of another person's by naming its client id.
  packet.clientId = JSON.stringify([username.trim().toLowerCase(), clientId === '' ? randomUUID() : clientId])
  const { keepaliveSMax } = o.limits
  packet.keepalive = Math.min(
    packet.keepalive === 0 ? keepaliveSMax : (packet.keepalive ?? keepaliveSMax),
    keepaliveSMax,
  )
  reply(null, true)
}

type ConnectRefusal = { readonly code: SubscriberRefusal; readonly detail: string; readonly returnCode: 1 | 2 | 4 | 5 }

function judgeConnect(packet: ConnectPacket): ConnectRefusal | undefined {
  const { protocolId, protocolVersion, clean, will, clientId, username, password } = packet
  const code = 'subscriber.protocol'
  if (protocolId !== 'MQTT' || protocolVersion !== 4)
    return { code, detail: `${protocolId} ${String(protocolVersion)}`, returnCode: 1 }
  if (clientId.length > CLIENT_ID_LENGTH_MAX) return { code, detail: 'client id is too long', returnCode: 2 }
  if (clean !== true) return { code: 'subscriber.session', detail: 'clean session is off', returnCode: 5 }
  if (will !== undefined && will !== null) return { code: 'subscriber.session', detail: 'will', returnCode: 5 }
  const isComplete =
    typeof username === 'string' &&
    username.length > 0 &&
    username.length <= USERNAME_LENGTH_MAX &&
    password !== undefined &&
    password.length > 0 &&
    password.length <= PASSWORD_BYTES_MAX
  return isComplete
    ? undefined
    : { code: 'subscriber.badCredentials', detail: 'no user name or password', returnCode: 4 }
}

async function authenticate(
  o: SubscriberHooks,
  client: Client,
  reply: (error: AuthenticateError | null, successful: boolean) => void,
): Promise<void> {
  const subscriber = o.subscriberOf(client)
  const claim = subscriber?.claim
  if (subscriber === undefined || claim === undefined) return reply(withReturnCode('subscriber.protocol', 5), false)
  subscriber.claim = { ...claim, password: '' }
  const refuseWith = (code: SubscriberRefusal, returnCode: 3 | 4 | 5, detail: string): void => {
    o.count(code, subscriber, detail)
    reply(withReturnCode(code, returnCode), false)
  }
  const { address } = subscriber
  const proven = await o.passwords
    .prove({ username: claim.username, password: claim.password, address, mayRemember: true })
    .catch((error: unknown) => (error instanceof Error ? error : new Error('failed')))
  // It may be gone by now, or was cut because this took too long: then nobody waits for the answer.
  if (subscriber.conn.destroyed) return
  if (proven instanceof Error) return refuseWith('subscriber.busy', 3, proven.message)
  if (!proven.ok)
    return proven.code === 'request.tooMany'
      ? refuseWith('subscriber.busy', 3, proven.detail)
      : refuseWith('subscriber.badCredentials', 4, proven.detail)
  const { user, passwordHash, isRemembered } = proven.value
  if (!mayDo(user.role, 'alarms.read')) return refuseWith('subscriber.forbidden', 5, user.role)
  const others = [...o.subscribers()].filter(
    (other) => other.person?.user.id === user.id && other.client.id !== client.id && !other.conn.destroyed,
  )
  if (others.length >= o.limits.connectionsPerPersonMax) return refuseWith('subscriber.full', 3, user.username)
  subscriber.person = { user, passwordHash }
  reply(null, true)
  if (isRemembered) return
  // Programs connect again and again; what the audit tells is that a password was used here, once for each start of ours.
  const row = { atMs: o.nowMs(), by: user.name, act: 'subscriber.signedIn', subject: user.id, detail: address }
  await o.register.audit.add(row).catch((error: unknown) => o.onFault('audit', error))
}

/** The subscription when it is granted; null is answered with 0x80 [MQTT-3.9.3-2]. */
function authorizeSubscribe(o: SubscriberHooks, client: Client, subscription: Subscription): Subscription | null {
  const subscriber = o.subscriberOf(client)
  const { topic, qos } = subscription
  const isNew = subscriber?.filters.has(topic) === false
  if (subscriber === undefined || !isAlarmFilter(topic) || (isNew && subscriber.filters.size >= o.limits.filtersMax)) {
    o.count('subscriber.filter', subscriber, topic)
    return null
  }
  subscriber.filters.set(topic, qos === 0 ? 0 : 1)
  return subscription
}
