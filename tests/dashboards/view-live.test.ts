import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextAlarmState, type Alarm, type AlarmEvent } from '#contract/alarms'
import type { AlarmId, LiftId } from '#contract/ids'
import { silentLift, type LiveState } from '#contract/live'
import { toWire } from '#contract/wire'
import { laterOf, withAlarm, withOpenList, type AlarmMap } from '#dashboards/view/src/live/alarm-board'
import { emptyFleet, helloOf, takeDelta, takeSnapshot } from '#dashboards/view/src/live/fleet'
import { fromWire } from '#dashboards/view/src/live/from-wire'
import { repeatedRead } from '#dashboards/view/src/live/repeated-read'

const lift = (n: number) => `lift-${String(n).padStart(3, '0')}` as LiftId
const row = (n: number, position: number): LiveState => ({ ...silentLift(lift(n)), position })

describe('the fleet in the browser', () => {
  it('ignores deltas until a snapshot came', () => {
    const memory = emptyFleet()
    expect(takeDelta(memory, { seq: 7, rows: [row(1, 5)] })).toBe('ignored')
    expect(memory.states.size).toBe(0)
    expect(helloOf(memory)).toEqual({})
  })

  it('asks for everything after a gap and ignores what comes before the snapshot', () => {
    const memory = emptyFleet()
    takeSnapshot(memory, { seq: 10, rows: [row(1, 1), row(2, 1)] })
    expect(helloOf(memory)).toEqual({ since: 10 })
    expect(takeDelta(memory, { seq: 12, rows: [row(1, 9)] })).toBe('gap')
    expect(helloOf(memory)).toEqual({})
    expect(takeDelta(memory, { seq: 11, rows: [row(1, 8)] })).toBe('ignored')
    expect(memory.states.get(lift(1))?.position).toBe(1)
    takeSnapshot(memory, { seq: 12, rows: [row(1, 9)] })
    expect([...memory.states.keys()]).toEqual([lift(1)])
    expect(takeDelta(memory, { seq: 13, rows: [row(1, 10)] })).toBe('applied')
  })

  it('never goes back to an older position of the journal', () => {
    const memory = emptyFleet()
    takeSnapshot(memory, { seq: 1, rows: [row(1, 50)] })
    takeDelta(memory, { seq: 2, rows: [row(1, 49)] })
    expect(memory.states.get(lift(1))?.position).toBe(50)
  })

  it('ends up with what the server has, whatever deltas are lost or repeated on the way', () => {
    const change = fc.record({
      lift: fc.integer({ min: 0, max: 5 }),
      fate: fc.constantFrom('arrives', 'lost', 'twice'),
    })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const server = new Map<LiftId, LiveState>()
        for (let n = 0; n <= 5; n += 1) server.set(lift(n), row(n, 0))
        const memory = emptyFleet()
        takeSnapshot(memory, { seq: 0, rows: [...server.values()] })
        let seq = 0
        for (const { lift: n, fate } of changes) {
          const next = row(n, (server.get(lift(n))?.position ?? 0) + 1)
          server.set(lift(n), next)
          seq += 1
          for (let copy = 0; copy < (fate === 'lost' ? 0 : fate === 'twice' ? 2 : 1); copy += 1) {
            const result = takeDelta(memory, { seq, rows: [next] })
            if (result === 'gap') takeSnapshot(memory, { seq, rows: [...server.values()] })
          }
        }
        // One more delta always arrives: it uncovers a loss at the very end.
        if (takeDelta(memory, { seq: seq + 1, rows: [] }) === 'gap')
          takeSnapshot(memory, { seq: seq + 1, rows: [...server.values()] })
        expect(memory.states).toEqual(server)
      }),
    )
  })
})

const raised = (id: string): Alarm => ({
  id: id as AlarmId, lift: lift(1), kind: 'entrapment-between-floors', priority: 1, state: 'unacknowledged', certainty: 'suspected',
  onsetAtMs: 1_000, raisedAtMs: 16_000, returnedAtMs: null, acknowledgedAtMs: null, acknowledgedBy: null, closedAtMs: null, raiseCount: 1,
  summary: { carPosition: '3', passengerCount: 2, lastHeardAtMs: 1_000 }, contractor: null,
}) // prettier-ignore

