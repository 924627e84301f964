/** The bus inside one process: listeners are called at once, in the order in which they subscribed. */
import type { BusMessages, BusSubject } from '#contract/bus'
import type { Log } from '#contract/log-events'
import type { Bus } from './bus.ts'
import { Listeners } from './listeners.ts'

export function openLocalBus({ log }: { log: Log }): Bus {
  const listeners = new Listeners(log)
  return {
    publish<Subject extends BusSubject>(subject: Subject, message: BusMessages[Subject]): void {
      listeners.tell(subject, message)
    },
    async subscribe(subject, listener) {
      return listeners.add(subject, listener)
    },
    status: () => ({ droppedCount: 0, degraded: undefined }),
    async [Symbol.asyncDispose]() {
      listeners.clear()
    },
  }
}
