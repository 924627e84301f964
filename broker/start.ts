/** The MQTT broker of the devices: takes what terminals say, commits it to the journal, and only then acknowledges it. */
import type { IncomingMessage } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Aedes, type Client } from 'aedes'
import type { Registry } from 'prom-client'
import type { AdmissionRefusal, Result } from '#contract/errors'
import type { Log } from '#contract/log-events'
import { PLATFORM_MARK_MS, PLATFORM_TOPIC } from '#contract/topics'
import type { Journal } from '#storage/journal/journal'
import { AdmissionError } from './admission.ts'
import { Commits } from './commits.ts'
import { wantsTls, type CertificateFiles, type ShownCertificate } from './certificates.ts'
import { Connection, holdReading } from './connection.ts'
import { Doorway } from './doorway.ts'
import { guardClient, GUARDED_AEDES_VERSION } from './guard.ts'
import { deviceHooks } from './hooks.ts'
import type { Place } from './doorway.ts'
import { BROKER_LIMITS, type BrokerLimits } from './limits.ts'
import { brokerMetrics, tlsMetrics, type BrokerMetrics } from './metrics.ts'
import { forgetfulPersistence, silentEmitter } from './no-fan-out.ts'
import { openAdmission, type AdmissionParts } from './open-admission.ts'
import { openShortWay } from './publications.ts'
import { Refusals } from './refusals.ts'
import { Owed } from './owed.ts'
import { Certificates, openTlsDoor, type TlsDoor } from './tls-door.ts'
import { totalListener } from '#contract/total-hook'
import { openWebSocketDoor } from './web-socket.ts'

/** How long the broker waits, ms. */
export const BROKER_TIMEOUTS = {
  /** From the CONNECT to its answer. */
  answerMs: 5_000,
  /** For the register, within the answer; after it the last row seen counts. */
  lookupMs: 2_000,
  /** For a device that does not read what it is sent. */
  drainMs: 5_000,
  /** Between two questions for terminals that changed in the register. */
  feedMs: 500,
  /** Between two rounds of reading the rows of connected terminals again. */
  recheckMs: 1_000,
  /** Between two looks at the certificate files. */
  watchMs: 2_000,
  /** For appends under way when the broker stops. */
  stopMs: 5_000,
} as const
export type BrokerTimeouts = { readonly [Name in keyof typeof BROKER_TIMEOUTS]: number }

export type BrokerOptions = AdmissionParts & {
  readonly host: string
  /** 0 = any free port. */
  readonly mqttPort: number
  readonly journal: Pick<Journal, 'append' | 'status'>
  /** MQTT over TLS; without it, or without a certificate file, there is none. */
  readonly tls?: { readonly port: number; readonly files: CertificateFiles }
  readonly limits?: Partial<BrokerLimits>
  readonly metrics: Registry
  readonly log: Log
  /** Unix ms. */
  readonly nowMs: () => number
  readonly timeouts?: Partial<BrokerTimeouts>
}

