import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BusMessages } from '#contract/bus'
import { HOUR_MS } from '#contract/calendar'
import { STATE_SILENCE_MS_MAX } from '#contract/history'
import type { LiftId, OrganisationId, TerminalSerial } from '#contract/ids'
import { silentLift, type LiveState } from '#contract/live'
import { silentLog } from '#contract/log-events'
import type { Status } from '#contract/telemetry'
import { PLATFORM_MARK_MS, PLATFORM_TOPIC } from '#contract/topics'
import { startIngest, type Ingest } from '#ingest/start'
import { openBus, type Bus } from '#storage/bus/bus'
import { openJournal, type Journal } from '#storage/journal/journal'
import { RegisterAwayError, openRegister, type Register } from '#storage/register/register'
import { TelemetryStoreError, openTelemetryStore, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { liftOf } from '../lift-of.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { eventually } from '../platform/platform-process.ts'
import { statusOf } from '../platform/terminals.ts'

const lift = 'yhy-7-2' as LiftId
const terminal = 'TJ-0007' as TerminalSerial
const contractor = 'contractor-a' as OrganisationId
const trapped = { doorZone: false, passengerPresent: true, passengerCount: 2, carPosition: '3' } as const

describe('ingest on a real journal, register and telemetry store', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>
  let journal: Journal
  let register: Register
  let telemetry: TelemetryStore
  let bus: Bus
  let ingest: Ingest
  let said: BusMessages['alarm'][]
  let shown: LiveState[]
  let nowMs: number

  /** With the clock of the test: ingest sees the time that the test sets. */
  const start = async (
    o: {
      register?: Register
      telemetry?: Pick<TelemetryStore, 'append' | 'points' | 'figures' | 'putFigures'>
      journal?: Pick<Journal, 'reader' | 'status' | 'shareCount'>
    } = {},
  ): Promise<Ingest> =>
    startIngest({
      journal,
      register,
      telemetry,
      retentionDays: 396,
      quietMs: 0,
      bus,
      metrics: new Registry(),
      log: silentLog,
      nowMs: () => nowMs,
      ...o,
    })
  const say = (kind: string, body: unknown, atMs = nowMs): Promise<number> =>
    new Promise((resolve, reject) =>
      journal.append(
        {
          topic: `lifts/v1/${lift}/${kind}`,
          terminal,
          receivedAtMs: atMs,
          payload: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
        },
        (error, position) => (error === undefined ? resolve(position) : reject(error)),
      ),
    )
  const status = (seq: number, change: Partial<Status> = {}) => say('status', statusOf(1, seq, nowMs - 40, change))
  /** Viewers were told of this status: detection has taken it. */
  const seen = (seq: number) =>
    eventually(
      async () => shown.at(-1)?.status?.seq,
      (last) => last === seq,
      3_000,
    )
  /** Time goes by while the broker runs and leaves its mark. */
  const pass = async (ms: number) => {
    for (let passedMs = 0; passedMs < ms; passedMs += PLATFORM_MARK_MS) {
      nowMs += PLATFORM_MARK_MS - 3_000
      const mark = { topic: PLATFORM_TOPIC, terminal: '', receivedAtMs: nowMs, payload: new Uint8Array() }
      const position = await new Promise<number>((resolve) => journal.append(mark, (_error, at) => resolve(at)))
      nowMs += 3_000 // time for the next checkpoint
      await eventually(
        async () => journal.status().committed.detect,
        (committed) => committed >= position,
        5_000,
      )
    }
  }
  const openAlarms = async () => (await register.alarms.list({ scope: { all: true }, limit: 10 })).rows

  beforeEach(async () => {
    nowMs = Date.now()
    folder = await tempFolder('ingest')
    journal = await openJournal(`file:${folder.path}/journal`, { log: silentLog })
    register = await openRegister('pglite:memory', { log: silentLog })
    telemetry = await openTelemetryStore(`file:${folder.path}/telemetry`, { log: silentLog })
    bus = await openBus('local:', { log: silentLog })
    await register.organisations.put([{ id: contractor, name: '甲维保', kind: 'contractor', phone: null }])
    await register.lifts.put([liftOf(lift, contractor)])
    said = []
    shown = []
    await bus.subscribe('live', ({ states }) => shown.push(...states))
    await bus.subscribe('alarm', (message) => said.push(message))
    ingest = await start()
  })
  afterEach(async () => {
    await ingest[Symbol.asyncDispose]()
    for (const part of [bus, telemetry, register, journal, folder]) await part[Symbol.asyncDispose]()
  })

  it('tells viewers of a status, keeps it in the telemetry store, and shows it again after a restart', async () => {
    await status(1, { positionMm: 5_600 })
    await seen(1)
    const range = { lift, measurement: 'status', fromMs: nowMs - 60_000, toMs: nowMs + 60_000 } as const
    await eventually(
      () => telemetry.count(range),
      (count) => count === 1,
      3_000,
    )
    await ingest[Symbol.asyncDispose]()
    ingest = await start()
    shown = []
    bus.publish('live.wanted', { atMs: nowMs })
    await seen(1)
    expect(shown.at(-1)).toMatchObject({ link: 'online', terminal })
    expect(await telemetry.count(range)).toBe(1)
  })

  it('computes the figures of an hour by itself when it is over, and tells how many wait', async () => {
    const hourAtMs = nowMs - (nowMs % HOUR_MS)
    nowMs = hourAtMs + 30 * 60_000
    await status(1)
    await seen(1)
    expect(await telemetry.figures({ fromMs: 0, toMs: nowMs, limit: 9 })).toEqual([])
    nowMs = hourAtMs + HOUR_MS + 120_001
    const [row] = await eventually(
      () => telemetry.figures({ fromMs: 0, toMs: nowMs, limit: 9 }),
      (rows) => rows.length > 0,
      15_000,
    )
    const inServiceMs = STATE_SILENCE_MS_MAX
    expect(row).toMatchObject({ lift, hourAtMs, sampleCount: 1, inServiceMs, unknownMs: HOUR_MS - inServiceMs })
    expect(await register.staleHours.count({ endedBeforeMs: nowMs })).toBe(0)
  })

  it('raises an entrapment by the clock, once, also when it is restarted in between', async () => {
    await status(1, trapped)
    await seen(1)
    nowMs += 10_000
    await new Promise((wake) => setTimeout(wake, 400))
    expect(await openAlarms()).toEqual([])
    await ingest[Symbol.asyncDispose]()
    ingest = await start()
    nowMs += 5_000
    const [alarm] = await eventually(openAlarms, (alarms) => alarms.length > 0, 3_000)
    expect(alarm).toMatchObject({
      lift,
      kind: 'entrapment-between-floors',
      state: 'unacknowledged',
      certainty: 'suspected',
      contractor,
      raiseCount: 1,
    })
    await ingest[Symbol.asyncDispose]()
    ingest = await start()
    nowMs += 30_000
    await status(2, trapped)
    await new Promise((wake) => setTimeout(wake, 500))
    expect(await openAlarms()).toHaveLength(1)
    expect(said.filter(({ occurrence }) => occurrence.event === 'raise')).toHaveLength(1)
  })

  it('keeps one history of an alarm: raised, confirmed, acknowledged, returned, closed', async () => {
    await status(1, trapped)
    nowMs += 16_000
    await status(2, trapped)
    const [alarm] = await eventually(openAlarms, (alarms) => alarms.length > 0, 3_000)
    if (alarm === undefined) throw new Error('there is an alarm')
    await register.alarms.acknowledge({ id: alarm.id, scope: { all: true }, by: '王值班', note: null, atMs: nowMs })
    nowMs += 50_000
    await status(3, trapped)
    nowMs += 20_000
    await status(4, { doorZone: true, doorClosed: false, passengerPresent: true })
    const closed = await eventually(
      () => register.alarms.byId(alarm.id, { all: true }),
      (found) => found?.state === 'closed',
      3_000,
    )
    expect(closed).toMatchObject({ acknowledgedBy: '王值班', certainty: 'confirmed' })
    const history = await register.alarms.occurrences(alarm.id)
    expect(history.map(({ event, by }) => [event, by])).toEqual([
      ['raise', null],
      ['acknowledge', '王值班'],
      ['confirm', null],
      ['return', null],
    ])
    expect(history.map(({ number }) => number)).toEqual([1, 2, 3, 4])
  })

  it('raises terminal offline after five minutes of silence, and not for its own time away', async () => {
    await status(1)
    await seen(1)
    await ingest[Symbol.asyncDispose]()
    nowMs += 3_600_000 // the platform is away for an hour
    ingest = await start()
    await pass(280_000)
    expect(await openAlarms()).toEqual([])
    await pass(20_000)
    const [alarm] = await eventually(openAlarms, (alarms) => alarms.length > 0, 3_000)
    expect(alarm).toMatchObject({ kind: 'terminal-offline', priority: 4 })
    await status(2)
    await eventually(openAlarms, ([found]) => found?.state === 'returned-unacknowledged', 3_000)
  })

  it('does not take the absence of the broker for the silence of terminals', async () => {
    await status(1)
    await seen(1)
    const told: string[] = []
    await bus.subscribe('health', ({ degraded }) => told.push(...degraded.map(({ part }) => part)))
    nowMs += 600_000 // no mark of the broker for ten minutes
    await eventually(
      async () => told,
      (parts) => parts.includes('broker'),
      3_000,
    )
    expect(await openAlarms()).toEqual([])
    await pass(280_000)
    expect(await openAlarms()).toEqual([])
    await pass(20_000)
    await eventually(openAlarms, (alarms) => alarms.length === 1, 3_000)
  })

  it('hears a terminal that replaces another and counts from the beginning', async () => {
    await say('status', statusOf(9, 500_000, nowMs - 40))
    await seen(500_000)
    const other = 'TJ-0008' as TerminalSerial
    const asOther = (seq: number) => {
      const payload = Buffer.from(JSON.stringify(statusOf(1, seq, nowMs - 8 * 3_600_000, trapped)))
      journal.append({ topic: `lifts/v1/${lift}/status`, terminal: other, receivedAtMs: nowMs, payload }, () => {})
    }
    asOther(1)
    await seen(1)
    nowMs += 16_000
    asOther(2)
    const [alarm] = await eventually(openAlarms, (alarms) => alarms.length === 1, 3_000)
    expect(alarm).toMatchObject({ kind: 'entrapment-between-floors' })
  })

  it('does not end an alarm by replaying what was said before it', async () => {
    await status(1, { doorClosed: false }) // people get in
    nowMs += 10_000
    await status(2, trapped)
    nowMs += 16_000
    await status(3, trapped)
    await eventually(openAlarms, (alarms) => alarms.length === 1, 3_000)
    await ingest[Symbol.asyncDispose]()
    // As after a kill before the first checkpoint: the register has the alarm, and everything is read again.
    await register.liveStates.save({ position: 0, lifts: [{ state: silentLift(lift), memory: null }] })
    ingest = await start()
    await seen(3)
    await new Promise((wake) => setTimeout(wake, 300))
    expect(await openAlarms()).toMatchObject([{ state: 'unacknowledged', raiseCount: 1 }])
    await status(4, { doorClosed: false })
    await eventually(openAlarms, ([found]) => found?.state === 'returned-unacknowledged', 3_000)
  })

  it('raises the next entrapment when the replay has ended the one that stood open at the start', async () => {
    await status(1, trapped)
    nowMs += 16_000
    await status(2, trapped)
    await eventually(openAlarms, (alarms) => alarms.length === 1, 3_000)
    await ingest[Symbol.asyncDispose]()
    nowMs += 10_000
    await status(3, { doorClosed: false }) // they get out while nobody looks
    ingest = await start()
    await eventually(openAlarms, ([found]) => found?.state === 'returned-unacknowledged', 3_000)
    nowMs += 10_000
    await status(4, trapped)
    await seen(4)
    nowMs += 16_000
    await eventually(openAlarms, ([found]) => found?.raiseCount === 2, 3_000)
  })

  it('raises terminal offline anew when the replay has ended the one that stood open at the start', async () => {
    await status(1)
    await seen(1)
    await pass(300_000)
    await eventually(openAlarms, (alarms) => alarms.length === 1, 3_000)
    await ingest[Symbol.asyncDispose]()
    nowMs += 10_000
    await status(2)
    ingest = await start()
    await eventually(openAlarms, ([found]) => found?.state === 'returned-unacknowledged', 3_000)
    await pass(320_000)
    await eventually(openAlarms, ([found]) => found?.raiseCount === 2, 3_000)
  })

  it('ends its work soon although the telemetry store hangs', async () => {
    await ingest[Symbol.asyncDispose]()
    let appendCount = 0
    const hanging: TelemetryStore = {
      ...telemetry,
      append: () => {
        appendCount += 1
        return new Promise(() => {})
      },
    }
    ingest = await start({ telemetry: hanging })
    const position = await status(1)
    await eventually(
      async () => appendCount,
      (count) => count === 1,
      3_000,
    )
    await ingest[Symbol.asyncDispose]() // an append may take half a minute before it counts as away: longer than a test may
    expect(journal.status().committed.telemetry).toBeLessThan(position)
  })

  it('does not take a journal that keeps no commit for a register that is away', async () => {
    await ingest[Symbol.asyncDispose]()
    const forgetful: Pick<Journal, 'reader' | 'status' | 'shareCount'> = {
      shareCount: 1,
      status: () => journal.status(),
      reader: async (...o) => {
        const reader = await journal.reader(...o)
        return {
          read: (how) => reader.read(how),
          unread: () => reader.unread(),
          commit: () => Promise.reject(new Error('the journal is away')),
          [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
        }
      },
    }
    const missing = new Set<string>()
    await bus.subscribe('health', ({ degraded }) => degraded.forEach(({ part }) => missing.add(part)))
    ingest = await start({ journal: forgetful })
    const position = await status(1)
    await seen(1)
    nowMs += 3_000
    await eventually(
      async () => [...missing],
      (parts) => parts.includes('journal'),
      3_000,
    )
    expect([...missing]).not.toContain('register')
    expect(await register.liveStates.load()).toMatchObject({ position })
  })

  it('tells viewers at once while the register hangs', async () => {
    await ingest[Symbol.asyncDispose]()
    let answer = () => {}
    const hanging: Register = {
      ...register,
      alarms: {
        ...register.alarms,
        apply: (change) => new Promise<void>((resolve) => (answer = resolve)).then(() => register.alarms.apply(change)),
      },
    }
    ingest = await start({ register: hanging })
    await status(1, trapped)
    nowMs += 16_000
    await eventually(
      async () => said.length,
      (count) => count > 0,
      2_000,
    )
    await status(2, { ...trapped, positionMm: 5_000 })
    await seen(2)
    answer()
    await eventually(openAlarms, (alarms) => alarms.length === 1, 3_000)
  })

  it('puts what it cannot understand in quarantine and goes on with the next message', async () => {
    await say('status', '{"v":1')
    await say('message', { ...statusOf(1, 2, nowMs), id: 'a', code: 4 })
    await status(3)
    const { rows } = await eventually(
      () => register.quarantine.list({ limit: 10 }),
      (page) => page.rows.length === 2,
      3_000,
    )
    expect(rows.map(({ reason }) => reason).sort()).toEqual(['payload.codeSet', 'payload.notJson'])
    await eventually(
      () => telemetry.count({ lift, measurement: 'status', fromMs: nowMs - 60_000, toMs: nowMs + 60_000 }),
      (count) => count === 1,
      3_000,
    )
  })

  it('shows an alarm while the register is away, and writes it when it is back', async () => {
    await ingest[Symbol.asyncDispose]()
    let isAway = true
    const flaky: Register = {
      ...register,
      alarms: {
        ...register.alarms,
        apply: (change) =>
          isAway ? Promise.reject(new RegisterAwayError('pulled the plug')) : register.alarms.apply(change),
      },
    }
    ingest = await start({ register: flaky })
    await status(1, trapped)
    nowMs += 16_000
    await eventually(
      async () => said.length,
      (count) => count === 1,
      3_000,
    )
    expect(said[0]?.alarm).toMatchObject({ lift, kind: 'entrapment-between-floors', contractor })
    expect(await openAlarms()).toEqual([])
    isAway = false
    const [alarm] = await eventually(openAlarms, (alarms) => alarms.length === 1, 5_000)
    expect(alarm?.id).toBe(said[0]?.alarm.id)
  })

  it('quarantines the one point that the store refuses, and keeps the rest of its batch', async () => {
    await ingest[Symbol.asyncDispose]()
    const picky: TelemetryStore = {
      ...telemetry,
      append: (points) =>
        points.some(({ seq }) => seq === 7)
          ? Promise.reject(new TelemetryStoreError('refused', 'no sevens'))
          : telemetry.append(points),
    }
    for (let seq = 1; seq <= 20; seq += 1) await status(seq)
    ingest = await start({ telemetry: picky })
    const range = { lift, measurement: 'status', fromMs: nowMs - 60_000, toMs: nowMs + 60_000 } as const
    await eventually(
      () => telemetry.count(range),
      (count) => count === 19,
      5_000,
    )
    const { rows } = await eventually(
      () => register.quarantine.list({ limit: 10 }),
      (page) => page.rows.length === 1,
      3_000,
    )
    expect(rows[0]).toMatchObject({ reason: 'store.refused', detail: 'no sevens' })
  })
})
