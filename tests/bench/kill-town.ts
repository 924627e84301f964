/** A town of several machines: two brokers, three ingest workers, three NATS servers. One or two of them die each round. */
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { jetstream } from '@nats-io/jetstream'
import { join } from 'node:path'
import { silentLog } from '#contract/log-events'
import { readDeviceTopic } from '#contract/topics'
import { STREAM } from '#storage/journal/nats-stream'
import { decodeRecord } from '#storage/journal/record-codec'
import { openTelemetryStore } from '#storage/telemetry/telemetry-store'
import { chanceOf } from '../chance.ts'
import { freePort } from '../servers/free-port.ts'
import { startInflux } from '../servers/influx.ts'
import { natsCluster, type NatsCluster } from '../servers/nats.ts'
import { startPostgres } from '../servers/postgres.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { AsyncDisposables } from '../platform/disposables.ts'
import { startProcess, type PlatformProcess } from '../platform/platform-process.ts'
import { readTerminals } from '../platform/terminals.ts'
import { print } from './figures.ts'
import { countOf, storedKeys, unseenLifts, untilIdle } from './kill-one-process.ts'
import { OrderWatch, type KillReport } from './kill-report.ts'
import { StoreAndForward } from './store-and-forward.ts'

const LIFTS = 40
const EVERY_MS = 40
const BROKERS = 2
const WORKERS = 3
const SETTLE_MS_MAX = 60_000
/** Between two rounds the town is whole for so long, ms. */
const WHOLE_MS = 1_000
/** After every so many rounds it is whole for longer: then the journal drops what is processed. */
const REST_EVERY_ROUNDS = 5
const REST_MS = 15_000

export async function killTown({ rounds, seed }: { rounds: number; seed: number }): Promise<KillReport> {
  await using stack = new AsyncDisposables()
  const folder = stack.add(await tempFolder('kill-town'))
  const nats = stack.add(await natsCluster())
  const postgres = stack.add(await startPostgres())
  const influx = stack.add(await startInflux())
  const town = stack.add(
    new Town(folder.path, {
      JOURNAL_URL: nats.url,
      BUS_URL: nats.url,
      REGISTER_URL: await postgres.newDatabase(),
      TELEMETRY_URL: influx.storeUrl('tiwang'),
      DEMO_LIFTS: String(LIFTS),
      DEMO_CREDENTIALS: join(folder.path, 'simulated-terminals.json'),
      SIGN_INS_FILE: join(folder.path, 'first-run-sign-ins.txt'),
    }),
  )
  const startedAtMs = Date.now() - 60_000
  await town.start()
  const tail = stack.add(new StreamTail(nats.url))
  const credentials = await readTerminals(folder.path)
  const terminals = credentials.map(
    (each) => new StoreAndForward({ urls: town.mqttUrls, credentials: each, boot: 1, everyMs: EVERY_MS }),
  )
  let killCount = 0
  try {
    const chance = chanceOf(seed)
    for (let round = 1; round <= rounds; round += 1) {
      killCount += await killSome(town, nats, chance)
      if (round % REST_EVERY_ROUNDS === 0) await new Promise((wake) => setTimeout(wake, REST_MS))
      if (round % 10 === 0) print(`  town: ${round} of ${rounds} rounds, ${killCount} kills`)
    }
    const settled = await Promise.all(terminals.map((terminal) => terminal.settled(SETTLE_MS_MAX)))
    if (settled.includes(false)) throw new Error('after the last kill not every message was acknowledged')
  } finally {
    for (const terminal of terminals) await terminal[Symbol.asyncDispose]()
  }
  for (const url of town.workerUrls) await untilIdle(url)
  await using store = await openTelemetryStore(influx.storeUrl('tiwang'), { log: silentLog })
  const { stored } = await storedKeys(store, credentials, startedAtMs)
  const acknowledged = terminals.flatMap((terminal) => [...terminal.acknowledged])
  const unseenCount = await unseenLifts(town.apiUrl, folder.path, acknowledged)
  return {
    name: 'town of several machines',
    killCount,
    acknowledgedCount: acknowledged.length,
    lostCount: acknowledged.filter((key) => !stored.has(key)).length,
    disorderCount: tail.watch.disorderCount,
    unseenCount,
    repeatCount: tail.watch.repeatCount,
  }
}

