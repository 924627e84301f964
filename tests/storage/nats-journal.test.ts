import { connect } from '@nats-io/transport-node'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '#contract/log-events'
import { openJournal, type Journal, type JournalReader } from '#storage/journal/journal'
import { STREAM } from '#storage/journal/nats-stream'
import { natsServer, type NatsServer } from '../servers/nats.ts'
import { append, appendAll, appendEntry, entry, listeningLog, readAll, textOf, until } from './journal-under-test.ts'

const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `message ${from + i}`)
const bytesMax = 64 * 1024 * 1024

describe('nats journal', () => {
  let server: NatsServer
  const openAt = (log = silentLog): Promise<Journal> => openJournal(server.url, { log, bytesMax, shareCount: 1 })
  beforeEach(async () => {
    server = await natsServer({ isStarted: false })
  })
  afterEach(() => server[Symbol.asyncDispose]())

  it('opens without its server, refuses and says why, and works as soon as the server is there', async () => {
    const log = listeningLog()
    await using journal = await openAt(log)
    expect(journal.status().degraded).toContain('away')
    await expect(append(journal, 'too early')).rejects.toThrow('away')
    await using reader = await journal.reader('detect')
    const waiting = readAll(reader, { count: 1, waitMs: 20_000 })
    await server.start()
    await until('it is connected', () => journal.status().degraded === undefined)
    await append(journal, 'now')
    expect((await waiting).map(textOf)).toEqual(['now'])
    expect(log.events).toEqual(['journal.degraded', 'journal.opened'])
  })

  it('has every acknowledged record after its server was killed, and readers go on by themselves', async () => {
    await server.start()
    await using journal = await openAt()
    await using reader = await journal.reader('telemetry')
    const acknowledged: string[] = []
    const seen: string[] = []
    const stop = new AbortController()
    const reading = (async () => {
      while (!stop.signal.aborted)
        seen.push(...(await reader.read({ countMax: 100, waitMs: 60_000, signal: stop.signal })).map(textOf))
    })()
    for (let round = 0; round < 3; round += 1) {
      let refusedCount = 0
      let count = 0
      const appending = setInterval(() => {
        for (let i = 0; i < 20; i += 1) {
          const text = `${round}-${(count += 1)}`
          journal.append(entry(text), (error) => (error === undefined ? acknowledged.push(text) : (refusedCount += 1)))
        }
      }, 2)
      await until('some are acknowledged', () => acknowledged.length > (round + 1) * 500)
      await server.kill()
      await until('some are refused', () => refusedCount > 50)
      expect(journal.status().degraded).toContain('away')
      clearInterval(appending)
      await server.start()
      await until('it is connected again', () => journal.status().degraded === undefined)
    }
    const last = await append(journal, 'last')
    await until('the reader has caught up', () => seen.includes('last'))
    stop.abort()
    await reading
    expect(acknowledged.filter((text) => !new Set(seen).has(text))).toEqual([])
    expect(new Set(seen).size).toBe(seen.length)
    expect(journal.status().lastPosition).toBe(last)
  })

  it('acknowledges nothing while its server does not answer, and goes on when it does', async () => {
    await server.start()
    await using journal = await openAt()
    await append(journal, 'before')
    await server.freeze()
    const told: string[] = []
    for (const text of numbered(5))
      journal.append(entry(text), (error) => void told.push(error === undefined ? 'taken' : 'refused'))
    await until('all are told', () => told.length === 5)
    expect(told).toEqual(Array.from({ length: 5 }, () => 'refused'))
    expect(journal.status().degraded).toBeDefined()
    server.thaw()
    await until('it takes messages again', () => journal.status().degraded === undefined)
    await append(journal, 'after')
    await using reader = await journal.reader('detect')
    const texts = (await readAll(reader, { waitMs: 1_000 })).map(textOf)
    expect(texts[0]).toBe('before')
    expect(texts.at(-1)).toBe('after')
  })

  it('shares one stream between processes: one appends, another reads and commits, and that makes room', async () => {
    await server.start()
    await using broker = await openAt()
    await using ingest = await openAt()
    const positions = await appendAll(broker, numbered(300))
    for (const consumer of ['detect', 'telemetry'] as const) {
      await using reader = await ingest.reader(consumer)
      expect((await readAll(reader, { count: 300 })).map(textOf)).toEqual(numbered(300))
      await reader.commit(positions[199] ?? 0)
    }
    await until('the broker knows', () => {
      const { firstPosition, committed } = broker.status()
      return firstPosition === positions[200] && committed.telemetry > 0
    })
    expect(broker.status().committed).toEqual({ detect: positions[199], telemetry: positions[199] })
  })

  describe('whose server lost what it had acknowledged', () => {
    /** Ten records are kept and committed; ten more are acknowledged and lost. Answers the newest position of both. */
    const lose = async (journal: Journal, reader: JournalReader): Promise<[number, number]> => {
      const kept = (await appendAll(journal, numbered(10))).at(-1) ?? 0
      await readAll(reader, { count: 10 })
      await reader.commit(kept)
      await server.kill()
      await server.saveStore()
      await server.start()
      await until('it takes messages', () => journal.status().degraded === undefined)
      const lost = (await appendAll(journal, numbered(10, 10))).at(-1) ?? 0
      await readAll(reader, { count: 10 })
      return [kept, lost]
    }

    it('hides no new record behind a checkpoint of the lost ones', async () => {
      await server.start()
      let lost: number
      {
        await using journal = await openAt()
        await using reader = await journal.reader('detect')
        ;[, lost] = await lose(journal, reader)
      }
      await server.kill()
      await server.restoreStore()
      await server.start()
      await using journal = await openAt()
      const again = await appendAll(journal, numbered(20, 100))
      expect(again.at(-1)).toBeGreaterThan(lost) // so that nothing but the commit tells
      await using reader = await journal.reader('detect', { after: lost })
      expect((await readAll(reader, { count: 20 })).map(textOf)).toEqual(numbered(20, 100))
    })

    it('tells that records are missing which a consumer still needs', async () => {
      await server.start()
      const log = listeningLog()
      await using journal = await openAt(log)
      const positions = await appendAll(journal, numbered(20))
      for (const consumer of ['detect', 'telemetry'] as const) {
        await using reader = await journal.reader(consumer)
        await readAll(reader, { count: 20 })
        await reader.commit(positions[4] ?? 0)
      }
      const connection = await connect({ servers: server.url.slice('nats://'.length) })
      await (await jetstreamManager(connection)).streams.purge(STREAM, { seq: 11 })
      await connection.close()
      await until('it is told', () => log.events.includes('journal.damaged'))
      await new Promise((wake) => setTimeout(wake, 2_500))
      expect(log.events.filter((event) => event === 'journal.damaged')).toHaveLength(1)
    })

    it('takes back commits of records that are not there', async () => {
      await server.start()
      await using before = await openAt()
      await using reading = await before.reader('detect')
      const [kept, lost] = await lose(before, reading)
      await reading.commit(lost)
      await before[Symbol.asyncDispose]()
      await server.kill()
      await server.restoreStore()
      await server.start()
      // As if the positions had survived, and the records had not.
      const connection = await connect({ servers: server.url.slice('nats://'.length) })
      await jetstream(connection).publish('tiwang.position.detect.1.0', String(lost))
      await connection.close()
      const log = listeningLog()
      await using journal = await openAt(log)
      expect(log.events).toContain('journal.damaged')
      expect(journal.status().committed.detect).toBe(kept)
      await appendAll(journal, numbered(20, 100))
      await using reader = await journal.reader('detect')
      expect((await readAll(reader, { count: 20 })).map(textOf)).toEqual(numbered(20, 100))
    })

    it('goes on at once in a process that survived, and its readers see what stands there now', async () => {
      await server.start()
      const log = listeningLog()
      await using journal = await openAt(log)
      await using ingest = await openAt()
      await using reader = await ingest.reader('detect')
      await lose(journal, reader)
      await server.kill()
      await server.restoreStore()
      await server.start()
      await until('it takes messages', () => journal.status().degraded === undefined)
      expect(log.events).toContain('journal.damaged')
      await appendAll(journal, numbered(20, 100))
      expect((await readAll(reader, { count: 20 })).map(textOf)).toEqual(numbered(20, 100))
    })
  })

  it('never lets a position go back, whichever process commits last', async () => {
    await server.start()
    await using one = await openAt()
    await using other = await openAt()
    const positions = await appendAll(one, numbered(10))
    await using early = await one.reader('detect')
    await using late = await other.reader('detect')
    await readAll(late, { count: 10 })
    await late.commit(positions[8] ?? 0)
    await early.commit(positions[2] ?? 0) // by a process that was asleep
    await using third = await openAt()
    expect(third.status().committed.detect).toBe(positions[8])
    await early.commit(positions[9] ?? 0)
    await using fourth = await openAt()
    expect(fourth.status().committed.detect).toBe(positions[9])
  })

  it('keeps no lift waiting for the acknowledgements of another', async () => {
    await server.start()
    await using journal = await openAt()
    const told: string[] = []
    const say = (lift: string, text: string) =>
      appendEntry(journal, { ...entry(text), topic: `lifts/v1/${lift}/status` }).then(() => void told.push(text))
    const slow = Array.from({ length: 500 }, (_, index) => say('lift-0001', `slow ${index}`))
    await say('lift-0002', 'quick')
    expect(told.length).toBeLessThan(500)
    await Promise.all(slow)
    const slowTold = told.filter((text) => text !== 'quick')
    expect(slowTold).toEqual(Array.from({ length: 500 }, (_, index) => `slow ${index}`))
  })

  it('does not fight with a process that was told another size', async () => {
    await server.start()
    const logs = [listeningLog(), listeningLog()] as const
    await using one = await openJournal(server.url, { log: logs[0], bytesMax, shareCount: 1 })
    await using other = await openJournal(server.url, { log: logs[1], bytesMax: bytesMax / 2, shareCount: 1 })
    await new Promise((wake) => setTimeout(wake, 3_000))
    expect([one.status().degraded, other.status().degraded]).toEqual([undefined, undefined])
    expect(logs.map(({ events }) => events.filter((event) => event === 'journal.resized').length)).toEqual([0, 1])
  })

  it('begins beyond every earlier position when the stream was deleted', async () => {
    await server.start()
    await using journal = await openAt()
    await using reader = await journal.reader('detect')
    const before = (await appendAll(journal, numbered(20))).at(-1) ?? Infinity
    expect(await readAll(reader, { count: 20 })).toHaveLength(20)
    const connection = await connect({ servers: server.url.slice('nats://'.length) })
    await (await jetstreamManager(connection)).streams.delete('TIWANG_JOURNAL')
    await connection.close()
    let after = 0
    await until('it takes messages again', () => {
      if (after === 0) journal.append(entry('new'), (error, position) => (after = error === undefined ? position : 0))
      return after !== 0
    })
    expect(after).toBeGreaterThan(before)
    const texts = (await readAll(reader, { count: 1, waitMs: 20_000 })).map(textOf)
    expect(texts[0]).toBe('new')
  })
})
