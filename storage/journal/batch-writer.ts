/** From `append` to the disk: gathers records in batches, writes one after the other, and says what is refused and why. */
import type { Log } from '#contract/log-events'
import { Batch, type Done } from './batch.ts'
import { errorOf, isNoSpace } from './disk-errors.ts'
import { MARK_BYTES } from './frames.ts'
import type { JournalTakes, NewEntry } from './journal.ts'
import { recordBytes } from './record-codec.ts'
import type { Reserve } from './reserve.ts'
import type { Room } from './room.ts'
import type { SegmentLog } from './segment-log.ts'

type BatchWriterOptions = {
  readonly segments: SegmentLog
  readonly reserve: Reserve
  readonly room: Room
  readonly log: Log
  readonly nextPosition: number
  readonly batchBytesMax: number
  /** Bytes taken and not yet durable; beyond it nothing is taken. */
  readonly waitingBytesMax: number
  /** A write that has not come back for so long means that the disk does not answer. */
  readonly answerMsMax: number
  /** A mistake of this program: nothing is written from here on. */
  readonly onFailed: (error: Error) => void
  readonly onDurable: (batch: Batch, place: Awaited<ReturnType<SegmentLog['append']>>) => void
}

const SILENT = 'the disk of the journal does not answer'

export class BatchWriter {
  readonly #o: BatchWriterOptions
  /** Filled while another is on its way to disk; then the two change places. */
  #filling: Batch
  #spare: Batch
  #queue: Batch[] = []
  #waitingBytes = 0
  #refusedCount = 0
  #nextPosition: number
  #isRunning = false
  #running: Promise<void> = Promise.resolve()
  #writeBeganAtMs: number | undefined
  #isSilent = false
  #broken: string | undefined
  #isClosed = false

  constructor(o: BatchWriterOptions) {
    this.#o = o
    this.#nextPosition = o.nextPosition
    this.#filling = new Batch(o.segments.mark)
    this.#spare = new Batch(o.segments.mark)
  }

