import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import type { LiftId } from '#contract/ids'
import { silentLog, type Log, type LogEvent } from '#contract/log-events'
import { readSettings } from '#contract/settings'
import { historyOf } from '#simulator/history/lift-history'
import { readHistoryRecord } from '#simulator/history/history-file'
import { readMemory } from '#simulator/terminal/memory'
import { kindOf } from '#simulator/terminal/sensing'
import { generateTown } from '#simulator/town/town'
import { openTelemetryStore, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { startPlatform, type Platform } from '../../main.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { eventually, passwordOf, signIn } from './platform-process.ts'

const LIFT_COUNT = 4
const DAYS = 30
const WITHIN_MS = 120_000

type Told = { readonly log: Log; readonly events: LogEvent[] }
function keepingLog(): Told {
  const events: LogEvent[] = []
  const keep = (event: LogEvent) => void events.push(event)
  return { events, log: { debug: () => {}, info: keep, warn: keep, error: keep } }
}

function start(dataFolder: string, { log }: Told): Promise<Platform> {
  return startPlatform(
    readSettings({
      DATA_DIR: dataFolder,
      HOST: '127.0.0.1',
      HTTP_PORT: '0',
      MQTT_PORT: '0',
      ALARMS_MQTT_PORT: 'off',
      DEMO_LIFTS: String(LIFT_COUNT),
      SIMULATOR_FAULT_MINUTES: '0',
    }),
    log,
  )
}

const heard = ({ events }: Told, event: LogEvent) =>
  eventually(
    () => Promise.resolve(events),
    (all) => all.includes(event),
    WITHIN_MS,
  )

/** Each lift has stored readings of its past and of so many live starts. */
async function readingsStored({ apiUrl }: Platform, dataFolder: string, startCount: number): Promise<void> {
  if (apiUrl === undefined) throw new Error('the platform has an address')
  const session = await signIn(apiUrl, 'operator', await passwordOf('operator', dataFolder))
  const { items: lifts } = await session.get<{ items: { id: LiftId }[] }>('/api/v1/lifts')
  const from = new Date(Date.now() - 2 * HOUR_MS).toISOString()
  const bootCountOf = async (lift: LiftId): Promise<number> => {
    const to = new Date(Date.now() + HOUR_MS / 60).toISOString()
    const question = new URLSearchParams({ measurement: 'statistics', from, to })
    const { items } = await session.get<{ items: { boot: number }[] }>(
      `/api/v1/lifts/${lift}/samples?${question.toString()}`,
    )
    return new Set(items.map(({ boot }) => boot)).size
  }
  await eventually(
    () => Promise.all(lifts.map(({ id }) => bootCountOf(id))),
    (bootCounts) => bootCounts.length === LIFT_COUNT && bootCounts.every((count) => count === startCount + 1),
    WITHIN_MS,
  )
}

/** The town as its file says, and what is stored of it. */
async function open(dataFolder: string) {
  const record = await readHistoryRecord(join(dataFolder, 'simulated-history.json'))
  if (record === undefined) throw new Error('the town has a past')
  const town = generateTown({ seed: record.seed, liftCount: LIFT_COUNT, boundAtMs: record.untilMs })
  const store = await openTelemetryStore(`file:${join(dataFolder, 'telemetry')}`, { log: silentLog })
  return { record, town, store }
}

async function allPoints(store: TelemetryStore, lift: LiftId, measurement: 'status' | 'statistics' | 'message') {
  const points = await store.points({ lift, measurement, fromMs: 0, toMs: Date.now() * 2, limit: 20_000 })
  expect(points.length).toBeLessThan(20_000)
  return points
}

/** The past is stored exactly as it is made, each point once, with figures of every hour. */
async function expectWholePast(dataFolder: string): Promise<void> {
  const { record, town, store } = await open(dataFolder)
  await using _store = store
  const { fromMs, untilMs } = record
  expect(record.isWhole).toBe(true)
  for (const { serial, lift: id } of town.terminals) {
    const lift = town.lifts.find((each) => each.id === id)
    if (lift === undefined) throw new Error(`${id} is in the town`)
    const made = historyOf({ lift, serial }, record)
    for (const [measurement, bodies] of [
      ['status', made.statuses],
      ['statistics', made.statistics],
      ['message', made.messages],
    ] as const) {
      const stored = (await allPoints(store, id, measurement)).filter(({ boot }) => boot === made.boot)
      expect(stored.map(({ seq }) => seq)).toEqual(bodies.map(({ seq }) => seq))
    }
    const figures = await store.figures({ lifts: [id], fromMs, toMs: untilMs, limit: 50_000 })
    const whole = figures.filter(({ hourAtMs }) => hourAtMs + HOUR_MS <= untilMs)
    expect(whole).toHaveLength(DAYS * 24)
    const says = kindOf(record.seed, serial) === 'controller'
    for (const hour of whole) {
      expect(hour.onlineMs).toBe(HOUR_MS)
      expect(hour.unknownMs).toBe(says ? 0 : HOUR_MS)
      expect(hour.runCount).toBeGreaterThanOrEqual(0)
    }
    // The last hour may end after its last reading.
    for (const hour of whole.slice(0, -1)) expect(hour.countedMs).toBe(HOUR_MS)
    const readings = await allPoints(store, id, 'statistics')
    const counts = readings.map(({ fields }) => Number(fields['runCount']))
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
  }
}

describe('the past of a demonstration town', () => {
  it(
    'is there after the first start, made once, and its counters go on through the live lifts and a restart',
    { timeout: 3 * WITHIN_MS },
    async () => {
      await using folder = await tempFolder('history')
      const first = keepingLog()
      {
        await using platform = await start(folder.path, first)
        await Promise.all([heard(first, 'history.done'), readingsStored(platform, folder.path, 1)])
      }
      await expectWholePast(folder.path)
      const kept = await readMemory(join(folder.path, 'simulated-terminals.memory.json'), silentLog)
      expect(kept.size).toBe(LIFT_COUNT)
      const second = keepingLog()
      {
        await using platform = await start(folder.path, second)
        await readingsStored(platform, folder.path, 2)
      }
      expect(second.events).not.toContain('history.begun')
      await expectWholePast(folder.path)
    },
  )

  it('is made again, and is the same, when the first start was cut short', { timeout: 3 * WITHIN_MS }, async () => {
    await using folder = await tempFolder('history')
    const first = keepingLog()
    {
      await using _platform = await start(folder.path, first)
      await heard(first, 'history.progress')
    }
    expect(first.events).toContain('history.stopped')
    expect(first.events).not.toContain('history.done')
    const second = keepingLog()
    {
      await using _platform = await start(folder.path, second)
      await heard(second, 'history.done')
    }
    await expectWholePast(folder.path)
  })
})
