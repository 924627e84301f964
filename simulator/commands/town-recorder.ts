/** Records what the terminals of a simulated town send. */
import { dirname } from 'node:path'
import type { LiftId } from '#contract/ids'
import { MessageSpool } from '../scenario/message-spool.ts'
import { writeRecording } from '../scenario/recording.ts'
import type { SimulatedTerminal } from '../terminal/credentials.ts'
import type { Spoken } from '../terminal/pen.ts'
import { reasonOf, WishError, type Desk } from './options.ts'

export type TownRecorder = AsyncDisposable & {
  /** A message that leaves a terminal at this instant for the first time. */
  readonly put: (lift: LiftId, spoken: Spoken, atMs: number) => void
  /** Writes the recording and tells of it. False when it is not whole. */
  readonly finish: (print: Desk['print']) => Promise<boolean>
}

/** Rejects with `WishError` when the file cannot be written. */
export async function openTownRecorder(
  path: string,
  terminals: readonly SimulatedTerminal[],
  nowMs: () => number,
): Promise<TownRecorder> {
  const spool = await MessageSpool.open(dirname(path)).catch((error: unknown) => {
    throw new WishError(`--record ${path}: cannot be written (${reasonOf(error)}).`)
  })
  const indexOf = new Map(terminals.map(({ lift }, index) => [lift, index]))
  const fromMs = nowMs()
  let lastAtMs = fromMs
  return {
    put(lift, { kind, payload }, atMs) {
      const terminal = indexOf.get(lift)
      // A clock that is set back must not put later messages before earlier ones.
      lastAtMs = Math.max(lastAtMs, atMs)
      if (terminal !== undefined) spool.put({ atMs: lastAtMs, terminal, kind, payload })
    },
    async finish(print) {
      const head = {
        fromMs,
        toMs: Math.max(lastAtMs, nowMs()),
        terminals: terminals.map(({ serial, lift }) => ({ serial, lift })),
      }
      try {
        const messageCount = await writeRecording(path, head, spool.sorted())
        print(
          `recording: ${messageCount} messages of ${terminals.length} terminals in ${path}, left out ${spool.droppedCount}`,
        )
        return spool.droppedCount === 0
      } catch (error) {
        print(`recording: ${path} could not be written (${reasonOf(error)})`)
        return false
      }
    },
    [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose](),
  }
}
