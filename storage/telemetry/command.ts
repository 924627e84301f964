/**
 * `npm run telemetry -- copy`: moves a telemetry store into another one. Reads the same settings as the program; an
 * embedded store is only free while the program is stopped.
 */
import { existsSync, realpathSync } from 'node:fs'
import { constants } from 'node:os'
import { join, resolve } from 'node:path'
import { LOG_EVENTS, type Log, type LogEvent } from '#contract/log-events'
import { readSettings, SettingsError, storeUrlsOf } from '#contract/settings'
import { HELP, readWishes, WishError, withoutSecrets, type Wishes } from './copy-command-line.ts'
import { copyTelemetry } from './copy.ts'
import { PointRefused, type CopyOptions, type CopyProgress } from './copy-job.ts'
import { progressLine, reportLines, toNumber } from './copy-report.ts'
import { readInfluxUrl } from './influx-url.ts'
import { FIGURES_RETENTION_DAYS, keptFromMs } from './retention.ts'
import { TABLES_FILE } from './tables-sql.ts'
import { openTelemetryStore, TelemetryStoreError, type TelemetryStore } from './telemetry-store.ts'

const AWAY_MS_MAX = 600_000
/** On a terminal the line is written over; in a file each stays. */
const PROGRESS_MS = process.stderr.isTTY ? 1_000 : 5_000

/** Ends with this sentence and without a stack. */
class CommandError extends Error {}
type Side = 'from' | 'to'

const say = (line: string): void => void process.stdout.write(`${withoutSecrets(line)}\n`)
const complain = (line: string): void => void process.stderr.write(`${withoutSecrets(line)}\n`)

