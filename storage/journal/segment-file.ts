/** A segment: a file of records, named after the position of its first and the mark before each. */
import { open, readdir, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { FRAME_BYTES_MAX, findMark, MARK_BYTES, markedBytes, markOf, type Mark } from './frames.ts'
import type { JournalRecord } from './journal.ts'
import { claimedBytes, decodeRecord, frameBytes, positionAt } from './record-codec.ts'

export type Segment = {
  readonly path: string
  readonly firstPosition: number
  /** Undefined in a segment of version 1, which has no marks: it is read and never appended to. */
  readonly mark: Mark | undefined
  /** Where the durable records end. What lies behind was never acknowledged. */
  bytes: number
  /** `receivedAtMs` of the first record, when it is known. */
  firstAtMs: number | undefined
}

const NAME = /^(\d{16})(?:\.journal1|-([0-9a-f]{16})\.journal2)$/
/** Read at a time. Any record, and the one behind it, fits. */
const CHUNK_BYTES = 1024 * 1024
if (CHUNK_BYTES < 2 * FRAME_BYTES_MAX) throw new Error('a chunk must hold two records')

export const segmentPath = (folder: string, firstPosition: number, mark: Mark) =>
  join(folder, `${String(firstPosition).padStart(16, '0')}-${mark.bytes.toString('hex')}.journal2`)

/** The segments of a folder in order of position. Other files are left alone. */
export async function listSegments(folder: string): Promise<Segment[]> {
  const segments: Segment[] = []
  for (const name of await readdir(folder)) {
    const [, digits, markHex] = NAME.exec(name) ?? []
    if (digits === undefined) continue
    const path = join(folder, name)
    const mark = markHex === undefined ? undefined : markOf(Buffer.from(markHex, 'hex'))
    const { size } = await stat(path)
    segments.push({ path, firstPosition: Number(digits), mark, bytes: size, firstAtMs: undefined })
  }
  const versionOf = (segment: Segment) => (segment.mark === undefined ? 1 : 2)
  return segments.sort((a, b) => a.firstPosition - b.firstPosition || versionOf(a) - versionOf(b))
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

/** Bytes of a segment in memory. */
export type View = { readonly buffer: Buffer; readonly offset: number; readonly filled: number }

async function readView(handle: FileHandle, offset: number, bytes: number): Promise<View> {
  const buffer = Buffer.allocUnsafeSlow(bytes)
  let filled = 0
  while (filled < bytes) {
    const { bytesRead } = await handle.read(buffer, filled, bytes - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return { buffer, offset, filled }
}

export type ChunkQuery = {
  readonly mark: Mark | undefined
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
   * `more`: go on at `offset`. `end`: the segment ends there. `damage`: no record begins at `offset`; go on at
   * `resumeOffset`, where one may begin, or nowhere in this segment when it is undefined.
   */
  readonly stop: 'more' | 'end' | 'damage'
  readonly resumeOffset: number | undefined
  /** What was read, to be handed in again: the next chunk may begin in it. */
  readonly view: View
}

/** The frame at `at`: where its record begins, and its bytes with everything, or why it is none. */
const frameAt = (view: View, at: number, mark: Mark | undefined) =>
  mark === undefined ? frameBytes(view.buffer, at, view.filled) : markedBytes(view.buffer, at, view.filled, mark)

/** Where the next mark is. Without one, the rest of the view is passed, but for what may be the beginning of a mark. */
function nextMark(view: View, mark: Mark, endOffset: number): number | undefined {
  const at = findMark(view.buffer, 1, view.filled, mark)
  if (at !== undefined) return view.offset + at
  const viewEnd = view.offset + view.filled
  return viewEnd >= endOffset || view.filled < MARK_BYTES ? undefined : viewEnd - MARK_BYTES + 1
}

/**
 * Where the record behind a damaged one begins in a segment without marks. The length of the damaged one is believed only
 * when a whole record with a fitting position begins where it points. Nothing else is tried: searching for something that
 * looks like a record would find what a device wrote into its payload.
 */
function resumeWithoutMark(view: View, query: ChunkQuery): number | undefined {
  const { buffer, filled } = view
  const bytes = claimedBytes(buffer, 0, filled)
  if (bytes === undefined || bytes > filled || frameBytes(buffer, bytes, filled) <= 0) return undefined
  const position = positionAt(buffer, bytes)
  return position > query.floor && position < query.before ? query.offset + bytes : undefined
}

/** Reads one chunk of a segment. A `view` of an earlier chunk of the same segment spares the disk. */
export async function readChunk(handle: FileHandle, query: ChunkQuery, view?: View): Promise<Chunk> {
  if (view !== undefined && query.offset >= view.offset && query.offset < view.offset + view.filled) {
    const chunk = parseChunk(view, query)
    // Only what begins at the beginning of a view is judged: here a record may be cut by the end of the view.
    if (chunk.stop === 'end' || chunk.offset > query.offset) return chunk
  }
  const bytes = Math.min(CHUNK_BYTES, query.endOffset - query.offset)
  return parseChunk(await readView(handle, query.offset, bytes), query)
}

function parseChunk(view: View, query: ChunkQuery): Chunk {
  const { mark } = query
  const markBytes = mark === undefined ? 0 : MARK_BYTES
  const records: JournalRecord[] = []
  const startAt = query.offset - view.offset
  let at = startAt
  let lastPosition = query.floor
  const chunk = (stop: Chunk['stop'], resumeOffset?: number): Chunk => ({
    records,
    offset: view.offset + at,
    lastPosition,
    stop,
    resumeOffset,
    view,
  })
  while (at < view.filled && view.offset + at < query.endOffset && records.length < query.countMax) {
    const bytes = frameAt(view, at, mark)
    const position = bytes > 0 ? positionAt(view.buffer, at + markBytes) : 0
    if (position >= query.before) return chunk('end')
    if (bytes <= 0 || position <= lastPosition) {
      // A frame cut by the end of the view is read whole by the next one; damage is judged with a whole view ahead.
      if (at > 0) return chunk('more')
      const resumeOffset = mark === undefined ? resumeWithoutMark(view, query) : nextMark(view, mark, query.endOffset)
      return chunk('damage', resumeOffset)
    }
    if (position > query.after) records.push(decodeRecord(view.buffer, at + markBytes))
    lastPosition = position
    at += bytes
  }
  // A file shorter than it should be ends where it ends.
  const isEnd = view.offset + at >= query.endOffset || (view.filled === 0 && at === 0)
  return chunk(isEnd ? 'end' : 'more')
}
