/** Record (录制): what the terminals of a live town said in a stretch of time, from its public HTTP API into a recording. */
import { dirname } from 'node:path'
import type { Measurement } from '#contract/history'
import type { LiftId } from '#contract/ids'
import { MessageSpool } from './message-spool.ts'
import { writeRecording, type RecordedTerminal } from './recording.ts'
import { rebuilt } from './stored-messages.ts'
import { TownError, type StoredPage, type StoredSample, type TownClient } from './town-client.ts'

const MEASUREMENTS: readonly Measurement[] = ['status', 'statistics', 'message', 'connection']
/** Kinds of reasons that are told apart. */
const REASONS_MAX = 50

export type RecordStatus = {
  readonly liftCount: number
  readonly liftsDone: number
  readonly messageCount: number
  /** Lifts of which no terminal has ever spoken. */
  readonly silentCount: number
  /** What could not be rebuilt, by reason. */
  readonly leftOut: Readonly<Record<string, number>>
}

export type RecordOptions = {
  readonly client: TownClient
  /** Undefined: all in scope. */
  readonly lifts: readonly LiftId[] | undefined
  /** Sampled from then, included, */
  readonly fromMs: number
  /** to then, excluded. */
  readonly toMs: number
  readonly path: string
  readonly stop: AbortSignal
  readonly onProgress: (status: RecordStatus) => void
  readonly messagesMax?: number
}

/**
 * Writes the recording, in the order in which the platform received the messages: what came late stays late. Rejects with
 * `TownError`, with nothing written, when the API says no, when the recording would be too long, and when it was stopped.
 */
export async function recordTown(o: RecordOptions): Promise<RecordStatus> {
  const { client, path, messagesMax } = o
  const lifts = await wantedLifts(client, o.lifts)
  await using spool = await MessageSpool.open(dirname(path), messagesMax === undefined ? {} : { messagesMax })
  const session = new RecordSession(o, spool, lifts.length)
  for (const lift of lifts) await session.take(lift)
  const head = { ...(spool.span ?? { fromMs: o.fromMs, toMs: o.toMs }), terminals: session.terminals }
  await writeRecording(path, head, spool.sorted())
  return session.status()
}

async function wantedLifts(client: TownClient, asked: readonly LiftId[] | undefined): Promise<readonly LiftId[]> {
  const inScope = await client.lifts()
  const foreign = asked?.find((lift) => !inScope.includes(lift))
  if (foreign !== undefined) throw new TownError(`There is no lift ${foreign} in your scope.`)
  return asked ?? inScope
}

class RecordSession {
  readonly terminals: RecordedTerminal[] = []
  readonly #o: RecordOptions
  readonly #spool: MessageSpool
  readonly #liftCount: number
  #liftsDone = 0
  #silentCount = 0
  readonly #leftOut = new Map<string, number>()

  constructor(o: RecordOptions, spool: MessageSpool, liftCount: number) {
    this.#o = o
    this.#spool = spool
    this.#liftCount = liftCount
  }

  status(): RecordStatus {
    return {
      liftCount: this.#liftCount,
      liftsDone: this.#liftsDone,
      messageCount: this.#spool.count,
      silentCount: this.#silentCount,
      leftOut: Object.fromEntries(this.#leftOut),
    }
  }

  /** All that the terminal of this lift said. */
  async take(lift: LiftId): Promise<void> {
    const serial = await this.#o.client.terminalOf(lift)
    if (serial === undefined) this.#silentCount += 1
    else {
      this.terminals.push({ serial, lift })
      for (const measurement of MEASUREMENTS) await this.#takeStream(lift, measurement)
    }
    this.#liftsDone += 1
    this.#o.onProgress(this.status())
  }

  async #takeStream(lift: LiftId, measurement: Measurement): Promise<void> {
    const { client, fromMs, toMs, stop, onProgress } = this.#o
    let after: string | null = null
    do {
      const page: StoredPage = await client.samples({ lift, measurement, fromMs, toMs, after })
      if (stop.aborted) throw new TownError('Stopped; nothing was written.')
      for (const sample of page.items) this.#keep(measurement, sample)
      await this.#spool.settled()
      onProgress(this.status())
      after = page.next
    } while (after !== null)
  }

  #keep(measurement: Measurement, sample: StoredSample): void {
    const made = rebuilt(measurement, sample)
    if ('reason' in made) {
      const reason = this.#leftOut.size < REASONS_MAX || this.#leftOut.has(made.reason) ? made.reason : 'other reasons'
      this.#leftOut.set(reason, (this.#leftOut.get(reason) ?? 0) + 1)
      return
    }
    const message = { atMs: sample.receivedAtMs, terminal: this.terminals.length - 1, kind: measurement, ...made }
    // What was received in one ms stays in the order in which the terminal counted it.
    if (this.#spool.put(message, sample.seq)) return
    throw new TownError(
      `There are more than ${this.#spool.count} messages; ask for fewer lifts or a shorter time. Nothing was written.`,
    )
  }
}