/** Only what a person has to know: what a store could not prepare, that it is away. */
const lineLog: Log = { debug: () => {}, info: () => {}, warn: logLine, error: logLine }
function logLine(event: LogEvent, fields: Readonly<Record<string, unknown>> = {}): void {
  const told = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`)
  complain(`${LOG_EVENTS[event]}: ${told.join(' ')}`)
}

/** Resolves to the exit code. */
async function copy(wishes: Wishes): Promise<number> {
  const settings = readSettings(process.env)
  const from = wishes.from ?? storeUrlsOf(settings, resolve(settings.DATA_DIR)).telemetry
  const nowMs = Date.now()
  // The clock stands still, so that a sample that is copied is not too old when it is compared.
  const retention = { days: settings.TELEMETRY_RETENTION_DAYS, nowMs: () => nowMs }
  const names = { from: nameOf('from', from), to: nameOf('to', wishes.to) }
  if (names.from === names.to) throw new CommandError('--from and --to are the same store.')
  assertThere('from', from)
  if (wishes.verifyOnly) assertThere('to', wishes.to)
  const stopping = new AbortController()
  const stopped = onSignal(stopping)

  await using source = await open('from', from)
  await using target = await open('to', wishes.to, wishes.verifyOnly ? undefined : retention)
  await assertUsable(source, target, wishes)
  complain(
    `${wishes.verifyOnly ? 'Comparing' : 'Copying'} ${names.from} ${wishes.verifyOnly ? 'with' : 'to'} ${names.to}.`,
  )
  const progress = startProgress()
  try {
    const result = await copyTelemetry({
      source,
      target,
      fromMs: wishes.fromMs,
      samplesKeptFromMs: keptFromMs(retention),
      figuresKeptFromMs: keptFromMs({ ...retention, days: FIGURES_RETENTION_DAYS }),
      verifyOnly: wishes.verifyOnly,
      patience: { awayMsMax: AWAY_MS_MAX, signal: stopping.signal, onAway: progress.onAway },
      onProgress: progress.onProgress,
    })
    progress.end()
    reportLines(result, { retentionDays: retention.days, verifyOnly: wishes.verifyOnly }).forEach(say)
    const isNothing = [...result.comparison.counts.values()].every(({ rowCount }) => rowCount === 0)
    if (isNothing) say(`There was nothing to compare: check --from, which is ${names.from}.`)
    return result.comparison.isWhole && !isNothing ? 0 : 1
  } catch (error) {
    progress.end()
    if (stopping.signal.aborted && error === stopping.signal.reason) return stopped()
    throw error
  }
}

/** Resolves to what the program ends with when it was asked to end. A second signal ends it at once. */
function onSignal(stopping: AbortController): () => number {
  const signals = ['SIGINT', 'SIGTERM'] as const
  let code = 0
  const onFirst = (signal: NodeJS.Signals): void => {
    // Whatever comes second, nobody listens to it any more, so it ends the process.
    for (const each of signals) process.off(each, onFirst)
    code = 128 + constants.signals[signal]
    complain('\nEnding after the batch that is under way …')
    stopping.abort(new CommandError('ended'))
  }
  for (const signal of signals) process.on(signal, onFirst)
  return () => {
    complain('Ended before everything was copied and compared. Run the same command again: it goes on where it was.')
    return code
  }
}

async function open(
  side: Side,
  url: string,
  retention?: { days: number; nowMs: () => number },
): Promise<TelemetryStore> {
  try {
    const options = retention === undefined ? {} : { retentionDays: retention.days, nowMs: retention.nowMs }
    return await openTelemetryStore(url, { log: lineLog, ...options })
  } catch (error) {
    throw toCommandError(side, error)
  }
}

/** The stores speak of the setting that usually names them. */
function toCommandError(side: Side, error: unknown): CommandError {
  const message = (error instanceof Error ? error.message : String(error)).replaceAll('TELEMETRY_URL', `--${side}`)
  const advice = /is open in another process/.test(message)
    ? ' While it is copied, nothing else may have an embedded store open: stop the program first.'
    : ''
  return new CommandError(`--${side}: ${message}.${advice}`, { cause: error })
}

/** For people, without credentials. */
function nameOf(side: Side, url: string): string {
  try {
    if (url.startsWith('file:')) return `file:${realOf(folderOf(url))}`
    if (!/^influx\+https?:/.test(url))
      throw new Error('use file:FOLDER or influx+http://user:password@host:8086/database')
    const { host, bucket } = readInfluxUrl(url)
    return `InfluxDB ${host}/${bucket}`
  } catch (error) {
    throw toCommandError(side, error)
  }
}
const folderOf = (url: string): string => resolve(url.slice('file:'.length).replace(/^\/\//, ''))
const realOf = (folder: string): string => (existsSync(folder) ? realpathSync(folder) : folder)

/** Opening an embedded store would make one. */
function assertThere(side: Side, url: string): void {
  if (url.startsWith('file:') && !existsSync(join(folderOf(url), TABLES_FILE)))
    throw new CommandError(`--${side}: there is no telemetry store in ${folderOf(url)}.`)
}

/** One question to each store that nobody waits long for: a wrong address or password is told at once. */
async function assertUsable(source: TelemetryStore, target: TelemetryStore, { verifyOnly }: Wishes): Promise<void> {
  const anything = { measurement: 'status', fromMs: 0, toMs: 1 } as const
  await source.tally(anything).catch((error: unknown) => {
    throw toCommandError('from', error)
  })
  await (verifyOnly ? target.tally(anything) : target.check()).catch((error: unknown) => {
    throw toCommandError('to', error)
  })
}

/** Tells at most one line per `PROGRESS_MS`, and every outage. */
function startProgress(): Pick<CopyOptions, 'onProgress'> & {
  readonly onAway: (reason: string, waitMs: number) => void
  readonly end: () => void
} {
  let phase: CopyProgress['phase'] | undefined
  let phaseAtMs = 0
  let toldAtMs = -Infinity
  let isOpen = false
  const endLine = (): void => {
    if (isOpen) process.stderr.write('\n')
    isOpen = false
  }
  return {
    onProgress(progress) {
      const nowMs = performance.now()
      if (progress.phase !== phase) {
        phase = progress.phase
        phaseAtMs = nowMs
      }
      if (nowMs - toldAtMs < PROGRESS_MS) return
      toldAtMs = nowMs
      const line = progressLine(progress, nowMs - phaseAtMs)
      if (process.stderr.isTTY) {
        process.stderr.write(`\r\u001b[2K${line}`)
        isOpen = true
      } else complain(line)
    },
    onAway(reason, waitMs) {
      endLine()
      complain(`${reason}. Trying again in ${toNumber(Math.ceil(waitMs / 1_000))} s.`)
    },
    end: endLine,
  }
}

async function main(): Promise<number> {
  try {
    const wishes = readWishes(process.argv.slice(2))
    if (wishes === undefined) {
      process.stdout.write(HELP)
      return 0
    }
    return await copy(wishes)
  } catch (error) {
    complain(sentenceOf(error))
    return error instanceof WishError || error instanceof SettingsError ? 2 : 1
  }
}

function sentenceOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof WishError || error instanceof SettingsError || error instanceof CommandError) return message
  if (error instanceof TelemetryStoreError && error.kind === 'away')
    return `Given up after ${AWAY_MS_MAX / 60_000} minutes: ${message}. Run the same command again: it goes on where it was.`
  if (error instanceof PointRefused && /retention policy/.test(message))
    return `It cannot go on: ${message}. The target keeps less than TELEMETRY_RETENTION_DAYS: lengthen its retention, or leave out what is older with --days-from.`
  return `It cannot go on: ${message}. What was copied stays; when that is mended, run the same command again: it goes on where it was.`
}

process.exitCode = await main()
