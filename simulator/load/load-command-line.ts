/** The command line of `npm run simulate -- load`: its options, its help, and what is wrong with it in a sentence. */
import { parseArgs } from 'node:util'
import { readNumber, WishError } from '../commands/options.ts'
import { readBrokerUrl } from './link.ts'
import { DEFAULT_CONNECT_RATE, PROCESS_COUNT_MAX, SESSION_COUNT_MAX } from './load.ts'
import type { Rate } from './sessions.ts'

const DEFAULT_SESSIONS = 100
/** By itself a session speaks as a running lift does. */
export const SECONDS_PER_MESSAGE = 10
const IN_FLIGHT_MAX = 1_000

const OPTIONS = {
  broker: { type: 'string', default: 'mqtt://127.0.0.1:1883' },
  credentials: { type: 'string' },
  sessions: { type: 'string' },
  rate: { type: 'string' },
  'in-flight': { type: 'string', default: '1' },
  'connect-rate': { type: 'string', default: String(DEFAULT_CONNECT_RATE) },
  processes: { type: 'string' },
  seconds: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export const LOAD_HELP = `Many terminals at once, each saying statuses under its own lift, against any MQTT 3.1.1 broker. Nothing is simulated here:
the lifts stand still. What is counted is what the broker acknowledged and how long it took.

Usage: npm run simulate -- load [options]

  --broker URL           mqtt:// or mqtts:// (default ${OPTIONS.broker.default})
  --credentials FILE     serials, lifts and secrets, such as ./data/simulated-terminals.json of a running platform; without it
                         invented terminals LOAD-00001 and so on sign in with their serial and no password
  --sessions N           connections to hold, 1 to ${SESSION_COUNT_MAX} (default: all of the file, or ${DEFAULT_SESSIONS})
  --rate N               messages a second in all, or max: as fast as they are acknowledged (default: one from each session in
                         ${SECONDS_PER_MESSAGE} s); a broker of this platform reads at most 100 a second from one terminal
  --in-flight N          messages that a session may have unacknowledged, 1 to ${IN_FLIGHT_MAX} (default ${OPTIONS['in-flight'].default})
  --connect-rate N       new connections a second (default ${OPTIONS['connect-rate'].default}); a broker must check every secret, and that costs
  --processes N          load processes, 1 to ${PROCESS_COUNT_MAX} (default: by sessions and cores)
  --seconds N            stop after so many seconds (default: run until Ctrl-C)
  -h, --help             this text

Ends with 0; with 1 when no session was ever let in, or a load process broke; with 2 when the command line is wrong.
`

/** What the command line asks for. */
export type LoadWishes = {
  readonly brokerUrl: string
  readonly credentialsPath: string | undefined
  /** undefined: all of the file, or the default. */
  readonly sessionCount: number | undefined
  /** undefined: `SECONDS_PER_MESSAGE` decides. */
  readonly rate: Rate | undefined
  readonly inFlight: number
  readonly connectRate: number
  readonly processCount: number | undefined
  readonly runMs: number
}

/** Reads the options; undefined when only the help is wanted. Throws `WishError`. */
export function readLoadWishes(args: readonly string[]): LoadWishes | undefined {
  const values = parse(args)
  if (values.help) return undefined
  if (readBrokerUrl(values.broker) === undefined)
    throw new WishError(`--broker ${values.broker}: give an address such as mqtt://127.0.0.1:1883 or mqtts://host.`)
  const runS = readNumber('seconds', values.seconds, 1, 1e7)
  return {
    brokerUrl: values.broker,
    credentialsPath: values.credentials,
    sessionCount:
      readNumber('sessions', values.sessions, 1, SESSION_COUNT_MAX, true) ??
      (values.credentials === undefined ? DEFAULT_SESSIONS : undefined),
    rate: values.rate === 'max' ? 'max' : readNumber('rate', values.rate, 0, 1e6),
    inFlight: readNumber('in-flight', values['in-flight'], 1, IN_FLIGHT_MAX, true) ?? 1,
    connectRate: readNumber('connect-rate', values['connect-rate'], 0.1, 100_000) ?? DEFAULT_CONNECT_RATE,
    processCount: readNumber('processes', values.processes, 1, PROCESS_COUNT_MAX, true),
    runMs: (runS ?? Infinity) * 1000,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false }).values
  } catch (error) {
    throw new WishError(`${error instanceof Error ? error.message : String(error)} Try --help.`)
  }
}