/** The rows that an alarm has one after the other while the given events happen to it. */
function lifeOf(events: readonly AlarmEvent[]): Alarm[] {
  let alarm = raised('lift-001.entrapment-between-floors.1000')
  const rows = [alarm]
  for (const [index, event] of events.entries()) {
    const next = nextAlarmState(alarm.state, event)
    if (!next.ok) continue
    const atMs = 20_000 + index
    alarm = {
      ...alarm,
      state: next.value,
      raiseCount: alarm.raiseCount + (event === 'raise' ? 1 : 0),
      certainty: event === 'confirm' ? 'confirmed' : alarm.certainty,
      returnedAtMs: event === 'return' ? atMs : event === 'raise' ? null : alarm.returnedAtMs,
      acknowledgedAtMs: event === 'acknowledge' ? atMs : alarm.acknowledgedAtMs,
      acknowledgedBy: event === 'acknowledge' ? '李敏' : alarm.acknowledgedBy,
      closedAtMs: next.value === 'closed' ? atMs : null,
    }
    rows.push(alarm)
  }
  return rows
}
const events = fc.array(fc.constantFrom<AlarmEvent>('raise', 'confirm', 'return', 'acknowledge'), { maxLength: 12 })

describe('the alarms in the browser', () => {
  it('keep the newest state of an alarm in whatever order its rows arrive', () => {
    fc.assert(
      fc.property(
        events.chain((list) =>
          fc.shuffledSubarray(lifeOf(list), { minLength: 1 }).map((arrived) => ({ arrived, life: lifeOf(list) })),
        ),
        ({ arrived, life }) => {
          let alarms: AlarmMap = new Map()
          for (const alarm of arrived) alarms = withAlarm(alarms, alarm)
          const newest = [...life]
            .reverse()
            .find((alarm) =>
              arrived.some(
                (one) =>
                  one.state === alarm.state &&
                  one.raiseCount === alarm.raiseCount &&
                  one.acknowledgedAtMs === alarm.acknowledgedAtMs,
              ),
            )
          expect(alarms.get(life[0]!.id)?.state).toBe(newest?.state)
          expect(alarms.get(life[0]!.id)?.raiseCount).toBe(newest?.raiseCount)
        },
      ),
    )
  })

  it('never bring a closed or acknowledged alarm back to waiting by a late row', () => {
    const [first, acknowledged] = lifeOf(['acknowledge'])
    expect(laterOf(acknowledged!, first!)).toBe(acknowledged)
    expect(laterOf(first!, acknowledged!)).toBe(acknowledged)
  })

  it('drop what the list of open alarms no longer holds, but not what an event touched meanwhile', () => {
    const known = withAlarm(
      withAlarm(new Map(), raised('lift-001.entrapment-between-floors.1')),
      raised('lift-001.entrapment-between-floors.2'),
    )
    const next = withOpenList(known, [], new Set(['lift-001.entrapment-between-floors.2' as AlarmId]))
    expect([...next.keys()]).toEqual(['lift-001.entrapment-between-floors.2'])
  })

  it('read back exactly what the server wrote', () => {
    fc.assert(fc.property(events, (list) => {
      for (const alarm of lifeOf(list)) expect(fromWire<Alarm>(toWire(alarm))).toEqual(alarm)
    })) // prettier-ignore
  })
})

describe('the list of alarms', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  /** Readings end when the test says so; the period is that of the list, live or away. */
  function watched() {
    const desk = { isLive: true, count: 0, end: () => {} }
    const reading = repeatedRead({
      read: () => {
        desk.count += 1
        return new Promise<void>((resolve) => (desk.end = resolve))
      },
      periodMs: () => (desk.isLive ? 30_000 : 5_000),
    })
    const end = async () => {
      desk.end()
      await vi.advanceTimersByTimeAsync(0)
    }
    return { desk, reading, end }
  }

  it('is read on while the live link is away, and more often', async () => {
    const { desk, reading, end } = watched()
    reading.readNow()
    await end()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(desk.count).toBe(1)
    desk.isLive = false
    reading.rearm()
    for (let round = 2; round <= 5; round += 1) {
      await vi.advanceTimersByTimeAsync(4_999)
      expect(desk.count).toBe(round - 1)
      await vi.advanceTimersByTimeAsync(1)
      expect(desk.count).toBe(round)
      await end()
    }
    desk.isLive = true
    reading.rearm()
    await vi.advanceTimersByTimeAsync(29_999)
    expect(desk.count).toBe(5)
    await vi.advanceTimersByTimeAsync(1)
    expect(desk.count).toBe(6)
  })

  it('is never read twice at once, and once more when somebody asked meanwhile', async () => {
    const { desk, reading, end } = watched()
    reading.readNow()
    reading.readNow()
    reading.readNow()
    reading.rearm()
    await vi.advanceTimersByTimeAsync(120_000)
    expect(desk.count).toBe(1)
    await end()
    expect(desk.count).toBe(2)
    await end()
    await vi.advanceTimersByTimeAsync(29_999)
    expect(desk.count).toBe(2)
  })

  it('is not read any more after the desk was left, not even by a reading that was on its way', async () => {
    const { desk, reading, end } = watched()
    reading.readNow()
    reading.readNow()
    reading.stop()
    await end()
    reading.rearm()
    reading.readNow()
    await vi.advanceTimersByTimeAsync(120_000)
    expect(desk.count).toBe(1)
  })
})
