import { connect } from '@nats-io/transport-node'
import { jetstreamManager } from '@nats-io/jetstream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SHARE_COUNT, shareOfLift } from '#contract/shares'
import { silentLog } from '#contract/log-events'
import { PLATFORM_TOPIC } from '#contract/topics'
import { openJournal, type Journal } from '#storage/journal/journal'
import { natsServer, type NatsServer } from '../servers/nats.ts'
import { appendEntry, listeningLog, readAll, textOf, until } from './journal-under-test.ts'

const bytesMax = 64 * 1024 * 1024
const lifts = Array.from({ length: 40 }, (_, index) => `yhy-${index}-1`)
const say = (journal: Journal, lift: string, text: string) =>
  appendEntry(journal, {
    topic: `lifts/v1/${lift}/status`,
    terminal: 'TJ-0001',
    receivedAtMs: 1,
    payload: Buffer.from(text),
  })
const mark = (journal: Journal) =>
  appendEntry(journal, { topic: PLATFORM_TOPIC, terminal: '', receivedAtMs: 2, payload: new Uint8Array() })

describe('nats journal in shares', () => {
  let server: NatsServer
  let journal: Journal
  beforeEach(async () => {
    server = await natsServer()
    journal = await openJournal(server.url, { log: silentLog, bytesMax })
  })
  afterEach(async () => {
    await journal[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  it('keeps each lift in one share and in order, and a mark of the platform in all of them', async () => {
    const sent = lifts.flatMap((lift) => Array.from({ length: 20 }, (_, index) => [lift, `${lift} ${index}`] as const))
    await Promise.all(sent.map(([lift, text]) => say(journal, lift, text)))
    await mark(journal)
    for (let share = 0; share < SHARE_COUNT; share += 1) {
      const wanted = sent.filter(([lift]) => shareOfLift(lift, SHARE_COUNT) === share)
      await using reader = await journal.reader('detect', { share })
      const records = await readAll(reader, { count: wanted.length + 1 })
      const marks = records.filter(({ topic }) => topic === PLATFORM_TOPIC)
      expect(marks).toHaveLength(1)
      const texts = records.filter(({ topic }) => topic !== PLATFORM_TOPIC).map(textOf)
      for (const lift of lifts)
        expect(texts.filter((text) => text.startsWith(`${lift} `))).toEqual(
          wanted.filter(([each]) => each === lift).map(([, text]) => text),
        )
      expect(texts).toHaveLength(wanted.length)
    }
  })

  it('knows of each share on its own whether everything was read', async () => {
    const [lift = ''] = lifts
    const share = shareOfLift(lift, SHARE_COUNT)
    const quiet = (share + 1) % SHARE_COUNT
    await using reader = await journal.reader('detect', { share })
    await using other = await journal.reader('detect', { share: quiet })
    await until('both are known to be empty', () => reader.unread()?.count === 0 && other.unread()?.count === 0)
    await say(journal, lift, 'one')
    await say(journal, lift, 'two')
    await until('the two are seen', () => reader.unread()?.count === 2)
    expect(await readAll(reader, { count: 2, countMax: 1 })).toHaveLength(2)
    const readAtMs = performance.now()
    await until('it is known anew that nothing is left', () => {
      const unread = reader.unread()
      return unread?.count === 0 && unread.atMs > readAtMs
    })
    expect(other.unread()?.count).toBe(0)
    // What was known before the server fell silent grows old.
    await server.kill()
    await new Promise((wake) => setTimeout(wake, 1_500))
    const before = other.unread()
    await new Promise((wake) => setTimeout(wake, 1_500))
    expect(other.unread()).toEqual(before)
  })

  it('drops only what every consumer is done with in every share', async () => {
    for (const lift of lifts) await say(journal, lift, lift)
    const last = await mark(journal)
    const commitAll = async (shares: readonly number[]) => {
      for (const consumer of ['detect', 'telemetry'] as const)
        for (const share of shares) {
          await using reader = await journal.reader(consumer, { share })
          await reader.commit(last)
        }
    }
    const all = Array.from({ length: SHARE_COUNT }, (_, share) => share)
    await commitAll(all.slice(1))
    await new Promise((wake) => setTimeout(wake, 7_000))
    expect(journal.status().committed).toEqual({ detect: 0, telemetry: 0 })
    await using reader = await journal.reader('telemetry', { share: 0 })
    const kept = lifts.filter((lift) => shareOfLift(lift, SHARE_COUNT) === 0)
    expect((await readAll(reader, { count: kept.length })).map(textOf)).toEqual(kept)
    await commitAll([0])
    await until('it is dropped', () => journal.status().firstPosition > last)
  })

  it('goes on in each share where the last worker stopped, also in another process', async () => {
    const [lift = ''] = lifts
    const share = shareOfLift(lift, SHARE_COUNT)
    const first = await say(journal, lift, 'one')
    await say(journal, lift, 'two')
    {
      await using reader = await journal.reader('telemetry', { share })
      await reader.commit(first)
    }
    await using later = await openJournal(server.url, { log: silentLog, bytesMax })
    await using reader = await later.reader('telemetry', { share })
    expect((await readAll(reader, { count: 1 })).map(textOf)).toEqual(['two'])
  })

  it('refuses a stream that is divided differently, with a sentence, until it was worked off', async () => {
    await say(journal, lifts[0] ?? '', 'of before')
    await journal[Symbol.asyncDispose]()
    const log = listeningLog()
    await using other = await openJournal(server.url, { log, bytesMax, shareCount: 4 })
    expect(other.status().degraded).toContain('divided differently')
    await expect(say(other, 'yhy-1-1', 'too early')).rejects.toThrow('divided differently')
    const connection = await connect({ servers: server.url.slice('nats://'.length) })
    await (await jetstreamManager(connection)).streams.purge('TIWANG_JOURNAL')
    await connection.close()
    await until('it takes messages', () => other.status().degraded === undefined)
    expect(await say(other, 'yhy-1-1', 'now')).toBeGreaterThan(0)
  })
})
