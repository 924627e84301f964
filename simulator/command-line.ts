/** The command line of `npm run simulate`: its options, its help, and what is wrong with it in a sentence. */
import { parseArgs } from 'node:util'
import { isLiftId, type LiftId } from '#contract/ids'
import { isScenarioName, SCENARIO_NAMES, SCENARIOS, type Scenario } from './scenarios.ts'
import { LIFT_COUNT_MAX } from './town.ts'

export const DEFAULT_SEED = 20
export const DEFAULT_LIFTS = 120

const OPTIONS = {
  broker: { type: 'string', default: 'mqtt://127.0.0.1:1883' },
  credentials: { type: 'string' },
  seed: { type: 'string' },
  lifts: { type: 'string' },
  speed: { type: 'string', default: '1' },
  'fault-minutes': { type: 'string', default: '0' },
  scenario: { type: 'string' },
  lift: { type: 'string' },
  duration: { type: 'string' },
  minutes: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export const HELP = `Simulated lift terminals of a demonstration town, against any MQTT 3.1.1 broker.

Usage: npm run simulate -- [options]

  --broker URL           mqtt://, mqtts://, ws:// or wss:// (default ${OPTIONS.broker.default})
  --credentials FILE     serials, lifts and secrets, such as ./data/simulated-terminals.json of a running platform;
                         without it the terminals of the generated town sign in with their serial and no password
  --seed N               seed of residents and faults, and of the town without --credentials (default: that of the file, or ${DEFAULT_SEED})
  --lifts N              how many lifts, 1 to ${LIFT_COUNT_MAX} (default: all of the file, or ${DEFAULT_LIFTS})
  --speed N              residents live so many times as fast, 0.1 to 60 (default 1); the lifts keep their own pace
  --fault-minutes N      mean minutes between two random scenarios, 0 = none (default 0)
  --scenario NAME        play this once everybody is connected:
${SCENARIO_NAMES.map((name) => `                           ${name}: ${SCENARIOS[name].en}`).join('\n')}
  --lift ID              lift of the scenario (default: the first one)
  --duration SECONDS     how long the trouble lasts
  --minutes N            stop after so many minutes (default: run until Ctrl-C)
  -h, --help             this text
`

/** What the command line asks for. */
export type Wishes = {
  readonly brokerUrl: string
  readonly credentialsPath: string | undefined
  readonly seed: number | undefined
  readonly liftCount: number | undefined
  readonly speed: number
  readonly faultMinutes: number
  readonly scenario:
    | { readonly name: Scenario['name']; readonly lift: LiftId | undefined; readonly durationMs: number | undefined }
    | undefined
  readonly runMs: number
}

/** Something on the command line is wrong; the message says what, in one sentence. */
export class WishError extends Error {
  override readonly name = 'WishError'
}

/** Reads the options; undefined when only the help is wanted. Throws `WishError`. */
export function readWishes(args: readonly string[]): Wishes | undefined {
  const values = parse(args)
  if (values.help) return undefined
  const { broker, credentials, scenario, lift } = values
  if (!/^(mqtts?|tcp|ssl|wss?):\/\/[^/]/.test(broker))
    throw new WishError(`--broker ${broker}: give an address such as mqtt://127.0.0.1:1883.`)
  if (scenario === undefined && (lift !== undefined || values.duration !== undefined))
    throw new WishError('--lift and --duration belong to --scenario, which is missing.')
  if (scenario !== undefined && !isScenarioName(scenario))
    throw new WishError(`--scenario ${scenario}: there is no such scenario; there are ${SCENARIO_NAMES.join(', ')}.`)
  if (lift !== undefined && !isLiftId(lift)) throw new WishError(`--lift ${lift}: that is no lift id.`)
  const durationS = readNumber('duration', values.duration, 1, 86_400)
  return {
    brokerUrl: broker,
    credentialsPath: credentials,
    seed: readNumber('seed', values.seed, 0, 2 ** 31 - 1, true),
    liftCount: readNumber('lifts', values.lifts, 1, LIFT_COUNT_MAX, true),
    speed: readNumber('speed', values.speed, 0.1, 60) ?? 1,
    faultMinutes: readNumber('fault-minutes', values['fault-minutes'], 0, 100_000) ?? 0,
    scenario:
      scenario === undefined
        ? undefined
        : { name: scenario, lift, durationMs: durationS === undefined ? undefined : durationS * 1000 },
    runMs: (readNumber('minutes', values.minutes, 0.01, 100_000) ?? Infinity) * 60_000,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false }).values
  } catch (error) {
    throw new WishError(`${error instanceof Error ? error.message : String(error)} Try --help.`)
  }
}

function readNumber(
  name: string,
  text: string | undefined,
  min: number,
  max: number,
  isWhole = false,
): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (
    text.trim() === '' ||
    !Number.isFinite(value) ||
    value < min ||
    value > max ||
    (isWhole && !Number.isInteger(value))
  )
    throw new WishError(`--${name} ${text}: give a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}.`)
  return value
}
