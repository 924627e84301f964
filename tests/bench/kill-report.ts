/** What the scenarios of sudden death report, and how they look at order. */

/** What one scenario found. */
export type KillReport = {
  readonly name: string
  readonly killCount: number
  readonly acknowledgedCount: number
  readonly lostCount: number
  /** First copies that came behind a later message of the same lift; undefined where the order cannot be seen. */
  readonly disorderCount: number | undefined
  /** Lifts whose last acknowledged message detection has not seen at the end; undefined where nothing detects. */
  readonly unseenCount: number | undefined
  /** Copies beyond the first: what terminals sent again because an acknowledgement did not reach them. */
  readonly repeatCount: number
}

/** Watches the order in which first copies lie. */
export class OrderWatch {
  readonly seen = new Set<string>()
  readonly #newest = new Map<string, number>()
  disorderCount = 0
  repeatCount = 0

  /** `boot` is below 1 000 and `seq` below a million. */
  take(lift: string, { boot, seq }: { boot: number; seq: number }): void {
    const key = `${lift} ${boot} ${seq}`
    if (this.seen.has(key)) {
      this.repeatCount += 1
      return
    }
    this.seen.add(key)
    const count = boot * 1_000_000 + seq
    if (count < (this.#newest.get(lift) ?? 0)) this.disorderCount += 1
    else this.#newest.set(lift, count)
  }
}
