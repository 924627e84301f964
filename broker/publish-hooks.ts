/** What an admitted terminal may say: publications go to the journal, subscriptions are refused. */
import type { Client } from 'aedes'
import { judgePublication, judgeSubscription } from './admission.ts'
import { refused, type HookContext } from './hook-context.ts'

export type MutablePublication = {
  topic: string
  qos: number
  payload: Uint8Array | string
  retain?: boolean
  cmd?: string
}

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
