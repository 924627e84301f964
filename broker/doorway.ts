/** How many may be inside at one time: in all, from one address, and between opening a socket and the CONNACK. */

import type { BrokerLimits } from './limits.ts'

type DoorwayLimits = Pick<BrokerLimits, 'connectionsMax' | 'connectionsPerAddressMax' | 'halfOpenMax'>

/** One place inside; it is given back exactly once, by `leave`. */
export type Place = { admit(): void; leave(): void }

/** Simulated and proxied terminals come from this machine; one address stands for many of them. */
export const isLoopback = (address: string): boolean =>
  address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.')

export class Doorway {
  readonly #limits: DoorwayLimits
  readonly #countByAddress = new Map<string, number>()
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

  /** A place for a new connection, or the reason why there is none. */
  enter(address: string): Place | string {
    const fromAddressCount = this.#countByAddress.get(address) ?? 0
    if (this.#insideCount >= this.#limits.connectionsMax) return 'connections'
    if (this.#halfOpenCount >= this.#limits.halfOpenMax) return 'half-open connections'
    if (fromAddressCount >= this.#limits.connectionsPerAddressMax && !isLoopback(address))
      return 'connections from one address'
    this.#insideCount += 1
    this.#halfOpenCount += 1
    this.#countByAddress.set(address, fromAddressCount + 1)
    return this.#place(address)
  }

  #place(address: string): Place {
    let state: 'half-open' | 'admitted' | 'left' = 'half-open'
    return {
      admit: () => {
        if (state !== 'half-open') return
        state = 'admitted'
        this.#halfOpenCount -= 1
      },
      leave: () => {
        if (state === 'left') return
        if (state === 'half-open') this.#halfOpenCount -= 1
        state = 'left'
        this.#insideCount -= 1
        const count = (this.#countByAddress.get(address) ?? 1) - 1
        if (count > 0) this.#countByAddress.set(address, count)
        else this.#countByAddress.delete(address)
      },
    }
  }
}
