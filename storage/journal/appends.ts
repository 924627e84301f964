/** Appends that are on their way to a server. Answers come in any order when some fail; callers hear in the order of their calls. */
import type { Log } from '#contract/log-events'
import type { Done } from './batch.ts'

type Outcome = { readonly error: Error | undefined; readonly position: number }
type Waiting = { readonly done: Done; readonly bytes: number; outcome?: Outcome }

export class Appends {
  readonly #log: Log
  readonly #waiting: Waiting[] = []
  #bytes = 0
  #refusedCount = 0

  constructor(log: Log) {
    this.#log = log
  }

  get count(): number {
    return this.#waiting.length
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
    this.#tell(done, { error, position: 0 })
  }

  /** `answer` resolves with the position, or with the error; it never rejects. */
  add(done: Done, bytes: number, answer: Promise<number | Error>): void {
    const waiting: Waiting = { done, bytes }
    this.#waiting.push(waiting)
    this.#bytes += bytes
    void answer.then((result) => {
      waiting.outcome =
        result instanceof Error ? { error: result, position: 0 } : { error: undefined, position: result }
      this.#settle()
    })
  }

  #settle(): void {
    for (let head = this.#waiting[0]; head?.outcome !== undefined; head = this.#waiting[0]) {
      this.#waiting.shift()
      this.#bytes -= head.bytes
      if (head.outcome.error !== undefined) this.#refusedCount += 1
      this.#tell(head.done, head.outcome)
    }
  }

  #tell(done: Done, { error, position }: Outcome): void {
    try {
      done(error, position)
    } catch (thrown) {
      this.#log.error('journal.callerThrew', { error: thrown })
    }
  }
}
