/** Takeovers as lines of audit: at most one per terminal and minute, with how often it happened, so that a loop fills no table. */
import type { TerminalSerial } from '#contract/ids'
import { RecentMap } from '#contract/recent-map'
import type { Register } from '#storage/register/register'
import { answerWithin } from '#storage/within'

/** Time between two lines about one terminal, ms. */
const LINE_EVERY_MS = 60_000
/** Terminals whose takeovers wait to be written; beyond it the oldest is dropped and counted. */
export const WAITING_MAX = 20_000
/** Lines written per round. */
const LINES_PER_ROUND_MAX = 500
const ROUND_MS = 1_000

type Takeover = {
  readonly serial: TerminalSerial
  /** Addresses of the older connection and of the newer one. */
  readonly from: string
  readonly to: string
  /** Unix ms. */
  readonly atMs: number
}
type Waiting = Takeover & { readonly count: number; readonly sinceMs: number }

/** Collects takeovers and writes them in rounds. */
export class TakeoverAudit {
  readonly #audit: Pick<Register['audit'], 'add'> | undefined
  readonly #writeMs: number
  readonly #elapsedMs: () => number
  readonly #onFault: (fault: unknown) => void
  readonly #waiting = new RecentMap<TerminalSerial, Waiting>(WAITING_MAX)
  readonly #writtenAtMs = new RecentMap<TerminalSerial, number>(WAITING_MAX)
  readonly #timer: NodeJS.Timeout | undefined
  /** The round under way. */
  #writing: Promise<void> | undefined
  #lostCount = 0

  constructor(o: {
    /** Without it nothing is written. */
    audit: Pick<Register['audit'], 'add'> | undefined
    /** How long the register may take for one line, ms. */
    writeMs: number
    /** A clock that never goes back, ms. */
    elapsedMs: () => number
    onFault: (fault: unknown) => void
    roundMs?: number
  }) {
    this.#audit = o.audit
    this.#writeMs = o.writeMs
    this.#elapsedMs = o.elapsedMs
    this.#onFault = o.onFault
    if (o.audit !== undefined) this.#timer = setInterval(() => void this.#round(), o.roundMs ?? ROUND_MS)
  }

  /** Terminals whose takeovers had to make room before they were written, or were not written before the stop. */
  get droppedCount(): number {
    return this.#waiting.droppedCount + this.#lostCount
  }

  /** One more takeover to write. */
  note(takeover: Takeover): void {
    if (this.#audit === undefined) return
    const before = this.#waiting.get(takeover.serial)
    this.#waiting.set(takeover.serial, {
      ...takeover,
      from: before?.from ?? takeover.from,
      count: (before?.count ?? 0) + 1,
      sinceMs: before?.sinceMs ?? takeover.atMs,
    })
  }

  /** Ends the rounds and writes what waits, also before its minute is over. Takes at most `waitMs`; what stays is counted. */
  async stop(waitMs: number): Promise<void> {
    clearInterval(this.#timer)
    const writeRest = async (): Promise<void> => {
      await this.#writing
      await this.#write(true)
    }
    await answerWithin(waitMs, writeRest()).catch(this.#onFault)
    this.#lostCount += this.#waiting.size
  }

  async #round(): Promise<void> {
    if (this.#writing !== undefined) return
    this.#writing = this.#write(false)
    await this.#writing
    this.#writing = undefined
  }

  /** Never rejects. */
  async #write(isLast: boolean): Promise<void> {
    try {
      const nowMs = this.#elapsedMs()
      const due = [...this.#waiting.values()].filter(({ serial }) => {
        const writtenAtMs = this.#writtenAtMs.peek(serial)
        return isLast || writtenAtMs === undefined || nowMs - writtenAtMs >= LINE_EVERY_MS
      })
      for (const waiting of due.slice(0, isLast ? WAITING_MAX : LINES_PER_ROUND_MAX)) await this.#writeLine(waiting)
    } catch (error) {
      this.#onFault(error) // The register is away: what waits is kept and tried again.
    }
  }

  async #writeLine(waiting: Waiting): Promise<void> {
    const { serial, from, to, count, sinceMs, atMs } = waiting
    const detail = JSON.stringify({ from, to, count, since: new Date(sinceMs).toISOString() })
    const line = { atMs, by: serial, act: 'terminal.takeover', subject: serial, detail }
    await answerWithin(this.#writeMs, this.#audit?.add(line) ?? Promise.resolve())
    this.#writtenAtMs.set(serial, this.#elapsedMs())
    const newest = this.#waiting.peek(serial)
    if (newest === undefined || newest === waiting) this.#waiting.delete(serial)
    // It happened again while the line was written: that is for the next one.
    else this.#waiting.set(serial, { ...newest, count: newest.count - count, sinceMs: newest.atMs })
  }
}
