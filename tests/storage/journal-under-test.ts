import {
  openJournal,
  type Journal,
  type JournalEntry,
  type JournalReader,
  type JournalRecord,
} from '#storage/journal/journal'
import { silentLog, type Log, type LogEvent } from '#contract/log-events'
import { natsServer } from '../servers/nats.ts'
import { tempFolder } from '../servers/temp-folder.ts'

/** One place where a journal can be: opened as often as a test likes, always on the same store. */
export interface JournalPlace extends AsyncDisposable {
  open(o?: { log?: Log; bytesMax?: number }): Promise<Journal>
}

export const JOURNAL_PLACES: Record<string, () => Promise<JournalPlace>> = {
  async 'file:'() {
    const folder = await tempFolder('journal')
    return {
      open: (o) => openJournal(`file:${folder.path}/journal`, { log: silentLog, ...o }),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    }
  },
  async 'nats:'() {
    const server = await natsServer()
    return {
      // Small enough for the store of any machine that runs the tests.
      open: (o) => openJournal(server.url, { log: silentLog, bytesMax: 64 * 1024 * 1024, shareCount: 1, ...o }),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
}

export const entry = (text: string): JournalEntry => ({
  topic: 'lifts/v1/lift-0001/status',
  terminal: 'TJ-0001',
  receivedAtMs: 1_795_190_400_123,
  payload: Buffer.from(text),
})

export const textOf = (record: JournalRecord) => Buffer.from(record.payload).toString()

/** Appends one and resolves with its position, or rejects with why it was refused. */
export const append = (journal: Pick<Journal, 'append'>, text: string): Promise<number> =>
  appendEntry(journal, entry(text))

export function appendEntry(journal: Pick<Journal, 'append'>, given: JournalEntry): Promise<number> {
  return new Promise((resolve, reject) => {
    journal.append(given, (error, position) => (error === undefined ? resolve(position) : reject(error)))
  })
}

export const appendAll = (journal: Pick<Journal, 'append'>, texts: readonly string[]) =>
  Promise.all(texts.map((text) => append(journal, text)))

/** Reads until there are `count` records or nothing has come for `waitMs`. */
export async function readAll(
  reader: Pick<JournalReader, 'read'>,
  o: { count?: number; countMax?: number; waitMs?: number } = {},
): Promise<JournalRecord[]> {
  const all: JournalRecord[] = []
  while (all.length < (o.count ?? Infinity)) {
    const records = await reader.read({
      countMax: o.countMax ?? 500,
      waitMs: o.waitMs ?? (o.count === undefined ? 300 : 10_000),
    })
    if (records.length === 0) break
    all.push(...records)
  }
  return all
}

/** A log that remembers the names of its events. */
export function listeningLog(): Log & { readonly events: LogEvent[] } {
  const events: LogEvent[] = []
  const note = (event: LogEvent) => void events.push(event)
  return { events, debug: () => {}, info: note, warn: note, error: note }
}

export async function until(what: string, holds: () => boolean, waitMs = 15_000): Promise<void> {
  const deadlineMs = Date.now() + waitMs
  while (!holds()) {
    if (Date.now() > deadlineMs) throw new Error(`it did not come to pass within ${waitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
