/**
 * The link between a terminal's buffer and its broker as a seeded model on a clock that is an argument.
 *
 * It keeps to what MQTT over TCP can do. On a connection that lives no message is lost, doubled or overtaken. So
 * - loss shows as connections that break with messages under way; these are sent again on the next one (DUP set), and the broker
 *   has some of them twice, with the same `boot` and `seq`;
 * - a duplicate on a connection that lives is the firmware's own: it did not take note of an acknowledgement and sends the same
 *   message again as a new one;
 * - delay and bursts show as messages that leave late, one behind the other;
 * - disorder arises only between what a terminal has kept and what it says after it has come back. `disorderRate` is the share of
 *   new connections after which live messages go first although little was kept; with much to send they always do.
 */
import { RandomStream, textWord, unit } from '../random.ts'

export type Impairment = {
  /** Share of the messages with which the connection breaks. */
  readonly lossRate: number
  /** Share of the acknowledgements that the terminal does not take note of. */
  readonly duplicateRate: number
  readonly disorderRate: number
  /** From being ready to leaving; log-normal. Both 0 = none. */
  readonly delayMs: { readonly median: number; readonly p95: number }
  /** Every `everyMs` nothing gets through for `lastMs`, at another moment for each terminal. The connection stays. */
  readonly burst: { readonly everyMs: number; readonly lastMs: number } | null
  /** Spans without any signal, ms after the start, the same for all terminals. */
  readonly outages: readonly { readonly afterMs: number; readonly lastMs: number }[]
  /** Share of the landings at which nothing gets through, others for each terminal. */
  readonly deafLandingShare: number
  /** The clock of a terminal is wrong by at most so much; and runs too fast or too slow by at most so much. */
  readonly clockSkewMs: number
  readonly driftPpm: number
  /** Every so often all terminals lose their connections in the same moment; null = never. */
  readonly reconnectStormEveryMs: number | null
}

const NO_IMPAIRMENT: Impairment = {
  lossRate: 0,
  duplicateRate: 0,
  disorderRate: 0,
  delayMs: { median: 0, p95: 0 },
  burst: null,
  outages: [],
  deafLandingShare: 0,
  clockSkewMs: 0,
  driftPpm: 0,
  reconnectStormEveryMs: null,
}
const MINUTE_MS = 60_000
const HOUR_MS = 3600_000
/** Clocks of cheap crystals, set over the radio. */
const CLOCKS = { clockSkewMs: 1500, driftPpm: 30 } as const

export const IMPAIRMENTS = {
  none: { zh: '理想链路', en: 'a perfect link', ...NO_IMPAIRMENT },
  '2g': {
    zh: '弱网 2G',
    en: 'slow and unsteady: seconds of delay, stalls, a lost connection now and then, clocks a little wrong',
    ...NO_IMPAIRMENT,
    ...CLOCKS,
    lossRate: 0.002,
    duplicateRate: 0.002,
    disorderRate: 0.2,
    delayMs: { median: 600, p95: 4000 },
    burst: { everyMs: 10 * MINUTE_MS, lastMs: 20_000 },
  },
  shaft: {
    zh: '井道信号差',
    en: 'no signal while the car is at certain landings',
    ...NO_IMPAIRMENT,
    ...CLOCKS,
    duplicateRate: 0.001,
    delayMs: { median: 150, p95: 1200 },
    deafLandingShare: 0.35,
  },
  storm: {
    zh: '重连风暴',
    en: 'every ten minutes the whole town loses its connections in one moment and comes back',
    ...NO_IMPAIRMENT,
    reconnectStormEveryMs: 10 * MINUTE_MS,
  },
  'day-offline': {
    zh: '长时离线补传',
    en: 'no signal for eight hours, ten minutes after the start; then all that was kept is sent late',
    ...NO_IMPAIRMENT,
    ...CLOCKS,
    outages: [{ afterMs: 10 * MINUTE_MS, lastMs: 8 * HOUR_MS }],
  },
} as const satisfies Record<string, Impairment & { zh: string; en: string }>
export type ImpairmentName = keyof typeof IMPAIRMENTS
export const IMPAIRMENT_NAMES = Object.keys(IMPAIRMENTS) as ImpairmentName[]
export const isImpairmentName = (text: string): text is ImpairmentName => Object.hasOwn(IMPAIRMENTS, text)
export const impairmentOf = (which: ImpairmentName | Impairment): Impairment =>
  typeof which === 'string' ? IMPAIRMENTS[which] : which

