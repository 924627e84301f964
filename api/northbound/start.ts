/**
 * MQTT for outside programs (northbound): people of the platform sign in and hear of alarms in their scope. A listener and an
 * Aedes of its own, so that no reader can touch the side of the devices. Aedes carries the protocol; who hears what is decided
 * here, connection by connection, so that nobody ever waits for a slow one.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Aedes, type Client, type Subscription } from 'aedes'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { SubscriberRefusal } from '#contract/errors'
import type { OrganisationId } from '#contract/ids'
import type { Log } from '#contract/log-events'
import { totalListener } from '#contract/total-hook'
import type { Bus } from '#storage/bus/bus'
import type { AppliedAlarm, Register } from '#storage/register/register'
import type { Fleet } from '../fleet.ts'
import { listenRefusal } from '../listen-refusal.ts'
import type { Passwords } from '../passwords.ts'
import { alarmMessage, type AlarmMessage } from './alarm-messages.ts'
import { Entrance } from './entrance.ts'
import { subscriberHooks } from './hooks.ts'
import { SUBSCRIBER_LIMITS, type SubscriberLimits } from './limits.ts'
import { openOpenAlarms, type OpenAlarms } from './open-alarms.ts'
import { boundParser, BOUNDED_AEDES_VERSION } from './parser-bounds.ts'
import { startRecheck } from './recheck.ts'
import { Subscriber } from './subscriber.ts'

/** Stopping waits this long for sockets to close. */
const STOP_MS_MAX = 5_000

export type NorthboundOptions = {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly register: Pick<Register, 'alarms' | 'audit' | 'lifts' | 'users'>
  readonly bus: Bus
  readonly fleet: Pick<Fleet, 'lifts'>
  readonly passwords: Passwords
  readonly metrics: Registry
  readonly log: Log
  readonly nowMs: () => number
  readonly limits?: Partial<SubscriberLimits>
}

export interface Northbound extends AsyncDisposable {
  /** `mqtt://127.0.0.1:PORT`, as reached from this machine. */
  readonly url: string
  /** Subscribers signed in now. For tests and tools. */
  subscribers(): readonly Subscriber[]
  /** Tells everybody the open alarms again: changes may have been lost on their way here. */
  startOver(): void
  /** Rejects when the listener dies. */
  readonly failed: Promise<never>
}

type Counts = ReturnType<typeof countsOf>

/** Resolves when it listens. A port that is taken is refused with a sentence. */
export async function startNorthbound(o: NorthboundOptions): Promise<Northbound> {
  const limits = { ...SUBSCRIBER_LIMITS, ...o.limits }
  const counts = countsOf(o.metrics)
  const core = await openCore(o, limits, counts)
  const server = createServer({ noDelay: true }, (socket) => core.take(socket))
  try {
    await listen(server, o)
  } catch (error) {
    await core.close()
    throw error
  }
  const { port } = server.address() as AddressInfo // A TCP server that listens has one.
  const failed = new Promise<never>((_, reject) => server.on('error', reject))
  failed.catch(() => {}) // Nobody may be waiting for it.
  o.log.info('subscribers.listening', { host: o.host, port })
  const stop = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    await core.close()
    await within(STOP_MS_MAX, closed)
  }
  let stopped: Promise<void> | undefined
  return {
    url: `mqtt://127.0.0.1:${port}`,
    subscribers: () => [...core.subscribers()].filter(({ isReady }) => isReady),
    startOver: core.startOver,
    failed,
    [Symbol.asyncDispose]: () => (stopped ??= stop()),
  }
}

function countsOf(metrics: Registry) {
  const registers = [metrics]
  return {
    connections: new Gauge({ name: 'tiwang_subscribers', help: 'Subscribers signed in over MQTT', registers }),
    messages: new Counter({ name: 'tiwang_subscriber_messages_total', help: 'Alarm changes handed over', registers }),
    refusals: new Counter({
      name: 'tiwang_subscriber_refusals_total',
      help: 'Subscribers refused or cut, by reason',
      labelNames: ['code'] as const,
      registers,
    }),
  }
}

