/**
 * A connection to NATS that comes back by itself. Every connection is a new one, on purpose: what was under way when the
 * old one broke is over at once, instead of being sent later, when nobody waits for it.
 */
import { connect, type NatsConnection } from '@nats-io/transport-node'

const CONNECT_MS_MAX = 3_000
const RETRY_MS = [250, 500, 1_000, 2_000, 4_000] as const
/** A server that does not answer two pings in a row is gone. */
const PING_MS = 5_000

export type NatsLinkOptions = {
  readonly name: string
  /** Called with each new connection; a rejection counts as a connection that failed. */
  readonly onUp: (connection: NatsConnection) => Promise<void>
  /** Called when it is lost, and after each attempt that fails. */
  readonly onDown: (reason: string) => void
}

/** `nats://[user:password@]host:port`. The password never comes back in an error. */
function serverOf(url: string): { servers: string; user?: string; pass?: string } {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw new Error('the NATS URL must be nats://[user:password@]host:port')
  }
  const servers = `${parsed.hostname}:${parsed.port === '' ? '4222' : parsed.port}`
  if (parsed.username === '') return { servers }
  return { servers, user: decodeURIComponent(parsed.username), pass: decodeURIComponent(parsed.password) }
}

export class NatsLink implements AsyncDisposable {
  readonly #server: ReturnType<typeof serverOf>
  readonly #o: NatsLinkOptions
  readonly #loop: Promise<void>
  #connection: NatsConnection | undefined
  #reason: string | undefined = 'not connected to NATS yet'
  #isClosing = false
  #wake: (() => void) | undefined

  constructor(url: string, o: NatsLinkOptions) {
    this.#server = serverOf(url)
    this.#o = o
    this.#loop = this.#run()
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

  async #run(): Promise<void> {
    let attempt = 0
    while (!this.#isClosing) {
      const wasUp = await this.#connectOnce()
      attempt = wasUp ? 0 : attempt + 1
      if (!this.#isClosing) await this.#pause(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? CONNECT_MS_MAX)
    }
  }

  /** One connection from beginning to end; true when it worked for a while. */
  async #connectOnce(): Promise<boolean> {
    let wasUp = false
    let reason: string
    try {
      this.#connection = await connect({
        ...this.#server,
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
    this.#reason = `NATS at ${this.#server.servers} is away: ${reason === '' ? 'no answer' : reason}`
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
