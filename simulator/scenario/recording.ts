/**
 * A recording (录制): what the terminals of a town said, message by message, in one compressed file that can be played again.
 *
 * The file is gzip of JSON lines. The first line is the head: `{ "recording": "tiwang", "v": 1, "fromMs", "toMs",
 * "terminals": [{ "serial", "lift" }] }`. Every other line is one message: `[atMs, terminal, kind, payload]`, where `atMs`
 * (Unix ms) is when it left the terminal, `terminal` an index into the head and `payload` the JSON text that was published.
 * Lines are in the order of `atMs`.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { isLiftId, isTerminalSerial, type LiftId, type TerminalSerial } from '#contract/ids'
import { MESSAGE_KINDS, PAYLOAD_BYTES_TAKEN_MAX, type MessageKind } from '#contract/topics'

/** Most terminals that one recording names. */
const TERMINALS_MAX = 10_000
/** Longest line, characters: the head of the largest town, and more than any message. */
const LINE_LENGTH_MAX = 1_000_000

export type RecordedTerminal = { readonly serial: TerminalSerial; readonly lift: LiftId }
export type RecordingHead = {
  /** Unix ms. */
  readonly fromMs: number
  readonly toMs: number
  readonly terminals: readonly RecordedTerminal[]
}
export type RecordedMessage = {
  readonly atMs: number
  /** Index into the terminals of the head. */
  readonly terminal: number
  readonly kind: MessageKind
  readonly payload: string
}

/** A file that is no recording, or a broken one. The message says what in one sentence. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError'
}

/** Writes a recording; the file appears under its name when it is whole. Returns how many messages it holds. */
export async function writeRecording(
  path: string,
  head: RecordingHead,
  messages: Iterable<RecordedMessage> | AsyncIterable<RecordedMessage>,
): Promise<number> {
  let messageCount = 0
  async function* lines(): AsyncGenerator<string> {
    yield JSON.stringify({ recording: 'tiwang', v: 1, ...head }) + '\n'
    for await (const { atMs, terminal, kind, payload } of messages) {
      messageCount += 1
      yield JSON.stringify([atMs, terminal, kind, payload]) + '\n'
    }
  }
  const beside = `${path}.${process.pid}.new`
  try {
    await pipeline(Readable.from(lines()), createGzip(), createWriteStream(beside, { flags: 'wx' }))
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
  return messageCount
}

/**
 * Reads a recording from its begin, one message at a time, whatever its length. Throws `RecordingError` at what is none, and
 * the error of the file system when it cannot be read.
 */
export async function openRecording(
  path: string,
): Promise<{ head: RecordingHead; messages: AsyncGenerator<RecordedMessage> }> {
  const lines = linesOf(path)
  const first = await lines.next()
  if (first.done === true) throw new RecordingError('The file is empty.')
  const head = headOf(first.value)
  return { head, messages: messagesOf(lines, head) }
}

async function* messagesOf(lines: AsyncGenerator<string>, head: RecordingHead): AsyncGenerator<RecordedMessage> {
  let lineCount = 1
  let atMs = -Infinity
  try {
    for await (const line of lines) {
      lineCount += 1
      const message = messageOf(line, head)
      if (message === undefined || message.atMs < atMs) throw new RecordingError(`Line ${lineCount} is no message.`)
      atMs = message.atMs
      yield message
    }
  } finally {
    await lines.return(undefined)
  }
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const file = createReadStream(path)
  const text = file.pipe(createGunzip()).setEncoding('utf8')
  file.once('error', (error) => text.destroy(error))
  let rest = ''
  try {
    for await (const chunk of text) {
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > LINE_LENGTH_MAX) throw new RecordingError('The file has a line that is too long.')
      yield* lines
    }
    if (rest !== '') throw new RecordingError('The file ends within a line; it was cut off.')
  } catch (error) {
    throw isZlibError(error) ? new RecordingError('The file is no recording, or it was cut off.') : error
  } finally {
    file.destroy()
    text.destroy()
  }
}

const isZlibError = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^Z_|^ERR_/.test(String(error.code))

function headOf(line: string): RecordingHead {
  const head = parsed(line)
  if (!isRecord(head) || head['recording'] !== 'tiwang') throw new RecordingError('The file is no recording.')
  if (head['v'] !== 1) throw new RecordingError(`The recording has version ${String(head['v'])}; this program reads 1.`)
  const { fromMs, toMs, terminals } = head
  if (!isInstant(fromMs) || !isInstant(toMs) || toMs < fromMs || !Array.isArray(terminals))
    throw new RecordingError('The head of the recording is damaged.')
  if (terminals.length > TERMINALS_MAX)
    throw new RecordingError(`The recording has ${terminals.length} terminals; ${TERMINALS_MAX} are read at most.`)
  return { fromMs, toMs, terminals: terminals.map(terminalOf) }
}

function terminalOf(item: unknown): RecordedTerminal {
  if (isRecord(item)) {
    const { serial, lift } = item
    if (typeof serial === 'string' && isTerminalSerial(serial) && typeof lift === 'string' && isLiftId(lift))
      return { serial, lift }
  }
  throw new RecordingError('The head of the recording names a terminal that cannot be.')
}

function messageOf(line: string, { terminals }: RecordingHead): RecordedMessage | undefined {
  const item = parsed(line)
  if (!isList(item)) return undefined
  const [atMs, terminal, kind, payload] = item
  if (!isInstant(atMs) || !isInstant(terminal) || terminal >= terminals.length) return undefined
  if (!isKind(kind) || typeof payload !== 'string' || payload.length > PAYLOAD_BYTES_TAKEN_MAX) return undefined
  return { atMs, terminal, kind, payload }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value)
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const isInstant = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const isKind = (value: unknown): value is MessageKind => MESSAGE_KINDS.some((kind) => kind === value)
