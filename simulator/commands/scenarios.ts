/** `npm run simulate -- scenarios`: what the library holds. */
import { scenarioNames, scenarioOf, scenarioText } from '../scenario/scenario-library.ts'
import { columns, parseOptions, WishError, type Command } from './options.ts'

const HELP = `The scenarios of the library: what goes wrong, how long they last, and how many alarms each must raise. “play NAME” plays one.

Usage: npm run simulate -- scenarios [NAME] [options]

  NAME          prints the file of that scenario
  -h, --help    this text
`
const OPTIONS = { help: { type: 'boolean', short: 'h', default: false } } as const

export const scenariosCommand: Command = {
  zh: '列出演练脚本',
  en: 'lists the scenarios of the library',
  help: HELP,
  run: (args, desk) => {
    const { values, positionals } = parseOptions(args, OPTIONS, 1)
    const [name] = positionals
    if (values.help) desk.write(HELP)
    else if (name === undefined) desk.write(listOf(scenarioNames()))
    else if (scenarioNames().includes(name)) desk.write(scenarioText(name))
    else throw new WishError(`${name}: the library has no such scenario; “scenarios” lists them.`)
    return Promise.resolve(0)
  },
}

const listOf = (names: readonly string[]): string =>
  columns(
    names.map((name) => {
      const { zh, en, lastsMs, expected } = scenarioOf(name)
      return [name, zh, `${Math.round(lastsMs / 60_000)} min`, `报警 alarms ${expected.length}`, en]
    }),
  ) + `${names.length} 个 scenarios\n`
