/** The simulator as a program of its own: `npm run simulate -- --help`. */
import { LOG_EVENTS, type Log, type LogEvent } from '#contract/log-events'
import { DEFAULT_LIFTS, DEFAULT_SEED, HELP, readWishes, WishError, type Wishes } from './command-line.ts'
import { CredentialsError, readCredentials, type SimulatedTerminal } from './credentials.ts'
import { startSimulator, type SimulatorStatus } from './start.ts'
import { generateTown, type Town } from './town.ts'

const PROGRESS_MS = 5000
/** The town and the terminals that are to run, from the file or from the seed alone. */
async function gather(wishes: Wishes): Promise<{ town: Town; terminals: readonly SimulatedTerminal[]; seed: number }> {
  const boundAtMs = Date.now()
  if (wishes.credentialsPath === undefined) {
    const seed = wishes.seed ?? DEFAULT_SEED
    const town = generateTown({ seed, liftCount: wishes.liftCount ?? DEFAULT_LIFTS, boundAtMs })
    return { town, terminals: town.terminals.map(({ serial, lift }) => ({ serial, lift, secret: '' })), seed }
  }
  const file = await readCredentials(wishes.credentialsPath).catch((error: unknown) => {
    if (error instanceof CredentialsError) throw new WishError(`--credentials: ${error.message}.`)
    throw new WishError(
      `--credentials ${wishes.credentialsPath}: cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)}).`,
    )
  })
  if (file.terminals.length < (wishes.liftCount ?? 0))
    throw new WishError(`--lifts ${wishes.liftCount}: the file has only ${file.terminals.length} terminals.`)
  const town = generateTown({ seed: file.seed, liftCount: file.liftCount, boundAtMs })
  return { town, terminals: file.terminals.slice(0, wishes.liftCount), seed: wishes.seed ?? file.seed }
}

async function run(wishes: Wishes): Promise<number> {
  const { town, terminals, seed } = await gather(wishes)
  const { brokerUrl, speed, faultMinutes } = wishes
  const first = terminals[0]
  if (first === undefined) throw new WishError('there are no terminals to simulate.')
  const scenarioLift = wishes.scenario?.lift ?? first.lift
  if (!terminals.some(({ lift }) => lift === scenarioLift))
    throw new WishError(`--lift ${scenarioLift}: that lift is not simulated here.`)
  const startAtMs = Date.now()
  const stopAsked = stopSignal(wishes.runMs)
  const simulator = await startSimulator({
    brokerUrl,
    town,
    terminals,
    seed,
    speed,
    faultMinutes,
    log: lineLog,
    nowMs: Date.now,
  })
  print(`${terminals.length} terminals, broker ${brokerUrl}, seed ${seed}`)
  let isScenarioDue = wishes.scenario !== undefined
  let wasConnected = false
  let before = simulator.status()
  const watch = setInterval(() => {
    const { connectedCount, terminalCount } = simulator.status()
    wasConnected ||= connectedCount > 0
    if (isScenarioDue && connectedCount === terminalCount && wishes.scenario !== undefined) {
      isScenarioDue = false
      const { name, durationMs } = wishes.scenario
      simulator.play({ name, lift: scenarioLift, ...(durationMs === undefined ? {} : { durationMs }) })
    }
  }, 200)
  const progress = setInterval(() => {
    const now = simulator.status()
    print(progressLine(now, before, PROGRESS_MS))
    before = now
  }, PROGRESS_MS)
  try {
    await Promise.race([stopAsked, simulator.failed])
  } finally {
    clearInterval(watch)
    clearInterval(progress)
    const atEnd = simulator.status()
    await simulator[Symbol.asyncDispose]()
    print(summary({ ...simulator.status(), connectedCount: atEnd.connectedCount }, Date.now() - startAtMs))
  }
  if (!wasConnected) print(`no terminal could connect to ${brokerUrl}`)
  return wasConnected ? 0 : 1
}

function progressLine(now: SimulatorStatus, before: SimulatorStatus, spanMs: number): string {
  const perSecond = ((now.acknowledgedCount - before.acknowledgedCount) / spanMs) * 1000
  const away = now.connectedCount === 0 ? ' · broker is away, trying again' : ''
  return `connected ${now.connectedCount}/${now.terminalCount} · published ${now.publishedCount} · acknowledged ${now.acknowledgedCount} · ${perSecond.toFixed(1)} per second · unacknowledged ${now.unacknowledgedCount}${away}`
}

function summary(status: SimulatorStatus, spanMs: number): string {
  return `after ${(spanMs / 1000).toFixed(1)} s: connected ${status.connectedCount}/${status.terminalCount}, published ${status.publishedCount}, acknowledged ${status.acknowledgedCount} (${((status.acknowledgedCount / spanMs) * 1000).toFixed(1)} per second), unacknowledged ${status.unacknowledgedCount}, resent ${status.resentCount}, dropped ${status.droppedCount}`
}

function stopSignal(runMs: number): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
    // setTimeout takes 24.8 days at most.
    if (runMs < 2 ** 31) setTimeout(resolve, runMs).unref()
  })
}

const print = (line: string): void => void process.stdout.write(line + '\n')

const line = (event: LogEvent, fields: Readonly<Record<string, unknown>> = {}): void =>
  print(
    `${LOG_EVENTS[event]}: ${Object.entries(fields)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(' ')}`,
  )
const lineLog: Log = { debug: () => {}, info: line, warn: line, error: line }

async function main(): Promise<number> {
  try {
    const wishes = readWishes(process.argv.slice(2))
    if (wishes === undefined) {
      process.stdout.write(HELP)
      return 0
    }
    return await run(wishes)
  } catch (error) {
    if (!(error instanceof WishError)) throw error
    process.stderr.write(error.message + '\n')
    return 2
  }
}

process.exitCode = await main()
