import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LIFT_ID_PATTERN, isLiftId, type LiftId } from '#contract/ids'
import { MESSAGE_KINDS, TOPIC_BYTES_MAX, deviceTopic, readDeviceTopic } from '#contract/topics'

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
