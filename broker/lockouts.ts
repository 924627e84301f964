/**
 * Who is refused unread for a while: an address that keeps claiming to be a terminal with wrong secrets. And how often a
 * terminal may connect: one whose link flaps is slowed, never shut out, for a lift without monitoring is worse.
 */
import type { TerminalSerial } from '#contract/ids'
import { isLoopback } from './doorway.ts'
import type { BrokerLimits } from './limits.ts'
import { RecentMap } from '#contract/recent-map'

/** Pairs of address and serial, and addresses, that are remembered. */
export const WRONG_PAIRS_MAX = 50_000
export const WRONG_ADDRESSES_MAX = 10_000
/** Terminals whose CONNECTs are counted. */
export const CONNECTING_TERMINALS_MAX = 50_000
const MINUTE_MS = 60_000

/** Wrong sign-ins since `sinceMs`, and until when nothing is read. */
type Tally = { sinceMs: number; wrongCount: number; lockedUntilMs: number }

export class Lockouts {
  readonly #limits: Pick<BrokerLimits, 'wrongSignInsPerMinuteMax' | 'wrongSignInsPerAddressMax' | 'lockoutS'>
  readonly #elapsedMs: () => number
  readonly #byPair = new RecentMap<string, Tally>(WRONG_PAIRS_MAX)
  readonly #byAddress = new RecentMap<string, Tally>(WRONG_ADDRESSES_MAX)

  constructor(o: {
    limits: Pick<BrokerLimits, 'wrongSignInsPerMinuteMax' | 'wrongSignInsPerAddressMax' | 'lockoutS'>
    /** A clock that never goes back, ms. */
    elapsedMs: () => number
  }) {
    this.#limits = o.limits
    this.#elapsedMs = o.elapsedMs
  }

  /** Tallies that had to make room. */
  get droppedCount(): number {
    return this.#byPair.droppedCount + this.#byAddress.droppedCount
  }

  isLockedOut(address: string, serial: TerminalSerial): boolean {
    const nowMs = this.#elapsedMs()
    return [this.#byAddress.get(address), this.#byPair.get(pairOf(address, serial))].some(
      (tally) => tally !== undefined && tally.lockedUntilMs > nowMs,
    )
  }

  /** A sign-in was wrong. Simulated and proxied terminals share loopback: it is never locked out as a whole. */
  noteWrong(address: string, serial: TerminalSerial): void {
    this.#count(this.#byPair, pairOf(address, serial), this.#limits.wrongSignInsPerMinuteMax)
    if (!isLoopback(address)) this.#count(this.#byAddress, address, this.#limits.wrongSignInsPerAddressMax)
  }

  #count(tallies: RecentMap<string, Tally>, key: string, countMax: number): void {
    const nowMs = this.#elapsedMs()
    const before = tallies.get(key)
    const tally =
      before !== undefined && nowMs - before.sinceMs < MINUTE_MS
        ? before
        : { sinceMs: nowMs, wrongCount: 0, lockedUntilMs: 0 }
    tally.wrongCount += 1
    if (tally.wrongCount >= countMax) tally.lockedUntilMs = nowMs + this.#limits.lockoutS * 1_000
    tallies.set(key, tally)
  }
}

const pairOf = (address: string, serial: TerminalSerial): string => `${address} ${serial}`

/** What is left of a terminal's CONNECTs, as it was at `atMs`. */
type Bucket = { left: number; atMs: number }

export class ConnectRates {
  readonly #burstMax: number
  readonly #everyMs: number
  readonly #elapsedMs: () => number
  readonly #buckets = new RecentMap<TerminalSerial, Bucket>(CONNECTING_TERMINALS_MAX)

  /** Half of what is taken within a minute may come at once, and the other half spread over it. */
  constructor(o: { limits: Pick<BrokerLimits, 'connectsPerMinuteMax'>; elapsedMs: () => number }) {
    this.#burstMax = Math.max(1, Math.floor(o.limits.connectsPerMinuteMax / 2))
    this.#everyMs = MINUTE_MS / Math.max(1, o.limits.connectsPerMinuteMax - this.#burstMax)
    this.#elapsedMs = o.elapsedMs
  }

  get droppedCount(): number {
    return this.#buckets.droppedCount
  }

  /** Takes one CONNECT; false when the terminal has to wait. */
  take(serial: TerminalSerial): boolean {
    const nowMs = this.#elapsedMs()
    const before = this.#buckets.get(serial) ?? { left: this.#burstMax, atMs: nowMs }
    const left = Math.min(this.#burstMax, before.left + (nowMs - before.atMs) / this.#everyMs)
    const isTaken = left >= 1
    this.#buckets.set(serial, { left: isTaken ? left - 1 : left, atMs: nowMs })
    return isTaken
  }
}
