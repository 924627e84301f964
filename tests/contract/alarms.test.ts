import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ALARM_EVENTS,
  ALARM_KINDS,
  ALARM_KIND_NAMES,
  ALARM_STATES,
  Alarm,
  compareAlarms,
  nextAlarmState,
  type AlarmEvent,
  type AlarmState,
} from '#contract/alarms'
import { alarmIdOf, isAlarmId, type LiftId } from '#contract/ids'
import { arbitraryOf } from './arbitrary-of.ts'

/** What the state diagram means, told without its table: is the condition there, did somebody acknowledge, is it over. */
type Model = { present: boolean; acknowledged: boolean; open: boolean }

function nextModel(from: Model, event: AlarmEvent): Model | undefined {
  if (!from.open) return undefined
  switch (event) {
    case 'raise':
      return { ...from, present: true }
    case 'confirm':
    case 'escalate':
      return from.present ? from : undefined
    case 'return':
      return from.present ? { ...from, present: false, open: !from.acknowledged } : undefined
    case 'acknowledge':
      return from.acknowledged ? undefined : { ...from, acknowledged: true, open: from.present }
  }
}

function stateOf({ present, acknowledged, open }: Model): AlarmState {
  if (!open) return 'closed'
  if (!present) return 'returned-unacknowledged'
  return acknowledged ? 'acknowledged' : 'unacknowledged'
}

describe('the life of an alarm', () => {
  it('goes on only until it is both over and acknowledged, in whatever order things happen', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ALARM_EVENTS), { maxLength: 30 }), (events) => {
        let model: Model = { present: true, acknowledged: false, open: true }
        let state: AlarmState = 'unacknowledged'
        for (const event of events) {
          const next = nextModel(model, event)
          const result = nextAlarmState(state, event)
          expect(result.ok).toBe(next !== undefined)
          if (next === undefined || !result.ok) continue
          expect(result.value).toBe(stateOf(next))
          model = next
          state = result.value
        }
        expect(ALARM_STATES[state].open).toBe(model.open)
      }),
    )
  })

  it('says which event did not apply to which state', () => {
    expect(nextAlarmState('acknowledged', 'acknowledge')).toEqual({
      ok: false,
      code: 'alarm.wrongState',
      detail: 'acknowledge does not apply to an alarm that is acknowledged',
    })
  })

  it('never leaves the closed state', () => {
    for (const event of ALARM_EVENTS) expect(nextAlarmState('closed', event).ok).toBe(false)
  })
})

describe('the alarm list', () => {
  it('raises only the two kinds that this version detects', () => {
    const detected = ALARM_KIND_NAMES.filter((kind) => ALARM_KINDS[kind].detected)
    expect(detected).toEqual(['entrapment-between-floors', 'terminal-offline'])
  })

  it('has names that make valid alarm ids', () => {
    for (const kind of ALARM_KIND_NAMES) {
      expect(kind).toMatch(/^[a-z]+(-[a-z]+)*$/)
      expect(isAlarmId(alarmIdOf('yinghua-7-2' as LiftId, kind, 1795190400123))).toBe(true)
    }
  })

  it('gives every kind a name in both languages, and no name twice', () => {
    for (const language of ['zh', 'en'] as const) {
      const names = ALARM_KIND_NAMES.map((kind) => ALARM_KINDS[kind][language])
      expect(new Set(names).size).toBe(names.length)
      expect(names.every((name) => name.trim() !== '')).toBe(true)
    }
  })

  it('latches what may have harmed the lift, and never an entrapment', () => {
    const latched = ALARM_KIND_NAMES.filter((kind) => ALARM_KINDS[kind].latched)
    expect(latched).toEqual(expect.arrayContaining(['unintended-movement', 'overspeed', 'hit-top', 'hit-bottom']))
    expect(latched.filter((kind) => kind.startsWith('entrapment'))).toEqual([])
  })
})

describe('the queue order', () => {
  const alarms = arbitraryOf(Alarm) as fc.Arbitrary<Alarm>

  it('is a total order', () => {
    fc.assert(
      fc.property(alarms, alarms, alarms, (a, b, c) => {
        expect(Math.sign(compareAlarms(a, b))).toBe(0 - Math.sign(compareAlarms(b, a)))
        if (compareAlarms(a, b) <= 0 && compareAlarms(b, c) <= 0) expect(compareAlarms(a, c)).toBeLessThanOrEqual(0)
      }),
    )
  })

  it('puts priority before acknowledgement, and acknowledgement before age', () => {
    fc.assert(
      fc.property(alarms, (alarm) => {
        const urgent: Alarm = { ...alarm, priority: 1, state: 'acknowledged', raisedAtMs: 30 }
        const waiting: Alarm = { ...alarm, priority: 2, state: 'unacknowledged', raisedAtMs: 20 }
        const seen: Alarm = { ...alarm, priority: 2, state: 'acknowledged', raisedAtMs: 10 }
        expect([seen, waiting, urgent].sort(compareAlarms)).toEqual([urgent, waiting, seen])
      }),
    )
  })
})
