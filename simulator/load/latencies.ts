/** How long answers took, counted in steps that grow with the value, so that processes can add theirs up. */

/** Steps within each doubling: a value is known to 1/64. */
const STEP_BITS = 6
const STEPS = 2 ** STEP_BITS
/** Below this every µs has a step of its own. */
const FINE_US = 2 * STEPS
/** Longer is counted as so long: 35 minutes. */
const MAX_US = 2 ** 31 - 1
const INDEX_COUNT = FINE_US + (31 - (STEP_BITS + 1)) * STEPS

/** What one process tells another. */
export type LatencyCounts = { readonly counts: Float64Array; readonly maxMs: number }

export class Latencies {
  readonly #counts: Float64Array
  #maxMs: number

  constructor({ counts, maxMs }: LatencyCounts = { counts: new Float64Array(INDEX_COUNT), maxMs: 0 }) {
    this.#counts = counts.slice()
    this.#maxMs = maxMs
  }

  get told(): LatencyCounts {
    return { counts: this.#counts.slice(), maxMs: this.#maxMs }
  }

  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  /** The longest of all, ms; exact, and 0 when there are none. */
  get maxMs(): number {
    return this.#maxMs
  }

  add(ms: number): void {
    const index = indexOf(ms * 1000)
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
    if (ms > this.#maxMs) this.#maxMs = ms
  }

  /** Both together. */
  plus(other: Latencies): Latencies {
    const counts = this.#counts.map((count, index) => count + (other.#counts[index] ?? 0))
    return new Latencies({ counts, maxMs: Math.max(this.#maxMs, other.#maxMs) })
  }

  /** What came after an earlier state of the same; its longest is known to a step. */
  since(earlier: Latencies): Latencies {
    const counts = this.#counts.map((count, index) => count - (earlier.#counts[index] ?? 0))
    const top = counts.findLastIndex((count) => count > 0)
    return new Latencies({ counts, maxMs: top === -1 ? 0 : Math.min(this.#maxMs, upperUs(top) / 1000) })
  }

  /** As many as `share` of all took no longer, ms, never told too short; NaN when there are none. */
  quantileMs(share: number): number {
    let left = this.count * share
    for (const [index, count] of this.#counts.entries()) {
      left -= count
      if (count > 0 && left <= 0) return Math.min(this.#maxMs, upperUs(index) / 1000)
    }
    return NaN
  }
}

function indexOf(us: number): number {
  const value = Math.min(MAX_US, Math.max(0, Math.floor(us)))
  if (value < FINE_US) return value
  const shift = 31 - Math.clz32(value) - STEP_BITS
  return FINE_US + (shift - 1) * STEPS + ((value >> shift) & (STEPS - 1))
}

/** Where a step ends, µs. */
function upperUs(index: number): number {
  if (index < FINE_US) return index + 1
  const shift = Math.floor((index - FINE_US) / STEPS) + 1
  return (STEPS + ((index - FINE_US) % STEPS) + 1) * 2 ** shift
}
