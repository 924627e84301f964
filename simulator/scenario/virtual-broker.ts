/**
 * The broker as terminals meet it that live on a virtual clock: it lets everybody in, acknowledges everything at once, and says
 * the last will of a terminal whose connection has gone: at once when the socket closes, and one and a half keepalives after
 * the last packet when it stays open and silent.
 */
import type { LiftId, TerminalSerial } from '#contract/ids'
import type { MessageKind } from '#contract/topics'
import type { SimulatedTerminal } from '../terminal/credentials.ts'
import { KEPT_MAX } from '../terminal/outgoing-queue.ts'
import { KEEPALIVE_S, offlinePayload, type Wire, type WireEvents, type WireMessage } from '../terminal/wire.ts'

const PING_MS = KEEPALIVE_S * 1000
const SILENCE_MS_MAX = 1.5 * PING_MS
/** Messages of one terminal that the broker remembers. What comes again is younger: a terminal keeps no more than half as many. */
const TAKEN_MAX = 2 * KEPT_MAX

/** What the broker took from a terminal, or said for one that is gone. */
export type Arrival = {
  readonly do: 'arrives'
  /** Unix ms, true time. */
  readonly atMs: number
  readonly lift: LiftId
  readonly serial: TerminalSerial
  readonly kind: MessageKind
  readonly payload: string
  /** The broker has had this very message before. */
  readonly isAgain: boolean
}

type Session = {
  readonly identity: SimulatedTerminal
  isOpen: boolean
  isGone: boolean
  heardAtMs: number
  /** When the broker gives it up; Infinity while this end is there. */
  givenUpAtMs: number
}

export class VirtualBroker {
  readonly #onArrival: (arrival: Arrival) => void
  readonly #nowMs: () => number
  /** Answers that are on their way to the terminals. */
  #answers: (() => void)[] = []
  /** Sessions whose other end is silent. */
  #silent: Session[] = []
  readonly #taken = new Map<TerminalSerial, Set<string>>()

  constructor(o: { nowMs: () => number; onArrival: (arrival: Arrival) => void }) {
    this.#nowMs = o.nowMs
    this.#onArrival = o.onArrival
  }

  /** When the broker does something by itself next; Infinity when it does not. */
  get dueAtMs(): number {
    return this.#silent.reduce((dueAtMs, { givenUpAtMs }) => Math.min(dueAtMs, givenUpAtMs), Infinity)
  }

  /** Gives up those that have been silent for too long. */
  tick(): void {
    for (const session of this.#silent.filter(({ givenUpAtMs }) => givenUpAtMs <= this.#nowMs())) this.#end(session)
  }

  /** Hands over the answers, and those to what they lead to. */
  answer(): void {
    while (this.#answers.length > 0) {
      const answers = this.#answers
      this.#answers = []
      for (const answer of answers) answer()
    }
  }

  readonly openWire = (identity: SimulatedTerminal, { onOpen }: WireEvents): Wire => {
    const session: Session = { identity, isOpen: false, isGone: false, heardAtMs: 0, givenUpAtMs: Infinity }
    const reaches = (): boolean => !session.isGone && session.givenUpAtMs === Infinity
    this.#answers.push(() => {
      if (!reaches()) return
      session.isOpen = true
      session.heardAtMs = this.#nowMs()
      onOpen()
    })
    return {
      publish: (message, onTaken) => {
        if (!reaches()) return
        session.heardAtMs = this.#nowMs()
        this.#take(session, message)
        this.#answers.push(() => {
          if (reaches()) onTaken()
        })
      },
      cut: () => this.#end(session),
      freeze: () => {
        if (!reaches()) return
        // A terminal that has nothing to say pings.
        const quietMs = this.#nowMs() - session.heardAtMs
        session.givenUpAtMs = this.#nowMs() - (quietMs % PING_MS) + SILENCE_MS_MAX
        this.#silent.push(session)
      },
      leave: () => {
        this.#end(session)
        return Promise.resolve()
      },
    }
  }

  /** The broker sees that the connection is gone, and says the will. A goodbye says the same. */
  #end(session: Session): void {
    if (session.isGone) return
    session.isGone = true
    this.#silent = this.#silent.filter((other) => other !== session)
    if (!session.isOpen) return
    const { lift, serial } = session.identity
    const payload = offlinePayload({ serial })
    this.#onArrival({ do: 'arrives', atMs: this.#nowMs(), lift, serial, kind: 'connection', payload, isAgain: false })
  }

  #take({ identity: { lift, serial } }: Session, { kind, payload }: WireMessage): void {
    let taken = this.#taken.get(serial)
    if (taken === undefined) this.#taken.set(serial, (taken = new Set()))
    // The header makes the payloads of two messages differ, whatever else they have in common.
    const isAgain = taken.has(payload)
    if (!isAgain) taken.add(payload)
    for (const oldest of taken) {
      if (taken.size <= TAKEN_MAX) break
      taken.delete(oldest)
    }
    this.#onArrival({ do: 'arrives', atMs: this.#nowMs(), lift, serial, kind, payload, isAgain })
  }
}
