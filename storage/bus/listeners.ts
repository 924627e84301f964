/** Who listens to which subject in this process. */
import type { BusMessages, BusSubject } from '#contract/bus'
import type { Log } from '#contract/log-events'

type Listener<Subject extends BusSubject> = (message: BusMessages[Subject]) => void

export class Listeners {
  readonly #log: Log
  // A listener is only ever called with the messages of the subject it is filed under.
  readonly #bySubject = new Map<BusSubject, Set<{ readonly call: (message: never) => void }>>()

  constructor(log: Log) {
    this.#log = log
  }

  /** The same function added twice is called twice; each has its own end. */
  add<Subject extends BusSubject>(subject: Subject, listener: Listener<Subject>): AsyncDisposable {
    const entry = { call: listener }
    const entries = this.#bySubject.get(subject) ?? new Set()
    this.#bySubject.set(subject, entries.add(entry))
    return {
      async [Symbol.asyncDispose]() {
        entries.delete(entry)
      },
    }
  }

  has(subject: BusSubject): boolean {
    return (this.#bySubject.get(subject)?.size ?? 0) > 0
  }

  /** Calls everybody; one that throws, or rejects, is logged and does not keep the others from hearing it. */
  tell<Subject extends BusSubject>(subject: Subject, message: BusMessages[Subject]): void {
    for (const { call } of [...(this.#bySubject.get(subject) ?? [])]) {
      try {
        const result: unknown = (call as Listener<Subject>)(message)
        if (result instanceof Promise)
          result.catch((error: unknown) => this.#log.error('bus.listenerThrew', { subject, error }))
      } catch (error) {
        this.#log.error('bus.listenerThrew', { subject, error })
      }
    }
  }

  clear(): void {
    this.#bySubject.clear()
  }
}
