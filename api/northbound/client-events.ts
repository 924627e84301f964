/** Hears what Aedes says about connections, and counts why they end. */
import type { Aedes, Client, Subscription } from 'aedes'
import type { SubscriberRefusal } from '#contract/errors'
import type { Log } from '#contract/log-events'
import { totalListener } from '#contract/total-hook'
import type { SubscriberCounts } from './counts.ts'
import type { OpenAlarms } from './open-alarms.ts'
import type { Subscriber } from './subscriber.ts'

/** Every listener is total; without the one for `error`, Aedes ends the process. */
export function listenToClients(
  aedes: Aedes,
  o: {
    byClient: ReadonlyMap<object, Subscriber>
    counts: SubscriberCounts
    count: (code: SubscriberRefusal, subscriber: Subscriber | undefined, detail: string) => void
    openAlarms: OpenAlarms
    log: Log
    nowMs: () => number
    onFault: (hook: string, fault: unknown) => void
  },
): void {
  const total = <Given extends unknown[]>(name: string, listener: (...given: Given) => void) =>
    totalListener(listener, (fault) => o.onFault(name, fault))
  const onError = total('clientError', (client: Client, error: Error) => {
    const subscriber = o.byClient.get(client)
    const code = refusalOf(error)
    if (subscriber === undefined || subscriber.isEnding || code === undefined) return
    subscriber.isEnding = true
    o.count(code, subscriber, error.message)
  })
  aedes.on('clientError', onError)
  aedes.on('connectionError', onError)
  const onReady = total('clientReady', (client: Client) => {
    const subscriber = o.byClient.get(client)
    if (subscriber === undefined || subscriber.conn.destroyed) return
    clearTimeout(subscriber.answerTimer)
    subscriber.isReady = true
    o.counts.connections.inc()
    o.log.info('subscriber.joined', { person: subscriber.person?.user.username, address: subscriber.address })
  })
  aedes.on('clientReady', onReady)
  const onSubscribe = total('subscribe', (subscriptions: Subscription[], client: Client) => {
    const subscriber = o.byClient.get(client)
    if (subscriber === undefined) return
    for (const { topic } of subscriptions) if (subscriber.filters.has(topic)) subscriber.asked(topic, o.nowMs())
    o.openAlarms.tell(subscriber)
  })
  aedes.on('subscribe', onSubscribe)
  const onUnsubscribe = total('unsubscribe', (filters: string[], client: Client) => {
    for (const filter of filters) o.byClient.get(client)?.tookBack(filter)
  })
  aedes.on('unsubscribe', onUnsubscribe)
  const onAck = total('ack', (_packet: unknown, client: Client) => o.byClient.get(client)?.acknowledged())
  aedes.on('ack', onAck)
  // Not among Aedes' declared events, but emitted when its store fails.
  ;(aedes as NodeJS.EventEmitter).on('error', (error: Error) => o.onFault('error', error))
}

/** The texts are Aedes' own; what we refused ourselves was counted, and a link that broke is nobody's fault. */
function refusalOf(error: Error & { code?: unknown; returnCode?: unknown }): SubscriberRefusal | undefined {
  const { message } = error
  if (typeof error.code === 'string' || error.returnCode !== undefined) return undefined
  if (message === 'connect did not arrive in time') return 'subscriber.timeout'
  if (message === 'drain timeout') return 'subscriber.slow'
  const isOurs = /^(subscriber\.|subscribers publish|packet of |hook )/.test(message)
  const isOver = /^(keep alive timeout|connection closed|connection is closed)$/.test(message)
  return isOurs || isOver ? undefined : 'subscriber.protocol'
}
