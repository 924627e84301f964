/** The simulator as a program of its own: `npm run simulate -- --help`. */
import { helpText, readCommand } from './command-line.ts'
import { WishError, type Desk } from './commands/options.ts'

const desk: Desk = {
  print: (line) => void process.stdout.write(line + '\n'),
  write: (text) => void process.stdout.write(text),
  nowMs: Date.now,
  cpuS: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  },
  stopAsked: (runMs) =>
    new Promise((resolve) => {
      process.once('SIGINT', () => resolve())
      process.once('SIGTERM', () => resolve())
      // setTimeout takes 24.8 days at most.
      if (runMs < 2 ** 31) setTimeout(resolve, runMs).unref()
    }),
  environment: (name) => process.env[name],
}

async function main(): Promise<number> {
  try {
    const asked = readCommand(process.argv.slice(2))
    if (asked !== undefined) return await asked.command.run(asked.args, desk)
    desk.write(helpText())
    return 0
  } catch (error) {
    if (!(error instanceof WishError)) throw error
    process.stderr.write(error.message + '\n')
    return 2
  }
}

process.exitCode = await main()
