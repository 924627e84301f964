import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  claimedBytes,
  decodeRecord,
  encodeRecord,
  FRAME_SHORT,
  frameBytes,
  positionAt,
  RECORD_BYTES_MAX,
  recordBytes,
} from '#storage/journal/record-codec'
import type { JournalEntry } from '#storage/journal/journal'

const entries: fc.Arbitrary<JournalEntry> = fc.record({
  topic: fc.string({ unit: 'binary', maxLength: 80 }),
  terminal: fc.string({ unit: 'binary', maxLength: 40 }),
  receivedAtMs: fc.double({ noNaN: true }),
  payload: fc.uint8Array({ maxLength: 600 }),
})
const positions = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })

function encoded(entry: JournalEntry, position: number, offset = 0): Buffer {
  const bytes = recordBytes(entry)
  if (bytes === undefined) throw new Error('the entry is too large')
  const buffer = Buffer.alloc(offset + bytes)
  expect(encodeRecord(buffer, offset, entry, position)).toBe(offset + bytes)
  return buffer
}

describe('record codec', () => {
  it('gives back every record as it was', () => {
    fc.assert(
      fc.property(entries, positions, fc.nat(50), (entry, position, offset) => {
        const buffer = encoded(entry, position, offset)
        expect(frameBytes(buffer, offset, buffer.length)).toBe(buffer.length - offset)
        expect(positionAt(buffer, offset)).toBe(position)
        const { payload, ...rest } = decodeRecord(buffer, offset)
        const { payload: _, ...wanted } = entry
        expect(rest).toEqual({ ...wanted, position })
        expect(Buffer.compare(payload, entry.payload)).toBe(0)
      }),
    )
  })

  it('finds every record of a row of records', () => {
    fc.assert(
      fc.property(fc.array(entries, { minLength: 1, maxLength: 8 }), (row) => {
        const buffer = Buffer.concat(row.map((entry, i) => encoded(entry, i + 1)))
        const found: number[] = []
        for (let at = 0; at < buffer.length; at += frameBytes(buffer, at, buffer.length))
          found.push(positionAt(buffer, at))
        expect(found).toEqual(row.map((_, i) => i + 1))
      }),
    )
  })

  it('notices every changed bit', () => {
    fc.assert(
      fc.property(entries, positions, fc.nat(), (entry, position, at) => {
        const buffer = encoded(entry, position)
        const bit = at % (buffer.length * 8)
        const index = bit >> 3
        buffer.writeUInt8(buffer.readUInt8(index) ^ (1 << (bit & 7)), index)
        expect(frameBytes(buffer, 0, buffer.length)).toBeLessThanOrEqual(0)
      }),
      { numRuns: 500 },
    )
  })

  it('takes no record that is cut off, wherever it is cut', () => {
    fc.assert(
      fc.property(entries, positions, (entry, position) => {
        const buffer = encoded(entry, position)
        for (let end = 0; end < buffer.length; end += 1) expect(frameBytes(buffer, 0, end)).toBe(FRAME_SHORT)
      }),
      { numRuns: 30 },
    )
  })

  it('takes no random bytes for a record', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(frameBytes(Buffer.from(bytes), 0, bytes.length)).toBeLessThanOrEqual(0)
      }),
    )
    expect(frameBytes(Buffer.alloc(4096), 0, 4096)).toBeLessThan(0)
  })

  it('has a largest record, and no claim goes beyond it', () => {
    const topic = 'lifts/v1/lift-0001/status'
    const terminal = 'TJ-0001'
    const room = RECORD_BYTES_MAX - 28 - topic.length - terminal.length
    const of = (bytes: number) => ({ topic, terminal, receivedAtMs: 0, payload: new Uint8Array(bytes) })
    expect(recordBytes(of(room))).toBe(RECORD_BYTES_MAX)
    expect(recordBytes(of(room + 1))).toBeUndefined()
    expect(recordBytes({ ...of(0), topic: 'x'.repeat(65_536) })).toBeUndefined()
    const buffer = Buffer.alloc(64)
    buffer.writeUInt32LE(RECORD_BYTES_MAX, 4)
    expect(claimedBytes(buffer, 0, 64)).toBeUndefined()
    buffer.writeUInt32LE(RECORD_BYTES_MAX - 8, 4)
    expect(claimedBytes(buffer, 0, 64)).toBe(RECORD_BYTES_MAX)
  })
})
