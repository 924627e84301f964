import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LIFT_ID_PATTERN, isLiftId, type LiftId } from '#contract/ids'
import {
  MESSAGE_KINDS,
  TOPIC_BYTES_MAX,
  alarmFilterMatches,
  alarmTopic,
  deviceTopic,
  isAlarmFilter,
  readDeviceTopic,
} from '#contract/topics'

const lifts = fc.stringMatching(new RegExp(LIFT_ID_PATTERN)).map((text) => text as LiftId)
const kinds = fc.constantFrom(...MESSAGE_KINDS)

describe('device topics', () => {
  it('are read back as the lift and kind that they were made from', () => {
    fc.assert(
      fc.property(lifts, kinds, (lift, kind) => {
        expect(readDeviceTopic(deviceTopic(lift, kind))).toEqual({ lift, kind })
      }),
    )
  })

  it('are read only when making them again gives the same text, and reading never throws', () => {
    const level = fc.oneof(
      fc.constantFrom('lifts', 'v1', 'v2', '', '+', '#', 'status', 'message', 'Status', '__proto__', '\u0000'),
      lifts,
      fc.string({ unit: 'binary', maxLength: 8 }),
    )
    const texts = fc.oneof(
      fc.string(),
      fc.array(level, { maxLength: 7 }).map((levels) => levels.join('/')),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const read = readDeviceTopic(text)
        if (read === undefined) return
        expect(isLiftId(read.lift)).toBe(true)
        expect(deviceTopic(read.lift, read.kind)).toBe(text)
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['lifts/v1/yinghua-7-2'],
    ['lifts/v1/yinghua-7-2/status/more'],
    ['lifts/v1/yinghua-7-2/commands'],
    ['lifts/v1/yinghua-7-2/constructor'],
    ['lifts/v2/yinghua-7-2/status'],
    ['lifts/v1/+/status'],
    ['lifts/v1/YINGHUA/status'],
    ['/lifts/v1/yinghua-7-2/status'],
    ['lifts/v1/yinghua-7-2\n/status'],
    [`lifts/v1/${'a'.repeat(TOPIC_BYTES_MAX)}/status`],
  ])('refuse %j', (text) => {
    expect(readDeviceTopic(text)).toBeUndefined()
  })
})

describe('alarm topics', () => {
  const towns = fc.oneof(
    fc.constantFrom('示范街道', '', '/', '#', '+/+', 'a/b', '\u0000', '\ud800', '-'),
    fc.string({ unit: 'binary', maxLength: 40 }),
  )
  it('have four levels whatever a town is called, and end with the lift', () => {
    fc.assert(
      fc.property(towns, lifts, (town, lift) => {
        const topic = alarmTopic(town, lift)
        const [, , level = '', ...rest] = topic.split('/')
        expect(rest).toEqual([lift])
        expect(level).not.toBe('')
        expect(topic).not.toMatch(/[+#\p{Cc}\p{Cs}]/u)
        expect(alarmTopic(level, lift)).toBe(topic)
      }),
    )
    expect(alarmTopic('张江/川沙', 'lift-a1' as LiftId)).toBe('alarms/v1/张江-川沙/lift-a1')
  })

  it.each([
    ['alarms/v1/#', true],
    ['alarms/v1/+/+', true],
    ['alarms/v1/示范街道/#', true],
    ['alarms/v1/+/lift-a1', true],
    ['alarms/v1/a/b/c', true],
    ['#', false],
    ['+/v1/#', false],
    ['alarms/v1', false],
    ['alarms/v1/a#', false],
    ['alarms/v1/#/a', false],
    ['alarms/v1/+a/b', false],
    ['alarms/v1/\u0000', false],
    ['lifts/v1/#', false],
  ])('may be asked for by %s: %s', (filter, isTaken) => {
    expect(isAlarmFilter(filter)).toBe(isTaken)
  })

  it('are matched as MQTT 3.1.1 says in 4.7', () => {
    const level = fc.constantFrom('a', 'b', 'lift-a1')
    const wanted = fc.constantFrom('a', 'b', 'lift-a1', '+')
    // Each level of a filter as a regular expression: another way to the same answer.
    const expressionOf = (levels: readonly string[], hasRest: boolean) =>
      new RegExp(
        `^alarms/v1/${levels.map((one) => (one === '+' ? '[^/]*' : one)).join('/')}${hasRest ? '(/.*)?' : ''}$`,
      )
    fc.assert(
      fc.property(
        fc.array(wanted, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        fc.array(level, { minLength: 1, maxLength: 3 }),
        (levels, hasRest, topicLevels) => {
          const filter = `alarms/v1/${levels.join('/')}${hasRest ? '/#' : ''}`
          const topic = `alarms/v1/${topicLevels.join('/')}`
          expect(alarmFilterMatches(filter, topic)).toBe(expressionOf(levels, hasRest).test(topic))
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
