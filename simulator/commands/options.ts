/** What the commands of `npm run simulate` have in common: how options are read and refused, and what a command may use. */
import { parseArgs, type ParseArgsConfig } from 'node:util'

export const DEFAULT_SEED = 20
export const DEFAULT_LIFTS = 120
export const DEFAULT_BROKER = 'mqtt://127.0.0.1:1883'

/** Something on the command line is wrong; the message says what, in one sentence. */
export class WishError extends Error {
  override readonly name = 'WishError'
}

/** The world around a command: it has no other. */
export type Desk = {
  readonly print: (line: string) => void
  /** Text as it is, without a line end of its own, to standard output. */
  readonly write: (text: string) => void
  readonly nowMs: () => number
  /** CPU of this process so far, s. */
  readonly cpuS: () => number
  /** Resolves at Ctrl-C, SIGTERM, or when so much time is over. The first call decides who listens. */
  readonly stopAsked: (runMs: number) => Promise<void>
  /** The value of an environment variable; undefined when there is none. */
  readonly environment: (name: string) => string | undefined
}

/** One command: `npm run simulate -- NAME …`. */
export type Command = {
  readonly zh: string
  readonly en: string
  readonly help: string
  /** Resolves to the exit code: 0 done, 1 not or not wholly done. Rejects with `WishError`, which ends with 2. */
  readonly run: (args: readonly string[], desk: Desk) => Promise<number>
}

/** Like `parseArgs`, strict. Throws `WishError`. More than `positionalsMax` words without a dash are refused. */
export function parseOptions<const Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
  positionalsMax = 0,
) {
  const parse = () => parseArgs({ args: [...args], options, strict: true, allowPositionals: true })
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse()
  } catch (error) {
    throw new WishError(`${error instanceof Error ? error.message : String(error)} Try --help.`)
  }
  const surplus = parsed.positionals[positionalsMax]
  if (surplus !== undefined) throw new WishError(`${surplus}: nothing is known about this word. Try --help.`)
  return parsed
}

/** Throws `WishError`. Undefined when the option was not given. */
export function readNumber(
  name: string,
  text: string | undefined,
  min: number,
  max: number,
  isWhole = false,
): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (
    text.trim() === '' ||
    !Number.isFinite(value) ||
    value < min ||
    value > max ||
    (isWhole && !Number.isInteger(value))
  )
    throw new WishError(`--${name} ${text}: give a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}.`)
  return value
}

/** The address of a broker for mqtt.js. Throws `WishError`. */
export function readBroker(url: string): string {
  if (!/^(mqtts?|tcp|ssl|wss?):\/\/[^/]/.test(url))
    throw new WishError(`--broker ${url}: give an address such as mqtt://127.0.0.1:1883.`)
  return url
}

/** One of the names of a table. Throws `WishError`. */
export function readName<Name extends string>(
  option: string,
  text: string,
  isName: (text: string) => text is Name,
  names: readonly string[],
): Name {
  if (isName(text)) return text
  throw new WishError(`--${option} ${text}: there is no such ${option}; there are ${names.join(', ')}.`)
}

/** Why a file could not be read or written, in few words. */
export const reasonOf = (error: unknown): string =>
  error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error)

/** Text in columns; Chinese characters are two columns wide on a screen. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, screenWidth(cell))))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - screenWidth(cell)))
      .join('  ')
      .trimEnd()
  return rows.map((row) => line(row) + '\n').join('')
}

const screenWidth = (text: string): number => [...text].reduce((sum, sign) => sum + (WIDE.test(sign) ? 2 : 1), 0)
const WIDE = /[\u3000-\u9fff\uff00-\uffef]/
