/** How many may be inside at one time: in all, from one address, and between opening a socket and the CONNACK. */
import { addressGroupOf } from '#contract/address-group'
import type { AdmissionRefusal } from '#contract/errors'
import type { BrokerLimits } from './limits.ts'

type DoorwayLimits = Pick<
  BrokerLimits,
  'connectionsMax' | 'connectionsPerAddressMax' | 'halfOpenMax' | 'halfOpenPerAddressMax'
>

/**
 * One place inside. `ask` tells that the CONNECT came, `admit` that it was granted; the place is given back exactly once,
 * by `leave`.
 */
export type Place = { ask(): void; admit(): void; leave(): void }

/** Simulated and proxied terminals come from this machine; one address stands for many of them. Takes `addressGroupOf`. */
export const isLoopback = (group: string): boolean => group === '::1' || group.startsWith('127.')

type Counts = { inside: number; halfOpen: number }

/** The places of a broker. IPv6 addresses of one /64 count as one address. */
export class Doorway {
  readonly #limits: DoorwayLimits
  readonly #countsByGroup = new Map<string, Counts>()
  /** Who said nothing yet, oldest first, and how to cut them. */
  readonly #silent = new Map<Place, () => void>()
  #insideCount = 0
  #halfOpenCount = 0

  constructor(limits: DoorwayLimits) {
    this.#limits = limits
  }

  get insideCount(): number {
    return this.#insideCount
  }

  get halfOpenCount(): number {
    return this.#halfOpenCount
  }

  /**
   * A place for a new connection, or the reason why there is none. When too many are half open, the oldest that said
   * nothing gives way by `cut`: a terminal sends its CONNECT at once, and so comes in also while a flood of silent sockets
   * fills the house.
   */
  enter(address: string, cut: () => void = () => {}): Place | AdmissionRefusal {
    const limits = this.#limits
    const group = addressGroupOf(address)
    const { inside, halfOpen } = this.#countsByGroup.get(group) ?? { inside: 0, halfOpen: 0 }
    if (this.#insideCount >= limits.connectionsMax) return 'admission.full'
    if (!isLoopback(group)) {
      if (inside >= limits.connectionsPerAddressMax) return 'admission.fullAddress'
      if (halfOpen >= limits.halfOpenPerAddressMax) return 'admission.halfOpenAddress'
    }
    if (this.#halfOpenCount >= limits.halfOpenMax && !this.#cutOldestSilent()) return 'admission.halfOpen'
    return this.#place(group, cut)
  }

  /** False when nobody is silent: those who asked are about to be answered. */
  #cutOldestSilent(): boolean {
    for (const [place, cut] of this.#silent) {
      place.leave()
      cut()
      return this.#halfOpenCount < this.#limits.halfOpenMax
    }
    return false
  }

  #place(group: string, cut: () => void): Place {
    const counts = this.#countsByGroup.get(group) ?? { inside: 0, halfOpen: 0 }
    this.#countsByGroup.set(group, counts)
    this.#insideCount += 1
    this.#halfOpenCount += 1
    counts.inside += 1
    counts.halfOpen += 1
    let isHalfOpen = true
    let isInside = true
    const endHalfOpen = (): void => {
      this.#silent.delete(place)
      if (!isHalfOpen) return
      isHalfOpen = false
      this.#halfOpenCount -= 1
      counts.halfOpen -= 1
    }
    const place: Place = {
      ask: () => void this.#silent.delete(place),
      admit: endHalfOpen,
      leave: () => {
        endHalfOpen()
        if (!isInside) return
        isInside = false
        this.#insideCount -= 1
        counts.inside -= 1
        if (counts.inside === 0) this.#countsByGroup.delete(group)
      },
    }
    this.#silent.set(place, cut)
    return place
  }
}
