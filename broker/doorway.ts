/** How many may be inside at one time: in all, from one address, and between opening a socket and the CONNACK. */
import { addressGroupOf } from '#contract/address-group'
import type { AdmissionRefusal } from '#contract/errors'
import { Places, type Place } from '#contract/places'
import type { BrokerLimits } from './limits.ts'

type DoorwayLimits = Pick<
  BrokerLimits,
  'connectionsMax' | 'connectionsPerAddressMax' | 'halfOpenMax' | 'halfOpenPerAddressMax'
>

/** Simulated and proxied terminals come from this machine; one address stands for many of them. Takes `addressGroupOf`. */
export const isLoopback = (group: string): boolean => group === '::1' || group.startsWith('127.')

/** The places of a broker. IPv6 addresses of one /64 count as one address. */
export class Doorway {
  readonly #limits: DoorwayLimits
  readonly #places = new Places()

  constructor(limits: DoorwayLimits) {
    this.#limits = limits
  }

  get insideCount(): number {
    return this.#places.all.inside
  }

  get halfOpenCount(): number {
    return this.#places.all.halfOpen
  }

  /**
   * A place for a new connection, or the reason why there is none. When too many are half open, the oldest that said
   * nothing gives way by `cut`.
   */
  enter(address: string, cut: () => void = () => {}): Place | AdmissionRefusal {
    const limits = this.#limits
    const places = this.#places
    const group = addressGroupOf(address)
    if (places.all.inside >= limits.connectionsMax) return 'admission.full'
    if (!isLoopback(group)) {
      const { inside, halfOpen } = places.of(group)
      if (inside >= limits.connectionsPerAddressMax) return 'admission.fullAddress'
      if (halfOpen >= limits.halfOpenPerAddressMax) return 'admission.halfOpenAddress'
    }
    if (places.all.halfOpen >= limits.halfOpenMax && !places.cutOldestSilent()) return 'admission.halfOpen'
    return places.take(group, cut)
  }
}
