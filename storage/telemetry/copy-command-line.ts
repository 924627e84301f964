/** The command line of `npm run telemetry`: its options, its help, and what is wrong with it in a sentence. */
import { parseArgs } from 'node:util'
import { dayStartOf } from '#contract/calendar'

const OPTIONS = {
  from: { type: 'string' },
  to: { type: 'string' },
  'days-from': { type: 'string' },
  'verify-only': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export const HELP = `Moves a telemetry store into another one, and proves that all of it is there.

Usage: npm run telemetry -- copy [--from URL] --to URL [--days-from YYYY-MM-DD] [--verify-only]

  --from URL               the store that is copied (default: the one that the program uses, TELEMETRY_URL);
                           no row of it is changed
  --to URL                 the store that is copied into; what it has already stays there
  --days-from YYYY-MM-DD   leaves out what is older than this day (Asia/Shanghai)
  --verify-only            copies nothing, only compares
  -h, --help               this text

A URL is file:FOLDER (embedded) or influx+http://user:password@host:8086/database (InfluxDB).
Samples of all measurements and hourly figures are copied, oldest day first, then read from both stores and compared
one by one.

Stop the program, copy, then start it with the target as its TELEMETRY_URL: an embedded store can be open only once,
and what is still written is not copied. When the program has already run on the target, hours in which both stores have
samples keep the target's figures until something late arrives there; only figures that the source computed from more
samples replace them. The report tells how many were kept.

The command can be ended at any time (Ctrl-C) and run again: days that are in the target already are not copied again.
A store that is away is waited for, 10 minutes at most. What is older than TELEMETRY_RETENTION_DAYS, and figures older
than 5 years, are left out and counted, because the target would remove them.

Exit code: 0 everything is there, 1 something is missing or different, or it failed, 2 the command line is wrong,
130 or 143 it was ended.
`

export type Wishes = {
  /** Undefined = what the program uses. */
  readonly from: string | undefined
  readonly to: string
  /** Begin of the first day; 0 = everything. */
  readonly fromMs: number
  readonly verifyOnly: boolean
}

/** Something on the command line is wrong; the message says what, in one sentence. */
export class WishError extends Error {
  override readonly name = 'WishError'
}

/** Reads the options; undefined when only the help is wanted. Throws `WishError`, whose message repeats no argument: it may hold a password. */
export function readWishes(args: readonly string[]): Wishes | undefined {
  const { values, positionals } = parse(args)
  if (values.help || args.length === 0) return undefined
  if (positionals.length !== 1 || positionals[0] !== 'copy')
    throw new WishError('There is one command, copy, and everything else is an option. Try --help.')
  const { from, to } = values
  if (to === undefined || to === '') throw new WishError('--to is missing: the store that is copied into. Try --help.')
  const day = values['days-from']
  const fromMs = day === undefined ? 0 : dayStartOf(day)
  if (fromMs === undefined) throw new WishError('--days-from: give a day such as 2026-11-21.')
  return { from, to, fromMs, verifyOnly: values['verify-only'] }
}

function parse(args: readonly string[]) {
  try {
    // Words that are no options are refused by us: the parser would repeat them.
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: true })
  } catch (error) {
    throw new WishError(`${error instanceof Error ? withoutSecrets(error.message) : 'It cannot be read.'} Try --help.`)
  }
}

/**
 * Text without what may be the credentials in an address: up to the last @, because a password that was not encoded may
 * have blanks, slashes and @ in it. Rather a word too few than one too many.
 */
export const withoutSecrets = (text: string): string =>
  text.replace(/:\/\/.*@/gs, '://…@').replace(/\b(token=)[^&\s”"']+/g, '$1…')
