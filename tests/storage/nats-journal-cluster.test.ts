import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SHARE_COUNT } from '#contract/shares'
import { silentLog } from '#contract/log-events'
import { openBus } from '#storage/bus/bus'
import { openJournal, type Journal, type JournalReader, type JournalRecord } from '#storage/journal/journal'
import { STREAM } from '#storage/journal/nats-stream'
import { natsServersOf } from '#storage/nats/nats-link'
import { natsCluster, natsServer, type NatsCluster } from '../servers/nats.ts'
import { appendEntry, until } from './journal-under-test.ts'

const bytesMax = 64 * 1024 * 1024
const LIFTS = Array.from({ length: 12 }, (_, index) => `yhy-${index}-1`)

/** Terminals that send one message after the other, each again until it is acknowledged; and what was acknowledged. */
class Fleet implements AsyncDisposable {
  readonly acknowledged = new Set<string>()
  refusedCount = 0
  #isStopping = false
  readonly #running: Promise<unknown>

  constructor(journal: Journal) {
    this.#running = Promise.all(LIFTS.map((lift) => this.#say(journal, lift)))
  }

  async #say(journal: Journal, lift: string): Promise<void> {
    for (let seq = 1; !this.#isStopping;) {
      const text = `${lift} ${seq}`
      const payload = Buffer.from(text)
      try {
        await appendEntry(journal, { topic: `lifts/v1/${lift}/status`, terminal: 'TJ-0001', receivedAtMs: 1, payload })
        this.acknowledged.add(text)
        seq += 1
      } catch {
        this.refusedCount += 1
        await new Promise((wake) => setTimeout(wake, 50))
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true
    await this.#running
  }
}

/** Reads all shares into one list for each lift. */
class Readers implements AsyncDisposable {
  readonly seen = new Map<string, number[]>()
  #isStopping = false
  #readers: JournalReader[] = []
  #running: Promise<unknown> = Promise.resolve()

