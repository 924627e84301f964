/** The real broker on a free port, with a real journal in a temporary folder and terminals in memory. */
import { Registry } from 'prom-client'
import { startBroker, type Broker, type BrokerOptions, type BrokerTimeouts } from '#broker/start'
import type { Terminals, TerminalRow } from '#broker/terminal-rows'
import type { AdmissionRefusal } from '#contract/errors'
import type { LiftId, TerminalSerial } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { openJournal, type Journal, type JournalRecord } from '#storage/journal/journal'
import { hashTerminalSecret } from '#storage/register/secrets'
import { tempFolder } from '../servers/temp-folder.ts'
import { connectPacket, openRaw, type ConnectBytes, type RawTerminal } from './raw-terminal.ts'

export const SECRET = 'dGhlLXNlY3JldC1vZi1hLXRlcm1pbmFs'
export const SERIAL = 'TJ-0001' as TerminalSerial
export const LIFT = 'lift-0001' as LiftId
export const STATUS_TOPIC = `lifts/v1/${LIFT}/status`
export const CONNECTION_TOPIC = `lifts/v1/${LIFT}/connection`

const hashes = new Map<string, Promise<string>>()
/** The same secret gets one hash per run, as in a register that does not change. */
export const hashOf = (secret: string): Promise<string> => {
  const hash = hashes.get(secret) ?? hashTerminalSecret(secret)
  hashes.set(secret, hash)
  return hash
}

export async function terminalRow(row: Partial<TerminalRow> = {}): Promise<TerminalRow> {
  const secretHash = await hashOf(SECRET)
  return { serial: SERIAL, lift: LIFT, boundAtMs: 0, revokedAtMs: null, secretHash, revision: 1, ...row }
}

/** Terminals as a plain table that a test may change while the broker runs. */
export class TerminalTable implements Terminals {
  readonly rows = new Map<string, TerminalRow>()
  /** How often it was asked for one terminal, and for changes. */
  askedCount = 0
  feedCount = 0
  /** What stands in the way of an answer. */
  obstacle: () => Promise<void> = async () => {}

  #revision = 0

