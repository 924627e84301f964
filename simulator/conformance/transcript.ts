/** The transcript: every fact as one JSON line, bounded, with the SHA-256 of all of it. Never holds a password. */
import { createHash } from 'node:crypto'
import { openSync, closeSync, writeFileSync } from 'node:fs'
import { isUtf8 } from 'node:buffer'
import type { Fact } from './facts.ts'

/** Longest transcript, bytes. What comes later is counted and not written. */
export const TRANSCRIPT_BYTES_MAX = 64 * 1024 * 1024

export type TranscriptFacts = {
  readonly lineCount: number
  readonly byteCount: number
  readonly droppedCount: number
  readonly sha256: string
}

export class Transcript implements Disposable {
  readonly #hash = createHash('sha256')
  readonly #file: number | undefined
  readonly #bytesMax: number
  #lineCount = 0
  #byteCount = 0
  #droppedCount = 0
  #isOpen = true
  /** Why it could not be written; undefined as long as it could. What comes after that is counted as dropped. */
  failure: unknown

  /** Without a path nothing is written, but the sum is made. Throws the error of the file system. */
  constructor(path: string | undefined, bytesMax = TRANSCRIPT_BYTES_MAX) {
    this.#file = path === undefined ? undefined : openSync(path, 'w', 0o600)
    this.#bytesMax = bytesMax
  }

  add(fact: Fact): void {
    const line = Buffer.from(JSON.stringify(lineOf(fact)) + '\n')
    // Once full it stays full: a transcript has no holes.
    if (this.#droppedCount > 0 || this.#byteCount + line.length > this.#bytesMax || !this.#isOpen) {
      this.#droppedCount += 1
      return
    }
    try {
      if (this.#file !== undefined) writeFileSync(this.#file, line)
    } catch (error) {
      this.failure = error
      this.#droppedCount += 1
      return
    }
    this.#lineCount += 1
    this.#byteCount += line.length
    this.#hash.update(line)
  }

  /** The facts of what was written so far. */
  facts(): TranscriptFacts {
    return {
      lineCount: this.#lineCount,
      byteCount: this.#byteCount,
      droppedCount: this.#droppedCount,
      sha256: this.#hash.copy().digest('hex'),
    }
  }

  [Symbol.dispose](): void {
    if (this.#isOpen && this.#file !== undefined) closeSync(this.#file)
    this.#isOpen = false
  }
}

/** A payload as text where it is text, else as base64. */
const readable = (payload: Buffer): object =>
  isUtf8(payload) ? { payload: payload.toString('utf8') } : { payloadBase64: payload.toString('base64') }

function lineOf(fact: Fact): object {
  const at = { at: new Date(fact.atMs).toISOString() }
  if (fact.what === 'publish') {
    const { payload, atMs: _atMs, ...rest } = fact
    return { ...at, ...rest, ...readable(payload) }
  }
  if (fact.what === 'connect') {
    const { packet, atMs: _atMs, ...rest } = fact
    const { will, ...named } = packet
    const { payload, ...kept } = will ?? { payload: Buffer.alloc(0) }
    return { ...at, ...rest, ...named, will: will === undefined ? null : { ...kept, ...readable(payload) } }
  }
  const { atMs: _atMs, ...rest } = fact
  return { ...at, ...rest }
}
