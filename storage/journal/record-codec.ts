/**
 * How one record lies in a segment, and in a message of the NATS stream. Little-endian:
 *
 *     0  crc32          of everything that follows it, the length included
 *     4  length         bytes after the first 8
 *     8  position       two 32-bit halves, the high one first
 *    16  receivedAtMs   64-bit float
 *    24  topic bytes    16 bits
 *    26  terminal bytes 16 bits
 *    28  topic, terminal, payload
 *
 * Nothing is interpreted here: the payload is what the device sent.
 */
import { crc32 } from 'node:zlib'
import type { JournalEntry, JournalRecord } from './journal.ts'

const HEAD_BYTES = 8
const FIXED_BYTES = 28
const STRING_BYTES_MAX = 0xffff
const HALF = 2 ** 32

/** Largest record, all included. Far above the 16 KiB that a device may send; it bounds what a damaged length can claim. */
export const RECORD_BYTES_MAX = 256 * 1024

/** The frame reaches beyond the bytes that are there. */
export const FRAME_SHORT = 0
/** These bytes are no record. */
export const FRAME_BAD = -1

/** Bytes that the entry takes, or undefined when it is too large to be a record. */
export function recordBytes(entry: JournalEntry): number | undefined {
  const topicBytes = Buffer.byteLength(entry.topic)
  const terminalBytes = Buffer.byteLength(entry.terminal)
  if (topicBytes > STRING_BYTES_MAX || terminalBytes > STRING_BYTES_MAX) return undefined
  const bytes = FIXED_BYTES + topicBytes + terminalBytes + entry.payload.byteLength
  return bytes > RECORD_BYTES_MAX ? undefined : bytes
}

/** Writes the record at `offset` and returns the offset behind it. There must be room for `recordBytes`. */
export function encodeRecord(buffer: Buffer, offset: number, entry: JournalEntry, position: number): number {
  let end = offset + FIXED_BYTES
  const topicBytes = buffer.write(entry.topic, end, 'utf8')
  end += topicBytes
  const terminalBytes = buffer.write(entry.terminal, end, 'utf8')
  end += terminalBytes
  buffer.set(entry.payload, end)
  end += entry.payload.byteLength
  buffer.writeUInt32LE(end - offset - HEAD_BYTES, offset + 4)
  buffer.writeUInt32LE(Math.floor(position / HALF), offset + 8)
  buffer.writeUInt32LE(position % HALF, offset + 12)
  buffer.writeDoubleLE(entry.receivedAtMs, offset + 16)
  buffer.writeUInt16LE(topicBytes, offset + 24)
  buffer.writeUInt16LE(terminalBytes, offset + 26)
  buffer.writeUInt32LE(crc32(buffer.subarray(offset + 4, end)), offset)
  return end
}

/** Bytes that the frame at `offset` says it has, or undefined when no record can be that long. The checksum is not looked at. */
export function claimedBytes(buffer: Buffer, offset: number, end: number): number | undefined {
  if (end - offset < HEAD_BYTES) return undefined
  const bytes = HEAD_BYTES + buffer.readUInt32LE(offset + 4)
  return bytes < FIXED_BYTES || bytes > RECORD_BYTES_MAX ? undefined : bytes
}

/** Bytes of the whole and undamaged record at `offset`; else `FRAME_SHORT` or `FRAME_BAD`. `end` is where the known bytes end. */
export function frameBytes(buffer: Buffer, offset: number, end: number): number {
  if (end - offset < HEAD_BYTES) return FRAME_SHORT
  const bytes = claimedBytes(buffer, offset, end)
  if (bytes === undefined) return FRAME_BAD
  if (offset + bytes > end) return FRAME_SHORT
  if (crc32(buffer.subarray(offset + 4, offset + bytes)) !== buffer.readUInt32LE(offset)) return FRAME_BAD
  const stringBytes = buffer.readUInt16LE(offset + 24) + buffer.readUInt16LE(offset + 26)
  return FIXED_BYTES + stringBytes > bytes ? FRAME_BAD : bytes
}

/** Position of the record at `offset`. */
export function positionAt(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset + 8) * HALF + buffer.readUInt32LE(offset + 12)
}

/** The record at `offset`, known to be good. Its payload is a view of `buffer`. */
export function decodeRecord(buffer: Buffer, offset: number): JournalRecord {
  const topicEnd = offset + FIXED_BYTES + buffer.readUInt16LE(offset + 24)
  const terminalEnd = topicEnd + buffer.readUInt16LE(offset + 26)
  const end = offset + HEAD_BYTES + buffer.readUInt32LE(offset + 4)
  return {
    position: positionAt(buffer, offset),
    topic: buffer.toString('utf8', offset + FIXED_BYTES, topicEnd),
    terminal: buffer.toString('utf8', topicEnd, terminalEnd),
    receivedAtMs: buffer.readDoubleLE(offset + 16),
    payload: buffer.subarray(terminalEnd, end),
  }
}
