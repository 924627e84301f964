/** What an admitted terminal may say: publications go to the journal, subscriptions are refused. */
import type { Client } from 'aedes'
import { judgePublication, judgeSubscription } from './admission.ts'
import { isUrgentKind } from './commits.ts'
import { refused, type HookContext } from './hook-context.ts'

/** The parts of a publication that Aedes hands over, before it goes on with it. */
export type MutablePublication = {
  topic: string
  qos: number
  payload: Uint8Array | string
  retain?: boolean
  cmd?: string
}

/** A publication on the long way, or a will: to the journal, and only then back to Aedes. */
export function authorizePublish(
  o: HookContext,
  client: Client | null,
  packet: MutablePublication,
  reply: (error: Error | null) => void,
): void {
  const connection = client === null ? undefined : o.connectionOf(client)
  const terminal = connection?.terminal
  if (connection === undefined || terminal === undefined) return reply(new Error('not from an admitted terminal'))
  // While the platform stops, nothing more is taken. That includes wills: its own end says nothing about a terminal.
  if (o.isStopping()) return reply(new Error('the broker is stopping'))
  // What arrives as a packet has a command; a will is a part of the CONNECT.
  const isWill = packet.cmd === undefined
  if (isWill && connection.isWillVoid) return reply(new Error('the will does not hold'))
  const judged = judgePublication(terminal, packet)
  if (!judged.ok) return reply(refused(o, connection, judged.code, judged.detail))
  packet.retain = false
  const { payload } = packet
  if (!isWill) connection.countPublication(o.elapsedMs())
  const publication = {
    topic: packet.topic,
    terminal: terminal.serial,
    receivedAtMs: o.nowMs(),
    payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
    isUrgent: isUrgentKind(judged.value),
    kind: judged.value,
    qos: packet.qos,
    packetId: 0,
    isWill,
  }
  o.commits.commit(connection, publication, (fate) => {
    // Aedes acknowledges what has QoS 1; the rest of its way leads nowhere.
    if (fate === 'withheld') packet.qos = 0
    if (fate instanceof Error) reply(refused(o, connection, 'admission.storeAway', fate.message))
    else reply(null)
  })
}

/** No filter is granted, and a malformed one closes the connection. */
export function authorizeSubscribe(
  o: HookContext,
  client: Client,
  subscription: { topic: string },
  reply: (error: Error | null, granted: null) => void,
): void {
  const code = judgeSubscription(subscription.topic)
  const error = refused(o, o.connectionOf(client), code, subscription.topic)
  // Without an error but without a subscription, Aedes answers 0x80 [MQTT-3.9.3-2].
  reply(code === 'admission.badString' ? error : null, null)
}
