/** How many may be inside: connections in all, those that did not sign in yet, and how often one address may connect. */
import { addressGroupOf } from '#contract/address-group'
import type { SubscriberRefusal } from '#contract/errors'
import { Places, type Place } from '#contract/places'
import { RecentMap } from '#contract/recent-map'
import type { SubscriberLimits } from './limits.ts'

const ADDRESSES_MAX = 10_000
const MINUTE_MS = 60_000

type DoorwayLimits = Pick<
  SubscriberLimits,
  'connectionsMax' | 'halfOpenMax' | 'halfOpenPerAddressMax' | 'connectsPerMinuteMax'
>

type Visits = { minute: number; connectCount: number }

/** The places of the listener. Addresses count by their group: an IPv6 address stands for its /64. */
export class Doorway {
  readonly #limits: DoorwayLimits
  readonly #nowMs: () => number
  readonly #visits = new RecentMap<string, Visits>(ADDRESSES_MAX)
  readonly #places = new Places()

  constructor(limits: DoorwayLimits, nowMs: () => number) {
    this.#limits = limits
    this.#nowMs = nowMs
  }

  get insideCount(): number {
    return this.#places.all.inside
  }

  /**
   * A place for a new connection, or why there is none. When the house or its doorway is full, the oldest that said
   * nothing gives way by `cut`.
   */
  enter(remoteAddress: string, cut: () => void): Place | SubscriberRefusal {
    const limits = this.#limits
    const places = this.#places
    const address = addressGroupOf(remoteAddress)
    const minute = Math.floor(this.#nowMs() / MINUTE_MS)
    const known = this.#visits.get(address)
    const visits = known?.minute === minute ? known : { minute, connectCount: 0 }
    this.#visits.set(address, visits)
    visits.connectCount += 1
    if (visits.connectCount > limits.connectsPerMinuteMax) return 'subscriber.tooOften'
    if (places.of(address).halfOpen >= limits.halfOpenPerAddressMax) return 'subscriber.full'
    const isFull = places.all.inside >= limits.connectionsMax || places.all.halfOpen >= limits.halfOpenMax
    if (isFull && !places.cutOldestSilent()) return 'subscriber.full'
    return places.take(address, cut)
  }
}