/** `stalled`: nothing gets through, the connection stays. `away`: there is no signal at all. */
export type LinkState = 'open' | 'stalled' | 'away'

/** How a message that breaks its connection does so: before or after the broker has it. */
export type Break = 'before' | 'after'

/** 95 of 100 values of a normal distribution lie below this many standard deviations above its middle. */
const P95_DEVIATIONS = 1.6449

export class Link {
  readonly #impairment: Impairment
  readonly #random: RandomStream
  readonly #word: number
  readonly #startAtMs: number
  #leavesAtMs = -Infinity

  constructor(o: { impairment: Impairment; seed: number; serial: string; startAtMs: number }) {
    this.#impairment = o.impairment
    this.#word = textWord(o.serial) ^ o.seed
    this.#random = new RandomStream(o.seed, textWord(o.serial), 22)
    this.#startAtMs = o.startAtMs
  }

  /** `landing` is that at which the car really is. */
  stateAt(atMs: number, landing: number): LinkState {
    const { outages, burst, deafLandingShare } = this.#impairment
    const afterMs = atMs - this.#startAtMs
    if (outages.some((outage) => afterMs >= outage.afterMs && afterMs < outage.afterMs + outage.lastMs)) return 'away'
    if (burst !== null && (afterMs + this.#burstPhaseMs(burst.everyMs)) % burst.everyMs < burst.lastMs) return 'stalled'
    if (deafLandingShare > 0 && unit(this.#word, landing, 23) < deafLandingShare) return 'stalled'
    return 'open'
  }

  /** When an outage or a burst begins or ends; Infinity when none will. */
  nextChangeAtMs(atMs: number): number {
    const { outages, burst } = this.#impairment
    const afterMs = atMs - this.#startAtMs
    let nextMs = Infinity
    for (const outage of outages)
      for (const edgeMs of [outage.afterMs, outage.afterMs + outage.lastMs])
        if (edgeMs > afterMs) nextMs = Math.min(nextMs, edgeMs)
    if (burst !== null) {
      const inCycleMs = (afterMs + this.#burstPhaseMs(burst.everyMs)) % burst.everyMs
      const leftMs = inCycleMs < burst.lastMs ? burst.lastMs - inCycleMs : burst.everyMs - inCycleMs
      nextMs = Math.min(nextMs, afterMs + leftMs)
    }
    return this.#startAtMs + nextMs
  }

  /** The first moment after `atMs` in which all terminals lose their connections. */
  nextStormAtMs(atMs: number): number {
    const everyMs = this.#impairment.reconnectStormEveryMs
    if (everyMs === null) return Infinity
    return this.#startAtMs + (Math.floor(Math.max(0, atMs - this.#startAtMs) / everyMs) + 1) * everyMs
  }

  /** When a message that is ready at `atMs` leaves: never before one that was ready earlier. */
  leavesAtMs(atMs: number): number {
    const { median, p95 } = this.#impairment.delayMs
    const delayMs = median === 0 ? 0 : median * Math.exp((Math.log(p95 / median) / P95_DEVIATIONS) * this.#normal())
    this.#leavesAtMs = Math.max(this.#leavesAtMs, atMs + delayMs)
    return this.#leavesAtMs
  }

  /** A new connection does not wait for the messages of the one before. */
  reset(): void {
    this.#leavesAtMs = -Infinity
  }

  /** Whether the connection breaks with this message, and how; undefined when it does not. */
  breaks(): Break | undefined {
    if (!this.#happens(this.#impairment.lossRate)) return undefined
    return this.#random.next() < 0.5 ? 'before' : 'after'
  }
  overlooks(): boolean {
    return this.#happens(this.#impairment.duplicateRate)
  }
  sendsLiveFirst(): boolean {
    return this.#happens(this.#impairment.disorderRate)
  }

  #happens(rate: number): boolean {
    return rate > 0 && this.#random.next() < rate
  }

  #burstPhaseMs(everyMs: number): number {
    return Math.floor(unit(this.#word, 24) * everyMs)
  }

  /** Box and Muller. */
  #normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.#random.next()))
    return radius * Math.cos(2 * Math.PI * this.#random.next())
  }
}
