/** One TCP or TLS connection to a broker, as cheap as Node has it: what is read lands in one buffer that all connections share. */
import { connect as connectTcp } from 'node:net'
import { platform } from 'node:os'
import { connect as connectTls } from 'node:tls'

export type BrokerAddress = { readonly isTls: boolean; readonly host: string; readonly port: number }

/** The address behind `mqtt://host:port` or `mqtts://…`; undefined for anything else. */
export function readBrokerUrl(url: string): BrokerAddress | undefined {
  if (!/^mqtts?:\/\//.test(url) || !URL.canParse(url)) return undefined
  const { protocol, hostname, port } = new URL(url)
  if (hostname === '') return undefined
  const isTls = protocol === 'mqtts:'
  return { isTls, host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? (isTls ? 8883 : 1883) : Number(port) }
}

export type LinkEvents = {
  readonly onOpen: () => void
  /** The first `length` bytes are good only during the call. */
  readonly onBytes: (bytes: Buffer, length: number) => void
  /** Once, last of all, also when it never opened; the reason is half a sentence. */
  readonly onClosed: (reason: string) => void
}

export type Link = {
  /** The bytes must stay as they are until they are acknowledged or the link is closed. */
  write(bytes: Buffer): void
  /** Writes the last bytes and closes when the other side has them. */
  end(bytes: Buffer): void
  /** Closes at once. */
  cut(): void
}

/** Filled anew by each read, and emptied before the next: reading is synchronous. */
const READ = Buffer.allocUnsafeSlow(64 * 1024)
/** One address of loopback has only about 28 000 ports, also those that wait after a connection; the others are as good. */
const LINKS_PER_ADDRESS = 5_000

/** What went wrong, in words that say what to do. */
const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  ETIMEDOUT: 'nobody answers there',
  EHOSTUNREACH: 'the host cannot be reached',
  ENOTFOUND: 'the host is not known',
  EMFILE: 'a load process has no file descriptors left; give more --processes',
  EADDRNOTAVAIL: 'no local ports are left',
}

/** `number` tells the connections of one run apart. */
export function openLink(broker: BrokerAddress, number: number, events: LinkEvents): Link {
  let cause = 'the broker closed the connection'
  const onread = {
    buffer: READ,
    callback: (length: number): boolean => {
      events.onBytes(READ, length)
      return true
    },
  }
  const { host, port } = broker
  const isLoopback = platform() === 'linux' && /^127\./.test(host)
  const localAddress = isLoopback ? `127.0.0.${2 + (Math.floor(number / LINKS_PER_ADDRESS) % 200)}` : undefined
  const o = { host, port, noDelay: true, onread, ...(localAddress === undefined ? {} : { localAddress }) }
  const socket = broker.isTls
    ? connectTls({ ...o, ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }) })
    : connectTcp(o)
  socket.once(broker.isTls ? 'secureConnect' : 'connect', events.onOpen)
  socket.once('error', (error: NodeJS.ErrnoException) => {
    cause = CAUSES[error.code ?? ''] ?? error.message
  })
  socket.once('close', () => events.onClosed(cause))
  return {
    write: (bytes) => void socket.write(bytes),
    end: (bytes) => void socket.end(bytes),
    cut: () => void socket.destroy(),
  }
}
