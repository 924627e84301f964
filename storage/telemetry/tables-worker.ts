/** Entry of the worker thread that owns the embedded tables: takes asks, answers them, ends when something is broken. */
import { parentPort, workerData } from 'node:worker_threads'
import { openTables, type Tables } from './tables.ts'
import type { Ask, FromWorker, Question, ToWorker, WorkerData } from './tables-thread.ts'

const port = parentPort
if (!port) throw new Error('this file runs as a worker thread')
const say = (message: FromWorker): void => port.postMessage(message)

/** Errors of DuckDB that speak of the values, not of the store. */
const VALUE_ERROR = /^(Conversion|Invalid Input|Out of Range|Constraint) Error/

/** The others are reading. */
const WRITING: ReadonlySet<Question['kind']> = new Set(['append', 'putFigures', 'expire', 'check'])
/** Asks wait for those before them: writing in one queue, reading in another, so that they do not wait for each other. */
const queues = { writing: Promise.resolve(), reading: Promise.resolve() }
let readingNow = -1
let ending = false
/** Reading that waits for its turn; what is cancelled is taken out. */
const readingLater = new Set<number>()

const { folder, measurements, hourFields } = workerData as WorkerData
try {
  listen(await openTables(folder, measurements, hourFields))
  say({ kind: 'ready' })
} catch (error) {
  say({ kind: 'notOpened', message: messageOf(error) })
  port.close()
}

function listen(tables: Tables): void {
  port?.on('message', (message: ToWorker) => {
    if (ending && message.kind === 'ask') {
      refuse(message.id)
    } else if (message.kind === 'cancel') {
      if (message.id === readingNow) tables.interruptReading()
      else readingLater.delete(message.id)
    } else if (message.kind === 'close') {
      void queues.writing.then(() => queues.reading).then(() => end(tables))
    } else if (WRITING.has(message.question.kind)) {
      queues.writing = queues.writing.then(() => write(tables, message))
    } else {
      readingLater.add(message.id)
      queues.reading = queues.reading.then(() => read(tables, message))
    }
  })
}

async function write(tables: Tables, { id, question }: Ask): Promise<void> {
  if (ending) return refuse(id)
  try {
    say({ kind: 'answer', id, value: await answer(tables, question) })
  } catch (error) {
    const message = messageOf(error)
    say({ kind: 'failure', id, refused: VALUE_ERROR.test(message), ending: true, message })
    // Whether a failed commit is on disk is not known, nor what the appender still holds. Opening anew finds out.
    void end(tables)
  }
}

async function read(tables: Tables, { id, question }: Ask): Promise<void> {
  if (!readingLater.delete(id)) return
  readingNow = id
  try {
    say({ kind: 'answer', id, value: await answer(tables, question) })
  } catch (error) {
    say({ kind: 'failure', id, refused: false, ending: false, message: messageOf(error) })
  } finally {
    readingNow = -1
  }
}

async function answer(tables: Tables, question: Question): Promise<unknown> {
  switch (question.kind) {
    case 'append':
      return tables.append(question.batches)
    case 'history':
      return tables.history(question.query)
    case 'spans':
      return tables.spans(question.query)
    case 'points':
      return tables.points(question.query)
    case 'count':
      return tables.count(question.query)
    case 'putFigures':
      return tables.putFigures(question.rows)
    case 'figures':
      return tables.figures(question.query)
    case 'sums':
      return tables.sums(question.query, question.summed)
    case 'last':
      return tables.last(question.query, question.type)
    case 'fleet':
      return tables.fleet(question.query)
    case 'oldest':
      return tables.oldest(question.query)
    case 'tally':
      return tables.tally(question.query)
    case 'stretch':
      return tables.stretch(question.query, question.limit)
    case 'expire':
      return tables.expire(question.expiry, question.rowsMax)
    case 'check':
      return tables.check()
    default:
      return question satisfies never
  }
}

function refuse(id: number): void {
  say({ kind: 'failure', id, refused: false, ending: false, message: 'the telemetry thread is being started anew' })
}

/** Nothing of this thread may still run in DuckDB when it ends, or the whole process ends with it. */
async function end(tables: Tables): Promise<void> {
  if (ending) return
  ending = true
  readingLater.clear()
  if (readingNow !== -1) tables.interruptReading()
  await queues.reading
  tables.close()
  port?.close()
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
