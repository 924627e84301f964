/**
 * A process with a journal that does what the lines on its standard input say, one JSON object each, and answers each with a
 * line. So a test can put the whole process on a disk that is full, or under a tracer that makes its calls fail. Used by way
 * of `journal-faults.ts`.
 */
import { writeSync } from 'node:fs'
import { open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { openFileJournal } from '#storage/journal/file-journal'
import type { Journal } from '#storage/journal/journal'
import type { Answer, Order } from './journal-faults.ts'
import { entry, listeningLog, readAll, textOf } from './journal-under-test.ts'

const FILL_BYTES = 4096
const log = listeningLog()
let current: Journal | undefined

function journal(): Journal {
  if (current === undefined) throw new Error('the journal is not open')
  return current
}

const appendOne = (text: string, isUrgent: boolean) =>
  new Promise<{ text: string; position: number; error: string | undefined }>((resolve) =>
    journal().append({ ...entry(text), isUrgent }, (error, position) =>
      resolve({ text, position, error: error?.message }),
    ),
  )

/** Writes until the disk is full. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'a')
  try {
    for (;;) await file.write(Buffer.alloc(FILL_BYTES, 7))
  } catch {
    // Full.
  } finally {
    await file.close()
  }
}

async function carryOut(order: Order): Promise<Answer> {
  switch (order.do) {
    case 'open':
      current = await openFileJournal(order.folder, { log, ...order.options })
      return {}
    case 'close':
      await current?.[Symbol.asyncDispose]()
      return {}
    case 'append':
      return { told: await Promise.all(order.texts.map((text) => appendOne(text, order.isUrgent === true))) }
    case 'status':
      return { status: journal().status(), events: log.events }
    case 'look': {
      const names = await readdir(order.folder)
      const reserve = await stat(join(order.folder, 'reserve')).catch(() => undefined)
      return { status: journal().status(), names, reserveBytes: reserve?.size ?? 0, events: log.events }
    }
    case 'read': {
      await using reader = await journal().reader('detect', { after: 0 })
      return { texts: (await readAll(reader, { waitMs: 100 })).map(textOf) }
    }
    case 'commit': {
      await using reader = await journal().reader(order.consumer)
      await reader.commit(order.position)
      return {}
    }
    case 'fill':
      await fill(order.path)
      return {}
    case 'remove':
      await rm(order.path)
      return {}
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order & { id: number }
  // Not awaited: an order may have to wait for the disk while the next one is asked.
  void carryOut(order)
    .catch((error: unknown): Answer => ({ failed: String(error) }))
    // Not by way of the threads that wait for the disk.
    .then((answer) => writeSync(3, `${JSON.stringify({ ...answer, id: order.id })}\n`))
}
