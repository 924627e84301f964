/**
 * The composition root: starts the parts named in PARTS on the URLs it is given, prints where they are, and stops them in
 * reverse order. One process with everything on embedded stores, or several with servers between them: the same code.
 */
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import pino from 'pino'
import { Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import { seedDemonstration } from '#api/demonstration'
import { ensureSignIns } from '#api/first-run'
import { startOps } from '#api/ops'
import { startApi, type Api } from '#api/start'
import { connectionsThatFit } from '#broker/descriptors'
import { limitsOf } from '#broker/limits'
import { startBroker, type Broker } from '#broker/start'
import { LOG_EVENTS, type Log, type LogEvent } from '#contract/log-events'
import { SettingsError, readSettings, storeUrlsOf, type Part, type Settings } from '#contract/settings'
import { startIngest } from '#ingest/start'
import { takeHistory } from '#ingest/take-history'
import { newHistoryRecord, readHistoryRecord, writeHistoryRecord } from '#simulator/history/history-file'
import { openHistories } from '#simulator/history/history-threads'
import { readCredentials, waitForCredentials, writeCredentials } from '#simulator/terminal/credentials'
import { startSimulator, type Simulator } from '#simulator/start'
import { generateTown } from '#simulator/town/town'
import { openBus, type Bus } from '#storage/bus/bus'
import { lockFolder } from '#storage/folder-lock'
import { openJournal, type Journal } from '#storage/journal/journal'
import { openRegister, type Register } from '#storage/register/register'
import { openTelemetryStore, type TelemetryStore } from '#storage/telemetry/telemetry-store'

export const VERSION = '0.1.0'

type SignIns = Awaited<ReturnType<typeof ensureSignIns>>

export type Platform = AsyncDisposable & {
  readonly apiUrl: string | undefined
  readonly mqttUrl: string | undefined
  /** MQTT for subscribers to alarms. */
  readonly alarmsMqttUrl: string | undefined
  readonly mqttTlsUrl: string | undefined
  readonly simulator: Simulator | undefined
  /** First-run sign-ins that were made at this start, and the file that keeps them. */
  readonly signIns: SignIns | undefined
  /** Rejects when a part died. */
  readonly failed: Promise<never>
}

/** What is released when a start fails half-way or the platform stops: newest first, each bounded in time. */
class Releasers {
  readonly #stack: { name: string; release: () => PromiseLike<void> }[] = []
  add<T extends AsyncDisposable>(name: string, part: T): T {
    this.#stack.push({ name, release: () => part[Symbol.asyncDispose]() })
    return part
  }
  async release(log: Log): Promise<void> {
    for (const { name, release } of this.#stack.splice(0).reverse()) {
      let timer: NodeJS.Timeout | undefined
      const tooLong = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('did not stop within 10 s')), 10_000)
      })
      await Promise.race([release(), tooLong]).catch((error: unknown) =>
        log.error('platform.failed', { part: name, error }),
      )
      clearTimeout(timer)
    }
  }
}

/** Starts what the settings name; resolves when everything is ready. Rejects, with nothing left running, when a part cannot start. */
export async function startPlatform(settings: Settings, log: Log, nowMs: () => number = Date.now): Promise<Platform> {
  const releasers = new Releasers()
  try {
    const platform = await startParts(settings, log, nowMs, releasers)
    return { ...platform, [Symbol.asyncDispose]: () => releasers.release(log) }
  } catch (error) {
    await releasers.release(log)
    throw error
  }
}

type Setup = {
  readonly settings: Settings
  readonly paths: ReturnType<typeof pathsOf>
  readonly has: (...parts: Part[]) => boolean
  readonly log: Log
  readonly nowMs: () => number
  readonly metrics: Registry
  readonly releasers: Releasers
}

