/**
 * How far one consumer is, durably. Two slots, each in a block of its own, are written in turn and synced; the larger valid
 * one counts, so a torn write loses nothing. The file has its full size from the start: saying how far one is must work on
 * a full disk too, because it is what makes room again.
 */
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { isNoSpace } from './disk-errors.ts'

const { O_CREAT, O_RDWR } = constants
const SLOT_BYTES = 4096
const SLOT_COUNT = 2
const SLOT_USED_BYTES = 12
/** More commits than this that wait for the disk are refused. */
const WAITERS_MAX = 10_000
/** Commits of a consumer closer together than this share one sync. */
const COMMIT_GAP_MS = 50

type Waiter = { readonly position: number; readonly resolve: () => void; readonly reject: (error: Error) => void }

function readSlot(buffer: Buffer, slot: number): number | undefined {
  const at = slot * SLOT_BYTES
  if (buffer.length < at + SLOT_USED_BYTES || crc32(buffer.subarray(at, at + 8)) !== buffer.readUInt32LE(at + 8))
    return undefined
  const position = Number(buffer.readBigUInt64LE(at))
  return Number.isSafeInteger(position) ? position : undefined
}

function slotBytes(position: number): Buffer {
  const buffer = Buffer.alloc(SLOT_USED_BYTES)
  buffer.writeBigUInt64LE(BigInt(position), 0)
  buffer.writeUInt32LE(crc32(buffer.subarray(0, 8)), 8)
  return buffer
}

/** Opens the file; `buffer` is what it holds, shorter than two slots when it is new. */
async function openSlots(path: string): Promise<{ handle: FileHandle; buffer: Buffer }> {
  const handle = await open(path, O_RDWR | O_CREAT)
  const buffer = Buffer.alloc(SLOT_BYTES * SLOT_COUNT)
  try {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0)
    return { handle, buffer: buffer.subarray(0, bytesRead) }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function fillSlots(handle: FileHandle, position: number): Promise<void> {
  const buffer = Buffer.alloc(SLOT_BYTES * SLOT_COUNT)
  for (let slot = 0; slot < SLOT_COUNT; slot += 1) slotBytes(position).copy(buffer, slot * SLOT_BYTES)
  await handle.write(buffer, 0, buffer.length, 0)
  await handle.sync()
}

export class PositionFile implements AsyncDisposable {
  readonly #path: string
  #position: number
  #slot: number
  #handle: FileHandle | undefined
  #waiters: Waiter[] = []
  #isRunning = false
  #loop: Promise<void> = Promise.resolve()
  #isClosing = false
  #wake: (() => void) | undefined

  private constructor(path: string, handle: FileHandle | undefined, position: number, slot: number) {
    this.#path = path
    this.#handle = handle
    this.#position = position
    this.#slot = slot
  }

  /**
   * `isDamaged` tells that neither slot could be read: the consumer starts from the oldest record again. A disk without room
   * for a new file does not matter yet: `move` tries again.
   */
  static async open(path: string): Promise<{ file: PositionFile; isDamaged: boolean }> {
    const { handle, buffer } = await openSlots(path)
    const slots = [readSlot(buffer, 0), readSlot(buffer, 1)] as const
    const position = Math.max(slots[0] ?? 0, slots[1] ?? 0)
    const isDamaged = buffer.length > 0 && slots[0] === undefined && slots[1] === undefined
    const newest = slots[1] === position ? 1 : 0
    try {
      if (buffer.length < SLOT_BYTES * SLOT_COUNT || isDamaged) await fillSlots(handle, position)
      return { file: new PositionFile(path, handle, position, newest), isDamaged }
    } catch (error) {
      await handle.close()
      if (!isNoSpace(error)) throw error
      return { file: new PositionFile(path, undefined, position, newest), isDamaged }
    }
  }

  /** The newest durable position; 0 when there never was one. */
  get position(): number {
    return this.#position
  }

  /** Resolves when `position`, or a later one, is durable. Never goes back. */
  move(position: number): Promise<void> {
    if (position <= this.#position) return Promise.resolve()
    if (this.#isClosing) return Promise.reject(new Error('the journal is closed'))
    if (this.#waiters.length >= WAITERS_MAX) return Promise.reject(new Error('too many commits wait for the disk'))
    return new Promise((resolve, reject) => {
      this.#waiters.push({ position, resolve, reject })
      if (!this.#isRunning) this.#loop = this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiters.length > 0) {
      const waiters = this.#waiters
      this.#waiters = []
      const position = Math.max(...waiters.map((waiter) => waiter.position))
      try {
        await this.#write(position)
        for (const waiter of waiters) waiter.resolve()
      } catch (error) {
        const reason = error instanceof Error ? error : new Error(String(error))
        for (const waiter of waiters) waiter.reject(reason)
      }
      if (!this.#isClosing) await this.#pause()
    }
    this.#isRunning = false
  }

  async #write(position: number): Promise<void> {
    const slot = (this.#slot + 1) % SLOT_COUNT
    const handle = await this.#opened()
    try {
      await handle.write(slotBytes(position), 0, SLOT_USED_BYTES, slot * SLOT_BYTES)
      await handle.datasync()
    } catch (error) {
      // Opened anew by the next one, and the same slot is written again.
      this.#handle = undefined
      await handle.close().catch(() => {})
      throw error
    }
    this.#slot = slot
    this.#position = position
  }

  /** The file in its full size. */
  async #opened(): Promise<FileHandle> {
    if (this.#handle !== undefined) return this.#handle
    const { handle, buffer } = await openSlots(this.#path)
    try {
      if (buffer.length < SLOT_BYTES * SLOT_COUNT) await fillSlots(handle, this.#position)
    } catch (error) {
      await handle.close()
      throw error
    }
    this.#handle = handle
    return handle
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, COMMIT_GAP_MS)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
  }

  /** Writes what still waits, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true
    this.#wake?.()
    await this.#loop
    await this.#handle?.close()
  }
}
