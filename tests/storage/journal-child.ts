/**
 * A process that appends to the journal in the folder of its first argument until it is killed, and prints a line for each
 * record after it was acknowledged, and for each commit after it was kept. Used by `file-journal.test.ts` and
 * `journal-power-cut.ts`.
 */
import { writeSync } from 'node:fs'
import { silentLog } from '#contract/log-events'
import { openFileJournal } from '#storage/journal/file-journal'

const [folder = '', round = '0'] = process.argv.slice(2)
const journal = await openFileJournal(folder, { log: silentLog, segmentBytesMax: 64 * 1024 })
const reader = await journal.reader('detect')
const COMMIT_EVERY = 97
let count = 0

/** A synchronous write: when the line is out, it was said. */
function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, `${line}\n`)
      return
    } catch (error) {
      // The other end reads more slowly than this one writes.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
    }
  }
}

function appendNext(): void {
  const text = `${round}-${count}`
  count += 1
  const payload = Buffer.from(text.padEnd(100 + (count % 400), '.'))
  journal.append(
    { topic: 'lifts/v1/lift-0001/status', terminal: 'TJ-0001', receivedAtMs: count, payload },
    (error, position) => {
      if (error !== undefined) throw error
      say(`${position} ${text}`)
      if (position % COMMIT_EVERY === 0)
        reader.commit(position).then(
          () => say(`committed ${position}`),
          () => {},
        )
      setImmediate(appendNext)
    },
  )
}
for (let i = 0; i < 50; i += 1) appendNext()