async function startParts(
  settings: Settings,
  log: Log,
  nowMs: () => number,
  releasers: Releasers,
): Promise<Omit<Platform, typeof Symbol.asyncDispose>> {
  const has = (...parts: Part[]): boolean => parts.some((part) => settings.PARTS.has(part))
  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics })
  const setup: Setup = { settings, paths: pathsOf(settings), has, log, nowMs, metrics, releasers }
  const stores = await openStores(setup)
  const { journal, register, telemetry, bus } = stores
  const signIns = has('api') && register ? await prepareRegister(setup, register) : undefined

  const retentionDays = settings.TELEMETRY_RETENTION_DAYS
  // Before the broker, so that it has said from where it reads before anything new is in the journal; and it stops after it.
  const ingest =
    has('ingest') && journal && register && telemetry && bus
      ? releasers.add(
          'ingest',
          await startIngest({ journal, register, telemetry, retentionDays, bus, metrics, log, nowMs }),
        )
      : undefined
  const broker =
    has('broker') && journal && register ? await startBrokerPart(setup, { journal, register, bus }) : undefined
  const api = await startHttp(setup, { ...stores, broker })
  const simulator = has('simulator') ? await startSimulation(setup, broker?.mqttUrl) : undefined
  if (simulator && givesPast(setup) && register && telemetry) startPast(setup, { register, telemetry })

  // The demonstration may fail without taking the monitoring of real lifts with it.
  const needed = [broker, broker && journal, ingest, api, has('broker', 'ingest', 'api') ? undefined : simulator]
  const failed = Promise.race([...needed.flatMap((part) => (part ? [part.failed] : [])), new Promise<never>(() => {})])
  failed.catch(() => {}) // told through `failed`; a platform that nobody watches must not end the process
  simulator?.failed.catch((error: unknown) => log.error('platform.failed', { part: 'simulator', error }))
  return {
    apiUrl: api?.url,
    mqttUrl: broker?.mqttUrl,
    mqttTlsUrl: broker?.mqttTlsUrl,
    alarmsMqttUrl: api?.northbound?.url,
    simulator,
    signIns,
    failed,
  }
}

type Stores = {
  readonly journal: Journal | undefined
  readonly register: Register | undefined
  readonly telemetry: TelemetryStore | undefined
  readonly bus: Bus | undefined
}

async function openStores({ settings, paths, has, log, nowMs, metrics, releasers }: Setup): Promise<Stores> {
  const usesFolder = [paths.journal, paths.register, paths.telemetry].some((url) => /^(file|pglite):/.test(url))
  await mkdir(paths.data, { recursive: true }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(
      `DATA_DIR: the folder ${paths.data} cannot be used (${reason}). Give the program a folder that it may write to.`,
      { cause: error },
    )
  })
  if (usesFolder && has('broker', 'ingest', 'api')) releasers.add('lock', await lockFolder(paths.data, 'DATA_DIR'))
  const journal = has('broker', 'ingest')
    ? releasers.add(
        'journal',
        await openJournal(paths.journal, {
          log,
          bytesMax: settings.JOURNAL_BYTES_MAX,
          reserveBytes: settings.JOURNAL_RESERVE_BYTES,
          segmentAgeMsMax: settings.JOURNAL_SEGMENT_HOURS * 3_600_000,
        }),
      )
    : undefined
  // Both at once, because each takes a second; both are known to the releasers before the failure of one ends the start.
  const [register, telemetry] = await Promise.allSettled([
    has('broker', 'ingest', 'api')
      ? openRegister(paths.register, { log }).then((opened) => releasers.add('register', opened))
      : undefined,
    has('ingest', 'api')
      ? openTelemetryStore(paths.telemetry, { log, retentionDays: settings.TELEMETRY_RETENTION_DAYS, nowMs }).then(
          (opened) => releasers.add('telemetry', opened),
        )
      : undefined,
  ])
  if (register.status === 'rejected') throw register.reason
  if (telemetry.status === 'rejected') throw telemetry.reason
  if (telemetry.value) countRetention(metrics, telemetry.value)
  const bus = has('broker', 'ingest', 'api')
    ? releasers.add('bus', await openBus(settings.BUS_URL, { log }))
    : undefined
  return { journal, register: register.value, telemetry: telemetry.value, bus }
}

