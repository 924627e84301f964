/**
 * Chance as a pure function of a seed. `Math.random` is never used: the same seed gives the same town, the same residents
 * and the same bytes on the wire.
 */

/** A whole number in [0, 2³²) that depends on every word. Mixing steps of splitmix32 / murmur3's finalizer. */
export function mix(...words: readonly number[]): number {
  let hash = 0x9e3779b9
  for (const word of words) {
    hash = (hash ^ (word | 0)) | 0
    hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad)
    hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97)
    hash = ((hash ^ (hash >>> 15)) + 0x9e3779b9) | 0
  }
  return hash >>> 0
}

/** A number in [0, 1) that depends on every word: the value that a stream has at one place, without the values before it. */
export const unit = (...words: readonly number[]): number => mix(...words) / 0x1_0000_0000

/** FNV-1a of a text, to make an id one of the words above. */
export function textWord(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

/** The values of one stream one after the other. */
export class RandomStream {
  readonly #seed: number
  #drawnCount = 0

  constructor(...words: readonly number[]) {
    this.#seed = mix(...words)
  }

  /** The next number in [0, 1). */
  next(): number {
    this.#drawnCount += 1
    return unit(this.#seed, this.#drawnCount)
  }

  /** A whole number from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  /** One of the items, each as likely as the others. Throws on an empty list. */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.next() * items.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  /** The wait for the next of events that come at random, `mean` apart on average; same unit as `mean`. */
  wait(mean: number): number {
    return -Math.log(1 - this.next()) * mean
  }
}
