/**
 * What a terminal has said and the broker has not acknowledged.
 *
 * Two lanes. What was said lately waits in the live lane. A terminal that comes back with more than it can send at once puts
 * what has waited into the late lane, which is sent beside the live one at a bounded rate, so that what happens is told when it
 * happens. Each lane is sent in the order of speaking, also after a lost connection; between the two lanes there is no order,
 * and the contract asks for none: `boot`, `seq` and the sample time say what was when.
 *
 * Bounded. When it is full what matters least goes first, the oldest of its kind, and is counted: statuses, then counters and
 * greetings, then faults and alarms.
 */
import type { MessageKind } from '#contract/topics'
import { Line } from './line.ts'
import type { Spoken } from './simulated-lift.ts'

/** Messages that a terminal without a connection keeps: half a day of a lift in normal use, about 2 MB. */
export const KEPT_MAX = 5000
/** A terminal that comes back with no more than this sends it in the order of speaking, before what happens then. */
export const IN_ORDER_MAX = 200
/** Late messages a second. */
export const LATE_PER_S = 20
/** Late messages that may follow one another at once when the sender was looked at too seldom. */
const LATE_BURST = 5

/** The higher, the later it is thrown away. */
const WORTH: Readonly<Record<MessageKind, 0 | 1 | 2>> = { status: 0, statistics: 1, connection: 1, message: 2 }

export type Lane = 'late' | 'live'
type Entry = {
  readonly spoken: Spoken
  /** Order of speaking. */
  readonly order: number
  lane: Lane
  sendCount: number
  /** It was under way on a connection that was lost. */
  isRedelivered: boolean
}
export type Taken = {
  readonly ticket: number
  readonly spoken: Spoken
  readonly lane: Lane
  /** It was under way on a connection that was lost, so the broker may have it: DUP, MQTT-3.3.1-1. */
  readonly isRedelivered: boolean
  /** It was never on the wire before. */
  readonly isFirst: boolean
}

/** One line for each worth, so that neither the next to send nor the next to drop has to be looked for. */
type Lines = readonly [Line<Entry>, Line<Entry>, Line<Entry>]
const noLines = (): Lines => [new Line(), new Line(), new Line()]
const lengthOf = (lines: Lines): number => lines[0].length + lines[1].length + lines[2].length

export class OutgoingQueue {
  readonly #keptMax: number
  readonly #lateStepMs: number
  /** Not in the hands of the present connection. */
  readonly #lanes: Record<Lane, Lines> = { late: noLines(), live: noLines() }
  /** Handed out, not yet acknowledged, in the order of handing out. */
  readonly #inFlight = new Map<number, Entry>()
  #ticket = 0
  #spokenCount = 0
  #droppedCount = 0
  #resentCount = 0
  #publishedCount = 0
  #acknowledgedCount = 0
  #lateDueAtMs = -Infinity

  constructor(o: { keptMax?: number; latePerS?: number } = {}) {
    this.#keptMax = o.keptMax ?? KEPT_MAX
    this.#lateStepMs = 1000 / (o.latePerS ?? LATE_PER_S)
  }