/** What the retention of telemetry did since the start. */
function countRetention(metrics: Registry, telemetry: TelemetryStore): void {
  new Gauge({
    name: 'tiwang_telemetry_past_retention',
    help: 'Samples past their retention since the start: left out when they came, or removed by the embedded store',
    labelNames: ['what'],
    registers: [metrics],
    collect() {
      const { leftOutCount, removedCount } = telemetry.retained()
      this.set({ what: 'leftOut' }, leftOutCount)
      this.set({ what: 'removed' }, removedCount)
    },
  })
}

async function prepareRegister(setup: Setup, register: Register): Promise<SignIns> {
  const { settings, paths, log, nowMs } = setup
  const { DEMO_LIFTS: liftCount, DEMO_SEED: seed } = settings
  if (liftCount > 0)
    await seedDemonstration({
      register,
      town: (boundAtMs) => generateTown({ seed, liftCount, boundAtMs }),
      keepSecrets: async (terminals) => {
        await writeCredentials(paths.credentials, { seed, liftCount, terminals })
        if (!givesPast(setup)) return
        const { SIMULATOR_HISTORY_DAYS: dayCount } = settings
        await writeHistoryRecord(paths.history, newHistoryRecord({ seed, dayCount, untilMs: nowMs() }))
      },
      log,
      nowMs,
    })
  return ensureSignIns({ register, path: paths.signIns })
}

async function startBrokerPart(
  { settings, releasers, metrics, log, nowMs }: Setup,
  { journal, register, bus }: { journal: Journal; register: Register; bus: Bus | undefined },
): Promise<Broker> {
  const limits = limitsOf(settings)
  const connectionsMax = Math.min(limits.connectionsMax, (await connectionsThatFit()) ?? Infinity)
  if (connectionsMax < limits.connectionsMax) log.info('broker.fewerConnections', { connectionsMax })
  const broker = await startBroker({
    host: settings.HOST,
    mqttPort: settings.MQTT_PORT,
    journal,
    terminals: register.terminals,
    audit: register.audit,
    bus,
    tls: {
      port: settings.MQTT_TLS_PORT,
      files: {
        certificate: settings.MQTT_TLS_CERT_FILE,
        key: settings.MQTT_TLS_KEY_FILE,
        issuers: settings.MQTT_TLS_CA_FILE,
        revocations: settings.MQTT_TLS_CRL_FILE,
      },
    },
    limits: { ...limits, connectionsMax },
    metrics,
    log,
    nowMs,
  })
  return releasers.add('broker', broker)
}

/** The API with the view; in a process without it, a small listener for those who watch the process. */
async function startHttp(
  { settings, paths, has, releasers, metrics, log, nowMs }: Setup,
  { journal, register, telemetry, bus, broker }: Stores & { broker: Broker | undefined },
): Promise<Api | undefined> {
  const checks = [
    ...(register ? [{ part: 'register', check: () => register.check() }] : []),
    ...(telemetry ? [{ part: 'telemetry', check: () => telemetry.check() }] : []),
    ...(journal ? [{ part: 'journal', check: () => refuseWhen(journal.status().degraded) }] : []),
    ...(bus ? [{ part: 'bus', check: () => refuseWhen(bus.status().degraded) }] : []),
    ...(broker ? [{ part: 'broker', check: () => refuseWhen(broker.status().degraded) }] : []),
  ]
  const http = {
    host: settings.HOST,
    port: settings.HTTP_PORT,
    checks,
    version: VERSION,
    metrics,
    log,
    ...(broker ? { acceptMqttWebSocket: broker.acceptWebSocket.bind(broker) } : {}),
  }
  if (!has('api') || !register || !telemetry || !bus) {
    releasers.add('ops', await startOps(http))
    return undefined
  }
  const deviceDoors = {
    port: broker ? Number(new URL(broker.mqttUrl).port) : settings.MQTT_PORT,
    tlsPort: tlsPortOf(settings, broker),
  }
  const publicOrigin = settings.PUBLIC_ORIGIN
  const alarmsMqttPort = settings.ALARMS_MQTT_PORT
  const own = { register, telemetry, bus, viewFolder: paths.view, publicOrigin, deviceDoors, alarmsMqttPort, nowMs }
  return releasers.add('api', await startApi({ ...http, ...own }))
}

