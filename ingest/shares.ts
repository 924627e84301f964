/**
 * The shares (分片) that this worker holds, and the work on each. Once a second it says in the register that it lives, takes
 * what is free up to its part, and ends work on what others wait for. A worker that is silent for `LEASE_MS` loses its
 * shares; should it only have been asleep, the register refuses what it still wants to write (`ShareLostError`).
 */
import type { HeldShare, ShareTable } from '#contract/shares'
import type { Log } from '#contract/log-events'
import type { Register } from '#storage/register/register'
import type { Outages } from './outages.ts'
import type { ShareWork } from './share-work.ts'
import { nextTable, Silence, surplusOf } from './share-table.ts'
import { reasonOf, wait } from './wait.ts'

const BEAT_MS = 1_000
const LEASE_MS = 5_000
/** Shares that nobody works for longer than this are told to the wall. */
const IDLE_MS_MAX = 15_000
/** A worker that cannot begin work so often in a row leaves its shares to others, and tries again after a while. */
const FAILED_COUNT_MAX = 3
const REST_MS = 60_000

type Options = {
  /** A name that no other worker has, now or later. */
  readonly worker: string
  readonly shareCount: number
  readonly register: Pick<Register, 'shares'>
  /** Begins work on shares that were just taken; rejects when their states cannot be restored now, and then has begun none. */
  readonly begin: (held: readonly HeldShare[]) => Promise<readonly ShareWork[]>
  readonly outages: Outages
  readonly log: Log
}

export class Shares {
  readonly #o: Options
  readonly #silence: Silence
  readonly #works = new Map<number, ShareWork>()
  readonly #ending = new Map<number, Promise<void>>()
  /** Work has ended here; the table does not say so yet. */
  readonly #given = new Set<number>()
  #beginning: Promise<void> | undefined
  #held = new Map<number, HeldShare>()
  #idleSinceMs: number | undefined
  /** Begins that have failed in a row. */
  #failedCount = 0
  #restUntilMs = -Infinity
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  /** Resolves when work has begun on what the first beat brought, or could not. */
  readonly begun: Promise<void>
  #isBegun: () => void = () => {}

  constructor(o: Options) {
    this.#o = o
    this.#silence = new Silence({ me: o.worker, silentMsMax: LEASE_MS, stepMsMax: 2 * BEAT_MS })
    this.begun = new Promise((resolve) => (this.#isBegun = resolve))
    this.#running = this.#run()
  }

  works(): readonly ShareWork[] {
    return [...this.#works.values()]
  }

  /** Ends all work, each with its last checkpoint, then says that everything is free. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    await this.#beginning
    for (const share of [...this.#works.keys()]) this.#end(share)
    await Promise.all(this.#ending.values())
    // Others find out by themselves when the register is away.
    await this.#beat(true).catch(() => {})
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const begunAtMs = performance.now()
      try {
        await this.#beat(false)
      } catch (error) {
        this.#o.outages.began('register', reasonOf(error))
      }
      void Promise.resolve(this.#beginning).then(this.#isBegun)
      await wait(Math.max(0, BEAT_MS - (performance.now() - begunAtMs)), signal)
    }
  }

  async #beat(isLeaving: boolean): Promise<void> {
    const { worker: me, shareCount, register } = this.#o
    const given = new Set(this.#given)
    const silent = this.#silence.silent()
    const isResting = performance.now() < this.#restUntilMs
    // Others take its part only when it is not counted.
    const isAbsent = isLeaving || (isResting && this.#works.size + this.#ending.size === 0)
    const table = await register.shares.change((before) =>
      nextTable(before, { me, shareCount, silent, given, isLeaving: isAbsent, isResting }),
    )
    for (const share of given) this.#given.delete(share)
    if (isLeaving) return
    if (this.#failedCount === 0) this.#o.outages.ended('register')
    this.#silence.hear(table, performance.now())
    if (isResting && table.workers.every(({ worker }) => worker === me)) this.#restUntilMs = -Infinity
    if (!isResting && this.#beginning === undefined) this.#rest(table)
    this.#adjust(table)
    this.#noteIdle(table)
  }

  /** Brings the work in line with what the table says. Does not wait: the next beat must come in time. */
  #adjust(table: ShareTable): void {
    const { worker: me, shareCount } = this.#o
    const mine = table.shares.flatMap(({ share, worker, epoch }) => (worker === me ? [{ share, worker, epoch }] : []))
    this.#held = new Map(mine.map((held) => [held.share, held]))
    for (const [share, work] of this.#works) if (!this.#holds(work.held)) this.#end(share)
    for (const share of surplusOf(table, me, shareCount)) this.#end(share)
    const isIdle = ({ share }: HeldShare) =>
      !this.#works.has(share) && !this.#ending.has(share) && !this.#given.has(share)
    const idle = mine.filter(isIdle)
    if (idle.length > 0 && performance.now() >= this.#restUntilMs)
      this.#beginning ??= this.#begin(idle).finally(() => (this.#beginning = undefined))
  }

  /** After work could not be begun time and again: others may be able to. */
  #rest({ workers, shares }: ShareTable): void {
    const { worker: me } = this.#o
    if (this.#failedCount < FAILED_COUNT_MAX || workers.length < 2) return
    this.#failedCount = FAILED_COUNT_MAX - 1 // the next failure is enough
    this.#restUntilMs = performance.now() + REST_MS
    for (const { share, worker } of shares) if (worker === me && !this.#works.has(share)) this.#given.add(share)
  }

  async #begin(taken: readonly HeldShare[]): Promise<void> {
    const { begin, outages, log } = this.#o
    try {
      const works = await begin(taken)
      for (const work of works) this.#works.set(work.held.share, work)
      // Some may have been lost while their states were restored.
      for (const { held } of works) if (!this.#holds(held)) this.#end(held.share)
      this.#failedCount = 0
      outages.ended('register')
      log.info('ingest.shares', { shares: [...this.#works.keys()] })
    } catch (error) {
      this.#failedCount += 1
      outages.began('register', reasonOf(error))
    }
  }

  #holds({ share, epoch }: HeldShare): boolean {
    return this.#held.get(share)?.epoch === epoch
  }

  #end(share: number): void {
    const work = this.#works.get(share)
    if (work === undefined) return
    this.#works.delete(share)
    const ending = Promise.resolve(work[Symbol.asyncDispose]()).then(() => {
      this.#ending.delete(share)
      // Lost shares are somebody else's already; only what is still ours is given away.
      if (this.#holds(work.held)) this.#given.add(share)
      this.#o.log.info('ingest.shares', { shares: [...this.#works.keys()] })
    })
    this.#ending.set(share, ending)
  }

  #noteIdle({ shares }: ShareTable): void {
    const { worker: me } = this.#o
    const isIdle = ({ share, worker }: ShareTable['shares'][number]) =>
      worker === null || (worker === me && !this.#works.has(share))
    const idleCount = shares.filter(isIdle).length
    if (idleCount === 0) this.#idleSinceMs = undefined
    else this.#idleSinceMs ??= performance.now()
    const isLong = performance.now() - (this.#idleSinceMs ?? Infinity) > IDLE_MS_MAX
    if (isLong) this.#o.outages.began('ingest', `nobody works ${idleCount} of ${shares.length} shares`)
    else this.#o.outages.ended('ingest')
  }
}
