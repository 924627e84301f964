/**
 * A town whose ingest workers share the lifts: real NATS, PostgreSQL and InfluxDB, one API, one broker, several workers as
 * processes of their own, and terminals that keep what is not acknowledged.
 */
import { join } from 'node:path'
import type { Alarm } from '#contract/alarms'
import type { BusMessages } from '#contract/bus'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { SHARE_COUNT, shareOfLift } from '#contract/shares'
import type { Status } from '#contract/telemetry'
import { openBus } from '#storage/bus/bus'
import { openRegister, type Register } from '#storage/register/register'
import { openTelemetryStore } from '#storage/telemetry/telemetry-store'
import { freePort } from '../servers/free-port.ts'
import { startInflux } from '../servers/influx.ts'
import { natsCluster, natsServer } from '../servers/nats.ts'
import { startPostgres } from '../servers/postgres.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { AsyncDisposables } from './disposables.ts'
import { eventually, startProcess, type PlatformProcess } from './platform-process.ts'
import { connectTerminal, readTerminals, statusOf, type Credentials } from './terminals.ts'

const SHARED_WITHIN_MS = 60_000
const TROUBLE_PAUSE_MS = 200
export const TRAPPED: Partial<Status> = { doorZone: false, passengerPresent: true, passengerCount: 2 }
export const RELEASED: Partial<Status> = { doorZone: true, doorClosed: false }

/** A terminal that sends one message after the other and repeats each until it is acknowledged. */
export class PatientTerminal implements AsyncDisposable {
  readonly credentials: Credentials
  /** What each status says besides standing idle at a landing. */
  change: Partial<Status> = {}
  /** Acknowledged messages by `seq`, each with its sample time. */
  readonly acknowledged = new Map<number, number>()
  readonly #mqttUrl: string
  readonly #everyMs: number
  readonly #running: Promise<void>
  #isStopping = false

  constructor(o: { mqttUrl: string; credentials: Credentials; everyMs: number }) {
    this.credentials = o.credentials
    this.#mqttUrl = o.mqttUrl
    this.#everyMs = o.everyMs
    this.#running = this.#run()
  }

