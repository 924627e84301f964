/** One connection of a device, from the socket to its end, and how it is held back. */
import type { Duplex } from 'node:stream'
import type { AdmittedTerminal, Claim } from './admission.ts'
import type { Place } from './doorway.ts'

/**
 * Publications of one connection that may wait for the journal before its socket is no longer read. Aedes by itself goes
 * on reading when a device sends its packets one by one.
 */
export const WAITING_PUBLICATIONS_MAX = 64

export class Connection {
  readonly conn: Duplex
  readonly address: string
  readonly place: Place
  claim: Claim | undefined
  terminal: AdmittedTerminal | undefined
  /** The stored hash that its secret was proved against. */
  secretHash: string | undefined
  /** True from the CONNACK on. */
  isReady = false
  waitingCount = 0
  /** Runs from the CONNECT until it is answered. */
  answerTimer: NodeJS.Timeout | undefined
  /** Why it ended, for the log. */
  endReason = 'closed'

  constructor(o: { conn: Duplex; address: string; place: Place }) {
    this.conn = o.conn
    this.address = o.address
    this.place = o.place
  }

  /** What to call it in the log, before and after it proved who it is. */
  get terminalName(): string | undefined {
    return this.terminal?.serial ?? this.claim?.serial
  }

  clearAnswerTimer(): void {
    clearTimeout(this.answerTimer)
    this.answerTimer = undefined
  }
}

/**
 * While `isHeld` says so, reads give nothing: the socket's buffer fills up and TCP holds the device back. Whoever reads
 * must try again after what it waits for is done; Aedes does, after each packet.
 */
export function holdReading(conn: Duplex, isHeld: () => boolean): void {
  const read = conn.read.bind(conn)
  // read(0) only asks the stream to go on filling its buffer, which is bounded.
  conn.read = (bytes?: number): unknown => (bytes !== 0 && isHeld() ? null : (read(bytes) as unknown))
}
