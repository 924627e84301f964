/** Counts sign-in tries per account and address group, so that guessing a password is slow. In memory, bounded. */
import { addressGroupOf } from '#contract/address-group'

/** At most this many wrong tries of one account from one address group within `TRIES_WINDOW_MS`. */
export const TRIES_MAX = 10
export const TRIES_WINDOW_MS = 60_000
/** How long no try is taken after one too many. */
export const LOCKED_OUT_MS = 5 * 60_000
/** Most pairs of account and address group that are remembered; the oldest is forgotten first. */
export const TRY_KEYS_MAX = 10_000

/** `isTold` says that the lock stands in the audit. */
type Tries = { readonly atMs: readonly number[]; readonly lockedUntilMs: number; readonly isTold: boolean }

/** A try that was counted, or a lock: with `firstTime` it is still to be told to the audit. */
type Begun = { lockedOut: false } | { lockedOut: true; firstTime: boolean; untilMs: number }

/** Each account from each address group has tries of its own; times are arguments, ms since 1970. */
export class SignInTries {
  readonly #byKey = new Map<string, Tries>()
  /** How many pairs were forgotten because there were too many. */
  forgottenCount = 0

  /**
   * Counts a try before its password is looked at. `lockedOut` says that it must not be looked at; `firstTime` that this
   * very try was the one too many, or that the lock could not be told before.
   */
  begin(account: string, address: string, nowMs: number): Begun {
    const key = keyOf(account, address)
    const tries = this.#byKey.get(key) ?? { atMs: [], lockedUntilMs: 0, isTold: false }
    const { lockedUntilMs } = tries
    if (lockedUntilMs > nowMs) {
      this.#byKey.set(key, { ...tries, isTold: true })
      return { lockedOut: true, firstTime: !tries.isTold, untilMs: lockedUntilMs }
    }
    const recent = tries.atMs.filter((atMs) => atMs > nowMs - TRIES_WINDOW_MS && atMs <= nowMs)
    const lockedOut = recent.length >= TRIES_MAX
    const untilMs = lockedOut ? nowMs + LOCKED_OUT_MS : 0
    this.#byKey.delete(key)
    this.#byKey.set(key, {
      atMs: lockedOut ? recent : [...recent, nowMs],
      lockedUntilMs: untilMs,
      isTold: lockedOut,
    })
    this.#forgetOldest()
    return lockedOut ? { lockedOut, firstTime: true, untilMs } : { lockedOut }
  }

  /**
   * Nothing was looked at in the try that began at `atMs`, so it does not count. A lock that stood on it is over: whoever
   * holds the right password must not be kept out because a store was away.
   */
  takeBack(account: string, address: string, atMs: number): void {
    const key = keyOf(account, address)
    const tries = this.#byKey.get(key)
    const index = tries?.atMs.lastIndexOf(atMs) ?? -1
    if (tries === undefined || index < 0) return
    const rest = tries.atMs.toSpliced(index, 1)
    if (rest.length === 0) this.#byKey.delete(key)
    else this.#byKey.set(key, { ...tries, atMs: rest, lockedUntilMs: 0, isTold: false })
  }

  /** The audit did not take the lock: the next try finds it `firstTime` again. */
  notTold(account: string, address: string): void {
    const key = keyOf(account, address)
    const tries = this.#byKey.get(key)
    if (tries !== undefined) this.#byKey.set(key, { ...tries, isTold: false })
  }

  /** The password was right: the tries before it no longer count. */
  succeeded(account: string, address: string): void {
    this.#byKey.delete(keyOf(account, address))
  }

  #forgetOldest(): void {
    for (const key of this.#byKey.keys()) {
      if (this.#byKey.size <= TRY_KEYS_MAX) return
      this.#byKey.delete(key)
      this.forgottenCount += 1
    }
  }
}

const keyOf = (account: string, address: string) => JSON.stringify([account, addressGroupOf(address)])
