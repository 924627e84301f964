/** The commands of `npm run simulate`, by name. */
import { faultsCommand } from './commands/faults.ts'
import { loadCommand } from './commands/load.ts'
import { mapCommand } from './commands/map.ts'
import { columns, WishError, type Command } from './commands/options.ts'
import { playCommand } from './commands/play.ts'
import { recordCommand } from './commands/record.ts'
import { replayCommand } from './commands/replay.ts'
import { runCommand } from './commands/run.ts'
import { scenariosCommand } from './commands/scenarios.ts'

export const COMMANDS: Readonly<Record<string, Command>> = {
  run: runCommand,
  load: loadCommand,
  play: playCommand,
  replay: replayCommand,
  record: recordCommand,
  scenarios: scenariosCommand,
  faults: faultsCommand,
  map: mapCommand,
}

/** What `--help` alone prints: the commands, and the options of the one that is run without a name. */
export const helpText = (): string => `Usage: npm run simulate -- [COMMAND] [options]

${columns(Object.entries(COMMANDS).map(([name, { zh, en }]) => ['', name, zh, en]))}
COMMAND --help tells the options of each. Without a command:

${runCommand.help}`

/**
 * The command of a command line and what is left for it. Without a name it is `run`; undefined when only the help is wanted.
 * Throws `WishError` at a name that is none.
 */
export function readCommand(args: readonly string[]): { command: Command; args: readonly string[] } | undefined {
  const [first, ...rest] = args
  if (args.length === 1 && (first === '--help' || first === '-h')) return undefined
  if (first === undefined || first.startsWith('-')) return { command: runCommand, args }
  const command = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined
  if (command !== undefined) return { command, args: rest }
  throw new WishError(`${first}: there is no such command; there are ${Object.keys(COMMANDS).join(', ')}.`)
}