  async #run(): Promise<void> {
    let status = statusOf(1, 1, Date.now(), this.change)
    while (!this.#isStopping) {
      try {
        const client = await connectTerminal(this.#mqttUrl, this.credentials)
        const cut = new Promise<never>((_, reject) => client.once('close', () => reject(new Error('cut'))))
        cut.catch(() => {})
        try {
          while (!this.#isStopping) {
            const sent = client.publishAsync(`lifts/v1/${this.credentials.lift}/status`, JSON.stringify(status), {
              qos: 1,
            })
            await Promise.race([sent, cut])
            this.acknowledged.set(status.seq, status.sampledAtMs)
            await new Promise((wake) => setTimeout(wake, this.#everyMs))
            status = statusOf(1, status.seq + 1, Date.now(), this.change)
          }
        } finally {
          await client.endAsync(true)
        }
      } catch {
        await new Promise((wake) => setTimeout(wake, TROUBLE_PAUSE_MS)) // what is not acknowledged is sent again
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true
    await this.#running
  }
}

export type WorkerTown = AsyncDisposable & {
  readonly register: Register
  readonly terminals: readonly PatientTerminal[]
  readonly workers: readonly PlatformProcess[]
  /** Every live row that the workers told, in the order in which it came here. */
  readonly told: BusMessages['live']['states'][number][]
  readonly alarmsTold: BusMessages['alarm'][]
  /** The shares of a worker as it last said; empty when it holds none. */
  sharesOf(worker: PlatformProcess): number[]
  terminalsOf(shares: readonly number[]): PatientTerminal[]
  /** Starts one more worker. */
  addWorker(): Promise<PlatformProcess>
  /** Waits until living workers hold all shares, as evenly as can be; answers how long that took, ms. */
  untilShared(living: readonly PlatformProcess[]): Promise<number>
  /** Stops the terminals, waits until all is stored, and compares what was acknowledged with what is there. */
  verify(): Promise<{ acknowledgedCount: number; lost: string[] }>
}

export async function startWorkerTown(o: {
  liftCount: number
  workerCount: number
  everyMs: number
  isClustered?: boolean
}): Promise<WorkerTown> {
  const parts = new AsyncDisposables()
  try {
    return await startParts(o, parts)
  } catch (error) {
    await parts[Symbol.asyncDispose]()
    throw error
  }
}

async function startParts(
  o: { liftCount: number; workerCount: number; everyMs: number; isClustered?: boolean },
  parts: AsyncDisposables,
): Promise<WorkerTown> {
  const folder = parts.add(await tempFolder('workers'))
  const [nats, postgres, influx] = [
    parts.add(o.isClustered === true ? await natsCluster() : await natsServer()),
    parts.add(await startPostgres()),
    parts.add(await startInflux()),
  ]
  const environment = {
    JOURNAL_URL: nats.url,
    JOURNAL_BYTES_MAX: String(512 * 1024 * 1024),
    BUS_URL: nats.url,
    REGISTER_URL: await postgres.newDatabase(),
    TELEMETRY_URL: influx.storeUrl('tiwang'),
    DEMO_LIFTS: String(o.liftCount),
    DEMO_CREDENTIALS: join(folder.path, 'simulated-terminals.json'),
    SIGN_INS_FILE: join(folder.path, 'first-run-sign-ins.txt'),
    ALARMS_MQTT_PORT: '0',
  }
  let processCount = 0
  const start = async (part: string, own: Readonly<Record<string, string>> = {}): Promise<PlatformProcess> => {
    processCount += 1
    const DATA_DIR = join(folder.path, `${part}-${processCount}`)
    return parts.add(await startProcess({ ...environment, ...own, PARTS: part, DATA_DIR }))
  }
  await start('api')
  const broker = await start('broker', { MQTT_PORT: String(await freePort()) })
  const bus = parts.add(await openBus(nats.url, { log: silentLog }))
  const told: WorkerTown['told'] = []
  const alarmsTold: WorkerTown['alarmsTold'] = []
  await bus.subscribe('live', ({ states }) => void told.push(...states))
  await bus.subscribe('alarm', (message) => void alarmsTold.push(message))
  const register = parts.add(await openRegister(environment.REGISTER_URL, { log: silentLog }))
  const workers = await Promise.all(Array.from({ length: o.workerCount }, () => start('ingest')))
  const credentials = await readTerminals(folder.path)
  const terminals = credentials.map((each) =>
    parts.add(new PatientTerminal({ mqttUrl: broker.mqttUrl, credentials: each, everyMs: o.everyMs })),
  )
  const startedAtMs = Date.now() - 60_000
  return {
    register,
    terminals,
    workers,
    told,
    alarmsTold,
    sharesOf,
    terminalsOf: (shares) =>
      terminals.filter(({ credentials: { lift } }) => shares.includes(shareOfLift(lift, SHARE_COUNT))),
    async addWorker() {
      const worker = await start('ingest')
      workers.push(worker)
      return worker
    },
    untilShared,
    async verify() {
      await Promise.all(terminals.map((terminal) => terminal[Symbol.asyncDispose]()))
      await using store = await openTelemetryStore(environment.TELEMETRY_URL, { log: silentLog })
      const lost: string[] = []
      let acknowledgedCount = 0
      for (const {
        credentials: { lift },
        acknowledged,
      } of terminals) {
        acknowledgedCount += acknowledged.size
        const missing = async () => missingOf([...acknowledged.keys()], await seqsOf(store, lift, startedAtMs))
        lost.push(
          ...(await eventually(missing, ({ length }) => length === 0, 30_000).catch(missing)).map(
            (seq) => `${lift} ${seq}`,
          ),
        )
      }
      return { acknowledgedCount, lost }
    },
    [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose](),
  }
}

/** From the newest line of its log that tells them. */
function sharesOf(worker: PlatformProcess): number[] {
  const newest = [...worker.output().matchAll(/"event":"ingest\.shares","shares":\[([\d,]*)\]/g)].at(-1)?.[1] ?? ''
  return newest === '' ? [] : newest.split(',').map(Number)
}

async function untilShared(living: readonly PlatformProcess[]): Promise<number> {
  const startedAtMs = performance.now()
  const counts = async () => living.map((worker) => sharesOf(worker).length)
  const isEven = (each: readonly number[]) =>
    each.reduce((sum, count) => sum + count, 0) === SHARE_COUNT && Math.max(...each) - Math.min(...each) <= 1
  await eventually(counts, isEven, SHARED_WITHIN_MS)
  return performance.now() - startedAtMs
}

type Store = Awaited<ReturnType<typeof openTelemetryStore>>
const PAGE = 20_000

async function seqsOf(store: Store, lift: LiftId, fromMs: number): Promise<Set<number>> {
  const range = { lift, measurement: 'status', fromMs, toMs: Date.now() + 60_000, limit: PAGE } as const
  return new Set((await store.points(range)).map(({ seq }) => seq))
}

const missingOf = (seqs: readonly number[], stored: ReadonlySet<number>): number[] =>
  seqs.filter((seq) => !stored.has(seq))

/** Lifts of which a later position told of an earlier message: the order of one lift was not kept. */
export function disorderIn(told: WorkerTown['told']): string[] {
  return [...new Set(told.map(({ lift }) => lift))].flatMap((lift) => {
    const rows = told.filter((row) => row.lift === lift).sort((a, b) => a.position - b.position)
    const seqs = rows.map(({ status }) => status?.seq ?? 0)
    return seqs.every((seq, index) => seq >= (seqs[index - 1] ?? 0)) ? [] : [lift]
  })
}

/** The alarms of one kind on a lift, each with how often its raise stands in the history. */
export async function alarmsOf(
  register: Register,
  lift: LiftId,
  kind: string,
): Promise<{ alarm: Alarm; raiseCount: number }[]> {
  const { rows } = await register.alarms.list({ scope: { all: true }, lift, limit: 50 })
  return Promise.all(
    rows
      .filter((alarm) => alarm.kind === kind)
      .map(async (alarm) => {
        const history = await register.alarms.occurrences(alarm.id)
        return { alarm, raiseCount: history.filter(({ event }) => event === 'raise').length }
      }),
  )
}
