/** What viewers of one scope are told: numbered deltas, of which the newest are kept so that a viewer can catch up. Pure. */
import type { LiftId } from '#contract/ids'
import type { LiveDelta, LiveState } from '#contract/live'

/** Deltas that are kept: a minute at the highest rate. */
export const KEPT_DELTAS_MAX = 240
/** Rows in all kept deltas together. */
export const KEPT_ROWS_MAX = 20_000

export class LiveFeed {
  #seq: number
  #kept: LiveDelta[] = []
  #keptRows = 0
  readonly #changed = new Set<LiftId>()

  /** `firstSeq` must be larger than any number that an earlier feed gave out: see `LiveFeedNumbers`. */
  constructor(firstSeq: number) {
    this.#seq = firstSeq
  }

  /** The number of the newest delta; a snapshot taken now stands for everything up to it. */
  get seq(): number {
    return this.#seq
  }

  mark(lift: LiftId): void {
    this.#changed.add(lift)
  }

  /** The next delta, with the newest row of each lift that changed since the last one. Undefined when none did. */
  next(rowOf: (lift: LiftId) => LiveState | undefined, atMs: number): LiveDelta | undefined {
    if (this.#changed.size === 0) return undefined
    const rows = [...this.#changed].map(rowOf).filter((row) => row !== undefined)
    this.#changed.clear()
    if (rows.length === 0) return undefined
    this.#seq += 1
    const delta: LiveDelta = { seq: this.#seq, t: atMs, rows }
    this.#kept.push(delta)
    this.#keptRows += rows.length
    while (this.#kept.length > KEPT_DELTAS_MAX || this.#keptRows > KEPT_ROWS_MAX)
      this.#keptRows -= this.#kept.shift()?.rows.length ?? 0
    return delta
  }

  /** What came after delta `seq`, in order and without a gap; undefined when that is no longer known. */
  after(seq: number): readonly LiveDelta[] | undefined {
    if (seq === this.#seq) return []
    const first = this.#kept[0]
    if (first === undefined || seq < first.seq - 1 || seq > this.#seq) return undefined
    return this.#kept.slice(seq - first.seq + 1)
  }

  /** The set of lifts itself changed: no delta says so, everyone needs a snapshot. */
  forget(): void {
    this.#kept = []
    this.#keptRows = 0
    this.#changed.clear()
    this.#seq += 1
  }
}

/**
 * Gives each feed numbers of its own, larger than those of every feed before it, of this process or of one that ran
 * earlier: a viewer that comes back with a number of another feed gets a snapshot, never somebody else's deltas.
 */
export class LiveFeedNumbers {
  #last = 0
  /** A thousand numbers for each ms since 1970 is far more than deltas are ever made. */
  next(nowMs: number): number {
    this.#last = Math.max(nowMs * 1_000, this.#last + 1_000_000)
    return this.#last
  }
}
