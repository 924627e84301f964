import { describe, expect, it } from 'vitest'
import { ALARM_KINDS } from '#contract/alarms'
import { CODE_SET_NOTES, FAULTS, faultOf } from '#contract/faults'
import { CODE_SETS, MESSAGE_CLASSES } from '#contract/telemetry'

const codesOf = (codeSet: string) => FAULTS.filter((fault) => fault.codeSet === codeSet).map(({ code }) => code)
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index)

describe('the fault table', () => {
  it('knows exactly the codes that were seen', () => {
    expect(codesOf('gbt24476')).toEqual([...range(0, 8), ...range(40, 47), 90])
    expect(codesOf('vendor-sh')).toEqual([...range(1, 22), 37, 38, 40, 41, 42])
  })

  it('has each code once in its set and finds it there', () => {
    const keys = FAULTS.map(({ codeSet, code }) => `${codeSet} ${code}`)
    expect(new Set(keys).size).toBe(keys.length)
    for (const fault of FAULTS) expect(faultOf(fault.codeSet, fault.code)).toBe(fault)
  })

  it('keeps the same number apart in different sets', () => {
    expect(faultOf('gbt24476', 8)?.zh).toBe('防止电梯再运行故障')
    expect(faultOf('vendor-sh', 8)?.zh).toBe('非平层关人')
  })

  it.each([9, 39, 48, 91, -1, 1.5, Number.NaN])('answers the unknown code %d with undefined', (code) => {
    expect(faultOf('gbt24476', code)).toBeUndefined()
  })

  it('names only alarm kinds that exist, with their priority', () => {
    for (const { alarmKind, priority } of FAULTS) {
      if (alarmKind === undefined) continue
      expect(Object.hasOwn(ALARM_KINDS, alarmKind)).toBe(true)
      expect(priority).toBe(ALARM_KINDS[alarmKind].priority)
    }
  })

  it('gives every code both names, a class and a priority', () => {
    for (const fault of FAULTS) {
      expect(fault.zh).toMatch(/\p{Script=Han}/u)
      expect(fault.en).toMatch(/^[a-z]/)
      expect(MESSAGE_CLASSES).toContain(fault.class)
      expect(['log', 1, 2, 3, 4]).toContain(fault.priority)
    }
  })

  it('says what each code set is', () => {
    expect(Object.keys(CODE_SET_NOTES)).toEqual([...CODE_SETS])
  })
})