/** The simulated terminals. Beside other parts it is a guest: without credentials, or with broken ones, the others go on. */
async function startSimulation(
  { settings, paths, has, releasers, metrics, log, nowMs }: Setup,
  ownBrokerUrl: string | undefined,
): Promise<Simulator | undefined> {
  const isGuest = has('api')
  const credentials = await (
    isGuest ? readCredentials(paths.credentials) : waitForCredentials(paths.credentials, log)
  ).catch((error: unknown) => {
    if (!isGuest) throw error
    if (settings.DEMO_LIFTS > 0)
      log.warn('simulator.absent', { reason: error instanceof Error ? error.message : error })
    return undefined
  })
  if (credentials === undefined || (isGuest && settings.DEMO_LIFTS === 0)) return undefined
  const simulator = await startSimulator({
    brokerUrl: settings.SIMULATOR_BROKER_URL || (ownBrokerUrl ?? `mqtt://127.0.0.1:${settings.MQTT_PORT}`),
    town: generateTown({ seed: credentials.seed, liftCount: credentials.liftCount, boundAtMs: nowMs() }),
    terminals: credentials.terminals,
    seed: settings.DEMO_SEED,
    speed: settings.SIMULATOR_SPEED,
    faultMinutes: settings.SIMULATOR_FAULT_MINUTES,
    memoryPath: paths.memory,
    log,
    nowMs,
    metrics,
  })
  return releasers.add('simulator', simulator)
}

/** Only where one process has the town, the people's rows and the stores: nobody else can put a past into them. */
const givesPast = ({ settings, has }: Setup): boolean =>
  settings.DEMO_LIFTS > 0 &&
  settings.SIMULATOR_HISTORY_DAYS > 0 &&
  (['ingest', 'api', 'simulator'] as const).every((part) => has(part))

/** Gives the town its past beside everything else, if it has not got all of it. Whatever becomes of it, the platform goes on. */
function startPast(setup: Setup, stores: { register: Register; telemetry: TelemetryStore }): void {
  const stopping = new AbortController()
  const { signal } = stopping
  const given = givePast(setup, stores, signal).catch((error: unknown) => {
    if (signal.aborted) setup.log.info('history.stopped')
    else setup.log.error('history.failed', { error })
  })
  setup.releasers.add('history', {
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await given
    },
  })
}

async function givePast(
  { settings, paths, log, nowMs }: Setup,
  { register, telemetry }: { register: Register; telemetry: TelemetryStore },
  signal: AbortSignal,
): Promise<void> {
  const record = await readHistoryRecord(paths.history)
  if (record === undefined || record.isWhole) return
  const { terminals, ...of } = await readCredentials(paths.credentials)
  const lifts = new Map(generateTown({ ...of, boundAtMs: record.untilMs }).lifts.map((lift) => [lift.id, lift]))
  const identities = terminals.flatMap(({ lift: id, serial }) => {
    const lift = lifts.get(id)
    return lift === undefined ? [] : [{ lift, serial }]
  })
  const startedAtMs = nowMs()
  const { fromMs, untilMs } = record
  log.info('history.begun', { liftCount: identities.length, from: new Date(fromMs).toISOString() })
  await using pasts = openHistories({ identities, span: record, signal })
  const quarter = Math.ceil(identities.length / 4)
  const taken = await takeHistory({
    ...{ pasts, untilMs, telemetry, staleHours: register.staleHours, signal },
    keptFromMs: nowMs() - settings.TELEMETRY_RETENTION_DAYS * 24 * 3600_000,
    onLift: ({ liftCount }) => {
      if (liftCount % quarter === 0) log.info('history.progress', { liftCount, of: identities.length })
    },
  })
  await writeHistoryRecord(paths.history, { ...record, isWhole: true })
  log.info('history.done', { ...taken, afterMs: nowMs() - startedAtMs })
}

const refuseWhen = (reason: string | undefined): Promise<void> =>
  reason === undefined ? Promise.resolve() : Promise.reject(new Error(reason))

