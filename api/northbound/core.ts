/** Everything of the listener for subscribers but its port: an Aedes of its own, who is connected, and what they are told. */
import type { Socket } from 'node:net'
import { Aedes } from 'aedes'
import type { SubscriberRefusal } from '#contract/errors'
import type { OrganisationId } from '#contract/ids'
import type { Log } from '#contract/log-events'
import type { Bus } from '#storage/bus/bus'
import type { AppliedAlarm, Register } from '#storage/register/register'
import { waitAtMost } from '#storage/within'
import type { Fleet } from '../fleet.ts'
import type { Passwords } from '../passwords.ts'
import { alarmMessage, type AlarmMessage } from './alarm-messages.ts'
import { listenToClients } from './client-events.ts'
import type { SubscriberCounts } from './counts.ts'
import { Doorway } from './doorway.ts'
import { subscriberHooks } from './hooks.ts'
import type { SubscriberLimits } from './limits.ts'
import { openOpenAlarms } from './open-alarms.ts'
import { boundParser, BOUNDED_AEDES_VERSION } from './parser-bounds.ts'
import { startRecheck } from './recheck.ts'
import { Subscriber } from './subscriber.ts'

/** Stopping waits this long for sockets to close. */
export const STOP_MS_MAX = 5_000

export type CoreOptions = {
  readonly register: Pick<Register, 'alarms' | 'audit' | 'lifts' | 'users'>
  readonly bus: Bus
  readonly fleet: Pick<Fleet, 'lifts'>
  readonly passwords: Passwords
  readonly log: Log
  readonly nowMs: () => number
  readonly limits: SubscriberLimits
  readonly counts: SubscriberCounts
}

export type Core = {
  /** A connection comes in. */
  readonly take: (conn: Socket) => void
  /** Tells everybody the open alarms again. */
  readonly startOver: () => void
  readonly subscribers: () => Iterable<Subscriber>
  /** Cuts everybody; resolves when they are gone. */
  readonly close: () => Promise<void>
}

