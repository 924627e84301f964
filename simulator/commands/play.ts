/** `npm run simulate -- play NAME|FILE`: a scenario through a real broker. */
import { readFile, stat } from 'node:fs/promises'
import { scenarioSource } from '../scenario/scenario-source.ts'
import { readScenario, SCENARIO_BYTES_MAX, ScenarioError, type ScenarioPlan } from '../scenario/scenario-file.ts'
import { scenarioNames, scenarioOf } from '../scenario/scenario-library.ts'
import { parseOptions, reasonOf, WishError, type Command } from './options.ts'
import { readReplayWishes, REPLAY_OPTIONS, REPLAY_OPTIONS_HELP, runReplay } from './run-replay.ts'

const HELP = `Plays a scenario through a real MQTT 3.1.1 broker: its lifts, its faults, and what its bad links do to the messages.

Usage: npm run simulate -- play NAME|FILE [options]

  NAME                   one of those that “scenarios” lists
  FILE                   a scenario file of your own, .yaml
${REPLAY_OPTIONS_HELP}`

export const playCommand: Command = {
  zh: '经真实 broker 演练一个脚本',
  en: 'a scenario, through a real broker',
  help: HELP,
  run: async (args, desk) => {
    const { values, positionals } = parseOptions(args, REPLAY_OPTIONS, 1)
    if (values.help) {
      desk.write(HELP)
      return 0
    }
    const wishes = readReplayWishes(values)
    const [name] = positionals
    if (name === undefined) throw new WishError('Which scenario? “scenarios” lists them: play NAME.')
    const plan = await planOf(name)
    return runReplay({ title: `${name} ${plan.zh}`, source: scenarioSource(plan), wishes, desk })
  },
}

/** Throws `WishError`. */
async function planOf(name: string): Promise<ScenarioPlan> {
  if (scenarioNames().includes(name)) return scenarioOf(name)
  if (!/\.ya?ml$/.test(name)) throw new WishError(`${name}: the library has no such scenario; “scenarios” lists them.`)
  try {
    const { size } = await stat(name)
    if (size > SCENARIO_BYTES_MAX) throw new ScenarioError(`The file is longer than ${SCENARIO_BYTES_MAX} bytes.`)
    return readScenario(await readFile(name, 'utf8'))
  } catch (error) {
    if (error instanceof ScenarioError) throw new WishError(`${name}: ${error.message}`)
    throw new WishError(`${name}: cannot be read (${reasonOf(error)}).`)
  }
}
