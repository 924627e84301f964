/** The MQTT broker of the devices: takes what terminals say, commits it to the journal, and only then acknowledges it. */
import type { IncomingMessage } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Aedes, type Client } from 'aedes'
import type { Registry } from 'prom-client'
import type { AdmissionRefusal } from '#contract/errors'
import type { Log } from '#contract/log-events'
import { PLATFORM_MARK_MS, PLATFORM_TOPIC } from '#contract/topics'
import type { Journal } from '#storage/journal/journal'
import { verifySecret } from '#storage/register/secrets'
import { AdmissionError } from './admission.ts'
import { Commits } from './commits.ts'
import { Connection, holdReading, WAITING_PUBLICATIONS_MAX } from './connection.ts'
import { Credentials, type Terminals } from './credentials.ts'
import { Doorway } from './doorway.ts'
import { GUARDED_AEDES_VERSION, guardParser } from './guard.ts'
import { deviceHooks } from './hooks.ts'
import { BROKER_LIMITS, type BrokerLimits } from './limits.ts'
import { brokerMetrics, type BrokerMetrics } from './metrics.ts'
import { forgetfulPersistence, silentEmitter } from './no-fan-out.ts'
import { startRecheck } from './recheck.ts'
import { Refusals } from './refusals.ts'
import { totalListener } from './total-hook.ts'
import { openWebSocketDoor } from './web-socket.ts'

/** How long the broker waits, ms. */
export const BROKER_TIMEOUTS = {
  /** From the socket to the CONNECT. */
  connectMs: 5_000,
  /** From the CONNECT to its answer. */
  answerMs: 5_000,
  /** For the register, within the answer; after it the last row seen counts. */
  lookupMs: 2_000,
  /** For a device that does not read what it is sent. */
  drainMs: 5_000,
  /** Between two rounds of reading the rows of connected terminals again. */
  recheckMs: 1_000,
  /** For appends under way when the broker stops. */
  stopMs: 5_000,
} as const
export type BrokerTimeouts = { readonly [Name in keyof typeof BROKER_TIMEOUTS]: number }

export type BrokerOptions = {
  readonly host: string
  /** 0 = any free port. */
  readonly mqttPort: number
  readonly journal: Pick<Journal, 'append' | 'status'>
  readonly terminals: Terminals
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
  const core = await openCore(o, timeouts, metrics)
  const server = createServer({ noDelay: true }, (socket) => core.take(socket, socket.remoteAddress ?? ''))
  try {
    await listen(server, o.host, o.mqttPort)
  } catch (error) {
    await core.close()
    throw error
  }
  const { port } = server.address() as AddressInfo // A TCP server that listens has one.
  const failed = new Promise<never>((_, reject) => server.on('error', reject))
  failed.catch(() => {}) // Whoever waits for it hears of it; nobody has to.
  o.log.info('broker.listening', { host: o.host, port })

  const stop = async (): Promise<void> => {
    core.stopTaking()
    const listenerClosed = new Promise<void>((resolve) => server.close(() => resolve()))
    await core.close()
    await within(timeouts.stopMs, listenerClosed)
  }
  let stopped: Promise<void> | undefined
  return {
    mqttUrl: `mqtt://${urlHost(o.host)}:${port}`,
    acceptWebSocket: openWebSocketDoor({ isStopping: core.isStopping, take: core.take }),
    status: () => ({ connectedCount: core.connectedCount(), degraded: o.journal.status().degraded }),
    failed,
    [Symbol.asyncDispose]: () => (stopped ??= stop()),
  }
}

/** Ingest reads from this that somebody listens: without it, silence of all terminals would be blamed on them. */
function markPresence({ journal, nowMs }: BrokerOptions): void {
  journal.append({ topic: PLATFORM_TOPIC, terminal: '', receivedAtMs: nowMs(), payload: new Uint8Array() }, () => {})
}

