/** How long a terminal waits before it tries to connect again. */
import type { RandomStream } from '../random.ts'

const FIRST_MS = 1000
const MOST_MS = 30_000

export class BackOff {
  readonly #random: RandomStream
  #failureCount = 0

  constructor(random: RandomStream) {
    this.#random = random
  }

  /**
   * After one more failure, ms. Half fixed, half chance: a hundred terminals that lost one broker must not all come back in the
   * same moment.
   */
  next(): number {
    const ceilingMs = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(10, this.#failureCount))
    this.#failureCount += 1
    return ceilingMs / 2 + (this.#random.next() * ceilingMs) / 2
  }

  reset(): void {
    this.#failureCount = 0
  }
}
