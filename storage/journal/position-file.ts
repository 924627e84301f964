/**
 * How far one consumer is, durably. Two slots, each in a block of its own, are written in turn and synced; the larger valid
 * one counts, so a torn write loses nothing. The file has its full size from the start: saying how far one is must work on
 * a full disk too, because it is what makes room again.
 */
import { open, type FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'

const SLOT_BYTES = 4096
const SLOT_COUNT = 2
/** Commits of a consumer closer together than this share one sync. */
const COMMIT_GAP_MS = 50

type Waiter = { readonly position: number; readonly resolve: () => void; readonly reject: (error: Error) => void }

function readSlot(buffer: Buffer, slot: number): number | undefined {
  const at = slot * SLOT_BYTES
  if (buffer.length < at + 12 || crc32(buffer.subarray(at, at + 8)) !== buffer.readUInt32LE(at + 8)) return undefined
  const position = Number(buffer.readBigUInt64LE(at))
  return Number.isSafeInteger(position) ? position : undefined
}

function slotBytes(position: number): Buffer {
  const buffer = Buffer.alloc(12)
  buffer.writeBigUInt64LE(BigInt(position), 0)
  buffer.writeUInt32LE(crc32(buffer.subarray(0, 8)), 8)
  return buffer
}

export class PositionFile implements AsyncDisposable {
  #position: number
  #slot: number
  readonly #handle: FileHandle
  #waiters: Waiter[] = []
  #isRunning = false
  #loop: Promise<void> = Promise.resolve()
  #isClosing = false
  #wake: (() => void) | undefined

  private constructor(handle: FileHandle, position: number, slot: number) {
    this.#handle = handle
    this.#position = position
    this.#slot = slot
  }

  /** `isDamaged` tells that neither slot could be read: the consumer starts from the oldest record again. */
  static async open(path: string): Promise<{ file: PositionFile; isDamaged: boolean }> {
    const handle = await open(path, 'r+').catch(() => open(path, 'w+'))
    const buffer = Buffer.alloc(SLOT_BYTES * SLOT_COUNT)
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0)
    const slots = [readSlot(buffer, 0), readSlot(buffer, 1)] as const
    const position = Math.max(slots[0] ?? 0, slots[1] ?? 0)
    const isDamaged = bytesRead > 0 && slots[0] === undefined && slots[1] === undefined
    if (bytesRead < buffer.length || isDamaged) {
      buffer.fill(0)
      for (let slot = 0; slot < SLOT_COUNT; slot += 1) slotBytes(position).copy(buffer, slot * SLOT_BYTES)
      await handle.write(buffer, 0, buffer.length, 0)
      await handle.sync()
    }
    const newest = slots[1] === position ? 1 : 0
    return { file: new PositionFile(handle, position, newest), isDamaged }
  }

  /** The newest durable position; 0 when there never was one. */
  get position(): number {
    return this.#position
  }

  /** Resolves when `position`, or a later one, is durable. Never goes back. */
  move(position: number): Promise<void> {
    if (position <= this.#position) return Promise.resolve()
    if (this.#isClosing) return Promise.reject(new Error('the journal is closed'))
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
    await this.#handle.write(slotBytes(position), 0, 12, slot * SLOT_BYTES)
    await this.#handle.datasync()
    this.#slot = slot
    this.#position = position
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
    await this.#handle.close()
  }
}