/** Everything but the listener: connections come in by `take`. */
async function openCore(o: BrokerOptions, timeouts: BrokerTimeouts, metrics: BrokerMetrics) {
  const refusals = new Refusals({ counter: metrics.refusals, log: o.log, nowMs: o.nowMs })
  const limits = { ...BROKER_LIMITS, ...o.limits }
  const doorway = new Doorway(limits)
  const credentials = new Credentials({ terminals: o.terminals, verifySecret, lookupMs: timeouts.lookupMs, log: o.log })
  const commits = new Commits({ journal: o.journal, metrics, nowMs: o.nowMs, elapsedMs: () => performance.now() })
  const connections = new Map<object, Connection>()
  let connectedCount = 0
  let stopping = false
  const isStopping = (): boolean => stopping
  const onFault = (hook: string, fault: unknown): void => o.log.error('broker.error', { hook, err: fault })

  const aedes = await Aedes.createBroker({
    ...deviceHooks({
      connectionOf: (client) => connections.get(client),
      credentials,
      commits,
      journal: o.journal,
      refusals,
      limits,
      isStopping,
      onFault,
      answerMs: timeouts.answerMs,
    }),
    persistence: forgetfulPersistence(),
    mq: silentEmitter(),
    connectTimeout: timeouts.connectMs,
    drainTimeout: timeouts.drainMs,
    keepaliveLimit: limits.keepaliveSMax,
    maxTopicLevels: 10,
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
    onReady: () => metrics.connections.set(++connectedCount),
  })

  const take = (conn: Duplex, address: string, request?: IncomingMessage): void => {
    const place = stopping ? 'stopping' : doorway.enter(address)
    if (typeof place === 'string') {
      refusals.count('admission.busy', { address, detail: place })
      conn.on('error', () => {})
      conn.destroy()
      return
    }
    const client = aedes.handle(conn, request)
    const connection = new Connection({ conn, address, place })
    connections.set(client, connection)
    holdReading(conn, () => stopping || connection.waitingCount >= WAITING_PUBLICATIONS_MAX)
    guardParser(client, {
      isAdmitted: () => connection.terminal !== undefined,
      onRefused: ({ code, message }) =>
        refusals.count(code, { terminal: connection.terminalName, address, detail: message }),
    })
    conn.once('close', () => {
      connection.clearAnswerTimer()
      place.leave()
      if (connection.isReady) {
        metrics.connections.set(--connectedCount)
        o.log.info('terminal.disconnected', { terminal: connection.terminalName, reason: connection.endReason })
      }
      // Aedes publishes the will of a closed client after this event; it must still be known then.
      setImmediate(() => connections.delete(client))
    })
  }

  const stopRecheck = startRecheck({
    connections: () => connections.values(),
    credentials,
    refusals,
    everyMs: timeouts.recheckMs,
    onFault: (fault) => onFault('recheck', fault),
  })

  const marking = setInterval(() => markPresence(o), PLATFORM_MARK_MS)

  const close = async (): Promise<void> => {
    stopping = true
    stopRecheck()
    clearInterval(marking)
    const isSettled = await commits.settled(timeouts.stopMs)
    if (!isSettled)
      o.log.warn('broker.error', { err: new Error(`${commits.underwayCount} appends gave no answer before the stop`) })
    // Acknowledgements are written at the end of a turn; they go out before the sockets close.
    await nextTurn()
    const open = [...connections.values()].filter(({ conn }) => !conn.closed)
    const closed = open.map(({ conn }) => new Promise<void>((resolve) => conn.once('close', () => resolve())))
    const aedesClosed = new Promise<void>((resolve) => aedes.close(() => resolve()))
    for (const { conn } of open) conn.destroy()
    await within(timeouts.stopMs, Promise.all([aedesClosed, ...closed]))
  }
  return { take, close, isStopping, connectedCount: () => connectedCount, stopTaking: () => void (stopping = true) }
}

/** Hears what Aedes says about connections. Every listener is total; without the one for `error`, Aedes ends the process. */
function listenToClients(
  aedes: Aedes,
  o: {
    connections: ReadonlyMap<object, Connection>
    refusals: Refusals
    log: Log
    onFault: (hook: string, fault: unknown) => void
    onReady: () => void
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
    o.onReady()
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
  if (
    /^(keep alive timeout|drain timeout|connection closed|connection is closed|the broker is stopping)$/.test(message)
  )
    return undefined
  if (/^(empty topic not allowed|[#+] is not allowed|topic has too many levels)/.test(message))
    return 'admission.foreignTopic'
  return 'admission.protocol'
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void =>
      reject(new Error(listenSentence(error, host, port), { cause: error }))
    server.once('error', onError)
    server.listen({ host, port }, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

function listenSentence(error: NodeJS.ErrnoException, host: string, port: number): string {
  if (error.code === 'EADDRINUSE')
    return `MQTT port ${port} on ${host} is already in use; stop the program that holds it, or set MQTT_PORT to a free port`
  if (error.code === 'EACCES')
    return `MQTT port ${port} on ${host} needs more rights than this process has; set MQTT_PORT to a port from 1024 up`
  return `MQTT port ${port} on ${host} cannot be listened on (${error.code ?? error.message}); check HOST and MQTT_PORT`
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
