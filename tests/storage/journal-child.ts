/**
 * A process that appends to the journal in the folder of its first argument until it is killed, and prints a line for each
 * record after it was acknowledged. Used by `file-journal.test.ts`.
 */
import { writeSync } from 'node:fs'
import { silentLog } from '#contract/log-events'
import { openFileJournal } from '#storage/journal/file-journal'

const [folder = '', round = '0'] = process.argv.slice(2)
const journal = await openFileJournal(folder, { log: silentLog, segmentBytesMax: 64 * 1024 })
let count = 0

function appendNext(): void {
  const text = `${round}-${count}`
  count += 1
  const payload = Buffer.from(text.padEnd(100 + (count % 400), '.'))
  journal.append(
    { topic: 'lifts/v1/lift-0001/status', terminal: 'TJ-0001', receivedAtMs: count, payload },
    (error, position) => {
      if (error !== undefined) throw error
      // A synchronous write: when the line is out, the acknowledgement is out.
      writeSync(1, `${position} ${text}\n`)
      setImmediate(appendNext)
    },
  )
}
for (let i = 0; i < 50; i += 1) appendNext()
