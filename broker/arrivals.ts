/** How connections come in, whatever carries them: a place, a time to say CONNECT in, a guarded client of Aedes; and how they leave. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Aedes } from 'aedes'
import type { Result } from '#contract/errors'
import type { ShownCertificate } from './certificates.ts'
import { Connection, holdReading } from './connection.ts'
import type { Place } from '#contract/places'
import { Doorway } from './doorway.ts'
import { guardClient } from './guard.ts'
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
  const { limits, refusals, isStopping, elapsedMs } = o
  const doorway = new Doorway(limits)

  const makeWay = (conn: Duplex, address: string): void => {
    refusals.count('admission.halfOpen', { address, detail: 'silent, gave way to another' })
    conn.destroy()
  }
  const enter = (conn: Duplex, address: string): Place | undefined => {
    const place = isStopping() ? 'admission.full' : doorway.enter(address, () => makeWay(conn, address))
    conn.on('error', () => {})
    if (typeof place !== 'string')
      return timed(place, limits.connectMs, () => {
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
    const guard = guardClient(client, {
      conn,
      limits,
      isHeld: () => isStopping() || connection.heldBy(elapsedMs()) !== undefined,
      elapsedMs,
      onConnect: () => place.ask(),
      onRefused: ({ code, message }) => {
        connection.endReason = code
        refusals.count(code, { terminal: connection.terminalName, address, detail: message })
      },
      onFault: o.onFault,
    })
    connection.guard = guard
    holdReading(conn, () => guard.isHeld())
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

/** The same place, with a time until which whoever has it must have asked. */
function timed(place: Place, waitMs: number, onLate: () => void): Place {
  const timer = setTimeout(onLate, waitMs)
  return {
    ask: () => {
      clearTimeout(timer)
      place.ask()
    },
    admit: () => place.admit(),
    leave: () => {
      clearTimeout(timer)
      place.leave()
    },
  }
}
