/** The command line of `npm run conformance`: its options, its help, and what is wrong with it in a sentence. */
import { parseArgs } from 'node:util'
import { isLiftId, isTerminalSerial } from '#contract/ids'
import { readNumber, WishError } from '../commands/options.ts'
import type { Subject } from './course.ts'
import { QUICK_TIMINGS, RESTART_MS, TIMINGS, type Timings } from './kit.ts'
import type { Language } from './words.ts'

const OPTIONS = {
  lift: { type: 'string' },
  terminal: { type: 'string' },
  host: { type: 'string', default: '0.0.0.0' },
  port: { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  minutes: { type: 'string' },
  outage: { type: 'string' },
  quick: { type: 'boolean', default: false },
  restart: { type: 'boolean', default: false },
  report: { type: 'string' },
  transcript: { type: 'string' },
  key: { type: 'string' },
  'key-folder': { type: 'string', default: './data/conformance' },
  'public-key': { type: 'string' },
  language: { type: 'string', default: 'zh' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const PORT = { plain: 11_883, tls: 18_883 } as const

export const HELP = `Tests one real lift terminal against the contract. The kit is the broker of that terminal: point the terminal at it.

Usage: npm run conformance -- --lift ID --terminal SERIAL [options]
       npm run conformance -- verify FILE [--transcript FILE] [--public-key KEY]

  --lift ID              the lift that the terminal is bound to
  --terminal SERIAL      the serial of the terminal
  --host ADDRESS         address to listen on (default ${OPTIONS.host.default})
  --port N               port to listen on (default ${PORT.plain}, with TLS ${PORT.tls}; 0 = any free one)
  --tls-cert FILE        listen with TLS: certificate chain (PEM)
  --tls-key FILE         and its key (PEM)
  --minutes N            how long to observe, before the connection is broken (default ${TIMINGS.observeMs / 60_000}); two statistics need 28
  --outage SECONDS       how long connecting is refused (default ${TIMINGS.outageMs / 1000})
  --quick                short phases, for automatic runs against a terminal that moves
  --restart              ask for a restart of the terminal at the end, and look at its boot
  --report FILE          write the signed report (JSON)
  --transcript FILE      write everything that was seen (JSON lines)
  --key FILE             sign with this key (Ed25519, PKCS#8 PEM)
  --key-folder FOLDER    or with the key of this folder, made at the first use (default ${OPTIONS['key-folder'].default})
  --public-key KEY       verify: the report must be signed by this key (base64)
  --language zh|en       language of the text (default zh)
  -h, --help             this text

Exit code: 0 passed, 1 failed, 2 wrong use, 3 incomplete. verify: 0 genuine, 1 not.
`

export type TestWishes = {
  readonly task: 'test'
  readonly subject: Subject
  readonly host: string
  readonly port: number
  readonly tlsPaths: { readonly cert: string; readonly key: string } | undefined
  readonly timings: Timings
  readonly reportPath: string | undefined
  readonly transcriptPath: string | undefined
  readonly keyPath: string | undefined
  readonly keyFolder: string
  readonly language: Language
}
export type VerifyWishes = {
  readonly task: 'verify'
  readonly path: string
  readonly transcriptPath: string | undefined
  readonly publicKey: string | undefined
  readonly language: Language
}

/** Reads the options; undefined when only the help is wanted. Throws `WishError`. */
export function readWishes(args: readonly string[]): TestWishes | VerifyWishes | undefined {
  const { values, positionals } = parse(args)
  if (values.help) return undefined
  const language = readLanguage(values.language)
  const [task, path, ...rest] = positionals
  if (task === undefined) return readTest(values, language)
  if (task !== 'verify') throw new WishError(`${task}: there is no such task; there is verify. Try --help.`)
  if (path === undefined || rest.length > 0) throw new WishError('verify: give one report file.')
  return { task: 'verify', path, transcriptPath: values.transcript, publicKey: values['public-key'], language }
}

function readTest(values: ReturnType<typeof parse>['values'], language: Language): TestWishes {
  const { lift, terminal } = values
  if (lift === undefined || terminal === undefined)
    throw new WishError('--lift and --terminal say what is tested; give both. Try --help.')
  if (!isLiftId(lift)) throw new WishError(`--lift ${lift}: that is no lift id.`)
  if (!isTerminalSerial(terminal)) throw new WishError(`--terminal ${terminal}: that is no serial of a terminal.`)
  const [cert, key] = [values['tls-cert'], values['tls-key']]
  if ((cert === undefined) !== (key === undefined)) throw new WishError('--tls-cert and --tls-key belong together.')
  if (values['public-key'] !== undefined) throw new WishError('--public-key belongs to verify.')
  const base = values.quick ? QUICK_TIMINGS : TIMINGS
  const minutes = readNumber('minutes', values.minutes, 0.1, 24 * 60)
  const outageS = readNumber('outage', values.outage, 10, 3600)
  return {
    task: 'test',
    subject: { lift, terminal },
    host: values.host,
    port: readNumber('port', values.port, 0, 65_535, true) ?? (cert === undefined ? PORT.plain : PORT.tls),
    tlsPaths: cert === undefined || key === undefined ? undefined : { cert, key },
    timings: {
      ...base,
      ...(minutes === undefined ? {} : { observeMs: minutes * 60_000 }),
      ...(outageS === undefined ? {} : { outageMs: outageS * 1000 }),
      ...(values.restart ? { restartMs: RESTART_MS } : {}),
    },
    reportPath: values.report,
    transcriptPath: values.transcript,
    keyPath: values.key,
    keyFolder: values['key-folder'],
    language,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: true })
  } catch (error) {
    throw new WishError(`${error instanceof Error ? error.message : String(error)} Try --help.`)
  }
}

function readLanguage(text: string): Language {
  if (text === 'zh' || text === 'en') return text
  throw new WishError(`--language ${text}: give zh or en.`)
}
