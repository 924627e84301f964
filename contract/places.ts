/** Who is inside a listener: places counted in all and by address group, and those that did not say anything yet. */

/**
 * One place inside. `ask` tells that the CONNECT came, `admit` that it was granted; the place is given back exactly once,
 * by `leave`.
 */
export type Place = { ask(): void; admit(): void; leave(): void }

/** `inside`: connections. `halfOpen`: those of them that were not admitted yet. */
export type PlaceCounts = { readonly inside: number; readonly halfOpen: number }

type Counts = { inside: number; halfOpen: number }

const NOBODY: PlaceCounts = { inside: 0, halfOpen: 0 }

/** The places of one listener. It counts and judges nothing: how many may be inside is for the doorway that holds it. */
export class Places {
  readonly #all: Counts = { inside: 0, halfOpen: 0 }
  readonly #byGroup = new Map<string, Counts>()
  /** Who said nothing yet, oldest first, and how to cut them. */
  readonly #silent = new Map<Place, () => void>()

  get all(): PlaceCounts {
    return this.#all
  }

  /** The counts of one group of addresses, as `addressGroupOf` names it. */
  of(group: string): PlaceCounts {
    return this.#byGroup.get(group) ?? NOBODY
  }

  /** A new place, half open. `cut` ends its connection when it has to give way. */
  take(group: string, cut: () => void): Place {
    const place = new TakenPlace(this, group)
    this.#silent.set(place, cut)
    this.count(group, 'inside', 1)
    this.count(group, 'halfOpen', 1)
    return place
  }

  /**
   * Takes the place of the one that has been silent longest. False when nobody is silent: those who asked are about to be
   * answered. A client sends its CONNECT at once, and so comes in also while a flood of silent sockets fills the house.
   */
  cutOldestSilent(): boolean {
    for (const [place, cut] of this.#silent) {
      place.leave()
      cut()
      return true
    }
    return false
  }

  /** For the places alone. */
  heard(place: Place): void {
    this.#silent.delete(place)
  }

  /** For the places alone. */
  count(group: string, what: keyof Counts, by: 1 | -1): void {
    const own = this.#byGroup.get(group) ?? { inside: 0, halfOpen: 0 }
    own[what] += by
    this.#all[what] += by
    if (own.inside === 0) this.#byGroup.delete(group)
    else this.#byGroup.set(group, own)
  }
}

/** A class, not closures: tens of thousands of terminals have one each. */
class TakenPlace implements Place {
  readonly #places: Places
  readonly #group: string
  #isHalfOpen = true
  #isInside = true

  constructor(places: Places, group: string) {
    this.#places = places
    this.#group = group
  }

  ask(): void {
    this.#places.heard(this)
  }

  admit(): void {
    this.#places.heard(this)
    if (!this.#isHalfOpen) return
    this.#isHalfOpen = false
    this.#places.count(this.#group, 'halfOpen', -1)
  }

  leave(): void {
    this.admit()
    if (!this.#isInside) return
    this.#isInside = false
    this.#places.count(this.#group, 'inside', -1)
  }
}
