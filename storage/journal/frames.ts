/**
 * How records lie in a segment: before each stands a mark, eight random bytes that only the folder knows (they are part of
 * the segment's name). So the next record is found behind any damage without believing a damaged length, and what a device
 * wrote into its payload is never taken for a record: it cannot know the mark.
 */
import { randomBytes } from 'node:crypto'
import { FRAME_BAD, FRAME_SHORT, frameBytes, RECORD_BYTES_MAX } from './record-codec.ts'

export const MARK_BYTES = 8
export const FRAME_BYTES_MAX = MARK_BYTES + RECORD_BYTES_MAX

export type Mark = { readonly bytes: Buffer; readonly first: number; readonly second: number }

export const markOf = (bytes: Buffer): Mark => ({
  bytes,
  first: bytes.readUInt32LE(0),
  second: bytes.readUInt32LE(4),
})
export const newMark = (): Mark => markOf(randomBytes(MARK_BYTES))

/** Bytes of the whole and undamaged frame at `at`, its mark included; else `FRAME_SHORT` or `FRAME_BAD`. */
export function markedBytes(buffer: Buffer, at: number, end: number, mark: Mark): number {
  if (end - at < MARK_BYTES) return FRAME_SHORT
  if (buffer.readUInt32LE(at) !== mark.first || buffer.readUInt32LE(at + 4) !== mark.second) return FRAME_BAD
  const bytes = frameBytes(buffer, at + MARK_BYTES, end)
  return bytes > 0 ? MARK_BYTES + bytes : bytes
}

/** Where the first mark at or behind `from` begins, or undefined. */
export function findMark(buffer: Buffer, from: number, end: number, mark: Mark): number | undefined {
  const at = buffer.subarray(0, end).indexOf(mark.bytes, from)
  return at === -1 ? undefined : at
}
