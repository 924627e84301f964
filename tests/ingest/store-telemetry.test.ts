/** The second reader between a real journal and InfluxDB, or a server that misbehaves as InfluxDB would. */
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import type { QuarantineRow } from '#contract/register'
import type { Status } from '#contract/telemetry'
import { newCounters } from '#ingest/counters'
import { HourMarks } from '#ingest/hour-marks'
import { newOutages } from '#ingest/outages'
import { storeTelemetry } from '#ingest/store-telemetry'
import { openJournal, type Journal, type JournalReader } from '#storage/journal/journal'
import type { Register } from '#storage/register/register'
import { openTelemetryStore } from '#storage/telemetry/telemetry-store'
import { statusOf } from '../platform/terminals.ts'
import { startAnswering } from '../servers/answering.ts'
import { startInflux } from '../servers/influx.ts'
import { memoryRegister } from '../servers/register.ts'
import { tempFolder } from '../servers/temp-folder.ts'

const lift = 'yhy-7-2' as LiftId
const ALL = { lift, measurement: 'status', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER } as const

describe('storing telemetry in InfluxDB', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>
  let journal: Journal
  let reader: JournalReader
  let quarantined: QuarantineRow[]
  let stopping: AbortController
  let running: Promise<void>
  let register: Register
  const atMs = Date.now()

  beforeEach(async () => {
    folder = await tempFolder('store-telemetry')
    journal = await openJournal(`file:${folder.path}/journal`, { log: silentLog })
    reader = await journal.reader('telemetry', { after: 0 })
    register = await memoryRegister()
    quarantined = []
    stopping = new AbortController()
    running = Promise.resolve()
  })
  afterEach(async () => {
    stopping.abort()
    await running
    await reader[Symbol.asyncDispose]()
    await journal[Symbol.asyncDispose]()
    await register[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })

  const say = (seq: number, change: Partial<Status> = {}): Promise<number> =>
    new Promise((resolve, reject) => {
      const payload = Buffer.from(JSON.stringify(statusOf(1, seq, atMs - 60_000 + seq, change)))
      const entry = { topic: `lifts/v1/${lift}/status`, terminal: 'TJ-0007', receivedAtMs: atMs, payload }
      journal.append(entry, (error, position) => (error === undefined ? resolve(position) : reject(error)))
    })
  const begin = (telemetry: Parameters<typeof storeTelemetry>[0]['telemetry']): void => {
    running = storeTelemetry({
      reader,
      telemetry,
      staleHours: register.staleHours,
      hourMarks: new HourMarks({ retentionDays: 396 }),
      quarantine: async (rows) => void quarantined.push(...rows),
      outages: newOutages({ log: silentLog, nowMs: Date.now, onChange: () => {} }),
      counters: newCounters(new Registry()),
      log: silentLog,
      nowMs: Date.now,
      onUnsettled: () => {},
      signal: stopping.signal,
    })
  }
  const committed = async (position: number): Promise<void> =>
    expect.poll(() => journal.status().committed['telemetry'], { timeout: 30_000 }).toBe(position)

  it('waits as long as the server asks for before it tries again', async () => {
    await using server = await startAnswering(({ url }) => {
      if (url?.startsWith('/write') !== true) return { status: 204 }
      const isFirst = server.asked.filter(({ line }) => line.includes('/write')).length === 1
      return isFirst ? { status: 429, headers: { 'retry-after': '2' } } : { status: 204 }
    })
    await using store = await openTelemetryStore(server.storeUrl, { log: silentLog })
    const position = await say(1)
    begin(store)
    await committed(position)
    const [first = 0, second = 0] = server.asked.filter(({ line }) => line.includes('/write')).map((each) => each.atMs)
    // Without the header it would have been tried again after 0.2 s. A timer may be early by a millisecond.
    expect(second - first).toBeGreaterThanOrEqual(1_990)
  })

  it('ends at once although the server asked for a minute', async () => {
    await using server = await startAnswering(() => ({ status: 503, headers: { 'retry-after': '3600' } }))
    await using store = await openTelemetryStore(server.storeUrl, { log: silentLog })
    await say(1)
    begin(store)
    await expect.poll(() => server.asked.length, { timeout: 10_000 }).toBeGreaterThan(0)
    stopping.abort()
    await running
    expect(journal.status().committed['telemetry'] ?? 0).toBe(0)
  })

  it('finds the one point that the server refuses, quarantines it with the words of the server, and keeps the rest', async () => {
    await using server = await startInflux()
    await using store = await openTelemetryStore(server.storeUrl('poison'), { log: silentLog })
    await store.check()
    // Somebody wrote this field as text before; only one of our points carries it.
    const body = `status,lift=other vibrationMg="strong" ${atMs}000000`
    expect((await fetch(`${server.url}/write?db=poison`, { method: 'POST', body })).status).toBe(204)
    let position = 0
    for (let seq = 1; seq <= 40; seq += 1) position = await say(seq, seq === 23 ? { vibrationMg: 5 } : {})
    begin(store)
    await committed(position)
    expect(quarantined).toHaveLength(1)
    expect(quarantined[0]).toMatchObject({
      reason: 'store.refused',
      detail: expect.stringContaining('field type conflict') as unknown,
    })
    const seqs = (await store.points({ ...ALL, limit: 99 })).map(({ seq }) => seq)
    expect(seqs).toEqual(Array.from({ length: 40 }, (_, n) => n + 1).filter((seq) => seq !== 23))
  })

  it('brings everything to a server that is killed again and again, once each, and quarantines nothing', async () => {
    await using server = await startInflux()
    await using store = await openTelemetryStore(server.storeUrl('killed'), { log: silentLog })
    begin(store)
    let seq = 0
    for (let round = 0; round < 3; round += 1) {
      const killing = new Promise((resolve) => setTimeout(resolve, 100 + 150 * round)).then(() =>
        server.stop('SIGKILL'),
      )
      for (const until = seq + 2_000; seq < until; seq += 100)
        await Promise.all(Array.from({ length: 100 }, (_, n) => say(seq + n + 1)))
      await killing
      await server.start()
    }
    await committed(await say((seq += 1)))
    expect(await store.count(ALL)).toBe(6_001)
    expect(quarantined).toEqual([])
  })
})
