/** How connections come in, whatever carries them: a place, a time to say CONNECT in, a guarded client of Aedes; and how they leave. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Aedes } from 'aedes'
import type { Result } from '#contract/errors'
import type { ShownCertificate } from './certificates.ts'
import { Connection, holdReading } from './connection.ts'
import type { Place } from '#contract/places'
import { Doorway } from './doorway.ts'
import type { AdmissionError } from './admission.ts'
import { guardClient, type GuardOptions } from './guard.ts'
import type { BrokerLimits } from './limits.ts'
import type { Refusals } from './refusals.ts'

/** What is known of a connection when it comes in: its HTTP upgrade; or the place it has and the certificate it has shown. */
export type Arrival = {
  readonly request?: IncomingMessage
  readonly place?: Place
  readonly certificate?: Result<ShownCertificate, string> | undefined
}

/** The door of all carriers. */
export type Arrivals = {
  /** A place for a new socket; undefined when there is none, which was counted. The time for its CONNECT runs from here. */
  readonly enter: (conn: Duplex, address: string) => Place | undefined
  /** Begins to read MQTT from it. */
  readonly take: (conn: Duplex, address: string, arrival?: Arrival) => void
}

/** Sockets that come in become clients of this Aedes. */
export function openArrivals(o: {
  aedes: Pick<Aedes, 'handle'>
  /** Those inside, by their client; entries come and go here. */
  connections: Map<object, Connection>
  limits: BrokerLimits
  refusals: Pick<Refusals, 'count'>
  isStopping: () => boolean
  elapsedMs: () => number
  /** A connection has ended; its will may still come. */
  onLeave: (connection: Connection) => void
  onFault: (fault: unknown) => void
}): Arrivals {
  const { limits, refusals, isStopping } = o
  const doorway = new Doorway(limits)

  const makeWay = (conn: Duplex, address: string): void => {
    refusals.count('admission.halfOpen', { address, detail: 'silent, gave way to another' })
    conn.destroy()
  }
  const enter = (conn: Duplex, address: string): Place | undefined => {
    const place = isStopping() ? 'admission.full' : doorway.enter(address, () => makeWay(conn, address))
    conn.on('error', () => {})
    if (typeof place !== 'string')
      return new TimedPlace(place, limits.connectMs, () => {
        refusals.count('admission.timeout', { address, detail: 'no CONNECT in time' })
        conn.destroy()
      })
    refusals.count(place, { address })
    conn.destroy()
    return undefined
  }

  const take = (conn: Duplex, address: string, arrival: Arrival = {}): void => {
    const place = arrival.place ?? enter(conn, address)
    if (place === undefined) return
    const client = o.aedes.handle(conn, arrival.request)
    const connection = new Connection({ conn, address, place, limits, certificate: arrival.certificate })
    o.connections.set(client, connection)
    const guard = guardClient(client, new GuardedConnection(connection, o))
    connection.guard = guard
    holdReading(conn, guard)
    conn.once('close', () => {
      connection.clearAnswerTimer()
      place.leave()
      o.onLeave(connection)
      // Aedes publishes the will of a closed client after this event; it must still be known then.
      setImmediate(() => o.connections.delete(client))
    })
  }
  return { enter, take }
}

type GuardParts = Pick<
  Parameters<typeof openArrivals>[0],
  'limits' | 'refusals' | 'isStopping' | 'elapsedMs' | 'onFault'
>

/** What the guard asks about a connection. A class, not closures: tens of thousands of terminals have one each. */
class GuardedConnection implements GuardOptions {
  readonly #connection: Connection
  readonly #parts: GuardParts

  constructor(connection: Connection, parts: GuardParts) {
    this.#connection = connection
    this.#parts = parts
  }

  get conn(): Duplex {
    return this.#connection.conn
  }

  get limits(): BrokerLimits {
    return this.#parts.limits
  }

  isHeld(): boolean {
    const { isStopping, elapsedMs } = this.#parts
    return isStopping() || this.#connection.heldBy(elapsedMs()) !== undefined
  }

  elapsedMs(): number {
    return this.#parts.elapsedMs()
  }

  onConnect(): void {
    this.#connection.place.ask()
  }

  onRefused({ code, message }: AdmissionError): void {
    const connection = this.#connection
    connection.endReason = code
    const { terminalName: terminal, address } = connection
    this.#parts.refusals.count(code, { terminal, address, detail: message })
  }

  onFault(fault: unknown): void {
    this.#parts.onFault(fault)
  }
}

/** A place with a time until which whoever has it must have asked. */
class TimedPlace implements Place {
  readonly #place: Place
  #timer: NodeJS.Timeout | undefined

  constructor(place: Place, waitMs: number, onLate: () => void) {
    this.#place = place
    this.#timer = setTimeout(onLate, waitMs)
  }

  ask(): void {
    this.#clear()
    this.#place.ask()
  }

  admit(): void {
    this.#place.admit()
  }

  leave(): void {
    this.#clear()
    this.#place.leave()
  }

  /** The timer is let go of too, and with it what it would have done. */
  #clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
