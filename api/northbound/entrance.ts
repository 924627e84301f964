/** How many may come in: connections in all, those that did not sign in yet, and how often one address may connect. */
import { normalizeIP } from '@fastify/rate-limit'
import type { SubscriberRefusal } from '#contract/errors'
import { RecentMap } from '#contract/recent-map'
import type { SubscriberLimits } from './limits.ts'

const ADDRESSES_MAX = 10_000
const MINUTE_MS = 60_000

/** One place inside; `leave` gives it back, once. */
export type Place = { signedIn(): void; leave(): void }
type Visits = { minute: number; connectCount: number }

export class Entrance {
  readonly #limits: SubscriberLimits
  readonly #nowMs: () => number
  readonly #visits = new RecentMap<string, Visits>(ADDRESSES_MAX)
  readonly #halfOpenByAddress = new Map<string, number>()
  #insideCount = 0
  #halfOpenCount = 0

  constructor(limits: SubscriberLimits, nowMs: () => number) {
    this.#limits = limits
    this.#nowMs = nowMs
  }

  get insideCount(): number {
    return this.#insideCount
  }

  /** A place for a new connection, or why there is none. An IPv6 address stands for its /64 network. */
  enter(remoteAddress: string): Place | SubscriberRefusal {
    const address = normalizeIP(remoteAddress)
    const minute = Math.floor(this.#nowMs() / MINUTE_MS)
    const known = this.#visits.get(address)
    const visits = known?.minute === minute ? known : { minute, connectCount: 0 }
    this.#visits.set(address, visits)
    visits.connectCount += 1
    if (visits.connectCount > this.#limits.connectsPerMinuteMax) return 'subscriber.tooOften'
    const halfOpenCount = this.#halfOpenByAddress.get(address) ?? 0
    if (
      this.#insideCount >= this.#limits.connectionsMax ||
      this.#halfOpenCount >= this.#limits.halfOpenMax ||
      halfOpenCount >= this.#limits.halfOpenPerAddressMax
    )
      return 'subscriber.full'
    this.#insideCount += 1
    this.#halfOpenCount += 1
    this.#halfOpenByAddress.set(address, halfOpenCount + 1)
    return this.#place(address)
  }

  #place(address: string): Place {
    let state: 'half-open' | 'signed-in' | 'left' = 'half-open'
    const noLongerHalfOpen = () => {
      this.#halfOpenCount -= 1
      const rest = (this.#halfOpenByAddress.get(address) ?? 1) - 1
      if (rest > 0) this.#halfOpenByAddress.set(address, rest)
      else this.#halfOpenByAddress.delete(address)
    }
    return {
      signedIn: () => {
        if (state !== 'half-open') return
        state = 'signed-in'
        noLongerHalfOpen()
      },
      leave: () => {
        if (state === 'left') return
        if (state === 'half-open') noLongerHalfOpen()
        state = 'left'
        this.#insideCount -= 1
      },
    }
  }
}