function pathsOf(settings: Settings) {
  const data = resolve(settings.DATA_DIR)
  return {
    data,
    ...storeUrlsOf(settings, data),
    credentials: settings.DEMO_CREDENTIALS || join(data, 'simulated-terminals.json'),
    memory: join(data, 'simulated-terminals.memory.json'),
    history: join(data, 'simulated-history.json'),
    signIns: settings.SIGN_INS_FILE || join(data, 'first-run-sign-ins.txt'),
    view: join(import.meta.dirname, import.meta.dirname.endsWith('dist') ? '..' : '.', 'dashboards', 'view', 'dist'),
  }
}

/** Where terminals find TLS: of a broker in this process as it listens, of another one as it is set; null when it is off. */
function tlsPortOf(settings: Settings, broker: Broker | undefined): number | null {
  if (broker) return broker.mqttTlsUrl === undefined ? null : Number(new URL(broker.mqttTlsUrl).port)
  return settings.MQTT_TLS_CERT_FILE === '' ? null : settings.MQTT_TLS_PORT
}

/** pino underneath: JSON lines on standard error, so that standard output stays for people. */
function openLog(level: string): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ['password', 'secret', 'token', 'authorization', 'cookie'],
      serializers: { error: pino.stdSerializers.err },
    },
    pino.destination(2),
  )
  const at =
    (severity: 'debug' | 'info' | 'warn' | 'error') => (event: LogEvent, fields?: Readonly<Record<string, unknown>>) =>
      logger[severity]({ event, ...fields }, LOG_EVENTS[event])
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

async function main(): Promise<void> {
  const startedAtMs = Date.now()
  const settings = readSettings(process.env)
  const log = openLog(settings.LOG_LEVEL)
  const stopAsked = new Promise<void>((stop) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop())
  })
  const platform = await startPlatform(settings, log)
  say(readyText(platform, settings, Date.now() - startedAtMs))
  log.info('platform.ready', { parts: [...settings.PARTS], afterMs: Date.now() - startedAtMs })
  let failure: unknown
  await Promise.race([stopAsked, platform.failed]).catch((error: unknown) => {
    failure = error
    log.error('platform.failed', { error })
  })
  log.info('platform.stopping')
  await platform[Symbol.asyncDispose]()
  if (failure !== undefined) process.exitCode = 1
}

const say = (text: string): void => void process.stdout.write(`${text}\n`)

function readyText(
  { apiUrl, mqttUrl, mqttTlsUrl, alarmsMqttUrl, simulator, signIns }: Platform,
  settings: Settings,
  afterMs: number,
): string {
  const lines = ['', `  梯望 Tiwang ${VERSION} · ready 就绪 (${(afterMs / 1000).toFixed(1)} s)`, '']
  if (apiUrl !== undefined) lines.push(`  网页 view        ${apiUrl}`, `  接口 API         ${apiUrl}/docs`)
  if (mqttUrl !== undefined) lines.push(`  MQTT             ${mqttUrl}`)
  if (alarmsMqttUrl !== undefined) lines.push(`  报警 alarms      ${alarmsMqttUrl} (alarms/v1/#)`)
  if (mqttTlsUrl !== undefined) lines.push(`  MQTT over TLS    ${mqttTlsUrl}`)
  if (simulator !== undefined) lines.push(`  演示 demo        ${settings.DEMO_LIFTS} 台模拟电梯 simulated lifts`)
  if (signIns !== undefined) {
    lines.push('')
    for (const { username, password, role } of signIns.created)
      lines.push(`  登录 sign-in     ${username.padEnd(14)} ${password}   (${role})`)
    lines.push(`  口令文件 sign-ins ${signIns.path}`)
  }
  lines.push('')
  return lines.join('\n')
}

const isEntry = process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href
if (isEntry)
  await main().catch((error: unknown) => {
    // What a person can act on is a sentence; a stack trace is for the log of a bug.
    process.stderr.write(
      `${error instanceof SettingsError || !(error instanceof Error) ? String(error) : error.message}\n`,
    )
    process.exitCode = 1
  })
