/**
 * Who is refused unread for a while: an address that keeps claiming to be a terminal with wrong secrets. And how often a
 * terminal may connect: one whose link flaps is slowed, never shut out, for a lift without monitoring is worse.
 */
import { addressGroupOf } from '#contract/address-group'
import type { TerminalSerial } from '#contract/ids'
import { RecentMap } from '#contract/recent-map'
import { isLoopback } from './doorway.ts'
import type { BrokerLimits } from './limits.ts'

/** Pairs of address and serial, and addresses, that are remembered. */
export const WRONG_PAIRS_MAX = 50_000
const WRONG_ADDRESSES_MAX = 10_000
/** Terminals whose CONNECTs are counted. */
const CONNECTING_TERMINALS_MAX = 50_000
const MINUTE_MS = 60_000

/** Sign-ins of registered terminals that are verified while a lockout stands: at once, and after what time one more, ms. */
export const LOCKED_TRIES_PER_PAIR = { burstMax: 4, everyMs: 250 } as const
/** The same, of all pairs of one address together; each may cost a hash of less than 1 ms. */
export const LOCKED_TRIES_PER_ADDRESS = { burstMax: 100, everyMs: 10 } as const

/** Wrong sign-ins since `sinceMs`, and until when there is a lockout. */
type Tally = { sinceMs: number; wrongCount: number; lockedUntilMs: number }

/**
 * Wrong sign-ins, by address and by pair of address and serial. IPv6 addresses of one /64 count as one. A terminal cannot
 * help whom it shares an address with: a lockout refuses what cannot be a terminal of ours at once, and slows the rest.
 */
export class Lockouts {
  readonly #limits: Pick<BrokerLimits, 'wrongSignInsPerMinuteMax' | 'wrongSignInsPerAddressMax' | 'lockoutS'>
  readonly #elapsedMs: () => number
  readonly #byPair = new RecentMap<string, Tally>(WRONG_PAIRS_MAX)
  readonly #byAddress = new RecentMap<string, Tally>(WRONG_ADDRESSES_MAX)
  readonly #pairTries: Buckets<string>
  readonly #addressTries: Buckets<string>

  constructor(o: {
    limits: Pick<BrokerLimits, 'wrongSignInsPerMinuteMax' | 'wrongSignInsPerAddressMax' | 'lockoutS'>
    /** A clock that never goes back, ms. */
    elapsedMs: () => number
  }) {
    const { elapsedMs } = o
    this.#limits = o.limits
    this.#elapsedMs = elapsedMs
    this.#pairTries = new Buckets({ ...LOCKED_TRIES_PER_PAIR, countMax: WRONG_PAIRS_MAX, elapsedMs })
    this.#addressTries = new Buckets({ ...LOCKED_TRIES_PER_ADDRESS, countMax: WRONG_ADDRESSES_MAX, elapsedMs })
  }

  /** Tallies that had to make room. */
  get droppedCount(): number {
    const memories = [this.#byPair, this.#byAddress, this.#pairTries, this.#addressTries]
    return memories.reduce((sum, { droppedCount }) => sum + droppedCount, 0)
  }

  /**
   * Whether a claim is verified, which counts as one try while there is a lockout: always without one; with one only that of a
   * registered serial, as often as the tries above allow.
   */
  mayTry(address: string, serial: TerminalSerial, isRegistered: boolean): boolean {
    const nowMs = this.#elapsedMs()
    const group = addressGroupOf(address)
    const pair = pairOf(group, serial)
    const isLockedOut = [this.#byAddress.get(group), this.#byPair.get(pair)].some(
      (tally) => tally !== undefined && tally.lockedUntilMs > nowMs,
    )
    if (!isLockedOut) return true
    // The pair first: what one serial may not is not taken from the others of its address.
    return isRegistered && this.#pairTries.take(pair) && this.#addressTries.take(group)
  }

  /** A sign-in was wrong. Simulated and proxied terminals share loopback: it is never locked out as a whole. */
  noteWrong(address: string, serial: TerminalSerial): void {
    const group = addressGroupOf(address)
    this.#count(this.#byPair, pairOf(group, serial), this.#limits.wrongSignInsPerMinuteMax)
    if (!isLoopback(group)) this.#count(this.#byAddress, group, this.#limits.wrongSignInsPerAddressMax)
  }

  #count(tallies: RecentMap<string, Tally>, key: string, countMax: number): void {
    const nowMs = this.#elapsedMs()
    const before = tallies.get(key)
    const tally =
      before !== undefined && nowMs - before.sinceMs < MINUTE_MS
        ? before
        : { sinceMs: nowMs, wrongCount: 0, lockedUntilMs: before?.lockedUntilMs ?? 0 }
    tally.wrongCount += 1
    if (tally.wrongCount >= countMax) tally.lockedUntilMs = nowMs + this.#limits.lockoutS * 1_000
    tallies.set(key, tally)
  }
}

const pairOf = (group: string, serial: TerminalSerial): string => `${group} ${serial}`

/** How often each terminal connects: half of what is taken within a minute may come at once, the other half spread over it. */
export class ConnectRates {
  readonly #buckets: Buckets<TerminalSerial>

  constructor(o: {
    limits: Pick<BrokerLimits, 'connectsPerMinuteMax'>
    /** A clock that never goes back, ms. */
    elapsedMs: () => number
  }) {
    const { connectsPerMinuteMax } = o.limits
    const burstMax = Math.max(1, Math.floor(connectsPerMinuteMax / 2))
    const everyMs = MINUTE_MS / Math.max(1, connectsPerMinuteMax - burstMax)
    this.#buckets = new Buckets({ burstMax, everyMs, countMax: CONNECTING_TERMINALS_MAX, elapsedMs: o.elapsedMs })
  }

  /** Terminals whose CONNECTs had to make room. */
  get droppedCount(): number {
    return this.#buckets.droppedCount
  }

  /** Takes one CONNECT; false when the terminal has to wait. */
  take(serial: TerminalSerial): boolean {
    return this.#buckets.take(serial)
  }
}

/** For each key: `burstMax` at once, and after that one more every `everyMs`. Of `countMax` keys the oldest makes room. */
class Buckets<Key> {
  readonly #burstMax: number
  readonly #everyMs: number
  readonly #elapsedMs: () => number
  /** What was left at `atMs`. */
  readonly #buckets: RecentMap<Key, { left: number; atMs: number }>

  constructor(o: { burstMax: number; everyMs: number; countMax: number; elapsedMs: () => number }) {
    this.#burstMax = o.burstMax
    this.#everyMs = o.everyMs
    this.#elapsedMs = o.elapsedMs
    this.#buckets = new RecentMap(o.countMax)
  }

  get droppedCount(): number {
    return this.#buckets.droppedCount
  }

  take(key: Key): boolean {
    const nowMs = this.#elapsedMs()
    const before = this.#buckets.get(key) ?? { left: this.#burstMax, atMs: nowMs }
    const left = Math.min(this.#burstMax, before.left + (nowMs - before.atMs) / this.#everyMs)
    const isTaken = left >= 1
    this.#buckets.set(key, { left: isTaken ? left - 1 : left, atMs: nowMs })
    return isTaken
  }
}
