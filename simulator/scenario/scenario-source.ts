/** The arrivals of a scenario as something that can be replayed. */
import { generateTown } from '../town/town.ts'
import { playScenario } from './play.ts'
import type { ReplayMessage, ReplaySource } from './replay-source.ts'
import type { ScenarioPlan } from './scenario-file.ts'

/** From the begin of the scenario to its end, in the order in which the broker of the scenario took the messages. */
export function scenarioSource(plan: ScenarioPlan): ReplaySource {
  const { seed, liftCount, startsAtMs: fromMs, lastsMs } = plan
  const { terminals: rows } = generateTown({ seed, liftCount, boundAtMs: fromMs })
  const terminals = rows.map(({ serial, lift }) => ({ serial, lift }))
  const indexOf = new Map(terminals.map(({ lift }, index) => [lift, index]))
  return {
    head: { fromMs, toMs: fromMs + lastsMs, terminals },
    // Asynchronous, so that what is simulated and what is sent take turns.
    async *messages(): AsyncGenerator<ReplayMessage> {
      for (const happening of playScenario(plan)) {
        if (happening.do !== 'arrives') continue
        const { atMs, lift, kind, payload, isAgain } = happening
        const terminal = indexOf.get(lift)
        if (terminal !== undefined) yield { atMs, terminal, kind, payload, isAgain }
      }
    },
  }
}
