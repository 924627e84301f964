import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import type { TObject } from 'typebox'
import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { Alarm, Occurrence } from '#contract/alarms'
import { HistoryPoint } from '#contract/history'
import { Lift, Organisation, QuarantineRow, Terminal, User } from '#contract/register'
import { toWire, wireSchema } from '#contract/wire'
import { arbitraryOf } from './arbitrary-of.ts'

const SCHEMAS: Readonly<Record<string, TObject>> = {
  Alarm,
  Occurrence,
  HistoryPoint,
  Lift,
  Organisation,
  QuarantineRow,
  Terminal,
  User,
}
const ajv = new Ajv({ strict: false })
addFormats.default(ajv)

const keysOf = (value: unknown): string[] =>
  value === null || typeof value !== 'object'
    ? []
    : Object.entries(value).flatMap(([key, inner]) => [...(Array.isArray(value) ? [] : [key]), ...keysOf(inner)])

describe.each(Object.entries(SCHEMAS))('the wire form of %s', (_name, schema) => {
  const isRow = Compile(schema)
  const isWireRow = ajv.compile(wireSchema(schema))
  const rows = arbitraryOf(schema)

  it('is what its wire schema describes', () => {
    fc.assert(
      fc.property(rows, (row) => {
        expect(isRow.Check(row)).toBe(true)
        const wire: unknown = JSON.parse(JSON.stringify(toWire(row)))
        expect(isWireRow(wire), JSON.stringify(isWireRow.errors)).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  it('has no instant left in milliseconds, and keeps its number of fields', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const keys = keysOf(toWire(row))
        expect(keys.filter((key) => /(^at|At)Ms$/.test(key))).toEqual([])
        expect(keys).toHaveLength(keysOf(row).length)
      }),
      { numRuns: 50 },
    )
  })
})

describe('the wire form', () => {
  const isWireAlarm = ajv.compile(wireSchema(Alarm))

  it('refuses a row whose instants were not converted', () => {
    const [alarm] = fc.sample(arbitraryOf(Alarm), { numRuns: 1, seed: 1 })
    expect(isWireAlarm(alarm)).toBe(false)
    expect(isWireAlarm(toWire(alarm))).toBe(true)
  })

  it('tells the instant to the millisecond, in UTC, and keeps null as null', () => {
    expect(toWire({ atMs: 1795190400123, closedAtMs: null, delayMs: 15_000 })).toEqual({
      at: new Date(1795190400123).toISOString(),
      closedAt: null,
      delayMs: 15_000,
    })
  })

  it('converts the schema without touching the original', () => {
    const before = JSON.stringify(Alarm)
    wireSchema(Alarm)
    expect(JSON.stringify(Alarm)).toBe(before)
  })
})