/** Resolves when connections may come in. */
export async function openCore(o: CoreOptions): Promise<Core> {
  const { log, limits, register } = o
  const byClient = new Map<object, Subscriber>()
  const subscribers = () => byClient.values()
  const { count, cut, onFault } = endingsOf(o)
  const { messageOf, contractorOf } = messagesOf(o)
  const aedes = await Aedes.createBroker({
    ...subscriberHooks({
      ...{ subscriberOf: (client) => byClient.get(client), subscribers, contractorOf },
      ...{ passwords: o.passwords, register, limits, count, onFault, log, nowMs: o.nowMs },
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
  listenToClients(aedes, { byClient, counts: o.counts, count, openAlarms, log, nowMs: o.nowMs, onFault })
  const stopTelling = await tellChanges(o, { subscribers, messageOf, onFault })
  const stopRecheck = startRecheck({
    subscribers,
    register,
    everyMs: limits.recheckMs,
    onChanged: (subscriber) => cut(subscriber, 'subscriber.changed', ''),
  })
  const door = openDoor(o, { aedes, byClient, count, cut })

  return {
    take: door.take,
    subscribers,
    startOver() {
      for (const subscriber of subscribers()) {
        for (const filter of subscriber.filters.keys()) subscriber.newFilters.add(filter)
        openAlarms.tell(subscriber)
      }
    },
    async close() {
      door.stopTaking()
      await stopRecheck()
      const told = stopTelling()
      const open = [...subscribers()].map(({ conn }) => conn)
      const closed = open.map((conn) => new Promise<void>((resolve) => conn.once('close', () => resolve())))
      const aedesClosed = new Promise<void>((resolve) => aedes.close(() => resolve()))
      for (const conn of open) conn.destroy()
      await waitAtMost(STOP_MS_MAX, Promise.all([aedesClosed, told, openAlarms.settled(), ...closed]))
    },
  }
}

type Count = (code: SubscriberRefusal, subscriber: Subscriber | undefined, detail: string) => void
type Cut = (subscriber: Subscriber, code: SubscriberRefusal, detail: string) => void
type OnFault = (hook: string, fault: unknown) => void

/** How a connection ends for a reason of ours, and what is kept of it: never a name that nobody proved. */
function endingsOf({ log, counts }: Pick<CoreOptions, 'log' | 'counts'>): { count: Count; cut: Cut; onFault: OnFault } {
  const count: Count = (code, subscriber, detail) => {
    counts.refusals.inc({ code })
    const person = subscriber?.person?.user.username
    log.debug('subscriber.left', { code, person, address: subscriber?.address, detail: detail.slice(0, 120) })
  }
  const cut: Cut = (subscriber, code, detail) => {
    if (subscriber.conn.destroyed) return
    subscriber.isEnding = true
    count(code, subscriber, detail)
    subscriber.conn.destroy()
  }
  return { count, cut, onFault: (hook, fault) => log.error('subscribers.error', { hook, err: fault }) }
}

/** Makes messages, and knows whose lift the payload of each speaks of. */
function messagesOf({ fleet, register }: Pick<CoreOptions, 'fleet' | 'register'>) {
  const contractors = new WeakMap<object, OrganisationId | null>()
  const messageOf = async (applied: AppliedAlarm): Promise<AlarmMessage> => {
    const { lift } = applied.alarm
    // A lift that was added a moment ago is in the register only; while that is away, its alarm still goes out.
    const { town } = fleet.lifts.get(lift) ?? (await register.lifts.byId(lift).catch(() => undefined)) ?? {}
    const message = alarmMessage(applied, town)
    contractors.set(message.payload, message.contractor)
    return message
  }
  return { messageOf, contractorOf: (payload: object) => contractors.get(payload) }
}

/** Tells everybody what the bus says. The returned function ends it and waits for what is being told. */
async function tellChanges(
  { bus, counts }: Pick<CoreOptions, 'bus' | 'counts'>,
  o: {
    subscribers: () => Iterable<Subscriber>
    messageOf: (applied: AppliedAlarm) => Promise<AlarmMessage>
    onFault: OnFault
  },
): Promise<() => Promise<void>> {
  const tellAll = async (applied: AppliedAlarm): Promise<void> => {
    const message = await o.messageOf(applied)
    counts.messages.inc()
    for (const subscriber of o.subscribers()) subscriber.tell(message)
  }
  let telling: Promise<void> = Promise.resolve()
  const subscription = await bus.subscribe('alarm', (applied) => {
    // In order, also when the first of them waits for the register.
    telling = telling.then(() => tellAll(applied)).catch((fault: unknown) => o.onFault('alarm', fault))
  })
  return async () => {
    await subscription[Symbol.asyncDispose]()
    await telling
  }
}

/** Lets connections in, as far as there are places, and sees them out. */
function openDoor(
  { limits, log, counts, nowMs }: CoreOptions,
  { aedes, byClient, count, cut }: { aedes: Aedes; byClient: Map<object, Subscriber>; count: Count; cut: Cut },
): { take: (conn: Socket) => void; stopTaking: () => void } {
  const doorway = new Doorway(limits, nowMs)
  let isStopping = false
  const take = (conn: Socket): void => {
    const address = conn.remoteAddress ?? ''
    const giveWay = (): void => {
      count('subscriber.full', undefined, address)
      conn.destroy()
    }
    const place = isStopping ? 'subscriber.full' : doorway.enter(address, giveWay)
    conn.on('error', () => {}) // A link that breaks is nobody's fault.
    if (typeof place === 'string') {
      count(place, undefined, address)
      conn.destroy()
      return
    }
    const client = aedes.handle(conn)
    const subscriber = new Subscriber({ client, conn, place, address, limits, cut })
    byClient.set(client, subscriber)
    boundParser(client, {
      bytesMax: () => (subscriber.person === undefined ? limits.connectBytesMax : limits.packetBytesMax),
      onTooLarge: (bytes) => count('subscriber.tooLarge', subscriber, `${bytes} bytes`),
      mayControl() {
        if (subscriber.mayControl(nowMs())) return true
        count('subscriber.flood', subscriber, `more than ${limits.controlPacketsPerMinuteMax} in a minute`)
        return false
      },
    })
    client.once('connected', () => place.admit())
    conn.once('close', () => {
      byClient.delete(client)
      place.leave()
      subscriber.closed()
      if (!subscriber.isReady) return
      counts.connections.dec()
      log.info('subscriber.left', { person: subscriber.person?.user.username, address })
    })
  }
  return { take, stopTaking: () => void (isStopping = true) }
}
