/**
 * MQTT over TLS. A terminal comes in by its certificate, or by its secret as on the plain port. Certificates and lists are
 * read again when their files change, without a restart and without cutting those who are inside.
 */
import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls'
import type { Result } from '#contract/errors'
import type { Log } from '#contract/log-events'
import { totalListener } from '#contract/total-hook'
import {
  faultOf,
  faultWhileOpen,
  readCertificates,
  shownBy,
  stampOf,
  trustIssuersAlone,
  type CertificateFiles,
  type CertificateSet,
  type ShownCertificate,
} from './certificates.ts'
import type { Connection } from './connection.ts'
import type { Place } from '#contract/places'
import type { TlsMetrics } from './metrics.ts'
import type { Refusals } from './refusals.ts'
import { cut } from './stands.ts'

/** Length of the keys that session tickets are sealed with, bytes; Node's own number. */
const TICKET_KEYS_BYTES = 48

/** The set of certificates in force, and how it changes. */
export class Certificates {
  readonly #files: CertificateFiles
  readonly #log: Log
  readonly #metrics: TlsMetrics
  readonly #nowMs: () => number
  #set: CertificateSet
  #stamp: string
  #lastFault: string | undefined
  #isOverdue = false

  private constructor(
    o: { files: CertificateFiles; log: Log; metrics: TlsMetrics; nowMs: () => number },
    stamp: string,
    set: CertificateSet,
  ) {
    this.#files = o.files
    this.#log = o.log
    this.#metrics = o.metrics
    this.#nowMs = o.nowMs
    this.#stamp = stamp
    this.#set = set
    this.#tell()
  }

  /** Rejects with a sentence that names setting and file when one of them cannot be used. */
  static async open(o: { files: CertificateFiles; log: Log; metrics: TlsMetrics; nowMs: () => number }) {
    const stamp = await stampOf(o.files)
    return new Certificates(o, stamp, await readCertificates(o.files))
  }

  get set(): CertificateSet {
    return this.#set
  }