export interface Broker extends AsyncDisposable {
  /** `mqtt://127.0.0.1:PORT`, for clients on this machine. */
  readonly mqttUrl: string
  /** The same with TLS, `mqtts:`; undefined when that listener is off. */
  readonly mqttTlsUrl: string | undefined
  /** Takes over an HTTP upgrade to WebSocket; the caller has checked its path. */
  acceptWebSocket(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Terminals connected now, and why nothing is acknowledged at the moment. */
  status(): { connectedCount: number; degraded: string | undefined }
  /** Resolves never; rejects when the listener dies. */
  readonly failed: Promise<never>
}

/** Starts the broker; resolves when it listens. A port that cannot be had rejects with a sentence for people. */
export async function startBroker(o: BrokerOptions): Promise<Broker> {
  const timeouts = { ...BROKER_TIMEOUTS, ...o.timeouts }
  const metrics = brokerMetrics(o.metrics)
  const certificates =
    o.tls !== undefined && wantsTls(o.tls.files)
      ? await Certificates.open({ files: o.tls.files, log: o.log, metrics: tlsMetrics(o.metrics), nowMs: o.nowMs })
      : undefined
  const core = await openCore(o, timeouts, metrics, certificates)
  const server = createServer({ noDelay: true }, (socket) => core.take(socket, socket.remoteAddress ?? ''))
  const tlsDoor = certificates && core.openTls(certificates)
  const servers = tlsDoor === undefined ? [server] : [server, tlsDoor.server]
  const closeServers = () => Promise.all(servers.map((one) => new Promise<void>((done) => one.close(() => done()))))
  try {
    await listen(server, o.host, o.mqttPort, 'MQTT_PORT')
    if (tlsDoor !== undefined) await listen(tlsDoor.server, o.host, o.tls?.port ?? 0, 'MQTT_TLS_PORT')
  } catch (error) {
    tlsDoor?.stop()
    await core.close()
    await within(timeouts.stopMs, closeServers())
    throw error
  }
  const { port } = server.address() as AddressInfo // A TCP server that listens has one.
  const tlsPort = tlsDoor && (tlsDoor.server.address() as AddressInfo).port
  const failed = new Promise<never>((_, reject) => servers.forEach((one) => one.on('error', reject)))
  failed.catch(() => {}) // Whoever waits for it hears of it; nobody has to.
  o.log.info('broker.listening', { host: o.host, port, tlsPort })

  const stop = async (): Promise<void> => {
    core.stopTaking()
    tlsDoor?.stop()
    const listenersClosed = closeServers()
    await core.close()
    await within(timeouts.stopMs, listenersClosed)
  }
  let stopped: Promise<void> | undefined
  return {
    mqttUrl: `mqtt://${urlHost(o.host)}:${port}`,
    mqttTlsUrl: tlsPort === undefined ? undefined : `mqtts://${urlHost(o.host)}:${tlsPort}`,
    acceptWebSocket: openWebSocketDoor({
      isStopping: core.isStopping,
      take: (conn, address, request) => core.take(conn, address, { request }),
    }),
    status: () => ({ connectedCount: core.connectedCount(), degraded: o.journal.status().degraded }),
    failed,
    [Symbol.asyncDispose]: () => (stopped ??= stop()),
  }
}

/** Ingest reads from this that somebody listens: without it, silence of all terminals would be blamed on them. */
function markPresence({ journal, nowMs }: BrokerOptions): void {
  journal.append({ topic: PLATFORM_TOPIC, terminal: '', receivedAtMs: nowMs(), payload: new Uint8Array() }, () => {})
}

/** What is known of a connection when it comes in: its HTTP upgrade; or the place it has and the certificate it has shown. */
type Arrival = {
  readonly request?: IncomingMessage
  readonly place?: Place
  readonly certificate?: Result<ShownCertificate, string> | undefined
}

/** Everything but the listeners: connections come in by `take`. */
async function openCore(
  o: BrokerOptions,
  timeouts: BrokerTimeouts,
  metrics: BrokerMetrics,
  certificates: Certificates | undefined,
) {
  const refusals = new Refusals({ counter: metrics.refusals, log: o.log, nowMs: o.nowMs })
  const limits = { ...BROKER_LIMITS, ...o.limits }
  const doorway = new Doorway(limits)
  const elapsedMs = (): number => performance.now()
  const connections = new Map<object, Connection>()
  let connectedCount = 0
  let stopping = false
  const isStopping = (): boolean => stopping
  const onFault = (hook: string, fault: unknown): void => o.log.error('broker.error', { hook, err: fault })
  const owed = new Owed({ journal: o.journal, onFault: (fault) => onFault('owed', fault) })
  const commits = new Commits({
    journal: o.journal,
    metrics,
    elapsedMs,
    onWithheld: owed.owe,
    onFault: (fault) => onFault('acknowledge', fault),
  })

  const admission = await openAdmission({
    ...o,
    connections: () => connections.values(),
    certificates,
    refusals,
    limits,
    timeouts,
    metrics,
    registry: o.metrics,
    onFault,
  })

  const aedes = await Aedes.createBroker({
    ...deviceHooks({
      connectionOf: (client) => connections.get(client),
      ...admission.hooks,
      commits,
      journal: o.journal,
      refusals,
      limits,
      isStopping,
      nowMs: o.nowMs,
      elapsedMs,
      onFault,
      answerMs: timeouts.answerMs,
    }),
    persistence: forgetfulPersistence(),
    mq: silentEmitter(),
    connectTimeout: limits.connectMs,
    drainTimeout: timeouts.drainMs,
    keepaliveLimit: limits.keepaliveSMax,
    maxTopicLevels: limits.topicLevelsMax,
    queueLimit: 16,
    maxInflightInbound: 20,
    concurrency: 1000,
  })
  if (Reflect.get(aedes, 'version') !== GUARDED_AEDES_VERSION) {
    aedes.close()
    throw new Error(
      `the broker is guarded for Aedes ${GUARDED_AEDES_VERSION} only; adapt broker/guard.ts to the new version first`,
    )
  }
  listenToClients(aedes, {
    connections,
    refusals,
    log: o.log,
    onFault,
    onReady: (client, connection) => {
      metrics.connections.set(++connectedCount)
      openShortWay(client, connection, {
        commits,
        limits,
        nowMs: o.nowMs,
        elapsedMs,
        isStopping,
        refusals,
        onHeld: (reason) => metrics.held.inc({ reason }),
        onFault: (fault) => onFault('publication', fault),
      })
    },
  })

  const makeWay = (conn: Duplex, address: string): void => {
    refusals.count('admission.halfOpen', { address, detail: 'silent, gave way to another' })
    conn.destroy()
  }
  const enter = (conn: Duplex, address: string): Place | undefined => {
    const place = stopping ? 'admission.full' : doorway.enter(address, () => makeWay(conn, address))
    conn.on('error', () => {})
    if (typeof place !== 'string') return place
    refusals.count(place, { address })
    conn.destroy()
    return undefined
  }
  const take = (conn: Duplex, address: string, arrival: Arrival = {}): void => {
    const place = arrival.place ?? enter(conn, address)
    if (place === undefined) return
    const client = aedes.handle(conn, arrival.request)
    const connection = new Connection({ conn, address, place, limits, certificate: arrival.certificate })
    connections.set(client, connection)
    const guard = guardClient(client, {
      conn,
      limits,
      isHeld: () => stopping || connection.heldBy(elapsedMs()) !== undefined,
      elapsedMs,
      onConnect: () => place.ask(),
      onRefused: ({ code, message }) => {
        connection.endReason = code
        refusals.count(code, { terminal: connection.terminalName, address, detail: message })
      },
      onFault: (fault) => onFault('parser', fault),
    })
    connection.guard = guard
    holdReading(conn, () => guard.isHeld())
    conn.once('close', () => {
      connection.clearAnswerTimer()
      owed.forget(connection)
      admission.leave(connection)
      place.leave()
      if (connection.isReady) {
        metrics.connections.set(--connectedCount)
        o.log.info('terminal.disconnected', { terminal: connection.terminalName, reason: connection.endReason })
      }
      // Aedes publishes the will of a closed client after this event; it must still be known then.
      setImmediate(() => connections.delete(client))
    })
  }

  const openTls = (inForce: Certificates): TlsDoor =>
    openTlsDoor({
      certificates: inForce,
      enter,
      take,
      connections: () => connections.values(),
      refusals,
      handshakeMs: limits.connectMs,
      watchMs: timeouts.watchMs,
      onFault,
    })

  const marking = setInterval(() => markPresence(o), PLATFORM_MARK_MS)

  const close = async (): Promise<void> => {
    stopping = true
    clearInterval(marking)
    owed.stop()
    const isSettled = await commits.settled(timeouts.stopMs)
    if (!isSettled)
      o.log.warn('broker.error', { err: new Error(`${commits.underwayCount} appends gave no answer before the stop`) })
    // Acknowledgements are written at the end of a turn; they go out before the sockets close.
    await nextTurn()
    const open = [...connections.values()].filter(({ conn }) => !conn.closed)
    const closed = open.map(({ conn }) => new Promise<void>((resolve) => conn.once('close', () => resolve())))
    const aedesClosed = new Promise<void>((resolve) => aedes.close(() => resolve()))
    for (const { conn } of open) conn.destroy()
    await within(timeouts.stopMs, Promise.all([aedesClosed, ...closed, admission.stop()]))
  }
  return {
    take,
    openTls,
    close,
    isStopping,
    connectedCount: () => connectedCount,
    stopTaking: () => void (stopping = true),
  }
}

/** Hears what Aedes says about connections. Every listener is total; without the one for `error`, Aedes ends the process. */
function listenToClients(
  aedes: Aedes,
  o: {
    connections: ReadonlyMap<object, Connection>
    refusals: Refusals
    log: Log
    onFault: (hook: string, fault: unknown) => void
    onReady: (client: Client, connection: Connection) => void
  },
): void {
  const total = <Given extends unknown[]>(name: string, listener: (...given: Given) => void) =>
    totalListener(listener, (fault) => o.onFault(name, fault))
  const onError = total('clientError', (client: Client, error: Error) => {
    const connection = o.connections.get(client)
    if (error instanceof AdmissionError) return
    if (connection) connection.endReason = error.message
    const code = refusalOf(error)
    if (code)
      o.refusals.count(code, {
        terminal: connection?.terminalName,
        address: connection?.address ?? '',
        detail: error.message,
      })
  })
  aedes.on('clientError', onError)
  aedes.on('connectionError', onError)
  const onReady = total('clientReady', (client: Client) => {
    const connection = o.connections.get(client)
    if (connection === undefined || connection.conn.destroyed) return
    connection.clearAnswerTimer()
    connection.isReady = true
    connection.place.admit()
    o.onReady(client, connection)
    o.log.debug('terminal.connected', {
      terminal: connection.terminalName,
      lift: connection.terminal?.lift,
      clientId: connection.claim?.clientId,
    })
  })
  aedes.on('clientReady', onReady)
  // Not among Aedes' declared events, but emitted when its store fails.
  ;(aedes as NodeJS.EventEmitter).on('error', (error: Error) => o.onFault('error', error))
}

/**
 * The refusal that an error of Aedes 1.2.0 or its parser stands for; undefined when the link broke, which is nobody's
 * fault. The texts are Aedes' own.
 */
export function refusalOf(error: Error & { code?: unknown }): AdmissionRefusal | undefined {
  if (typeof error.code === 'string') return undefined
  const { message } = error
  if (message === 'connect did not arrive in time') return 'admission.timeout'
  if (message === 'keep alive timeout') return 'admission.silent'
  if (message === 'drain timeout') return 'admission.slowReader'
  if (/^(connection closed|connection is closed|the broker is stopping)$/.test(message)) return undefined
  if (/^(empty topic not allowed|[#+] is not allowed|topic has too many levels)/.test(message))
    return 'admission.foreignTopic'
  return 'admission.protocol'
}

/** Connections that the system may hold until they are taken: with Node's 511, most of a town that comes back at once is dropped. */
const BACKLOG = 4_096

type PortSetting = 'MQTT_PORT' | 'MQTT_TLS_PORT'

async function listen(server: Server, host: string, port: number, setting: PortSetting): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void =>
      reject(new Error(listenSentence(error, host, port, setting), { cause: error }))
    server.once('error', onError)
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

function listenSentence(error: NodeJS.ErrnoException, host: string, port: number, setting: PortSetting): string {
  if (error.code === 'EADDRINUSE')
    return `MQTT port ${port} on ${host} is already in use; stop the program that holds it, or set ${setting} to a free port`
  if (error.code === 'EACCES')
    return `MQTT port ${port} on ${host} needs more rights than this process has; set ${setting} to a port from 1024 up`
  return `MQTT port ${port} on ${host} cannot be listened on (${error.code ?? error.message}); check HOST and ${setting}`
}

/** A host that clients on this machine can reach. */
function urlHost(host: string): string {
  if (host === '' || host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}

async function within(waitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, waitMs)))])
  clearTimeout(timer)
}