  put(...rows: TerminalRow[]): this {
    for (const row of rows) this.rows.set(row.serial, { ...row, revision: (this.#revision += 1) })
    return this
  }

  async changedAfter(revision: number, limit = Infinity) {
    this.feedCount += 1
    await this.obstacle()
    const newer = [...this.rows.values()].filter((row) => row.revision > revision)
    const rows = newer.sort((a, b) => a.revision - b.revision).slice(0, limit)
    return { rows, revision: rows.at(-1)?.revision ?? Math.min(this.#revision, revision) }
  }

  async bySerial(serial: TerminalSerial): Promise<TerminalRow | undefined> {
    this.askedCount += 1
    await this.obstacle()
    return this.rows.get(serial)
  }
}

export type UnderTest = AsyncDisposable & {
  broker: Broker
  journal: Journal
  terminals: TerminalTable
  metrics: Registry
  /** How often this was refused so far. */
  refusalCount(code: AdmissionRefusal): Promise<number>
  /** All refusals that were counted, by code, without the zeros. */
  refusals(): Promise<Record<string, number>>
  metric(name: string, labels?: Record<string, string>): Promise<number>
  /** Everything in the journal. */
  records(): Promise<JournalRecord[]>
  raw(): Promise<RawTerminal>
  /** A raw connection that the terminal's right secret has opened; the CONNACK is taken off. */
  admitted(o?: ConnectBytes): Promise<RawTerminal>
}

export async function brokerUnderTest(
  o: {
    terminals?: TerminalTable
    /** Asked instead of the table. */
    register?: Terminals
    /** Stands between the broker and the real journal. */
    journal?: (real: Journal) => BrokerOptions['journal']
    limits?: BrokerOptions['limits']
    timeouts?: Partial<BrokerTimeouts>
    mqttPort?: number
    /** What else the broker is given. */
    more?: Partial<Pick<BrokerOptions, 'audit' | 'bus' | 'tls' | 'log'>>
  } = {},
): Promise<UnderTest> {
  const folder = await tempFolder('broker')
  const journal = await openJournal(`file:${folder.path}`, { log: silentLog })
  const terminals = o.terminals ?? new TerminalTable().put(await terminalRow())
  const metrics = new Registry()
  const closeStores = async () => {
    await journal[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  }
  const broker = await startBroker({
    host: '127.0.0.1',
    mqttPort: o.mqttPort ?? 0,
    journal: o.journal?.(journal) ?? journal,
    terminals: o.register ?? terminals,
    limits: o.limits ?? { connectionsMax: 1000, connectionsPerAddressMax: 1000 },
    metrics,
    log: silentLog,
    nowMs: () => Date.now(),
    ...(o.timeouts === undefined ? {} : { timeouts: o.timeouts }),
    ...o.more,
  }).catch(async (error: unknown) => {
    await closeStores()
    throw error
  })
  const values = async (name: string) => (await metrics.getSingleMetric(name)?.get())?.values ?? []
  const opened: RawTerminal[] = []
  const raw = async () => {
    const terminal = await openRaw(broker.mqttUrl)
    opened.push(terminal)
    return terminal
  }
  return {
    broker,
    journal,
    terminals,
    metrics,
    refusalCount: async (code) =>
      (await values('tiwang_broker_refusals_total')).find(({ labels }) => labels['code'] === code)?.value ?? -1,
    refusals: async () =>
      Object.fromEntries(
        (await values('tiwang_broker_refusals_total'))
          .filter(({ value }) => value > 0)
          .map(({ labels, value }) => [labels['code'], value]),
      ) as Record<string, number>,
    metric: async (name, labels = {}) =>
      (await values(name)).find((value) =>
        Object.entries(labels).every(
          ([label, text]) => String((value.labels as Record<string, unknown>)[label]) === text,
        ),
      )?.value ?? -1,
    records: async () => {
      await using reader = await journal.reader('detect', { after: 0 })
      const records: JournalRecord[] = []
      while ((records.at(-1)?.position ?? 0) < journal.status().lastPosition) {
        const batch = await reader.read({ countMax: 10_000, waitMs: 1_000 })
        if (batch.length === 0) break
        records.push(...batch)
      }
      return records
    },
    raw,
    admitted: async (connectBytes = {}) => {
      const terminal = await raw()
      terminal.send(connectPacket({ username: SERIAL, password: SECRET, ...connectBytes }))
      const answer = await terminal.next()
      if (answer?.[3] !== 0) throw new Error(`CONNACK ${answer?.toString('hex') ?? 'missing'}`)
      return terminal
    },
    [Symbol.asyncDispose]: async () => {
      for (const terminal of opened) await terminal[Symbol.asyncDispose]()
      await broker[Symbol.asyncDispose]()
      await closeStores()
    },
  }
}

/** Waits until something is so; fails with its name when it never is. */
export async function eventually(what: string, isSo: () => boolean | Promise<boolean>, waitMs = 5_000): Promise<void> {
  const until = Date.now() + waitMs
  while (!(await isSo())) {
    if (Date.now() > until) throw new Error(`never so: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A journal that keeps its answers back until it is told to give them. */
export function heldBack(real: Pick<Journal, 'append' | 'status'>) {
  const waiting: (() => void)[] = []
  let isOpen = false
  return {
    status: () => real.status(),
    append: ((entry, done) =>
      real.append(entry, (error, position) => {
        if (isOpen) done(error, position)
        else waiting.push(() => done(error, position))
      })) as Journal['append'],
    get waitingCount() {
      return waiting.length
    },
    /** Gives the answers of the oldest `count` appends; without it all, now and later. */
    release(count?: number): void {
      if (count === undefined) isOpen = true
      for (const answer of waiting.splice(0, count ?? waiting.length)) answer()
    },
  }
}