  /** Why a certificate is not good for signing in; undefined when it is good. */
  faultOf(shown: ShownCertificate): string | undefined {
    const fault = faultOf(shown, this.#set, this.#nowMs())
    if (fault === undefined && this.#listIsOverdue()) this.#metrics.overdueList.inc()
    return fault
  }

  /** Reads the files again when they have changed. True when there is a new set; a broken file leaves the old one in force. */
  async refresh(): Promise<boolean> {
    const stamp = await stampOf(this.#files)
    this.#tellOverdue()
    if (stamp === this.#stamp) return false
    try {
      this.#set = await readCertificates(this.#files)
    } catch (error) {
      const fault = error instanceof Error ? error.message : String(error)
      this.#metrics.reloads.inc({ result: 'kept' })
      // The files may be half written: they are tried again at each round, and told once for each reason.
      if (fault !== this.#lastFault) this.#log.error('broker.tlsKept', { reason: fault })
      this.#lastFault = fault
      return false
    }
    this.#stamp = stamp
    this.#lastFault = undefined
    this.#metrics.reloads.inc({ result: 'taken' })
    this.#tell()
    return true
  }

  #tell(): void {
    const { issuers, revocations, endsAtMs } = this.#set
    const ends = { certificate: endsAtMs, list: revocations.dueAtMs ?? 0 }
    for (const [what, atMs] of Object.entries(ends)) this.#metrics.endsAt.set({ what }, atMs / 1_000)
    this.#log.info('broker.tlsTaken', {
      issuerCount: issuers.length,
      revokedCount: revocations.count,
      endsAt: new Date(endsAtMs).toISOString(),
    })
    this.#tellOverdue()
  }

  #listIsOverdue(): boolean {
    const { dueAtMs } = this.#set.revocations
    return dueAtMs !== undefined && dueAtMs < this.#nowMs()
  }

  /** An overdue list stays in force: refusing everybody because a job did not run would silence the whole town. */
  #tellOverdue(): void {
    const isOverdue = this.#listIsOverdue()
    if (isOverdue && !this.#isOverdue) this.#log.warn('broker.listExpired', { dueAtMs: this.#set.revocations.dueAtMs })
    this.#isOverdue = isOverdue
  }
}

/** The TLS listener. */
export type TlsDoor = {
  /** Not listening yet. */
  readonly server: Server
  /** Ends the watch over the files and the handshakes under way; the server is closed by whoever made it listen. */
  stop(): void
}

/** A server whose connections are handed to `take` when their handshake is done. */
export function openTlsDoor(o: {
  certificates: Certificates
  /** A place for a new socket; undefined when there is none, which was counted. The time for its CONNECT runs from here. */
  enter: (socket: Socket, address: string) => Place | undefined
  take: (
    socket: TLSSocket,
    address: string,
    o: { place: Place; certificate: Result<ShownCertificate, string> | undefined },
  ) => void
  connections: () => Iterable<Connection>
  refusals: Pick<Refusals, 'count'>
  /** Between two looks at the files, ms. */
  watchMs: number
  onFault: (hook: string, fault: unknown) => void
}): TlsDoor {
  const { certificates, refusals } = o
  const optionsOf = ({ context, issuers }: CertificateSet): TlsOptions => ({
    ...context,
    requestCert: issuers.length > 0,
    // Admission decides, so that it can be counted and answered; a terminal without a certificate has its secret.
    rejectUnauthorized: false,
    ticketKeys: randomBytes(TICKET_KEYS_BYTES),
  })
  const total = <Given extends unknown[]>(name: string, listener: (...given: Given) => void) =>
    totalListener(listener, (fault) => o.onFault(name, fault))

  /** Sockets whose handshake is not done, by their two ends. */
  const handshakes = new Map<string, { readonly socket: Socket; readonly place: Place }>()
  const tls = createTlsServer(optionsOf(certificates.set))
  if (!trustIssuersAlone(tls))
    o.onFault('tls', new Error('this Node needs MQTT_TLS_CA_FILE to hold each issuer with its chain up to the root'))
  const server = createServer(
    { noDelay: true },
    total('connection', (socket: Socket) => {
      const ends = endsOf(socket)
      const address = socket.remoteAddress ?? ''
      const place = o.enter(socket, address)
      if (place === undefined) return
      handshakes.set(ends, { socket, place })
      socket.once('close', () => {
        if (handshakes.get(ends)?.socket === socket) handshakes.delete(ends)
        place.leave()
      })
      tls.emit('connection', socket)
    }),
  )
  tls.on(
    'secureConnection',
    total('secureConnection', (socket: TLSSocket) => {
      const ends = endsOf(socket)
      const place = handshakes.get(ends)?.place
      handshakes.delete(ends)
      if (place === undefined || socket.destroyed) return void socket.destroy()
      socket.disableRenegotiation()
      o.take(socket, socket.remoteAddress ?? '', { place, certificate: shownBy(socket, certificates.set) })
    }),
  )
  tls.on(
    'tlsClientError',
    total('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      const address = socket.remoteAddress ?? '' // Known only until it is destroyed.
      socket.on('error', () => {})
      socket.destroy()
      if (!isBrokenLink(error))
        refusals.count('admission.badHandshake', { address, detail: error.code ?? error.message })
    }),
  )
  tls.on('error', (error) => o.onFault('tls', error))

  const watch = async (): Promise<void> => {
    if (!(await certificates.refresh())) return
    // New ticket keys come with the options: no session outlives the set of certificates that it began under.
    const options = optionsOf(certificates.set)
    tls.setSecureContext(options)
    trustIssuersAlone(tls)
    for (const connection of o.connections()) {
      if (connection.certificate?.ok !== true) continue
      const fault = faultWhileOpen(connection.certificate.value, certificates.set)
      if (fault !== undefined) cut(connection, { code: 'admission.badCertificate', detail: fault, refusals })
    }
  }
  let isWatching = false
  const timer = setInterval(() => {
    if (isWatching) return
    isWatching = true
    watch()
      .catch((fault: unknown) => o.onFault('certificates', fault))
      .finally(() => (isWatching = false))
  }, o.watchMs)
  return {
    server,
    stop() {
      clearInterval(timer)
      for (const { socket } of handshakes.values()) socket.destroy()
    },
  }
}

/** Names a connection while it lasts: a TLS socket and the socket that carries it have the same two ends. */
const endsOf = ({ remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 }: Socket): string =>
  [remoteAddress, remotePort, localAddress, localPort].join(' ')

/** True when a handshake failed because the link broke, which is nobody's fault, or because it was cut here. */
const isBrokenLink = ({ code, message }: NodeJS.ErrnoException): boolean =>
  code === 'ECONNRESET' || code === 'EPIPE' || message === 'socket hang up'
