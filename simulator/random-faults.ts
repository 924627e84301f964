/** What goes wrong in a demonstration, and when: at moments and on lifts that depend on the seed alone. */
import type { LiftId } from '#contract/ids'
import { RandomStream } from './random.ts'
import { drawScenario, type Scenario } from './scenarios.ts'

/** People who have just started a demonstration see somebody trapped within three minutes: the car has to run first, and detection takes 15 s. */
const FIRST_MS = { from: 60_000, to: 100_000 } as const
/** Long enough that it is confirmed, and that somebody can look at it. */
const FIRST_DURATION_MS = 4 * 60_000
/** Waits are between a half and one and a half of their mean. */
const WAIT_SHARE = { min: 0.5, max: 1.5 } as const
/** A lift on which something is wrong already is not hit twice; so many others are tried. */
const TRIES_MAX = 8

export class RandomFaults {
  readonly #random: RandomStream
  readonly #meanMs: number
  readonly #lifts: readonly LiftId[]
  readonly #play: (scenario: Scenario) => boolean
  #first: Scenario | undefined
  #dueAtMs: number

  constructor(o: {
    seed: number
    /** Mean minutes between two; 0 = none. */
    faultMinutes: number
    lifts: readonly LiftId[]
    /** Those of them whose terminals tell of an entrapment without fail. */
    reporting: readonly LiftId[]
    startAtMs: number
    /** False when it is refused. */
    play: (scenario: Scenario) => boolean
  }) {
    this.#random = new RandomStream(o.seed, 10)
    this.#meanMs = o.faultMinutes * 60_000
    this.#lifts = o.lifts
    this.#play = o.play
    const isOff = o.faultMinutes <= 0 || o.lifts.length === 0
    const firstMs = FIRST_MS.from + this.#random.next() * (FIRST_MS.to - FIRST_MS.from)
    this.#dueAtMs = isOff ? Infinity : o.startAtMs + Math.round(firstMs)
    const lift = o.reporting.length === 0 ? undefined : this.#random.pick(o.reporting)
    if (lift !== undefined) this.#first = { name: 'entrapment-between-floors', lift, durationMs: FIRST_DURATION_MS }
  }

  tick(atMs: number): void {
    if (atMs < this.#dueAtMs) return
    const isPlayed = this.#first !== undefined && this.#play(this.#first)
    this.#first = undefined
    if (!isPlayed) this.#playAny()
    // From now, not from when it was due: a machine that slept does not catch up on faults.
    const share = WAIT_SHARE.min + this.#random.next() * (WAIT_SHARE.max - WAIT_SHARE.min)
    this.#dueAtMs = atMs + Math.round(share * this.#meanMs)
  }

  #playAny(): void {
    for (let tryCount = 0; tryCount < TRIES_MAX; tryCount += 1)
      if (this.#play(drawScenario(this.#random, this.#lifts))) return
  }
}
