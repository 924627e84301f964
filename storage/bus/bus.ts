/** The bus (进程间总线): what running processes tell one another. It may lose messages; see `contract/bus.ts`. */
import type { BusMessages, BusSubject } from '#contract/bus'
import type { Log } from '#contract/log-events'
import { openLocalBus } from './local-bus.ts'
import { openNatsBus } from './nats-bus.ts'

export interface Bus extends AsyncDisposable {
  /** Total: never throws; what cannot be sent is dropped and counted. */
  publish<Subject extends BusSubject>(subject: Subject, message: BusMessages[Subject]): void
  /** A throwing listener is logged and never disturbs another. The subscription is in force when the promise resolves, or as soon as the bus is no longer degraded. */
  subscribe<Subject extends BusSubject>(
    subject: Subject,
    listener: (message: BusMessages[Subject]) => void,
  ): Promise<AsyncDisposable>
  status(): { readonly droppedCount: number; readonly degraded: string | undefined }
}

/** Opens the bus that the URL names: `local:` (this process) or `nats://host:port`. Every `local:` bus is one of its own. */
export async function openBus(url: string, options: { log: Log }): Promise<Bus> {
  if (url === 'local:') return openLocalBus(options)
  if (url.startsWith('nats://')) return openNatsBus(url, options)
  throw new Error(`BUS_URL: there is no bus for “${url.split(':')[0] ?? ''}:”; use local: or nats:`)
}
