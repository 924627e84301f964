/**
 * A connection to NATS that comes back by itself. Every connection is a new one, on purpose: what was under way when the
 * old one broke is over at once, instead of being sent later, when nobody waits for it.
 */
import { connect, type NatsConnection } from '@nats-io/transport-node'

const CONNECT_MS_MAX = 3_000
const RETRY_MS = [250, 500, 1_000, 2_000, 4_000] as const
/** A server that does not answer two pings in a row is gone. */
const PING_MS = 3_000

export type NatsLinkOptions = {
  readonly name: string
  /** Called with each new connection; a rejection counts as a connection that failed. */
  readonly onUp: (connection: NatsConnection) => Promise<void>
  /** Called when it is lost, and after each attempt that fails. */
  readonly onDown: (reason: string) => void
}

type Servers = { readonly servers: readonly string[]; readonly user?: string; readonly pass?: string }

const DEFAULT_PORT = '4222'
const URL_FORM = /^nats:\/\/(?:([^@/]*)@)?([^@/?#]+)\/?$/

/** `nats://[user:password@]host:port[,host:port…]`, the servers of one cluster. The password never comes back in an error. */
export function natsServersOf(url: string): Servers {
  const [, person, hosts] = URL_FORM.exec(url) ?? []
  const servers = hosts?.split(',').map((host) => (/:\d+$/.test(host) ? host : `${host}:${DEFAULT_PORT}`)) ?? []
  if (servers.length === 0 || servers.some((server) => !URL.canParse(`nats://${server}`)))
    throw new Error('the NATS URL must be nats://[user:password@]host:port, or with several: host:port,host:port,…')
  if (person === undefined) return { servers }
  const [user = '', ...rest] = person.split(':')
  return { servers, user: decodeURIComponent(user), pass: decodeURIComponent(rest.join(':')) }
}

export class NatsLink implements AsyncDisposable {
  readonly #servers: Servers
  readonly #o: NatsLinkOptions
  readonly #loop: Promise<void>
  #connection: NatsConnection | undefined
  #reason: string | undefined = 'not connected to NATS yet'
  #isClosing = false
  #wake: (() => void) | undefined

  constructor(url: string, o: NatsLinkOptions) {
    this.#servers = natsServersOf(url)
    this.#o = o
    this.#loop = this.#run()
  }

  /** How many servers the URL names. */
  get serverCount(): number {
    return this.#servers.servers.length
  }
  /** The connection that works now. */
  get connection(): NatsConnection | undefined {
    return this.#reason === undefined ? this.#connection : undefined
  }
  /** Why there is none. */
  get downReason(): string | undefined {
    return this.#reason
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true
    this.#wake?.()
    await this.#connection?.close()
    await this.#loop
  }

  /** The servers in turn; a pause only when none of them could be used. */
  async #run(): Promise<void> {
    const { servers } = this.#servers
    let failedCount = 0
    for (let turn = 0; !this.#isClosing; turn += 1) {
      const wasUp = await this.#connectOnce(servers[turn % servers.length] ?? '')
      failedCount = wasUp ? 0 : failedCount + 1
      const isRoundOver = failedCount === 0 || failedCount % servers.length === 0
      const round = Math.floor(failedCount / servers.length)
      if (!this.#isClosing && isRoundOver) await this.#pause(RETRY_MS[Math.min(round, RETRY_MS.length - 1)] ?? 0)
    }
  }

  /** One connection from beginning to end; true when it worked for a while. */
  async #connectOnce(server: string): Promise<boolean> {
    let wasUp = false
    let reason: string
    try {
      this.#connection = await connect({
        ...this.#servers,
        servers: [server],
        name: this.#o.name,
        timeout: CONNECT_MS_MAX,
        reconnect: false,
        pingInterval: PING_MS,
        maxPingOut: 2,
        noAsyncTraces: true,
        ignoreClusterUpdates: true,
      })
      if (this.#isClosing) await this.#connection.close()
      else {
        await this.#o.onUp(this.#connection)
        this.#reason = undefined
        wasUp = true
      }
      const error = await this.#connection.closed()
      reason = error instanceof Error ? error.message : 'connection closed'
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error)
      await this.#connection?.close().catch(() => {})
    }
    this.#connection = undefined
    this.#reason = `NATS at ${server} is away: ${reason === '' ? 'no answer' : reason}`
    if (!this.#isClosing) this.#o.onDown(this.#reason)
    return wasUp
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
  }
}