  async start(journal: Journal): Promise<void> {
    const shares = Array.from({ length: SHARE_COUNT }, (_, share) => share)
    this.#readers = await Promise.all(shares.map((share) => journal.reader('detect', { after: 0, share })))
    this.#running = Promise.all(
      this.#readers.map(async (reader) => {
        while (!this.#isStopping)
          for (const record of await reader.read({ countMax: 100, waitMs: 200 })) this.#take(record)
      }),
    )
  }

  #take({ payload }: JournalRecord): void {
    const [lift = '', seq = ''] = Buffer.from(payload).toString().split(' ')
    this.seen.set(lift, [...(this.seen.get(lift) ?? []), Number(seq)])
  }

  lost(acknowledged: ReadonlySet<string>): string[] {
    const seen = new Set([...this.seen].flatMap(([lift, seqs]) => seqs.map((seq) => `${lift} ${seq}`)))
    return [...acknowledged].filter((text) => !seen.has(text))
  }

  /** Lifts of which a message came for the first time behind a later one. */
  disorder(): string[] {
    return [...this.seen].flatMap(([lift, seqs]) => {
      const first = seqs.filter((seq, index) => seqs.indexOf(seq) === index)
      return first.every((seq, index) => seq > (first[index - 1] ?? 0)) ? [] : [lift]
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true
    await this.#running
    for (const reader of this.#readers) await reader[Symbol.asyncDispose]()
  }
}

describe('nats journal on a cluster of three', () => {
  let cluster: NatsCluster
  let journal: Journal
  beforeEach(async () => {
    cluster = await natsCluster()
    journal = await openJournal(cluster.url, { log: silentLog, bytesMax })
    await until('it takes messages', () => journal.status().degraded === undefined, 60_000)
  }, 120_000)
  afterEach(async () => {
    await journal[Symbol.asyncDispose]()
    await cluster[Symbol.asyncDispose]()
  }, 60_000)
  const grown = (fleet: Fleet, by: number) => {
    const wanted = fleet.acknowledged.size + by
    return until('more is acknowledged', () => fleet.acknowledged.size >= wanted, 60_000)
  }
  const nothingLost = async (fleet: Fleet, readers: Readers) => {
    await until('everything is read', () => readers.lost(fleet.acknowledged).length === 0, 60_000)
    expect(readers.disorder()).toEqual([])
  }

  it(
    'loses nothing and keeps the order when one server dies after the other, the leader too',
    { timeout: 240_000 },
    async () => {
      await using readers = new Readers()
      await readers.start(journal)
      await using fleet = new Fleet(journal)
      await grown(fleet, 200)
      const leader = await cluster.leaderOf(STREAM)
      expect(leader).toBeDefined()
      for (const index of [leader ?? 0, 0, 1]) {
        await cluster.servers[index]?.kill()
        await grown(fleet, 200)
        await cluster.servers[index]?.start()
        await grown(fleet, 200)
        // The one that came back must have caught up before the next may die.
        await cluster.whole()
      }
      await fleet[Symbol.asyncDispose]()
      await nothingLost(fleet, readers)
    },
  )

  it('drops what is processed only while every server has its copy', { timeout: 240_000 }, async () => {
    await journal[Symbol.asyncDispose]()
    journal = await openJournal(cluster.url, { log: silentLog, bytesMax: 1024 * 1024 })
    await cluster.servers[0]?.kill()
    // Between a quarter and three quarters of the size.
    const payload = Buffer.alloc(64 * 1024)
    for (let count = 0; count < 7;) {
      const topic = `lifts/v1/${LIFTS[0] ?? ''}/status`
      const sent = appendEntry(journal, { topic, terminal: 'TJ-0001', receivedAtMs: 1, payload })
      count += await sent.then(
        () => 1,
        () => new Promise<0>((wake) => setTimeout(() => wake(0), 500)),
      )
    }
    await until('it is well', () => journal.status().degraded === undefined, 60_000)
    const last = journal.status().lastPosition
    const commitAll = async (share: number) => {
      for (const consumer of ['detect', 'telemetry'] as const) {
        await using reader = await journal.reader(consumer, { share })
        await reader.commit(last)
      }
    }
    await Promise.all(Array.from({ length: SHARE_COUNT }, (_, share) => commitAll(share)))
    await new Promise((wake) => setTimeout(wake, 20_000))
    expect(journal.status().committed).toEqual({ detect: last, telemetry: last })
    expect(journal.status().firstPosition).toBeLessThanOrEqual(last)
    await cluster.servers[0]?.start()
    await until('it is dropped', () => journal.status().firstPosition > last, 60_000)
  })

  it('acknowledges nothing while two are away, and goes on when they are back', { timeout: 240_000 }, async () => {
    await using readers = new Readers()
    await readers.start(journal)
    await using fleet = new Fleet(journal)
    await grown(fleet, 200)
    const [one, two] = cluster.servers
    await Promise.all([one?.kill(), two?.kill()])
    await until('it is degraded', () => journal.status().degraded !== undefined, 60_000)
    const acknowledgedCount = fleet.acknowledged.size
    const { refusedCount } = fleet
    await until('many are refused', () => fleet.refusedCount > refusedCount + 50, 60_000)
    expect(fleet.acknowledged.size).toBe(acknowledgedCount)
    await Promise.all([one?.start(), two?.start()])
    await grown(fleet, 200)
    await until('it is well', () => journal.status().degraded === undefined, 60_000)
    await fleet[Symbol.asyncDispose]()
    await nothingLost(fleet, readers)
  })

  it('goes on with another server when the one that it speaks to freezes', { timeout: 240_000 }, async () => {
    await using readers = new Readers()
    await readers.start(journal)
    await using fleet = new Fleet(journal)
    await grown(fleet, 200)
    const [first] = cluster.servers // the first of the URL is the one that it speaks to
    await first?.freeze()
    await grown(fleet, 500)
    first?.thaw()
    await grown(fleet, 200)
    await fleet[Symbol.asyncDispose]()
    await nothingLost(fleet, readers)
  })

  it('brings messages of the bus to everybody, whichever server each speaks to', { timeout: 120_000 }, async () => {
    const { servers } = natsServersOf(cluster.url)
    await using one = await openBus(`nats://${servers.join(',')}`, { log: silentLog })
    await using other = await openBus(`nats://${[...servers].reverse().join(',')}`, { log: silentLog })
    const heard: string[] = []
    await other.subscribe('health', ({ part }) => void heard.push(part))
    await until('it is heard', () => {
      one.publish('health', { part: 'ingest', atMs: 1, degraded: [] })
      return heard.length > 0
    })
    await cluster.servers[0]?.kill()
    heard.length = 0
    await until('it is heard again', () => {
      one.publish('health', { part: 'ingest', atMs: 2, degraded: [] })
      return heard.length > 0
    })
  })
})

describe('the URL of several NATS servers', () => {
  it('names them with one person for all, and 4222 where no port is said', () => {
    expect(natsServersOf('nats://a:1,b,c:3')).toEqual({ servers: ['a:1', 'b:4222', 'c:3'] })
    expect(natsServersOf('nats://tiwang:p%40%3Ass@a,[::1]:5')).toEqual({
      servers: ['a:4222', '[::1]:5'],
      user: 'tiwang',
      pass: 'p@:ss',
    })
    for (const url of ['nats://', 'nats://a,', 'http://a', 'nats://a b', 'nats://a:x'])
      expect(() => natsServersOf(url)).toThrow('the NATS URL must be')
  })

  it('is refused when they are not one cluster: each would hold a journal of its own', async () => {
    await using one = await natsServer()
    await using other = await natsServer()
    const url = `${one.url},${other.url.slice('nats://'.length)}`
    await using journal = await openJournal(url, { log: silentLog, bytesMax })
    expect(journal.status().degraded).toContain('not one cluster')
  })
})
