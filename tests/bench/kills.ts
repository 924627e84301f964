/**
 * Sudden death, many times: the whole program, the broker alone, and a town of several machines of which one or two die at
 * once. Terminals keep what is not acknowledged and send it again. At the end every acknowledged message must be there,
 * and the first copies of one lift's messages must lie in order. The telemetry store is killed alone as well, at full writing.
 */
import { parseArgs } from 'node:util'
import { cutPower } from './cut-power.ts'
import { killAllInOne, killBrokerAlone } from './kill-one-process.ts'
import { killTelemetry } from './kill-telemetry.ts'
import { killTown } from './kill-town.ts'
import { print, table } from './figures.ts'
import type { KillReport } from './kill-report.ts'
import type { Benchmark } from './main.ts'

/** The default: 200 kills, and 50 of the telemetry store beside them. */
const SHARES = { broker: 0.2, all: 0.15, power: 0.25, town: 0.4, telemetry: 0.25 } as const

export const kills: Benchmark = {
  summary: 'kills processes and servers under load and counts what was lost',
  options: '[--rounds 200] [--seed 1] [--only broker|all|power|town|telemetry]',
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        rounds: { type: 'string', default: '200' },
        seed: { type: 'string', default: '1' },
        only: { type: 'string' },
      },
    })
    const rounds = Number(values.rounds)
    const seed = Number(values.seed)
    if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error('--rounds is a whole number from 1')
    if (!Number.isSafeInteger(seed)) throw new Error('--seed is a whole number')
    const scenarios = {
      broker: killBrokerAlone,
      all: killAllInOne,
      power: cutPower,
      town: killTown,
      telemetry: killTelemetry,
    }
    const reports: KillReport[] = []
    for (const [name, scenario] of Object.entries(scenarios) as [keyof typeof SHARES, typeof killTown][]) {
      if (values.only !== undefined && values.only !== name) continue
      const own = values.only === undefined ? Math.max(1, Math.round(rounds * SHARES[name])) : rounds
      reports.push(await scenario({ rounds: own, seed }))
      print(rowOf(reports.at(-1)).join(' · '))
    }
    if (reports.length === 0) throw new Error('--only is broker, all, power, town or telemetry')
    print()
    print(
      table(
        ['scenario', 'kills', 'acknowledged', 'lost', 'out of order', 'lifts unseen', 'repeats'],
        reports.map(rowOf),
      ),
    )
    return reports.every(
      ({ lostCount, disorderCount = 0, unseenCount = 0 }) => lostCount + disorderCount + unseenCount === 0,
    )
  },
}

const rowOf = (report: KillReport | undefined): string[] =>
  report === undefined
    ? []
    : [
        report.name,
        String(report.killCount),
        String(report.acknowledgedCount),
        String(report.lostCount),
        String(report.disorderCount ?? '–'),
        String(report.unseenCount ?? '–'),
        String(report.repeatCount),
      ]
