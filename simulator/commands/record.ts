/** `npm run simulate -- record`: what the terminals of a live town said, from its HTTP API. */
import { readFile } from 'node:fs/promises'
import { isLiftId, type LiftId } from '#contract/ids'
import { recordTown, type RecordStatus } from '../scenario/record.ts'
import { TownClient, TownError } from '../scenario/town-client.ts'
import { parseOptions, readNumber, reasonOf, WishError, type Command, type Desk } from './options.ts'

const PROGRESS_MS = 5_000
const PASSWORD_VARIABLE = 'TIWANG_PASSWORD'
const MINUTES_DEFAULT = 60
const MINUTES_MAX = 31 * 24 * 60

const OPTIONS = {
  api: { type: 'string', default: 'http://127.0.0.1:8080' },
  user: { type: 'string' },
  'password-file': { type: 'string' },
  lift: { type: 'string', multiple: true },
  from: { type: 'string' },
  to: { type: 'string' },
  minutes: { type: 'string' },
  out: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const HELP = `Records what the terminals of a live town said, from its public HTTP API, in the order in which the platform received it.
The messages are made anew from the stored samples and checked against the contract.

Usage: npm run simulate -- record --user NAME --out FILE [options]

  --api URL              http:// or https:// (default ${OPTIONS.api.default})
  --user NAME            who signs in; what this person may see is recorded
  --password-file FILE   the password is the first line of this file (default: environment variable ${PASSWORD_VARIABLE})
  --lift ID              this lift; may be given more than once (default: all that the person may see)
  --minutes N            the last so many minutes (default ${MINUTES_DEFAULT})
  --from T, --to T       sampled from T, included, to T, excluded; RFC 3339, such as 2026-03-01T08:00:00Z
  --out FILE             the recording; it appears when it is whole
  -h, --help             this text

Ends with 0; with 1 when the API said no, something could not be made anew, or it was stopped; with 2 when the command line is
wrong.
`

export const recordCommand: Command = {
  zh: '从运行中的平台录制报文',
  en: 'records what the terminals of a live town said',
  help: HELP,
  run: async (args, desk) => {
    const wishes = readRecordWishes(args, desk.nowMs())
    if (wishes !== undefined) return record(wishes, desk)
    desk.write(HELP)
    return 0
  },
}

export type RecordWishes = {
  readonly apiUrl: string
  readonly username: string
  readonly passwordPath: string | undefined
  readonly lifts: readonly LiftId[] | undefined
  readonly fromMs: number
  readonly toMs: number
  readonly path: string
}

/** Reads the options; undefined when only the help is wanted. Throws `WishError`. */
export function readRecordWishes(args: readonly string[], nowMs: number): RecordWishes | undefined {
  const { values } = parseOptions(args, OPTIONS)
  if (values.help) return undefined
  const { api, user, out, lift: lifts } = values
  if (!/^https?:\/\/[^/]/.test(api)) throw new WishError(`--api ${api}: give an address such as http://127.0.0.1:8080.`)
  if (user === undefined || user === '') throw new WishError('--user is missing: who is to sign in?')
  if (out === undefined || out === '') throw new WishError('--out is missing: where is the recording to go?')
  return {
    apiUrl: api,
    username: user,
    passwordPath: values['password-file'],
    lifts: lifts?.map((id) => {
      if (isLiftId(id)) return id
      throw new WishError(`--lift ${id}: that is no lift id.`)
    }),
    ...readSpan(values, nowMs),
    path: out,
  }
}

function readSpan(
  o: { from?: string | undefined; to?: string | undefined; minutes?: string | undefined },
  nowMs: number,
): { fromMs: number; toMs: number } {
  const minutes = readNumber('minutes', o.minutes, 0.01, MINUTES_MAX)
  if (minutes !== undefined && o.from !== undefined)
    throw new WishError('--minutes and --from say the same twice; give one of them.')
  const toMs = o.to === undefined ? nowMs : instantOf('to', o.to)
  const fromMs = o.from === undefined ? toMs - (minutes ?? MINUTES_DEFAULT) * 60_000 : instantOf('from', o.from)
  if (fromMs >= toMs) throw new WishError('--from must be before --to, which is now unless told.')
  return { fromMs, toMs }
}

function instantOf(name: string, text: string): number {
  const atMs = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : NaN
  if (Number.isFinite(atMs)) return atMs
  throw new WishError(`--${name} ${text}: write the instant as 2026-03-01T08:00:00Z.`)
}

async function record(wishes: RecordWishes, desk: Desk): Promise<number> {
  const { apiUrl, username, path } = wishes
  const password = await passwordOf(wishes, desk)
  const stop = new AbortController()
  void desk.stopAsked(Infinity).then(() => stop.abort())
  let status: RecordStatus | undefined
  const progress = setInterval(() => {
    if (status !== undefined) desk.print(progressLine(status))
  }, PROGRESS_MS)
  const onProgress = (now: RecordStatus): void => void (status = now)
  try {
    const client = await TownClient.signIn({ apiUrl, username, password, stop: stop.signal })
    const done = await recordTown({ ...wishes, client, stop: stop.signal, onProgress })
    await client.signOut()
    return tell(done, path, desk)
  } catch (error) {
    if (error instanceof TownError) {
      desk.print(`not recorded: ${error.message}`)
      return 1
    }
    if (error instanceof Error && 'syscall' in error)
      throw new WishError(`--out ${path}: cannot be written (${reasonOf(error)}).`)
    throw error
  } finally {
    clearInterval(progress)
  }
}

async function passwordOf({ passwordPath }: RecordWishes, { environment }: Desk): Promise<string> {
  if (passwordPath === undefined) {
    const password = environment(PASSWORD_VARIABLE)
    if (password !== undefined && password !== '') return password
    throw new WishError(`There is no password: give --password-file, or set ${PASSWORD_VARIABLE}.`)
  }
  const text = await readFile(passwordPath, 'utf8').catch((error: unknown) => {
    throw new WishError(`--password-file ${passwordPath}: cannot be read (${reasonOf(error)}).`)
  })
  const [password = ''] = text.split(/\r?\n/)
  if (password === '') throw new WishError(`--password-file ${passwordPath}: its first line is empty.`)
  return password
}

const progressLine = ({ liftsDone, liftCount, messageCount }: RecordStatus): string =>
  `lifts ${liftsDone}/${liftCount} · messages ${messageCount}`

function tell(status: RecordStatus, path: string, { print }: Desk): number {
  const leftOutCount = Object.values(status.leftOut).reduce((sum, count) => sum + count, 0)
  const heardCount = status.liftCount - status.silentCount
  print(`recording: ${status.messageCount} messages of ${heardCount} terminals in ${path}, left out ${leftOutCount}`)
  if (status.silentCount > 0) print(`lifts without a terminal that ever spoke: ${status.silentCount}`)
  for (const [reason, count] of Object.entries(status.leftOut)) print(`left out ${count}: ${reason}`)
  return leftOutCount === 0 ? 0 : 1
}
