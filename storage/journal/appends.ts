/** Appends that are on their way to a server. Each caller hears as soon as its own is answered. */
import type { Log } from '#contract/log-events'
import type { Done } from './batch.ts'

export class Appends {
  readonly #log: Log
  #count = 0
  #bytes = 0
  #refusedCount = 0

  constructor(log: Log) {
    this.#log = log
  }

  get count(): number {
    return this.#count
  }
  get bytes(): number {
    return this.#bytes
  }
  get refusedCount(): number {
    return this.#refusedCount
  }

  /** Ahead of those that wait. */
  refuse(done: Done, error: Error): void {
    this.#refusedCount += 1
    this.#tell(done, error)
  }

  /** `answer` resolves with the position, or with the error; it never rejects. */
  add(done: Done, bytes: number, answer: Promise<number | Error>): void {
    this.#count += 1
    this.#bytes += bytes
    void answer.then((result) => {
      this.#count -= 1
      this.#bytes -= bytes
      if (result instanceof Error) this.#refusedCount += 1
      this.#tell(done, result)
    })
  }

  #tell(done: Done, result: number | Error): void {
    try {
      if (result instanceof Error) done(result, 0)
      else done(undefined, result)
    } catch (thrown) {
      this.#log.error('journal.callerThrew', { error: thrown })
    }
  }
}
