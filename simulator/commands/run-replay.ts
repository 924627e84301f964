/** What `replay` and `play` have in common: their options, who plays whom, progress and summary. */
import { startReplay, type ReplayStatus } from '../scenario/replay.ts'
import type { ReplaySpeed } from '../scenario/replay-payload.ts'
import type { ReplaySource } from '../scenario/replay-source.ts'
import { RecordingError, type RecordedTerminal } from '../scenario/recording.ts'
import { ScenarioError } from '../scenario/scenario-format.ts'
import type { SimulatedTerminal } from '../terminal/credentials.ts'
import { mqttWires } from '../terminal/mqtt-client.ts'
import { DEFAULT_BROKER, readBroker, readNumber, WishError, type Desk } from './options.ts'
import { readTerminalsFile } from './terminals-file.ts'

const PROGRESS_MS = 5_000

export const REPLAY_OPTIONS = {
  broker: { type: 'string', default: DEFAULT_BROKER },
  credentials: { type: 'string' },
  'as-credentials': { type: 'boolean', default: false },
  speed: { type: 'string', default: '1' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export const REPLAY_OPTIONS_HELP = `  --broker URL           mqtt://, mqtts://, ws:// or wss:// (default ${DEFAULT_BROKER})
  --credentials FILE     serials, lifts and secrets, such as ./data/simulated-terminals.json of a running platform;
                         without it the terminals sign in with their serial and no password
  --as-credentials       the terminals of the file play those of the recording, in order: for another town
  --speed N              1 = as it was, 0.1 to 100 times as fast, or max: as fast as acknowledged (default 1)
  -h, --help             this text

All times are shifted by one constant, so that no message lies in the future when it is sent: at speed 1 each is sent at its own
time, played faster the last one is. Terminals get a new number of their start, so that a second replay is not taken for a
repetition. Nobody else may be signed in as these terminals meanwhile: a town that is simulated already has to be stopped.

Ends with 0 when everything was acknowledged; with 1 when it was not, or was stopped; with 2 when the command line is wrong.
`

export type ReplayWishes = {
  readonly brokerUrl: string
  readonly credentialsPath: string | undefined
  readonly asCredentials: boolean
  readonly speed: ReplaySpeed
}

/** Throws `WishError`. */
export function readReplayWishes(values: {
  broker: string
  credentials?: string | undefined
  'as-credentials': boolean
  speed: string
}): ReplayWishes {
  const { credentials, 'as-credentials': asCredentials } = values
  if (asCredentials && credentials === undefined)
    throw new WishError('--as-credentials belongs to --credentials, which is missing.')
  return {
    brokerUrl: readBroker(values.broker),
    credentialsPath: credentials,
    asCredentials,
    speed: values.speed === 'max' ? 'max' : (readNumber('speed', values.speed, 0.1, 100) ?? 1),
  }
}

/** Who plays the terminals of a recording, in the same order. Throws `WishError` when somebody is missing. */
export async function castOf(
  recorded: readonly RecordedTerminal[],
  { credentialsPath, asCredentials }: ReplayWishes,
): Promise<SimulatedTerminal[]> {
  if (credentialsPath === undefined) return recorded.map(({ serial, lift }) => ({ serial, lift, secret: '' }))
  const { terminals } = await readTerminalsFile(credentialsPath)
  if (asCredentials) {
    if (terminals.length >= recorded.length) return terminals.slice(0, recorded.length)
    throw new WishError(
      `--as-credentials: the recording has ${recorded.length} terminals, and ${credentialsPath} only ${terminals.length}.`,
    )
  }
  const known = new Map(terminals.map((terminal) => [nameOf(terminal), terminal]))
  const missing = recorded.filter((terminal) => !known.has(nameOf(terminal)))
  const [first] = missing
  if (first !== undefined)
    throw new WishError(
      `--credentials ${credentialsPath}: ${missing.length} of the ${recorded.length} terminals of the recording are not in it, such as ${first.serial} of lift ${first.lift}; with --as-credentials those of the file play them, in order.`,
    )
  return recorded.flatMap((terminal) => known.get(nameOf(terminal)) ?? [])
}

const nameOf = ({ serial, lift }: RecordedTerminal): string => `${serial} ${lift}`

/** Plays it to its end or until somebody asks to stop, and tells how it goes. The exit code. */
export async function runReplay(o: {
  title: string
  source: ReplaySource
  wishes: ReplayWishes
  desk: Desk
}): Promise<number> {
  const { title, source, wishes, desk } = o
  const { print, nowMs } = desk
  const terminals = await castOf(source.head.terminals, wishes)
  const stop = new AbortController()
  void desk.stopAsked(Infinity).then(() => stop.abort())
  const replay = await startReplay({
    ...{ source, terminals, speed: wishes.speed, stop: stop.signal, nowMs },
    openWire: mqttWires(wishes.brokerUrl),
  }).catch(refuseSource)
  const beganAtMs = nowMs()
  const { messageCount } = replay.status()
  const lasts = spanOf(source.head.toMs - source.head.fromMs)
  print(
    `${title}: ${messageCount} messages of ${terminals.length} terminals in ${lasts}, speed ${wishes.speed}, broker ${wishes.brokerUrl}`,
  )
  const progress = setInterval(() => print(progressLine(replay.status())), PROGRESS_MS)
  try {
    await replay.done.catch(refuseSource)
  } finally {
    clearInterval(progress)
  }
  const status = replay.status()
  print(summary(status, nowMs() - beganAtMs, stop.signal.aborted))
  return status.unacknowledgedCount === 0 && status.leftOutCount === 0 ? 0 : 1
}

/** A file that is no recording or scenario is the asker's to mend. */
function refuseSource(error: unknown): never {
  if (error instanceof RecordingError || error instanceof ScenarioError) throw new WishError(error.message)
  throw error
}

function progressLine(status: ReplayStatus): string {
  const { connectedCount, terminalCount, refusedCount } = status
  const awayCount = terminalCount - connectedCount - refusedCount
  return [
    `${status.phase === 'connecting' ? 'connecting' : `played ${(100 * status.played).toFixed(0)} %`}`,
    `connected ${connectedCount}/${terminalCount}`,
    `acknowledged ${status.acknowledgedCount}/${status.messageCount}`,
    ...(refusedCount > 0 ? [`refused ${refusedCount}`] : []),
    ...(status.resentCount > 0 ? [`resent ${status.resentCount}`] : []),
    ...(awayCount > 0 && status.reason !== ''
      ? [`${awayCount} without a connection, trying again: ${status.reason}`]
      : []),
  ].join(' · ')
}

function summary(status: ReplayStatus, tookMs: number, isStopped: boolean): string {
  const { acknowledgedCount, messageCount, refusedCount } = status
  return [
    `${isStopped ? 'stopped after' : 'after'} ${(tookMs / 1000).toFixed(1)} s: acknowledged ${acknowledgedCount} of ${messageCount} (${((acknowledgedCount / Math.max(1, tookMs)) * 1000).toFixed(1)} per second)`,
    `resent ${status.resentCount}`,
    `not acknowledged ${status.unacknowledgedCount}`,
    `left out as no messages ${status.leftOutCount}`,
    `terminals refused ${refusedCount}${refusedCount > 0 ? ` (${status.reason})` : ''}`,
  ].join(', ')
}

const spanOf = (ms: number): string =>
  ms < 120_000
    ? `${(ms / 1000).toFixed(0)} s`
    : ms < 2 * 3600_000
      ? `${(ms / 60_000).toFixed(0)} min`
      : `${(ms / 3600_000).toFixed(1)} h`