  get refusedCount(): number {
    return this.#refusedCount
  }
  get nextPosition(): number {
    return this.#nextPosition
  }
  get isBroken(): boolean {
    return this.#broken !== undefined
  }
  get isSilent(): boolean {
    return this.#isSilent
  }
  get takes(): JournalTakes {
    return this.#broken !== undefined || this.#isSilent ? 'nothing' : this.#o.room.takes
  }
  get degraded(): string | undefined {
    return this.#broken ?? (this.#isSilent ? SILENT : this.#o.room.reason)
  }
  get #usedBytes(): number {
    return this.#o.segments.bytes + this.#waitingBytes
  }

  append(entry: NewEntry, done: Done): void {
    const ownBytes = recordBytes(entry)
    const bytes = MARK_BYTES + (ownBytes ?? 0)
    const reason =
      ownBytes === undefined
        ? 'the message is too large for the journal'
        : this.#refusal(bytes, entry.isUrgent === true)
    if (reason === undefined) this.#add(entry, bytes, done)
    else this.#refuse(done, new Error(reason))
    if (!this.#isRunning && this.#filling.count > 0) this.#run()
  }

  /** No position up to `position` is given from here on. */
  skipThrough(position: number): void {
    this.#closeBatch()
    this.#nextPosition = Math.max(this.#nextPosition, position + 1)
  }

  /** Looks whether the disk answers and whether there is room again. Costs nothing. */
  look(): void {
    const isLate = this.#writeBeganAtMs !== undefined && performance.now() - this.#writeBeganAtMs > this.#o.answerMsMax
    if (isLate && !this.#isSilent) {
      this.#isSilent = true
      this.#o.log.error('journal.degraded', { reason: SILENT })
    }
    this.#o.room.noteUsed(this.#usedBytes)
  }

  /** Tries to write again after a failure. Never rejects. */
  async recover(): Promise<void> {
    const { segments, log } = this.#o
    try {
      await segments.recover(this.#nextPosition)
      this.#broken = undefined
      log.info('journal.recovered', { lastPosition: segments.lastPosition, takes: this.takes })
    } catch (error) {
      this.#broken = `the journal cannot be written: ${errorOf(error).message}`
      log.debug('journal.degraded', { reason: this.#broken })
    }
  }

  /** Takes nothing more; resolves when what was taken is durable or refused. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#running
    // What was refused is not to come up when the folder is opened again.
    if (this.#broken !== undefined) await this.#o.segments.giveUp().catch(() => {})
  }

  /** Refuses everything that is not on its way to the disk. */
  refuseWaiting(error: Error): void {
    for (const batch of [...this.#queue.splice(0), this.#filling]) this.#finish(batch, error)
  }

  #refusal(bytes: number, isUrgent: boolean): string | undefined {
    if (this.#isClosed) return 'the journal is closed'
    if (this.#broken !== undefined) return this.#broken
    if (this.#isSilent) return SILENT
    if (this.#waitingBytes + bytes > this.#o.waitingBytesMax) return 'too much waits for the disk of the journal'
    return this.#o.room.refusal(this.#usedBytes + bytes, isUrgent)
  }

  #add(entry: NewEntry, bytes: number, done: Done): void {
    if (this.#filling.length + bytes > this.#o.batchBytesMax) this.#closeBatch()
    this.#filling.add(entry, bytes, this.#nextPosition, done)
    this.#nextPosition += 1
    this.#waitingBytes += bytes
  }

  #refuse(done: Done, error: Error): void {
    this.#refusedCount += 1
    try {
      done(error, 0)
    } catch (thrown) {
      this.#onThrow(thrown)
    }
  }

  readonly #onThrow = (error: unknown): void => this.#o.log.error('journal.callerThrew', { error })

  /** One batch after the other, until nothing waits. Ends only by itself: whatever goes wrong inside refuses. */
  #run(): void {
    this.#isRunning = true
    this.#running = this.#writeBatches().catch((error: unknown) => this.#o.onFailed(errorOf(error)))
  }

  async #writeBatches(): Promise<void> {
    // One turn of the event loop: what came with the same packets goes to disk with the same sync.
    await new Promise((resolve) => setImmediate(resolve))
    for (let batch = this.#takeBatch(); batch !== undefined; batch = this.#takeBatch()) {
      const error = await this.#write(batch)
      if (error === undefined) this.#finish(batch, undefined)
      else if (isNoSpace(error) && (await this.#useReserve())) this.#keepUrgent(batch)
      else this.#breakDown(batch, error)
      this.#spare = batch
    }
  }

  #closeBatch(): void {
    if (this.#filling.count === 0) return
    this.#queue.push(this.#filling)
    this.#filling = new Batch(this.#o.segments.mark)
  }

  #takeBatch(): Batch | undefined {
    const queued = this.#queue.shift()
    if (queued !== undefined) return queued
    if (this.#filling.count === 0) {
      // Said in the same step as it is found: an append right after this begins a new run.
      this.#isRunning = false
      return undefined
    }
    const batch = this.#filling
    this.#filling = this.#spare
    return batch
  }

  async #write(batch: Batch): Promise<Error | undefined> {
    this.#writeBeganAtMs = performance.now()
    try {
      this.#o.onDurable(batch, await this.#o.segments.append(batch))
      return undefined
    } catch (error) {
      return errorOf(error)
    } finally {
      this.#writeBeganAtMs = undefined
      if (this.#isSilent) {
        this.#isSilent = false
        this.#o.log.info('journal.recovered', { lastPosition: this.#o.segments.lastPosition })
      }
    }
  }

  #finish(batch: Batch, error: Error | undefined): void {
    this.#waitingBytes -= batch.length
    if (error !== undefined) this.#refusedCount += batch.count
    batch.finish(error, this.#onThrow)
  }

  /** The disk is full: gives the reserve back. False when there is none, or when even that does not work. */
  async #useReserve(): Promise<boolean> {
    const { reserve, room, segments, log } = this.#o
    if (!reserve.hasRoom) return false
    room.noteDisk(true)
    try {
      await reserve.release()
      await segments.giveUp()
      return true
    } catch (error) {
      log.error('journal.degraded', { reason: 'the reserve cannot be given back', error })
      return false
    }
  }

  /** Of everything that waits, keeps what is urgent, in order and with new positions, and refuses the rest. */
  #keepUrgent(failed: Batch): void {
    const waiting = [failed, ...this.#queue, this.#filling]
    this.#queue = []
    this.#filling = new Batch(this.#o.segments.mark)
    const refused: Done[] = []
    for (const batch of waiting) {
      for (const { entry, bytes, done } of batch.drain()) {
        this.#waitingBytes -= bytes
        if (entry.isUrgent === true) this.#add(entry, bytes, done)
        else refused.push(done)
      }
    }
    const error = new Error(this.#o.room.reason ?? 'the disk of the journal is full')
    for (const done of refused) this.#refuse(done, error)
  }

  #breakDown(batch: Batch, cause: Error): void {
    if (isNoSpace(cause)) this.#o.room.noteDisk(true)
    this.#broken = `the journal cannot be written: ${cause.message}`
    this.#o.log.error('journal.syncFailed', { error: cause, refusedCount: batch.count })
    const error = new Error(this.#broken, { cause })
    this.#finish(batch, error)
    this.refuseWaiting(error)
  }
}
