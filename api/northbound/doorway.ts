/** How many may be inside: connections in all, those that did not sign in yet, and how often one address may connect. */
import { addressGroupOf } from '#contract/address-group'
import type { SubscriberRefusal } from '#contract/errors'
import { RecentMap } from '#contract/recent-map'
import type { SubscriberLimits } from './limits.ts'

const ADDRESSES_MAX = 10_000
const MINUTE_MS = 60_000

type DoorwayLimits = Pick<
  SubscriberLimits,
  'connectionsMax' | 'halfOpenMax' | 'halfOpenPerAddressMax' | 'connectsPerMinuteMax'
>

/**
 * One place inside. `ask` tells that the CONNECT came, `admit` that it was granted; the place is given back exactly once,
 * by `leave`.
 */
export type Place = { ask(): void; admit(): void; leave(): void }
type Visits = { minute: number; connectCount: number }

/** The places of the listener. Addresses count by their group: an IPv6 address stands for its /64. */
export class Doorway {
  readonly #limits: DoorwayLimits
  readonly #nowMs: () => number
  readonly #visits = new RecentMap<string, Visits>(ADDRESSES_MAX)
  readonly #halfOpenByAddress = new Map<string, number>()
  /** Who said nothing yet, oldest first, and how to cut them. */
  readonly #silent = new Map<Place, () => void>()
  #insideCount = 0
  #halfOpenCount = 0

  constructor(limits: DoorwayLimits, nowMs: () => number) {
    this.#limits = limits
    this.#nowMs = nowMs
  }

  get insideCount(): number {
    return this.#insideCount
  }

  /**
   * A place for a new connection, or why there is none. When too many are half open, the oldest that said nothing gives
   * way by `cut`: a program sends its CONNECT at once, and so comes in also while a flood of silent sockets fills the house.
   */
  enter(remoteAddress: string, cut: () => void): Place | SubscriberRefusal {
    const address = addressGroupOf(remoteAddress)
    const minute = Math.floor(this.#nowMs() / MINUTE_MS)
    const known = this.#visits.get(address)
    const visits = known?.minute === minute ? known : { minute, connectCount: 0 }
    this.#visits.set(address, visits)
    visits.connectCount += 1
    if (visits.connectCount > this.#limits.connectsPerMinuteMax) return 'subscriber.tooOften'
    if ((this.#halfOpenByAddress.get(address) ?? 0) >= this.#limits.halfOpenPerAddressMax) return 'subscriber.full'
    const isFull = this.#insideCount >= this.#limits.connectionsMax || this.#halfOpenCount >= this.#limits.halfOpenMax
    if (isFull && !this.#cutOldestSilent()) return 'subscriber.full'
    return this.#place(address, cut)
  }

  /** False when nobody is silent: those inside are signed in, or about to be answered. */
  #cutOldestSilent(): boolean {
    for (const [place, cut] of this.#silent) {
      place.leave()
      cut()
      return true
    }
    return false
  }

  #place(address: string, cut: () => void): Place {
    this.#insideCount += 1
    this.#halfOpenCount += 1
    this.#halfOpenByAddress.set(address, (this.#halfOpenByAddress.get(address) ?? 0) + 1)
    let isHalfOpen = true
    let isInside = true
    const endHalfOpen = (): void => {
      this.#silent.delete(place)
      if (!isHalfOpen) return
      isHalfOpen = false
      this.#halfOpenCount -= 1
      const rest = (this.#halfOpenByAddress.get(address) ?? 1) - 1
      if (rest > 0) this.#halfOpenByAddress.set(address, rest)
      else this.#halfOpenByAddress.delete(address)
    }
    const place: Place = {
      ask: () => void this.#silent.delete(place),
      admit: endHalfOpen,
      leave: () => {
        endHalfOpen()
        if (!isInside) return
        isInside = false
        this.#insideCount -= 1
      },
    }
    this.#silent.set(place, cut)
    return place
  }
}
