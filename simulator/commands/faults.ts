/** `npm run simulate -- faults`: the table of everything that can go wrong. */
import { LIFT_FAULTS, LIFT_FAULT_NAMES } from '../lift/faults.ts'
import { TERMINAL_FAULT_NAMES, TERMINAL_FAULTS } from '../terminal/terminal-faults.ts'
import { columns, parseOptions, WishError, type Command } from './options.ts'

const HELP = `What can go wrong with a lift or with its terminal. The names are those of “run --scenario” and of scenario files.

Usage: npm run simulate -- faults [options]

  --json         as JSON: { lift: [...], terminal: [...] }
  --language L   zh or en alone (default: both)
  -h, --help     this text
`
const OPTIONS = {
  json: { type: 'boolean', default: false },
  language: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export const faultsCommand: Command = {
  zh: '列出全部故障',
  en: 'lists all faults',
  help: HELP,
  run: (args, desk) => {
    const { values } = parseOptions(args, OPTIONS)
    const { language } = values
    if (language !== undefined && language !== 'zh' && language !== 'en')
      throw new WishError(`--language ${language}: there are zh and en.`)
    if (values.help) desk.write(HELP)
    else desk.write(values.json ? JSON.stringify(faultRows(), null, 1) + '\n' : tableOf(language))
    return Promise.resolve(0)
  },
}

/** How long it lasts as a rule, s; `codes` as `code set:code`. */
export type FaultRow = {
  readonly name: string
  readonly zh: string
  readonly en: string
  readonly cause: string
  readonly lastsS: number
  readonly codes: readonly string[]
  readonly traps: 'between' | 'at-level' | null
}

/** The faults of the lift and those of the terminal, as people read them. */
export function faultRows(): { lift: FaultRow[]; terminal: FaultRow[] } {
  return {
    lift: LIFT_FAULT_NAMES.map((name) => {
      const { zh, en, cause, durationMs, codes, traps } = LIFT_FAULTS[name]
      const said = codes.map(({ codeSet, code }) => `${codeSet}:${code}`)
      return { name, zh, en, cause, lastsS: durationMs / 1000, codes: said, traps }
    }),
    terminal: TERMINAL_FAULT_NAMES.map((name) => {
      const { zh, en, cause, durationMs } = TERMINAL_FAULTS[name]
      return { name, zh, en, cause, lastsS: durationMs / 1000, codes: [], traps: null }
    }),
  }
}

function tableOf(language: 'zh' | 'en' | undefined): string {
  const { lift, terminal } = faultRows()
  const words = ({ zh, en }: FaultRow) => [...(language === 'en' ? [] : [zh]), ...(language === 'zh' ? [] : [en])]
  const traps = (row: FaultRow) => (row.traps === null ? '' : '*')
  return [
    `电梯 lift (${lift.length}; * 困人 traps people)\n`,
    columns(lift.map((row) => [traps(row).padStart(2), row.name, ...words(row)])),
    `\n终端 terminal (${terminal.length})\n`,
    columns(terminal.map((row) => ['  ', row.name, ...words(row)])),
  ].join('')
}
