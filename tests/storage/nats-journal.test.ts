import { connect } from '@nats-io/transport-node'
import { jetstreamManager } from '@nats-io/jetstream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '#contract/log-events'
import { openJournal, type Journal } from '#storage/journal/journal'
import { natsServer, type NatsServer } from '../servers/nats.ts'
import { append, appendAll, entry, listeningLog, readAll, textOf, until } from './journal-under-test.ts'

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
