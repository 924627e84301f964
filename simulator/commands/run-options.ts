/** The command line of `npm run simulate -- run`: its options, its help, and what is wrong with it in a sentence. */
import { isLiftId, type LiftId } from '#contract/ids'
import { isScenarioName, SCENARIO_NAMES, SCENARIOS, type ScenarioName } from '../scenarios.ts'
import { IMPAIRMENT_NAMES, IMPAIRMENTS, isImpairmentName, type ImpairmentName } from '../terminal/link.ts'
import { LIFT_COUNT_MAX } from '../town/town.ts'
import type { Pattern } from '../town/residents.ts'
import {
  DEFAULT_BROKER,
  DEFAULT_LIFTS,
  DEFAULT_SEED,
  parseOptions,
  readBroker,
  readName,
  readNumber,
  WishError,
} from './options.ts'

const PATTERNS = {
  lively: 'twice as busy as a real town by day, and busy at night, so that something moves in any minute',
  real: 'as people of such houses ride',
} as const satisfies Record<Pattern, string>

const OPTIONS = {
  broker: { type: 'string', default: DEFAULT_BROKER },
  credentials: { type: 'string' },
  seed: { type: 'string' },
  lifts: { type: 'string' },
  speed: { type: 'string', default: '1' },
  pattern: { type: 'string', default: 'lively' },
  link: { type: 'string', default: 'none' },
  'fault-minutes': { type: 'string', default: '0' },
  scenario: { type: 'string' },
  lift: { type: 'string' },
  duration: { type: 'string' },
  truth: { type: 'string' },
  record: { type: 'string' },
  minutes: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const nameList = (rows: Readonly<Record<string, string>>): string =>
  Object.entries(rows)
    .map(([name, text]) => `                           ${name}: ${text}`)
    .join('\n')
const inEnglish = (rows: Readonly<Record<string, { en: string }>>): Record<string, string> =>
  Object.fromEntries(Object.entries(rows).map(([name, { en }]) => [name, en]))

export const RUN_HELP = `Simulated lift terminals of a demonstration town, against any MQTT 3.1.1 broker.

Usage: npm run simulate -- run [options]       (run may be left out)

  --broker URL           mqtt://, mqtts://, ws:// or wss:// (default ${DEFAULT_BROKER})
  --credentials FILE     serials, lifts and secrets, such as ./data/simulated-terminals.json of a running platform;
                         without it the terminals of the generated town sign in with their serial and no password
  --seed N               seed of residents and faults, and of the town without --credentials (default: that of the file, or ${DEFAULT_SEED})
  --lifts N              how many lifts, 1 to ${LIFT_COUNT_MAX} (default: all of the file, or ${DEFAULT_LIFTS})
  --pattern NAME         how people ride (default ${OPTIONS.pattern.default}):
${nameList(PATTERNS)}
  --speed N              residents live so many times as fast, 0.1 to 60 (default 1); the lifts keep their own pace
  --link NAME            what the way to the broker is like (default ${OPTIONS.link.default}):
${nameList(inEnglish(IMPAIRMENTS))}
  --fault-minutes N      mean minutes between two random faults, 0 = none (default 0)
  --scenario FAULT       this goes wrong once everybody is connected:
${nameList(inEnglish(SCENARIOS))}
  --lift ID              lift of the fault (default: the first one)
  --duration SECONDS     how long the fault lasts
  --truth FILE           write what really happens, whatever the terminals can sense, as JSON lines
  --record FILE          write what the terminals say as a recording that “replay” plays
  --minutes N            stop after so many minutes (default: run until Ctrl-C)
  -h, --help             this text

Ends with 0; with 1 when no terminal could connect or a file is not whole; with 2 when the command line is wrong.
`

/** What the command line asks for. */
export type RunWishes = {
  readonly brokerUrl: string
  readonly credentialsPath: string | undefined
  readonly seed: number | undefined
  readonly liftCount: number | undefined
  readonly speed: number
  readonly pattern: Pattern
  readonly link: ImpairmentName
  readonly faultMinutes: number
  readonly scenario:
    | { readonly name: ScenarioName; readonly lift: LiftId | undefined; readonly durationMs: number | undefined }
    | undefined
  readonly truthPath: string | undefined
  readonly recordPath: string | undefined
  readonly runMs: number
}

const isPattern = (text: string): text is Pattern => Object.hasOwn(PATTERNS, text)

/** Reads the options; undefined when only the help is wanted. Throws `WishError`. */
export function readRunWishes(args: readonly string[]): RunWishes | undefined {
  const { values } = parseOptions(args, OPTIONS)
  if (values.help) return undefined
  return {
    brokerUrl: readBroker(values.broker),
    credentialsPath: values.credentials,
    seed: readNumber('seed', values.seed, 0, 2 ** 31 - 1, true),
    liftCount: readNumber('lifts', values.lifts, 1, LIFT_COUNT_MAX, true),
    speed: readNumber('speed', values.speed, 0.1, 60) ?? 1,
    pattern: readName('pattern', values.pattern, isPattern, Object.keys(PATTERNS)),
    link: readName('link', values.link, isImpairmentName, IMPAIRMENT_NAMES),
    faultMinutes: readNumber('fault-minutes', values['fault-minutes'], 0, 100_000) ?? 0,
    scenario: readScenarioWish(values),
    truthPath: values.truth,
    recordPath: values.record,
    runMs: (readNumber('minutes', values.minutes, 0.01, 100_000) ?? Infinity) * 60_000,
  }
}

function readScenarioWish(o: {
  scenario?: string | undefined
  lift?: string | undefined
  duration?: string | undefined
}): RunWishes['scenario'] {
  const { scenario, lift } = o
  const durationS = readNumber('duration', o.duration, 1, 86_400)
  if (lift !== undefined && !isLiftId(lift)) throw new WishError(`--lift ${lift}: that is no lift id.`)
  if (scenario === undefined) {
    if (lift === undefined && durationS === undefined) return undefined
    throw new WishError('--lift and --duration belong to --scenario, which is missing.')
  }
  return {
    name: readName('scenario', scenario, isScenarioName, SCENARIO_NAMES),
    lift,
    durationMs: durationS === undefined ? undefined : durationS * 1000,
  }
}
