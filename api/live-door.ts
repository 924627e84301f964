/**
 * The door of the live view: who may open a connection, and who may become a viewer. A connection that has not shown a
 * session yet is a stranger; it has one attempt and a few seconds, and there are few places for strangers.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'socket.io'
import { addressGroupOf } from '#contract/address-group'
import type { ErrorCode } from '#contract/errors'
import type { Log } from '#contract/log-events'
import { isForeignOrigin } from './origin.ts'
import type { SessionCookie } from './session-cookie.ts'
import type { Sessions, SignedIn } from './sessions.ts'

export type LiveDoorLimits = {
  /** Sockets at one time; more are refused. */
  readonly viewersMax: number
  /** Sockets that did not show a session yet, at one time; they have a few seconds for it. */
  readonly strangersMax: number
  /** The same, of one address (of one /64 network with IPv6). */
  readonly strangersPerAddressMax: number
}

type LiveDoorParts = {
  readonly sessions: Pick<Sessions, 'read'>
  readonly cookie: SessionCookie
  readonly publicOrigin: string
  readonly log: Log
  readonly nowMs: () => number
}

/** How long a closed session is remembered, ms: longer than any look at the register takes. */
const CLOSED_SESSION_MS = 60_000
/** Most closed sessions that are remembered; the oldest is forgotten first. */
const CLOSED_SESSIONS_MAX = 10_000

/** A connection of Engine.IO, which carries the sockets of the namespaces. */
export type LiveConnection = Socket['conn']

export class LiveDoor {
  readonly #o: LiveDoorParts
  readonly #limits: LiveDoorLimits
  readonly #strangers = new Map<LiveConnection, string>()
  readonly #tried = new WeakSet<LiveConnection>()
  readonly #closedSessions = new Map<string, number>()

  constructor(o: LiveDoorParts, limits: LiveDoorLimits) {
    this.#o = o
    this.#limits = limits
  }

  /** Why a handshake is refused, before anything is kept: another site, or too many. */
  refusalOf(request: IncomingMessage, connectionCount: number): ErrorCode | undefined {
    if (isForeignOrigin(request.headers, this.#o.publicOrigin)) return 'request.foreignOrigin'
    const address = addressOf(request, this.#o.publicOrigin)
    const neighbours = [...this.#strangers.values()].filter((other) => other === address)
    const full =
      connectionCount >= this.#limits.viewersMax ||
      this.#strangers.size >= this.#limits.strangersMax ||
      neighbours.length >= this.#limits.strangersPerAddressMax
    return full ? 'request.tooMany' : undefined
  }

  /** Counts a new connection as a stranger until `letIn` is called or it ends. */
  opened(connection: LiveConnection): void {
    this.#strangers.set(connection, addressOf(connection.request, this.#o.publicOrigin))
    connection.once('close', () => this.#strangers.delete(connection))
  }

  /** Whose session the connection shows. Throws an error with a code for the viewer; the connection has no second attempt. */
  async authenticate(connection: LiveConnection, cookieHeader: string | undefined): Promise<SignedIn> {
    if (this.#tried.has(connection)) throw refusedWith('request.tooMany')
    this.#tried.add(connection)
    const { sessions, cookie, log } = this.#o
    let signedIn: SignedIn | undefined
    try {
      signedIn = await sessions.read(cookie.read(cookieHeader))
    } catch (error) {
      log.warn('api.error', { route: '/live', reason: String(error).slice(0, 300) })
      throw refusedWith('store.away')
    }
    if (signedIn === undefined) throw refusedWith('session.missing')
    return signedIn
  }

  /** The stranger became a viewer. False when its session was closed since the register was asked about it. */
  letIn(connection: LiveConnection, { tokenHash }: SignedIn): boolean {
    if (this.#closedSessions.has(tokenHash)) return false
    this.#strangers.delete(connection)
    return true
  }

  /** Remembers for a while that a session was closed: an answer of the register may be older than that. */
  sessionClosed(tokenHash: string): void {
    const atMs = this.#o.nowMs()
    this.#closedSessions.delete(tokenHash)
    this.#closedSessions.set(tokenHash, atMs)
    for (const [known, closedAtMs] of this.#closedSessions) {
      if (this.#closedSessions.size <= CLOSED_SESSIONS_MAX && atMs - closedAtMs <= CLOSED_SESSION_MS) return
      this.#closedSessions.delete(known)
    }
  }
}

/** Closes a connection when what it was told just now is on its way. */
export function closeAfterAnswer(connection: LiveConnection): void {
  setImmediate(() => connection.close())
}

const refusedWith = (code: ErrorCode) => Object.assign(new Error(code), { data: { code } })

/** Who asks, as the HTTP routes see it: a proxy on this machine may say it, and only when there is a public origin. */
function addressOf(request: IncomingMessage, publicOrigin: string): string {
  const remote = request.socket.remoteAddress ?? ''
  if (publicOrigin === '' || !isLoopback(remote)) return addressGroupOf(remote)
  const header = request.headers['x-forwarded-for']
  const hops = String(header ?? '')
    .split(',')
    .map((hop) => hop.trim())
    .reverse()
  // What the nearest proxy wrote is last; what stands before it may be made up.
  return addressGroupOf(hops.find((hop) => hop !== '' && !isLoopback(hop)) ?? remote)
}

const isLoopback = (address: string) => /^(::ffff:)?127\.|^::1$/i.test(address)
