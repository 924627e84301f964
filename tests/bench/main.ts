/** `npm run bench -- NAME`: the benchmarks. Each is a line in the table below. */
import { attack } from './attack.ts'
import { cleanUpAtEnd } from './clean-up.ts'
import { connections } from './connections.ts'
import { day } from './day.ts'
import { fuzz } from './fuzz.ts'
import { intake } from './intake.ts'
import { journal } from './journal.ts'
import { kills } from './kills.ts'
import { loadCeiling } from './load-ceiling.ts'
import { outage } from './outage.ts'
import { reconnect } from './reconnect.ts'
import { telemetry } from './telemetry.ts'

export type Benchmark = {
  readonly summary: string
  /** Options in the form of `--help`; empty when there are none. */
  readonly options: string
  /** Prints its figures; false when a target is missed. Throws a sentence for people when it cannot run. */
  readonly run: (args: readonly string[]) => Promise<boolean>
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  intake,
  journal,
  connections,
  reconnect,
  kills,
  fuzz,
  attack,
  telemetry,
  outage,
  'load-ceiling': loadCeiling,
  day,
}

function help(): string {
  const lines = Object.entries(BENCHMARKS).map(
    ([name, { summary, options }]) => `  ${name.padEnd(13)}${summary}\n${options && `${' '.repeat(15)}${options}\n`}`,
  )
  return `npm run bench -- NAME [OPTIONS]\n\n${lines.join('')}\nThe server runs on core 0, the load on core 1. Figures of a machine that does other work are lower.\n`
}

async function main(): Promise<number> {
  const [name = '--help', ...args] = process.argv.slice(2)
  const benchmark = BENCHMARKS[name]
  if (benchmark === undefined || args.includes('--help')) {
    process.stdout.write(help())
    return benchmark === undefined && name !== '--help' ? 2 : 0
  }
  const cleanUp = cleanUpAtEnd()
  try {
    return (await benchmark.run(args)) ? 0 : 1
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return 1
  } finally {
    cleanUp()
  }
}

process.exitCode = await main()
