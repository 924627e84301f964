/** What a replay plays, wherever it comes from, and what has to be known of all of it before its first message. */
import { openRecording, type RecordedMessage, type RecordingHead } from './recording.ts'
import { bootOf } from './replay-payload.ts'

/** `isAgain`: the terminal had sent it before, on a connection that broke (DUP). */
export type ReplayMessage = RecordedMessage & { readonly isAgain?: boolean }
export type ReplaySource = {
  readonly head: RecordingHead
  /** From the begin; called more than once. */
  readonly messages: () => AsyncIterable<ReplayMessage>
}

/** Rejects with `RecordingError`, or with the error of the file system. */
export async function recordingSource(path: string): Promise<ReplaySource> {
  const { head, messages } = await openRecording(path)
  await messages.return(undefined)
  return {
    head,
    async *messages() {
      yield* (await openRecording(path)).messages
    },
  }
}

export type ReplayScan = {
  readonly messageCount: number
  /** Of each terminal of the head, its starts in ascending order. */
  readonly boots: readonly (readonly number[])[]
}

/** Starts of one terminal that are told apart; a recording with more is a broken one. */
const BOOTS_MAX = 100_000

/** Reads the source once. Rejects like its messages do. */
export async function scanSource({ head, messages }: ReplaySource): Promise<ReplayScan> {
  const boots = head.terminals.map(() => new Set<number>())
  let messageCount = 0
  for await (const { terminal, payload } of messages()) {
    messageCount += 1
    const boot = bootOf(payload)
    const known = boots[terminal]
    if (boot !== undefined && known !== undefined && known.size < BOOTS_MAX) known.add(boot)
  }
  return { messageCount, boots: boots.map((known) => [...known].sort((a, b) => a - b)) }
}
