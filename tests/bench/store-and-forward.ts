/** A terminal as the contract asks for it: it keeps what is not acknowledged and sends it again, in order, when it is back. */
import mqtt from 'mqtt'
import { statusOf, type Credentials } from '../platform/terminals.ts'

const IN_FLIGHT = 5
const RETRY_MS = 200

export class StoreAndForward implements AsyncDisposable {
  /** How often each (lift, boot, seq) was acknowledged is not asked; that it was is what counts. */
  readonly acknowledged = new Set<string>()
  readonly credentials: Credentials
  readonly #client: mqtt.MqttClient
  readonly #boot: number
  readonly #everyMs: number
  #seq = 0
  #waitingCount = 0
  #isStopping = false
  #settle: (() => void) | undefined

  /** `everyMs` is the time between an acknowledgement and the next message in its place. */
  constructor(o: { urls: readonly string[]; credentials: Credentials; boot: number; everyMs: number }) {
    this.credentials = o.credentials
    this.#boot = o.boot
    this.#everyMs = o.everyMs
    const servers = o.urls.map((url) => ({
      protocol: 'mqtt' as const,
      host: new URL(url).hostname,
      port: Number(new URL(url).port),
    }))
    const { serial: username, secret: password } = o.credentials
    this.#client = mqtt.connect({
      servers,
      clientId: username,
      username,
      password,
      clean: true,
      keepalive: 20,
      reconnectPeriod: RETRY_MS,
      connectTimeout: 5_000,
      reconnectOnConnackError: true,
    })
    this.#client.on('error', () => {}) // It comes back by itself.
    for (let index = 0; index < IN_FLIGHT; index += 1) this.#publish()
  }

  #publish(): void {
    if (this.#isStopping) return
    this.#seq += 1
    this.#waitingCount += 1
    const { lift } = this.credentials
    const status = statusOf(this.#boot, this.#seq, Date.now())
    const key = keyOf(lift, status)
    this.#client.publish(`lifts/v1/${lift}/status`, JSON.stringify(status), { qos: 1 }, (error) => {
      this.#waitingCount -= 1
      if (this.#waitingCount === 0) this.#settle?.()
      if (error) return
      this.acknowledged.add(key)
      setTimeout(() => this.#publish(), this.#everyMs)
    })
  }

  /** Publishes nothing more and waits until everything is acknowledged; false when that takes longer than `waitMs`. */
  async settled(waitMs: number): Promise<boolean> {
    this.#isStopping = true
    if (this.#waitingCount === 0) return true
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), waitMs)
      this.#settle = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true
    await this.#client.endAsync(true)
  }
}

export const keyOf = (lift: string, { boot, seq }: { boot: number; seq: number }): string => `${lift} ${boot} ${seq}`
