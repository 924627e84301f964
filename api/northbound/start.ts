/**
 * MQTT for outside programs (northbound): people of the platform sign in and hear of alarms in their scope. A listener and an
 * Aedes of its own, so that no reader can touch the side of the devices. Aedes carries the protocol; who hears what is decided
 * here, connection by connection, so that nobody ever waits for a slow one.
 */
import { createServer, type AddressInfo, type Server } from 'node:net'
import type { Registry } from 'prom-client'
import { bindHostOf, listenRefusal, urlHostOf } from '#contract/listening'
import { waitAtMost } from '#storage/within'
import { openCore, STOP_MS_MAX, type CoreOptions } from './core.ts'
import { subscriberCounts } from './counts.ts'
import { SUBSCRIBER_LIMITS, type SubscriberLimits } from './limits.ts'
import type { Subscriber } from './subscriber.ts'

export type NorthboundOptions = Omit<CoreOptions, 'limits' | 'counts'> & {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly metrics: Registry
  readonly limits?: Partial<SubscriberLimits>
}

export interface Northbound extends AsyncDisposable {
  /** `mqtt://HOST:PORT`, as reached from this machine. */
  readonly url: string
  /** Subscribers signed in now. For tests and tools. */
  subscribers(): readonly Subscriber[]
  /** Tells everybody the open alarms again: changes may have been lost on their way here. */
  startOver(): void
  /** Rejects when the listener dies. */
  readonly failed: Promise<never>
}

/** Resolves when it listens. A port that is taken is refused with a sentence. */
export async function startNorthbound(o: NorthboundOptions): Promise<Northbound> {
  const limits = { ...SUBSCRIBER_LIMITS, ...o.limits }
  const core = await openCore({ ...o, limits, counts: subscriberCounts(o.metrics) })
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
    await waitAtMost(STOP_MS_MAX, closed)
  }
  let stopped: Promise<void> | undefined
  return {
    url: `mqtt://${urlHostOf(o.host)}:${port}`,
    subscribers: () => [...core.subscribers()].filter(({ isReady }) => isReady),
    startOver: core.startOver,
    failed,
    [Symbol.asyncDispose]: () => (stopped ??= stop()),
  }
}

async function listen(server: Server, { host, port }: Pick<NorthboundOptions, 'host' | 'port'>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(listenRefusal(error, port, 'ALARMS_MQTT_PORT'))
    server.once('error', onError)
    server.listen({ host: bindHostOf(host), port }, () => {
      server.off('error', onError)
      resolve()
    })
  })
}