/** Everything but the listener: connections come in by `take`. */
async function openCore(o: NorthboundOptions, limits: SubscriberLimits, counts: Counts) {
  const { log, fleet, register } = o
  const entrance = new Entrance(limits, o.nowMs)
  const byClient = new Map<object, Subscriber>()
  const contractors = new WeakMap<object, OrganisationId | null>()
  let isStopping = false
  const onFault = (hook: string, fault: unknown): void => log.error('subscribers.error', { hook, err: fault })
  const count = (code: SubscriberRefusal, subscriber: Subscriber | undefined, detail: string): void => {
    counts.refusals.inc({ code })
    const person = subscriber?.person?.user.username ?? subscriber?.claim?.username.slice(0, 64)
    log.debug('subscriber.left', { code, person, address: subscriber?.address, detail: detail.slice(0, 120) })
  }
  const cut = (subscriber: Subscriber, code: SubscriberRefusal, detail: string): void => {
    if (subscriber.conn.destroyed) return
    subscriber.isEnding = true
    count(code, subscriber, detail)
    subscriber.conn.destroy()
  }
  const messageOf = async (applied: AppliedAlarm): Promise<AlarmMessage> => {
    const { lift } = applied.alarm
    // A lift that was added a moment ago is in the register only; while that is away, its alarm still goes out.
    const { town } = fleet.lifts.get(lift) ?? (await register.lifts.byId(lift).catch(() => undefined)) ?? {}
    const message = alarmMessage(applied, town)
    contractors.set(message.payload, message.contractor)
    return message
  }

  const aedes = await Aedes.createBroker({
    ...subscriberHooks({
      subscriberOf: (client) => byClient.get(client),
      subscribers: () => byClient.values(),
      passwords: o.passwords,
      register,
      limits,
      contractorOf: (payload) => contractors.get(payload),
      count,
      onFault,
      log,
      nowMs: o.nowMs,
    }),
    connectTimeout: limits.connectMs,
    drainTimeout: limits.drainMs,
    keepaliveLimit: limits.keepaliveSMax,
    maxTopicLevels: 10,
    queueLimit: 16,
  })
  if (Reflect.get(aedes, 'version') !== BOUNDED_AEDES_VERSION) {
    aedes.close()
    throw new Error(`subscribers are bounded for Aedes ${BOUNDED_AEDES_VERSION} only; adapt parser-bounds.ts first`)
  }
  const openAlarms = openOpenAlarms({
    register,
    messageOf,
    openAlarmsMax: limits.openAlarmsMax,
    onFailed: (subscriber, error) => cut(subscriber, 'subscriber.missed', String(error)),
  })
  listenToClients(aedes, { byClient, counts, count, openAlarms, log, onFault })

  const tellAll = async (applied: AppliedAlarm): Promise<void> => {
    const message = await messageOf(applied)
    counts.messages.inc()
    for (const subscriber of byClient.values()) subscriber.tell(message)
  }
  let telling: Promise<void> = Promise.resolve()
  const subscription = await o.bus.subscribe('alarm', (applied) => {
    // In order, also when the first of them waits for the register.
    telling = telling.then(() => tellAll(applied)).catch((fault: unknown) => onFault('alarm', fault))
  })
  const stopRecheck = startRecheck({
    subscribers: () => byClient.values(),
    register,
    everyMs: limits.recheckMs,
    onChanged: (subscriber) => cut(subscriber, 'subscriber.changed', ''),
  })

  const take = (conn: Socket): void => {
    const address = conn.remoteAddress ?? ''
    const place = isStopping ? 'subscriber.full' : entrance.enter(address)
    conn.on('error', () => {}) // A link that breaks is nobody's fault.
    if (typeof place === 'string') {
      count(place, undefined, address)
      conn.destroy()
      return
    }
    const client = aedes.handle(conn)
    const subscriber = new Subscriber({ client, conn, address, limits, cut })
    byClient.set(client, subscriber)
    boundParser(client, {
      bytesMax: () => (subscriber.person === undefined ? limits.connectBytesMax : limits.packetBytesMax),
      onTooLarge: (bytes) => count('subscriber.tooLarge', subscriber, `${bytes} bytes`),
    })
    client.once('connected', () => place.signedIn())
    conn.once('close', () => {
      byClient.delete(client)
      place.leave()
      subscriber.closed()
      if (!subscriber.isReady) return
      counts.connections.dec()
      log.info('subscriber.left', { person: subscriber.person?.user.username, address })
    })
  }

  const close = async (): Promise<void> => {
    isStopping = true
    await stopRecheck()
    await subscription[Symbol.asyncDispose]()
    const open = [...byClient.values()].map(({ conn }) => conn)
    const closed = open.map((conn) => new Promise<void>((resolve) => conn.once('close', () => resolve())))
    const aedesClosed = new Promise<void>((resolve) => aedes.close(() => resolve()))
    for (const conn of open) conn.destroy()
    await within(STOP_MS_MAX, Promise.all([aedesClosed, telling, openAlarms.settled(), ...closed]))
  }
  const startOver = (): void => {
    for (const subscriber of byClient.values()) {
      for (const filter of subscriber.filters.keys()) subscriber.newFilters.add(filter)
      openAlarms.tell(subscriber)
    }
  }
  return { take, close, startOver, subscribers: () => byClient.values() }
}

/** Hears what Aedes says about connections. Every listener is total; without the one for `error`, Aedes ends the process. */
function listenToClients(
  aedes: Aedes,
  o: {
    byClient: ReadonlyMap<object, Subscriber>
    counts: Counts
    count: (code: SubscriberRefusal, subscriber: Subscriber | undefined, detail: string) => void
    openAlarms: OpenAlarms
    log: Log
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
    for (const { topic } of subscriptions) if (subscriber.filters.has(topic)) subscriber.newFilters.add(topic)
    o.openAlarms.tell(subscriber)
  })
  aedes.on('subscribe', onSubscribe)
  const onUnsubscribe = total('unsubscribe', (filters: string[], client: Client) => {
    for (const filter of filters) o.byClient.get(client)?.filters.delete(filter)
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
  const isOurs = /^(subscriber\.|subscribers publish|packet of \d+ bytes$|hook )/.test(message)
  const isOver = /^(keep alive timeout|connection closed|connection is closed)$/.test(message)
  return isOurs || isOver ? undefined : 'subscriber.protocol'
}

async function listen(server: Server, { host, port }: Pick<NorthboundOptions, 'host' | 'port'>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(listenRefusal(error, port, 'ALARMS_MQTT_PORT'))
    server.once('error', onError)
    server.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port }, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

async function within(waitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, waitMs)))])
  clearTimeout(timer)
}
