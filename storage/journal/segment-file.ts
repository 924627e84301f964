/** A segment: a file of records, named after the position of its first. */
import { open, readdir, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { JournalRecord } from './journal.ts'
import { claimedBytes, decodeRecord, frameBytes, positionAt, RECORD_BYTES_MAX } from './record-codec.ts'

export type Segment = {
  readonly path: string
  readonly firstPosition: number
  /** Where the durable records end. What lies behind was never acknowledged. */
  bytes: number
}

/** The `1` is the version of the record codec. */
const NAME = /^(\d{16})\.journal1$/
/** Read at a time. Any record, and the one behind it, fits. */
const CHUNK_BYTES = 1024 * 1024
if (CHUNK_BYTES < 2 * RECORD_BYTES_MAX) throw new Error('a chunk must hold two records')

export const segmentPath = (folder: string, firstPosition: number) =>
  join(folder, `${String(firstPosition).padStart(16, '0')}.journal1`)

/** The segments of a folder in order of position. Other files are left alone. */
export async function listSegments(folder: string): Promise<Segment[]> {
  const segments: Segment[] = []
  for (const name of (await readdir(folder)).sort()) {
    const digits = NAME.exec(name)?.[1]
    if (digits === undefined) continue
    const path = join(folder, name)
    segments.push({ path, firstPosition: Number(digits), bytes: (await stat(path)).size })
  }
  return segments
}

/** Makes the names in a folder durable: a new file is only there after a power cut when its folder was synced. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function readAt(handle: FileHandle, offset: number, bytes: number): Promise<{ buffer: Buffer; filled: number }> {
  const buffer = Buffer.allocUnsafeSlow(bytes)
  let filled = 0
  while (filled < bytes) {
    const { bytesRead } = await handle.read(buffer, filled, bytes - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return { buffer, filled }
}

export type ChunkQuery = {
  readonly offset: number
  /** Where to stop in the file. */
  readonly endOffset: number
  /** Records up to and including this position are passed over, not decoded. */
  readonly after: number
  /** Newest position seen before `offset`: positions grow, whatever does not grow is damage. */
  readonly floor: number
  /** Position from which the next segment has the say. */
  readonly before: number
  readonly countMax: number
}
export type Chunk = {
  readonly records: JournalRecord[]
  /** Where to go on. */
  readonly offset: number
  /** Newest position up to `offset`, decoded or passed over. */
  readonly lastPosition: number
  /**
   * `more`: go on at `offset`. `end`: the segment ends there. `damage`: no record begins at `offset`; `resumeOffset` is
   * where the next one does, undefined when that cannot be known.
   */
  readonly stop: 'more' | 'end' | 'damage'
  readonly resumeOffset: number | undefined
}

/**
 * Where the record behind a damaged one begins. The length of the damaged one is believed only when a whole record with a
 * fitting position begins where it points. Nothing else is tried: searching for something that looks like a record would
 * find what a device wrote into its payload.
 */
function resumeAfterDamage(buffer: Buffer, filled: number, query: ChunkQuery): number | undefined {
  const bytes = claimedBytes(buffer, 0, filled)
  if (bytes === undefined || bytes > filled || frameBytes(buffer, bytes, filled) <= 0) return undefined
  const position = positionAt(buffer, bytes)
  return position > query.floor && position < query.before ? query.offset + bytes : undefined
}

/** Reads one chunk of a segment. */
export async function readChunk(handle: FileHandle, query: ChunkQuery): Promise<Chunk> {
  const { buffer, filled } = await readAt(handle, query.offset, Math.min(CHUNK_BYTES, query.endOffset - query.offset))
  const records: JournalRecord[] = []
  const chunk = (at: number, lastPosition: number, stop: Chunk['stop'], resumeOffset?: number): Chunk => ({
    records,
    offset: query.offset + at,
    lastPosition,
    stop,
    resumeOffset,
  })
  let at = 0
  let lastPosition = query.floor
  while (at < filled && records.length < query.countMax) {
    const bytes = frameBytes(buffer, at, filled)
    const position = bytes > 0 ? positionAt(buffer, at) : 0
    if (position >= query.before) return chunk(at, lastPosition, 'end')
    if (bytes <= 0 || position <= lastPosition) {
      // A frame cut by the end of the chunk is read whole by the next one; damage is judged with a whole chunk in view.
      if (at > 0) return chunk(at, lastPosition, 'more')
      return chunk(0, lastPosition, 'damage', resumeAfterDamage(buffer, filled, query))
    }
    if (position > query.after) records.push(decodeRecord(buffer, at))
    lastPosition = position
    at += bytes
  }
  // A file shorter than it should be ends where it ends.
  const isEnd = query.offset + at >= query.endOffset || filled === 0
  return chunk(at, lastPosition, isEnd ? 'end' : 'more')
}
