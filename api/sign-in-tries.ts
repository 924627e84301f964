/** Counts sign-in tries per account and address, so that guessing a password is slow. In memory, bounded. */

/** At most this many wrong tries of one account from one address within `TRIES_WINDOW_MS`. */
export const TRIES_MAX = 10
export const TRIES_WINDOW_MS = 60_000
/** How long no try is taken after one too many. */
export const LOCKED_OUT_MS = 5 * 60_000
/** Most pairs of account and address that are remembered; the oldest is forgotten first. */
export const TRY_KEYS_MAX = 10_000

type Tries = { readonly atMs: number[]; lockedUntilMs: number }

export class SignInTries {
  readonly #byKey = new Map<string, Tries>()
  /** How many pairs were forgotten because there were too many. */
  forgottenCount = 0

  /**
   * Counts a try before its password is looked at. `lockedOut` says that it must not be looked at; `firstTime` that this
   * very try was the one too many.
   */
  begin(
    account: string,
    address: string,
    nowMs: number,
  ): { lockedOut: false } | { lockedOut: true; firstTime: boolean; untilMs: number } {
    const key = JSON.stringify([account, address])
    const tries = this.#byKey.get(key) ?? { atMs: [], lockedUntilMs: 0 }
    if (tries.lockedUntilMs > nowMs) return { lockedOut: true, firstTime: false, untilMs: tries.lockedUntilMs }
    const recent = tries.atMs.filter((atMs) => atMs > nowMs - TRIES_WINDOW_MS && atMs <= nowMs)
    const lockedOut = recent.length >= TRIES_MAX
    const untilMs = lockedOut ? nowMs + LOCKED_OUT_MS : 0
    this.#byKey.delete(key)
    this.#byKey.set(key, { atMs: lockedOut ? [] : [...recent, nowMs], lockedUntilMs: untilMs })
    this.#forgetOldest()
    return lockedOut ? { lockedOut, firstTime: true, untilMs } : { lockedOut }
  }

  /** The password was right: the tries before it no longer count. */
  succeeded(account: string, address: string): void {
    this.#byKey.delete(JSON.stringify([account, address]))
  }

  #forgetOldest(): void {
    for (const key of this.#byKey.keys()) {
      if (this.#byKey.size <= TRY_KEYS_MAX) return
      this.#byKey.delete(key)
      this.forgottenCount += 1
    }
  }
}