/** One round: one victim, or two at once; then they are started again. Returns how many died. */
async function killSome(town: Town, nats: NatsCluster, chance: () => number): Promise<number> {
  const pick = (count: number) => Math.floor(chance() * count)
  const victims: readonly ('broker' | 'ingest' | 'nats')[] = (
    [['broker'], ['ingest'], ['nats'], ['broker', 'ingest'], ['broker', 'nats'], ['ingest', 'nats']] as const
  )[pick(6)] ?? ['broker']
  const revivals: (() => Promise<void>)[] = []
  // A server that is back has to catch up first: with another one away there would be one whole copy left.
  if (victims.includes('nats')) await nats.whole()
  for (const victim of victims) {
    if (victim === 'nats') {
      const server = nats.servers[pick(nats.servers.length)]
      if (server === undefined) continue
      await server.kill()
      revivals.push(() => server.start())
    } else revivals.push(await town.kill(victim, pick(victim === 'broker' ? BROKERS : WORKERS)))
  }
  await new Promise((wake) => setTimeout(wake, 500 + chance() * 2_000))
  for (const revive of revivals) await revive()
  await new Promise((wake) => setTimeout(wake, WHOLE_MS))
  return revivals.length
}

class Town implements AsyncDisposable {
  readonly mqttUrls: string[] = []
  readonly workerUrls: string[] = []
  readonly #folder: string
  readonly #environment: Readonly<Record<string, string>>
  readonly #processes = new Map<string, PlatformProcess>()

  constructor(folder: string, environment: Readonly<Record<string, string>>) {
    this.#folder = folder
    this.#environment = environment
  }

  get apiUrl(): string {
    return this.#processes.get('api-0')?.apiUrl ?? ''
  }

  async start(): Promise<void> {
    await this.#startOne('api', 0, {})
    for (let index = 0; index < BROKERS; index += 1) {
      const port = String(await freePort())
      this.mqttUrls.push(`mqtt://127.0.0.1:${port}`)
      await this.#startOne('broker', index, { MQTT_PORT: port })
    }
    for (let index = 0; index < WORKERS; index += 1) {
      const port = String(await freePort())
      this.workerUrls.push(`http://127.0.0.1:${port}`)
      await this.#startOne('ingest', index, { HTTP_PORT: port })
    }
  }

  async #startOne(part: string, index: number, own: Readonly<Record<string, string>>): Promise<void> {
    const name = `${part}-${index}`
    const environment = { ...this.#environment, ...own, PARTS: part, DATA_DIR: join(this.#folder, name) }
    this.#processes.set(name, await startProcess(environment))
  }

  /** Kills one; the answer starts it again on the same ports. */
  async kill(part: 'broker' | 'ingest', index: number): Promise<() => Promise<void>> {
    await this.#processes.get(`${part}-${index}`)?.kill('SIGKILL')
    const port = new URL((part === 'broker' ? this.mqttUrls : this.workerUrls)[index] ?? '').port
    return () => this.#startOne(part, index, part === 'broker' ? { MQTT_PORT: port } : { HTTP_PORT: port })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const platform of this.#processes.values()) await platform[Symbol.asyncDispose]()
  }
}

const TAIL_RETRY_MS = 200

/** Reads the journal's stream as it grows, beside its consumers, and watches the order of first copies. */
class StreamTail implements AsyncDisposable {
  readonly watch = new OrderWatch()
  readonly #url: string
  readonly #loop: Promise<void>
  #seq = 0
  #isClosing = false
  #connection: NatsConnection | undefined

  constructor(url: string) {
    this.#url = url
    this.#loop = this.#run()
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      await this.#readOnce().catch(() => {}) // A server died; what it had not sent is read again from the next one.
      await this.#connection?.close().catch(() => {})
      await new Promise((wake) => setTimeout(wake, TAIL_RETRY_MS))
    }
  }

  async #readOnce(): Promise<void> {
    const servers = this.#url
      .replace('nats://', '')
      .split(',')
      .map((server) => server.replace('nats://', ''))
    this.#connection = await connect({ servers, reconnect: false, timeout: 2_000 })
    const consumer = await jetstream(this.#connection).consumers.get(STREAM, { opt_start_seq: this.#seq + 1 })
    const messages = await consumer.consume({ max_messages: 1_000, expires: 5_000 })
    for await (const message of messages) {
      if (message.seq <= this.#seq) continue
      this.#seq = message.seq
      const bytes = Buffer.from(message.data)
      const { topic, payload } = decodeRecord(bytes, 0)
      const lift = readDeviceTopic(topic)?.lift
      if (lift !== undefined && topic.endsWith('/status')) this.watch.take(lift, countOf(payload))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true
    await this.#connection?.close().catch(() => {})
    await this.#loop
  }
}
