/** The MQTT broker of the devices: takes what terminals say, commits it to the journal, and only then acknowledges it. */
import type { IncomingMessage } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Aedes } from 'aedes'
import type { Registry } from 'prom-client'
import { urlHostOf } from '#contract/listening'
import type { Log } from '#contract/log-events'
import { PLATFORM_MARK_MS, PLATFORM_TOPIC } from '#contract/topics'
import type { Journal } from '#storage/journal/journal'
import { waitAtMost } from '#storage/within'
import { openArrivals } from './arrivals.ts'
import { wantsTls, type CertificateFiles } from './certificates.ts'
import { listenToClients } from './clients.ts'
import { Commits, drawEveryMs } from './commits.ts'
import type { Connection } from './connection.ts'
import { BROKER_LIMITS, type BrokerLimits } from './limits.ts'
import { listen } from './listen.ts'
import { brokerMetrics, tlsMetrics, type BrokerMetrics } from './metrics.ts'
import { openAdmission, type AdmissionParts } from './open-admission.ts'
import { openAedes } from './open-aedes.ts'
import { Owed } from './owed.ts'
import { openShortWay } from './publications.ts'
import { Refusals } from './refusals.ts'
import { Certificates, openTlsDoor, type TlsDoor } from './tls-door.ts'
import { openWebSocketDoor } from './web-socket.ts'

/** How long the broker waits, ms. */
const BROKER_TIMEOUTS = {
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

/** What a broker needs. */
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

/** A broker that listens; disposing of it stops it. */
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
  const servers: Server[] = [server]
  const closeServers = () => Promise.all(servers.map((one) => new Promise<void>((done) => one.close(() => done()))))
  let tlsDoor: TlsDoor | undefined
  try {
    tlsDoor = certificates && core.openTls(certificates)
    if (tlsDoor !== undefined) servers.push(tlsDoor.server)
    await listen(server, o.host, o.mqttPort, 'MQTT_PORT')
    if (tlsDoor !== undefined) await listen(tlsDoor.server, o.host, o.tls?.port ?? 0, 'MQTT_TLS_PORT')
  } catch (error) {
    tlsDoor?.stop()
    await core.close()
    await waitAtMost(timeouts.stopMs, closeServers())
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
    await waitAtMost(timeouts.stopMs, listenersClosed)
  }
  let stopped: Promise<void> | undefined
  return {
    mqttUrl: `mqtt://${urlHostOf(o.host)}:${port}`,
    mqttTlsUrl: tlsPort === undefined ? undefined : `mqtts://${urlHostOf(o.host)}:${tlsPort}`,
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
  const mark = { topic: PLATFORM_TOPIC, terminal: '', receivedAtMs: nowMs(), payload: new Uint8Array(), isUrgent: true }
  journal.append(mark, () => {})
}

/** Closes Aedes and all who are inside; resolves when the last of them is gone. */
async function endConnections(aedes: Aedes, connections: Iterable<Connection>): Promise<void> {
  const open = [...connections].filter(({ conn }) => !conn.closed)
  const closed = open.map(({ conn }) => new Promise<void>((resolve) => conn.once('close', () => resolve())))
  const aedesClosed = new Promise<void>((resolve) => aedes.close(() => resolve()))
  for (const { conn } of open) conn.destroy()
  await Promise.all([aedesClosed, ...closed])
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
  const elapsedMs = (): number => performance.now()
  const connections = new Map<object, Connection>()
  let connectedCount = 0
  let stopping = false
  const isStopping = (): boolean => stopping
  const onFault = (hook: string, fault: unknown): void => o.log.error('broker.error', { hook, err: fault })
  const owed = new Owed({
    journal: o.journal,
    stuckMs: () => 3 * drawEveryMs(connectedCount),
    elapsedMs,
    onFault: (fault) => onFault('owed', fault),
  })
  const commits = new Commits({
    journal: o.journal,
    metrics,
    elapsedMs,
    connectedCount: () => connectedCount,
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

  const hooks = {
    connectionOf: (client: object) => connections.get(client),
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
  }
  const aedes = await openAedes(hooks, timeouts).catch(async (error: unknown) => {
    await admission.stop()
    throw error
  })
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

  const { enter, take } = openArrivals({
    aedes,
    connections,
    limits,
    refusals,
    isStopping,
    elapsedMs,
    onLeave: (connection) => {
      owed.forget(connection)
      admission.leave(connection)
      if (!connection.isReady) return
      metrics.connections.set(--connectedCount)
      o.log.info('terminal.disconnected', { terminal: connection.terminalName, reason: connection.endReason })
    },
    onFault: (fault) => onFault('parser', fault),
  })

  const openTls = (inForce: Certificates): TlsDoor =>
    openTlsDoor({
      certificates: inForce,
      enter,
      take,
      connections: () => connections.values(),
      refusals,
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
    await waitAtMost(timeouts.stopMs, Promise.all([endConnections(aedes, connections.values()), admission.stop()]))
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
