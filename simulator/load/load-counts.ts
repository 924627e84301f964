/** What a load tells of itself, and how the tellings of several processes become one. */
import { Latencies, type LatencyCounts } from './latencies.ts'

export type LoadCounts = {
  readonly sessionCount: number
  /** Sessions that are signed in now. */
  readonly heldCount: number
  /** Sessions that the broker does not want; they do not try again. */
  readonly refusedCount: number
  /** Messages, each counted once however often it was sent. Always `acknowledgedCount + unacknowledgedCount`. */
  readonly sentCount: number
  readonly acknowledgedCount: number
  /** Messages under way now; counted at the sessions, not by subtraction. */
  readonly unacknowledgedCount: number
  /** Messages sent again after a lost connection. */
  readonly resentCount: number
  /** Messages that were due and never made, because every session waited for an answer for too long. */
  readonly skippedCount: number
  /** Acknowledgements of nothing that was under way. */
  readonly strayCount: number
  /** Connections that were held and ended. */
  readonly lostCount: number
  /** Tries to connect that failed. */
  readonly failedCount: number
  /** Sessions that were held again after they were lost. */
  readonly reconnectedCount: number
  /** CPU of the load's own processes since they were ready, s. */
  readonly cpuS: number
}

/** How often it happened, by the words for it. */
export type Tally = Readonly<Record<string, number>>
export type LoadReport = {
  readonly counts: LoadCounts
  /** Why sessions were refused, lost or not connected. */
  readonly refusals: Tally
  readonly losses: Tally
  readonly latencies: LatencyCounts
}

export const NOTHING: LoadReport = {
  counts: {
    sessionCount: 0,
    heldCount: 0,
    refusedCount: 0,
    sentCount: 0,
    acknowledgedCount: 0,
    unacknowledgedCount: 0,
    resentCount: 0,
    skippedCount: 0,
    strayCount: 0,
    lostCount: 0,
    failedCount: 0,
    reconnectedCount: 0,
    cpuS: 0,
  },
  refusals: {},
  losses: {},
  latencies: new Latencies().told,
}

export function addReports(one: LoadReport, other: LoadReport): LoadReport {
  const counts = { ...one.counts }
  for (const [name, value] of Object.entries(other.counts)) {
    const isName = (text: string): text is keyof LoadCounts => Object.hasOwn(counts, text)
    if (isName(name)) counts[name] += value
  }
  return {
    counts,
    refusals: addTallies(one.refusals, other.refusals),
    losses: addTallies(one.losses, other.losses),
    latencies: new Latencies(one.latencies).plus(new Latencies(other.latencies)).told,
  }
}

function addTallies(one: Tally, other: Tally): Tally {
  const sum: Record<string, number> = { ...one }
  for (const [words, count] of Object.entries(other)) sum[words] = (sum[words] ?? 0) + count
  return sum
}

/** Different words that are kept apart; the others are counted together. */
const WORDS_MAX = 20
const OTHER = 'something else'

/** Counts by words, of which there are only so many. */
export class WordTally {
  readonly #counts = new Map<string, number>()

  add(words: string): void {
    const isKept = this.#counts.has(words) || this.#counts.size < WORDS_MAX
    const key = isKept ? words : OTHER
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  get told(): Tally {
    return Object.fromEntries(this.#counts)
  }
}
