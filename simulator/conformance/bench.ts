/**
 * The broker of one terminal: it listens, speaks MQTT 3.1.1, and can be told to withhold acknowledgements, to cut, and to be
 * away. It is more patient than the platform: what the platform would close the connection for is written down and answered,
 * so that one fault does not hide the others.
 */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls'
import type { TerminalSerial } from '#contract/ids'
import type { FactLog } from './facts.ts'
import { BenchConnection } from './bench-connection.ts'

/** `closed`: nobody gets in; `busy`: every CONNECT is answered with 3, server unavailable. */
export type BenchMode = 'open' | 'closed' | 'busy'

export type BenchState = {
  mode: BenchMode
  /** Publications get no acknowledgement. */
  isWithholding: boolean
}

/** Sockets at one time. One terminal needs one; a half-open one may be left behind. */
const CONNECTIONS_MAX = 64
/** A socket on which nobody signs in is closed after so long. */
const SIGN_IN_MS_MAX = 10_000

export interface Bench extends AsyncDisposable {
  readonly port: number
  readonly state: BenchState
  /** The connection on which the terminal is signed in. */
  readonly signedIn: BenchConnection | undefined
  /** Closes every connection at once, as a broken link does. */
  cut(): void
}

/** Rejects with the error of the listener, such as EADDRINUSE, or of the certificate. */
export async function openBench(o: {
  host: string
  port: number
  tls: { readonly certPem: string; readonly keyPem: string } | undefined
  /** Who is tested. Whoever names another and comes from elsewhere is refused. */
  terminal: TerminalSerial
  log: FactLog
  signInMsMax?: number
}): Promise<Bench> {
  const { log, signInMsMax = SIGN_IN_MS_MAX } = o
  const state: BenchState = { mode: 'open', isWithholding: false }
  const secureContext =
    o.tls === undefined ? undefined : createSecureContext({ cert: o.tls.certPem, key: o.tls.keyPem })
  const sockets = new Set<Socket>()
  const connections = new Set<BenchConnection>()
  /** From where the terminal has signed in. */
  const addresses = new Set<string>()
  let count = 0
  let signedIn: BenchConnection | undefined

  const serve = (socket: Socket, number: number, address: string): void => {
    if (socket.destroyed) return
    const late = setTimeout(() => socket.destroy(), signInMsMax)
    const connection = new BenchConnection({
      socket,
      number,
      log,
      state,
      isTerminal: (names) => names.includes(o.terminal) || addresses.has(address),
      onConnect: () => clearTimeout(late),
      onSignedIn: (names) => {
        if (names.includes(o.terminal)) addresses.add(address)
        signedIn?.close('takeover')
        signedIn = connection
      },
      onClosed: () => {
        clearTimeout(late)
        connections.delete(connection)
        if (signedIn === connection) signedIn = undefined
      },
    })
    connections.add(connection)
  }
  const arrive = (socket: Socket): void => {
    count += 1
    const [number, address] = [count, socket.remoteAddress ?? '']
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    const isTaken = state.mode !== 'closed'
    log.add({ what: 'attempt', connection: number, address, isTaken })
    if (!isTaken) socket.destroy()
    else if (secureContext === undefined) serve(socket, number, address)
    else {
      const late = setTimeout(() => socket.destroy(), signInMsMax)
      const onEnd = (error?: Error): void => {
        clearTimeout(late)
        if (error !== undefined)
          log.add({ what: 'broken', connection: number, detail: `TLS: ${error.message}`.slice(0, 200) })
      }
      secure({ socket, secureContext, onEnd, onSecure: (secured) => serve(secured, number, address) })
    }
  }
  const cutAll = (): void => {
    for (const connection of connections) connection.close('kit')
    for (const socket of sockets) socket.destroy()
  }

  const server = createServer({ noDelay: true }, arrive)
  server.maxConnections = CONNECTIONS_MAX
  server.on('drop', (data) => {
    count += 1
    log.add({ what: 'attempt', connection: count, address: data?.remoteAddress ?? '', isTaken: false })
  })
  server.listen(o.port, o.host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port, // a listening TCP server has a number
    state,
    get signedIn() {
      return signedIn
    },
    cut: cutAll,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      cutAll()
      await closed
    },
  }
}

/**
 * The handshake. `onEnd` is told its error, or nothing when the connection was closed in it: that breaks no rule, and the kit
 * itself may have done it. Whether the certificate of a terminal is good is for the platform to say, which knows the
 * issuers; here it is only looked at.
 */
function secure(o: {
  socket: Socket
  secureContext: SecureContext
  onSecure: (secured: TLSSocket) => void
  onEnd: (error?: Error) => void
}): void {
  const { socket, secureContext } = o
  const secured = new TLSSocket(socket, { isServer: true, secureContext, requestCert: true, rejectUnauthorized: false })
  let isOver = false
  const end = (error?: NodeJS.ErrnoException): void => {
    if (isOver) return
    isOver = true
    o.onEnd(socket.destroyed || error?.code === 'ECONNRESET' ? undefined : error)
  }
  secured.on('error', end)
  secured.once('close', () => end())
  secured.once('secure', () => {
    end()
    o.onSecure(secured)
  })
}
