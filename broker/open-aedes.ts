/** Aedes as the broker uses it: its hooks are ours, its store and its emitter do nothing. */
import { Aedes } from 'aedes'
import { GUARDED_AEDES_VERSION } from './guard.ts'
import type { HookContext } from './hook-context.ts'
import { deviceHooks } from './hooks.ts'
import { forgetfulPersistence, silentEmitter } from './no-fan-out.ts'

/** Rejects when this is not the version of Aedes that the guard knows. */
export async function openAedes(o: HookContext, { drainMs }: { drainMs: number }): Promise<Aedes> {
  const aedes = await Aedes.createBroker({
    ...deviceHooks(o),
    persistence: forgetfulPersistence(),
    mq: silentEmitter(),
    // `arrivals.ts` counts from the socket on, and so comes first; Aedes would give a TLS handshake its time once more.
    connectTimeout: 2 * o.limits.connectMs,
    drainTimeout: drainMs,
    keepaliveLimit: o.limits.keepaliveSMax,
    maxTopicLevels: o.limits.topicLevelsMax,
    queueLimit: 16,
    maxInflightInbound: 20,
    concurrency: 1000,
  })
  if (Reflect.get(aedes, 'version') === GUARDED_AEDES_VERSION) return aedes
  aedes.close()
  throw new Error(
    `the broker is guarded for Aedes ${GUARDED_AEDES_VERSION} only; adapt broker/guard.ts to the new version first`,
  )
}
