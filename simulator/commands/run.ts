/** `npm run simulate -- run`: a town whose terminals sign in and speak, with progress and a summary. */
import { LOG_EVENTS, type Log, type LogEvent } from '#contract/log-events'
import { startSimulator, type SimulatorStatus } from '../start.ts'
import { LineFile } from '../scenario/line-file.ts'
import type { SimulatedTerminal } from '../terminal/credentials.ts'
import { memoryPathBeside } from '../terminal/memory.ts'
import { reasonOf, WishError, type Command, type Desk } from './options.ts'
import { openTownRecorder } from './town-recorder.ts'
import { readRunWishes, RUN_HELP, type RunWishes } from './run-options.ts'
import { gatherTown } from './terminals-file.ts'

const PROGRESS_MS = 5000
const WATCH_MS = 200

export const runCommand: Command = {
  zh: '运行一座城镇的模拟终端（默认命令）',
  en: 'the terminals of a town, for as long as wanted (what happens without a command)',
  help: RUN_HELP,
  run: async (args, desk) => {
    const wishes = readRunWishes(args)
    if (wishes !== undefined) return run(wishes, desk)
    desk.write(RUN_HELP)
    return 0
  },
}

async function run(wishes: RunWishes, desk: Desk): Promise<number> {
  const { print, nowMs } = desk
  const { town, terminals, seed } = await gatherTown({ ...wishes, nowMs: nowMs() })
  const { brokerUrl, speed, faultMinutes, pattern, link } = wishes
  const scenarioLift = scenarioLiftOf(wishes, terminals)
  await using truth = wishes.truthPath === undefined ? undefined : await openTruth(wishes.truthPath)
  await using recorder =
    wishes.recordPath === undefined ? undefined : await openTownRecorder(wishes.recordPath, terminals, nowMs)
  const startAtMs = nowMs()
  const stopAsked = desk.stopAsked(wishes.runMs)
  const simulator = await startSimulator({
    ...{ brokerUrl, town, terminals, seed, speed, faultMinutes, pattern, impairment: link, nowMs },
    ...(truth === undefined ? {} : { onTruth: (told) => truth.put(told) }),
    ...(recorder === undefined ? {} : { onSent: recorder.put }),
    ...(wishes.credentialsPath === undefined ? {} : { memoryPath: memoryPathBeside(wishes.credentialsPath) }),
    log: lineLog(print),
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
  }, WATCH_MS)
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
    const { connectedCount } = simulator.status()
    await simulator[Symbol.asyncDispose]()
    print(summary({ ...simulator.status(), connectedCount }, nowMs() - startAtMs))
  }
  const isWhole = (await tellTruth(truth, print)) && (recorder === undefined || (await recorder.finish(print)))
  if (!wasConnected) print(`no terminal could connect to ${brokerUrl}`)
  return wasConnected && isWhole ? 0 : 1
}

function scenarioLiftOf({ scenario }: RunWishes, terminals: readonly SimulatedTerminal[]) {
  const [first] = terminals
  if (first === undefined) throw new WishError('there are no terminals to simulate.')
  const lift = scenario?.lift ?? first.lift
  if (terminals.some((terminal) => terminal.lift === lift)) return lift
  throw new WishError(`--lift ${lift}: that lift is not simulated here.`)
}

function openTruth(path: string): Promise<LineFile> {
  return LineFile.open(path).catch((error: unknown) => {
    throw new WishError(`--truth ${path}: cannot be written (${reasonOf(error)}).`)
  })
}

/** False when it is not whole. */
async function tellTruth(truth: LineFile | undefined, print: Desk['print']): Promise<boolean> {
  if (truth === undefined) return true
  await truth[Symbol.asyncDispose]()
  const { path, lineCount, droppedCount, error } = truth
  const trouble = error === undefined ? '' : ` (${error.message})`
  print(`truth: ${lineCount} lines in ${path}, left out ${droppedCount}${trouble}`)
  return droppedCount === 0 && error === undefined
}

function progressLine(now: SimulatorStatus, before: SimulatorStatus, spanMs: number): string {
  const perSecond = ((now.acknowledgedCount - before.acknowledgedCount) / spanMs) * 1000
  const away = now.connectedCount === 0 ? ' · broker is away, trying again' : ''
  return `connected ${now.connectedCount}/${now.terminalCount} · published ${now.publishedCount} · acknowledged ${now.acknowledgedCount} · ${perSecond.toFixed(1)} per second · unacknowledged ${now.unacknowledgedCount}${away}`
}

function summary(status: SimulatorStatus, spanMs: number): string {
  return `after ${(spanMs / 1000).toFixed(1)} s: connected ${status.connectedCount}/${status.terminalCount}, published ${status.publishedCount}, acknowledged ${status.acknowledgedCount} (${((status.acknowledgedCount / spanMs) * 1000).toFixed(1)} per second), unacknowledged ${status.unacknowledgedCount}, resent ${status.resentCount}, dropped ${status.droppedCount}`
}

/** Log lines for people. */
export function lineLog(print: Desk['print']): Log {
  const line = (event: LogEvent, fields: Readonly<Record<string, unknown>> = {}): void => {
    const words = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`)
    print(`${LOG_EVENTS[event]}: ${words.join(' ')}`)
  }
  return { debug: () => {}, info: line, warn: line, error: line }
}
