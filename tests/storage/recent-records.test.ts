import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { markOf, MARK_BYTES } from '#storage/journal/frames'
import { RecentRecords } from '#storage/journal/recent-records'
import { encodeRecord, recordBytes } from '#storage/journal/record-codec'
import { entry } from './journal-under-test.ts'

const mark = markOf(Buffer.alloc(MARK_BYTES, 7))
const segment = { path: 'one', firstPosition: 1, mark, bytes: 0, firstAtMs: undefined }

/** A batch as it is written: each record behind the mark. */
function batchOf(texts: readonly string[], firstPosition: number): Buffer {
  const entries = texts.map((text) => entry(text))
  const buffer = Buffer.alloc(
    entries.reduce((sum, each) => sum + MARK_BYTES + (recordBytes(each) ?? 0), 0),
    7,
  )
  let at = 0
  for (const [index, each] of entries.entries()) at = encodeRecord(buffer, at + MARK_BYTES, each, firstPosition + index)
  return buffer
}

describe('recent records', () => {
  it('gives what was added, in order and unspoiled, however often the ring has gone round', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 150, maxLength: 300 })
    fc.assert(
      fc.property(sizes, (kilobytes) => {
        const recent = new RecentRecords(0)
        let position = 0
        for (const [index, size] of kilobytes.entries()) {
          position += 1
          recent.add(batchOf([String(index).padEnd(size * 1024, '.')], position), position, { segment, offset: index })
        }
        // Half of the ring at least is always covered.
        let coveredBytes = 0
        for (let after = position; recent.covers(after - 1) && after > 0; after -= 1) {
          const read = recent.read(after - 1, 1)
          const [record] = read?.records ?? []
          expect(record?.position).toBe(after)
          const text = Buffer.from(record?.payload ?? '').toString()
          const size = (kilobytes[after - 1] ?? 0) * 1024
          expect(text === String(after - 1).padEnd(size, '.')).toBe(true)
          coveredBytes += size
        }
        const allBytes = kilobytes.reduce((sum, size) => sum + size * 1024, 0)
        expect(coveredBytes).toBeGreaterThanOrEqual(Math.min(allBytes, 8 * 1024 * 1024))
      }),
      { numRuns: 30, seed: 11 },
    )
  })

  it('leaves what was read alone when it goes round', () => {
    const recent = new RecentRecords(0)
    recent.add(batchOf(['first'], 1), 1, { segment, offset: 0 })
    const [first] = recent.read(0, 1)?.records ?? []
    for (let position = 2; recent.covers(0); position += 1)
      recent.add(batchOf(['x'.repeat(200_000)], position), position, { segment, offset: 0 })
    expect(Buffer.from(first?.payload ?? '').toString()).toContain('first')
    expect(Buffer.from(first?.payload ?? '').toString()).not.toContain('x')
  })
})
