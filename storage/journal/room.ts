/** What there is room for: everything, only urgent records, or nothing. Two things run out: the size that is allowed, and the disk. */
import type { Log } from '#contract/log-events'
import type { JournalTakes } from './journal.ts'

type Bounds = {
  /** Largest size of all segments. */
  readonly bytesMax: number
  /** The last part of it, which is for urgent records only. */
  readonly urgentBytes: number
}

const CLEARLY_PARTS = 32

export class Room {
  readonly #bounds: Bounds
  readonly #log: Log
  /** By the size that is allowed. */
  #takes: JournalTakes = 'all'
  #isDiskShort = false

  constructor(bounds: Bounds, log: Log) {
    this.#bounds = bounds
    this.#log = log
  }

  get takes(): JournalTakes {
    return this.#isDiskShort && this.#takes === 'all' ? 'urgent' : this.#takes
  }
  get isDiskShort(): boolean {
    return this.#isDiskShort
  }
  /** Why not everything is taken; undefined when everything is. */
  get reason(): string | undefined {
    const { bytesMax } = this.#bounds
    if (this.#takes === 'nothing') return `the journal is full (${bytesMax} bytes): its consumers are behind`
    if (this.#takes === 'urgent')
      return `the journal is nearly full (${bytesMax} bytes), the rest is for urgent records: its consumers are behind`
    return this.#isDiskShort ? 'the disk of the journal is full, its reserve is for urgent records' : undefined
  }

  /** Why a record that makes the journal `usedBytes` large is refused; undefined when there is room for it. */
  refusal(usedBytes: number, isUrgent: boolean): string | undefined {
    const takes = this.#takesAt(usedBytes)
    if (this.#isWorse(takes)) {
      this.#takes = takes
      this.#say()
    }
    if (takes === 'nothing') return this.reason
    return isUrgent || this.takes === 'all' ? undefined : this.reason
  }

  /** Takes more again when the journal has become clearly smaller, so that it does not change its mind with every record. */
  noteUsed(usedBytes: number): void {
    const takes = this.#takesAt(usedBytes + this.#bounds.bytesMax / CLEARLY_PARTS)
    if (this.#takes === 'all' || takes === this.#takes || takes === 'nothing') return
    this.#takes = takes
    this.#say()
  }

  noteDisk(isShort: boolean): void {
    if (this.#isDiskShort === isShort) return
    this.#isDiskShort = isShort
    this.#say()
  }

  #takesAt(usedBytes: number): JournalTakes {
    if (usedBytes > this.#bounds.bytesMax) return 'nothing'
    return usedBytes > this.#bounds.bytesMax - this.#bounds.urgentBytes ? 'urgent' : 'all'
  }

  #isWorse(takes: JournalTakes): boolean {
    return takes !== 'all' && this.#takes !== 'nothing' && takes !== this.#takes
  }

  #say(): void {
    const fields = { takes: this.takes, reason: this.reason }
    if (this.takes === 'nothing') this.#log.error('journal.degraded', fields)
    else if (this.takes === 'urgent') this.#log.error('journal.short', fields)
    else this.#log.info('journal.recovered', fields)
  }
}
