/** Reads a segment through without taking its records: where it ends, and when it began. */
import { open, type FileHandle } from 'node:fs/promises'
import type { Log } from '#contract/log-events'
import { readChunk, type Segment, type View } from './segment-file.ts'

/**
 * `goodOffset` is where the last good record ends; behind it nothing can be read. `lastPosition` is 0 when there is no good
 * record. Damage with good records behind it is logged.
 */
export async function scanSegment(
  handle: FileHandle,
  segment: Segment,
  before: number,
  log: Log,
): Promise<{ goodOffset: number; lastPosition: number }> {
  let offset = 0
  let goodOffset = 0
  let floor = segment.firstPosition - 1
  let lastPosition = 0
  let view: View | undefined
  while (offset < segment.bytes) {
    // One record first, which says when the segment began; the others are passed over.
    const isFirst = segment.firstAtMs === undefined
    const after = isFirst ? floor : Infinity
    const countMax = isFirst ? 1 : Infinity
    const query = { mark: segment.mark, offset, endOffset: segment.bytes, after, floor, before, countMax }
    const chunk = await readChunk(handle, query, view)
    view = chunk.view
    segment.firstAtMs ??= chunk.records[0]?.receivedAtMs
    if (chunk.lastPosition > floor) {
      if (goodOffset < offset)
        log.error('journal.damaged', { path: segment.path, offset: goodOffset, bytes: offset - goodOffset })
      lastPosition = floor = chunk.lastPosition
      goodOffset = chunk.offset
    }
    if (chunk.stop === 'end' || (chunk.stop === 'damage' && chunk.resumeOffset === undefined)) break
    offset = chunk.stop === 'damage' ? (chunk.resumeOffset ?? segment.bytes) : chunk.offset
  }
  return { goodOffset, lastPosition }
}

/** `receivedAtMs` of the first record that can be read near the beginning; undefined when there is none. */
export async function firstRecordAtMs(segment: Segment): Promise<number | undefined> {
  const handle = await open(segment.path, 'r')
  try {
    const { mark, bytes: endOffset, firstPosition } = segment
    const query = { mark, offset: 0, endOffset, after: 0, floor: firstPosition - 1, before: Infinity, countMax: 1 }
    return (await readChunk(handle, query)).records[0]?.receivedAtMs
  } finally {
    await handle.close()
  }
}
