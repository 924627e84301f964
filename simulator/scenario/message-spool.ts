/**
 * Recorded messages on their way into a recording: they come in any order and leave in the order of their times. What does not
 * fit into memory waits in sorted files of a folder of its own, which is gone when the spool is.
 */
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { RecordedMessage } from './recording.ts'

/** Messages of one sorted file; twice as many are in memory at most. */
const RUN_MESSAGES = 20_000
/** Most messages of one recording: so many sorted files are read at once. */
export const SPOOL_MESSAGES_MAX = 5_000_000

type Spooled = RecordedMessage & { readonly order: number }

export class MessageSpool implements AsyncDisposable {
  readonly #folder: string
  readonly #messagesMax: number
  readonly #runMessages: number
  readonly #files: string[] = []
  #waiting: Spooled[] = []
  #count = 0
  #droppedCount = 0
  #firstAtMs: number | undefined
  #lastAtMs: number | undefined
  #writing: Promise<void> | undefined
  #error: Error | undefined

  private constructor(folder: string, o: { messagesMax: number; runMessages: number }) {
    this.#folder = folder
    this.#messagesMax = o.messagesMax
    this.#runMessages = o.runMessages
  }

  /** The folder is made in `beside`, which must be there. Rejects with the error of the file system. */
  static async open(beside: string, o: { messagesMax?: number; runMessages?: number } = {}): Promise<MessageSpool> {
    const { messagesMax = SPOOL_MESSAGES_MAX, runMessages = RUN_MESSAGES } = o
    return new MessageSpool(await mkdtemp(join(beside, '.recording-')), { messagesMax, runMessages })
  }

  /** Messages taken. */
  get count(): number {
    return this.#count
  }
  /** Messages for which there was no room: too many in all, or the disk was too slow for a `put` that nobody waited for. */
  get droppedCount(): number {
    return this.#droppedCount
  }
  /** Times of the first and the last of them, Unix ms; undefined while there is none. */
  get span(): { readonly fromMs: number; readonly toMs: number } | undefined {
    if (this.#firstAtMs === undefined || this.#lastAtMs === undefined) return undefined
    return { fromMs: this.#firstAtMs, toMs: this.#lastAtMs }
  }
  get isFull(): boolean {
    return this.#count >= this.#messagesMax
  }

  /** False when there is no room for it. Messages of one instant leave by their `order`: as they were put, unless told. */
  put({ atMs, terminal, kind, payload }: RecordedMessage, order = this.#count): boolean {
    if (this.isFull || this.#error !== undefined || this.#waiting.length >= 2 * this.#runMessages) {
      this.#droppedCount += 1
      return false
    }
    this.#waiting.push({ atMs, terminal, kind, payload, order })
    this.#count += 1
    this.#firstAtMs = Math.min(atMs, this.#firstAtMs ?? Infinity)
    this.#lastAtMs = Math.max(atMs, this.#lastAtMs ?? -Infinity)
    if (this.#waiting.length >= this.#runMessages) this.#writing ??= this.#writeRuns()
    return true
  }

  /** Resolves when there is room in memory again. Rejects when the disk could not write. */
  async settled(): Promise<void> {
    await this.#writing
    if (this.#error !== undefined) throw this.#error
  }

  /** All of them by time, as often as wanted. Nothing may be put any more. */
  async *sorted(): AsyncGenerator<RecordedMessage> {
    await this.settled()
    const runs: AsyncIterator<Spooled>[] = [this.#inMemory(), ...this.#files.map(readRun)]
    const heads: { message: Spooled; run: AsyncIterator<Spooled> }[] = []
    const advance = async (run: AsyncIterator<Spooled>): Promise<void> => {
      const next = await run.next()
      if (next.done !== true) insert(heads, { message: next.value, run })
    }
    try {
      for (const run of runs) await advance(run)
      for (let head = heads.shift(); head !== undefined; head = heads.shift()) {
        const { order: _order, ...message } = head.message
        yield message
        await advance(head.run)
      }
    } finally {
      for (const run of runs) await run.return?.()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
    await rm(this.#folder, { recursive: true, force: true })
  }

  async *#inMemory(): AsyncGenerator<Spooled> {
    yield* this.#waiting.toSorted(inOrder)
  }

  async #writeRuns(): Promise<void> {
    try {
      while (this.#waiting.length >= this.#runMessages) {
        const run = this.#waiting.splice(0, this.#runMessages).sort(inOrder)
        const path = join(this.#folder, `${this.#files.length}.jsonl`)
        const lines = run.map(({ atMs, order, terminal, kind, payload }) =>
          JSON.stringify([atMs, order, terminal, kind, payload]),
        )
        await writeFile(path, lines.join('\n') + '\n', { flag: 'wx', mode: 0o600 })
        this.#files.push(path)
      }
    } catch (error) {
      this.#error = error instanceof Error ? error : new Error(String(error))
    } finally {
      this.#writing = undefined
    }
  }
}

const inOrder = (a: Spooled, b: Spooled): number => a.atMs - b.atMs || a.order - b.order

/** Into a list that is sorted, where it belongs. */
function insert<Head extends { readonly message: Spooled }>(heads: Head[], head: Head): void {
  let [low, high] = [0, heads.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const there = heads[middle]
    if (there !== undefined && inOrder(there.message, head.message) <= 0) low = middle + 1
    else high = middle
  }
  heads.splice(low, 0, head)
}

async function* readRun(path: string): AsyncGenerator<Spooled> {
  const lines = createInterface({ input: createReadStream(path, { highWaterMark: 64 * 1024 }), crlfDelay: Infinity })
  try {
    for await (const line of lines) {
      // These files are ours alone: nobody else has written them.
      const [atMs, order, terminal, kind, payload] = JSON.parse(line) as [
        number,
        number,
        number,
        Spooled['kind'],
        string,
      ]
      yield { atMs, order, terminal, kind, payload }
    }
  } finally {
    lines.close()
  }
}
