/**
 * Follows the terminals of the register by their revision: a revocation, a rebinding or a new secret is known here within
 * one round, whichever process made it. While the register is away nothing changes; what was missed comes afterwards.
 */
import { answerWithin } from '#storage/within'
import type { TerminalRow, TerminalRows, Terminals } from './terminal-rows.ts'

/** Rows of one answer; between two answers the other work of the process goes on. */
const ROWS_PER_PAGE_MAX = 2_000

/** The rounds, while they go on. */
export type ChangeFeed = { stop(): void }

/**
 * Reads all rows, then asks for changes every `everyMs`. Resolves when all rows are read or the register gave no answer: then
 * the next rounds go on where this one ended.
 */
export async function followTerminals(o: {
  terminals: Pick<Terminals, 'changedAfter'>
  rows: TerminalRows
  everyMs: number
  /** How long the register may take for one answer, ms. */
  lookupMs: number
  /** Hears of each row that was read, after it was put into `rows`. */
  onRow: (row: TerminalRow) => void
  onFault: (fault: unknown) => void
}): Promise<ChangeFeed> {
  let revision = 0
  let isRunning = false
  let isStopped = false

  const round = async (): Promise<void> => {
    while (!isStopped) {
      const answer = await answerWithin(o.lookupMs, o.terminals.changedAfter(revision, ROWS_PER_PAGE_MAX)).catch(
        (error: unknown) => {
          o.rows.noteSilence(error)
          return undefined
        },
      )
      if (answer === undefined || isStopped) return
      o.rows.noteAnswer()
      if (answer.revision < revision) {
        // A restored backup: its revisions say other things than those that were read.
        o.rows.clear()
        revision = 0
        continue
      }
      for (const row of answer.rows) {
        o.rows.put(row)
        o.onRow(row)
      }
      revision = answer.revision
      if (answer.rows.length === 0) return
    }
  }

  const run = async (): Promise<void> => {
    // A slow register delays the next round instead of being asked again meanwhile.
    if (isRunning) return
    isRunning = true
    await round()
      .catch(o.onFault)
      .finally(() => (isRunning = false))
  }
  await run()
  const timer = setInterval(() => void run(), o.everyMs)
  return {
    stop() {
      isStopped = true
      clearInterval(timer)
    },
  }
}
