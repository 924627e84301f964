/**
 * Room that is kept for urgent records: a file that takes its space while the disk has some, and gives it back when a write
 * fails for want of it. Filled with random bytes, because a file system may keep zeros without taking space for them.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, stat, statfs, truncate, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { isNoSpace } from './disk-errors.ts'

const { O_CREAT, O_RDWR } = constants
/** Written and synced at a time, with a pause between, so that records are not held up. */
const STEP_BYTES = 4 * 1024 * 1024
const STEP_PAUSE_MS = 20
/** What must be free beyond the reserve before it is taken again: a quarter of it. */
const MARGIN_PARTS = 4
/** Where the file system's own figure says that there is no room (it does not know quotas, nor what root may use), it is tried this seldom. */
const BLIND_TRY_MS = 30_000
const BLOCK_BYTES = 512

export class Reserve {
  readonly #path: string
  readonly #folder: string
  readonly #bytes: number
  #heldBytes: number
  #isUnwanted = false
  /** A growth that failed has made the disk full for a moment: a write that failed meanwhile may succeed now. */
  #isGivenBack = false
  #growing: Promise<void> = Promise.resolve()
  #failedAtMs = -Infinity
  /** The file system said that there was room, and there was none. */
  #isMisled = false

  private constructor(folder: string, bytes: number, heldBytes: number) {
    this.#folder = folder
    this.#path = join(folder, 'reserve')
    this.#bytes = bytes
    this.#heldBytes = heldBytes
  }

  /** Takes no room yet: see `grow`. `bytes` 0 means that there is none. */
  static async open(folder: string, bytes: number): Promise<Reserve> {
    const path = join(folder, 'reserve')
    const found = await stat(path).catch(() => undefined)
    // The setting was made smaller since.
    if (found !== undefined && found.size > bytes) await truncate(path, bytes).catch(() => {})
    const file = await stat(path).catch(() => undefined)
    const heldBytes = file === undefined ? 0 : Math.min(file.size, file.blocks * BLOCK_BYTES)
    return new Reserve(folder, bytes, heldBytes)
  }

  get isWhole(): boolean {
    return !this.#isUnwanted && this.#heldBytes >= this.#bytes
  }
  /** Whether giving it back would make room, or has made some that nobody has tried yet. */
  get hasRoom(): boolean {
    return this.#heldBytes > 0 || this.#isGivenBack
  }

  get #bytesWithMargin(): number {
    return this.#bytes + Math.ceil(this.#bytes / MARGIN_PARTS)
  }

  /** Whether the disk has room for what is missing, and a margin. */
  async canGrow(): Promise<boolean> {
    const { bavail, bsize } = await statfs(this.#folder)
    return bavail * bsize >= this.#bytesWithMargin - this.#heldBytes
  }

  /** Whether it is worth a try: there is room, or nobody has tried for long. */
  async isGrowthDue(): Promise<boolean> {
    if (performance.now() - this.#failedAtMs >= BLIND_TRY_MS) return true
    return !this.#isMisled && (await this.canGrow())
  }

  /**
   * Takes the room that is missing, and the margin for a moment. When there is not enough, gives everything back and rejects:
   * what was given back a moment ago is not taken again before there is more.
   */
  grow(): Promise<void> {
    this.#isUnwanted = false
    const growing = this.#grow()
    this.#growing = growing.catch(() => {})
    return growing
  }

  /** Gives the room back, also in the middle of `grow`. */
  async release(): Promise<void> {
    this.#isUnwanted = true
    await this.#growing
    if (this.#heldBytes > 0) await this.#shrink()
    this.#isGivenBack = false
    this.#failedAtMs = performance.now()
  }

  async #grow(): Promise<void> {
    const handle = await open(this.#path, O_RDWR | O_CREAT)
    try {
      await this.#fill(handle)
      if (this.#heldBytes > this.#bytes) {
        await handle.truncate(this.#bytes)
        this.#heldBytes = this.#bytes
      }
      this.#isMisled = false
    } catch (error) {
      this.#failedAtMs = performance.now()
      await this.#shrink()
      this.#isMisled = isNoSpace(error) && (await this.canGrow())
      throw error
    } finally {
      await handle.close()
    }
  }

  async #fill(handle: FileHandle): Promise<void> {
    const wholeBytes = this.#bytesWithMargin
    const step = randomBytes(Math.min(STEP_BYTES, wholeBytes))
    while (this.#heldBytes < wholeBytes && !this.#isUnwanted) {
      const bytes = Math.min(step.length, wholeBytes - this.#heldBytes)
      const { bytesWritten } = await handle.write(step, 0, bytes, this.#heldBytes)
      await handle.datasync()
      this.#heldBytes += bytesWritten
      await new Promise((resolve) => setTimeout(resolve, STEP_PAUSE_MS))
    }
  }

  async #shrink(): Promise<void> {
    const handle = await open(this.#path, 'r+')
    try {
      await handle.truncate(0)
      // Some file systems give the room to others only when they have kept that it is free.
      await handle.sync()
      this.#heldBytes = 0
      this.#isGivenBack = true
    } finally {
      await handle.close()
    }
  }
}