  /** All that is not acknowledged. */
  get size(): number {
    return this.waitingCount + this.#inFlight.size
  }
  get waitingCount(): number {
    return lengthOf(this.#lanes.late) + lengthOf(this.#lanes.live)
  }
  get inFlightCount(): number {
    return this.#inFlight.size
  }
  /** All that was put in: acknowledged, waiting or in flight (`size`), or dropped; nothing else. */
  get spokenCount(): number {
    return this.#spokenCount
  }
  /** Thrown away because the queue was full, or forgotten. */
  get droppedCount(): number {
    return this.#droppedCount
  }
  /** How often something was sent that was on the wire before. */
  get resentCount(): number {
    return this.#resentCount
  }
  /** Sent at least once. */
  get publishedCount(): number {
    return this.#publishedCount
  }
  get acknowledgedCount(): number {
    return this.#acknowledgedCount
  }
  /** When the next late message may go; Infinity when there is none. */
  get lateDueAtMs(): number {
    return lengthOf(this.#lanes.late) === 0 ? Infinity : this.#lateDueAtMs
  }
  get hasLive(): boolean {
    return lengthOf(this.#lanes.live) > 0
  }

  put(spoken: readonly Spoken[]): void {
    for (const one of spoken) {
      this.#spokenCount += 1
      this.#lineOf('live', one).push({
        spoken: one,
        order: this.#spokenCount,
        lane: 'live',
        sendCount: 0,
        isRedelivered: false,
      })
    }
    for (let overCount = this.size - this.#keptMax; overCount > 0; overCount -= 1) if (!this.#drop()) return
  }

  /**
   * The next message to send at `nowMs`, and the ticket under which its acknowledgement is to be told: live ones first, late ones
   * at their rate. With `isHurried` the rate does not hold.
   */
  take(nowMs: number, isHurried = false): Taken | undefined {
    const entry = shiftOldest(this.#lanes.live) ?? this.#takeLate(nowMs, isHurried)
    if (entry === undefined) return undefined
    this.#ticket += 1
    this.#inFlight.set(this.#ticket, entry)
    const { spoken, lane, isRedelivered, sendCount } = entry
    return { ticket: this.#ticket, spoken, lane, isRedelivered, isFirst: sendCount === 0 }
  }

  /** It goes onto the wire. */
  sent(ticket: number): void {
    const entry = this.#inFlight.get(ticket)
    if (entry === undefined) return
    if (entry.sendCount === 0) this.#publishedCount += 1
    else this.#resentCount += 1
    entry.sendCount += 1
  }

  /** The broker has it. A ticket of an earlier connection is no longer known and changes nothing. */
  acknowledge(ticket: number): void {
    if (this.#inFlight.delete(ticket)) this.#acknowledgedCount += 1
  }

  /** The broker has it, but the terminal did not take note: it will be sent once more. */
  overlook(ticket: number): void {
    const entry = this.#inFlight.get(ticket)
    if (entry === undefined) return
    this.#inFlight.delete(ticket)
    entry.isRedelivered = false
    this.#giveBack(entry)
  }

  /** The connection is gone: what was in flight is sent again, before what came later in its lane. */
  takeBack(): void {
    for (const entry of [...this.#inFlight.values()].reverse()) {
      entry.isRedelivered = entry.sendCount > 0
      this.#giveBack(entry)
    }
    this.#inFlight.clear()
  }

  /** A new connection. More than can be sent at once becomes late, and so does less when `isLiveFirst`. */
  reconnected(isLiveFirst: boolean): void {
    if (lengthOf(this.#lanes.live) <= IN_ORDER_MAX && !isLiveFirst) return
    const { late, live } = this.#lanes
    live.forEach((line, worth) => {
      for (let entry = line.shift(); entry !== undefined; entry = line.shift()) {
        entry.lane = 'late'
        late[worth]?.push(entry)
      }
    })
  }

  /** The terminal lost its memory. */
  forget(): void {
    this.#droppedCount += this.size
    for (const lines of [this.#lanes.late, this.#lanes.live]) for (const line of lines) line.clear()
    this.#inFlight.clear()
  }

  #lineOf(lane: Lane, spoken: Spoken): Line<Entry> {
    return this.#lanes[lane][WORTH[spoken.kind]]
  }

  #giveBack(entry: Entry): void {
    this.#lineOf(entry.lane, entry.spoken).insert(entry, ({ order }) => order > entry.order)
  }

  #takeLate(nowMs: number, isHurried: boolean): Entry | undefined {
    if (isHurried) return shiftOldest(this.#lanes.late)
    if (nowMs < this.#lateDueAtMs) return undefined
    const entry = shiftOldest(this.#lanes.late)
    if (entry !== undefined)
      this.#lateDueAtMs = Math.max(this.#lateDueAtMs, nowMs - LATE_BURST * this.#lateStepMs) + this.#lateStepMs
    return entry
  }

  /** Throws away what matters least. False when all is in flight. */
  #drop(): boolean {
    const { late, live } = this.#lanes
    for (const worth of [0, 1, 2] as const)
      // Whatever is late was said before whatever is live.
      if ((late[worth].shift() ?? live[worth].shift()) !== undefined) {
        this.#droppedCount += 1
        return true
      }
    return false
  }
}

function shiftOldest(lines: Lines): Entry | undefined {
  let oldest: Line<Entry> | undefined
  let order = Infinity
  for (const line of lines) {
    const first = line.first?.order ?? Infinity
    if (first < order) {
      oldest = line
      order = first
    }
  }
  return oldest?.shift()
}
