/**
 * One connection per terminal, the newest: here, and by the bus on the other brokers. A terminal whose link broke comes
 * back long before its old connection is known to be dead; two boxes with the same serial end one another, and the audit
 * shows it.
 */
import type { BusMessages } from '#contract/bus'
import type { TerminalSerial } from '#contract/ids'
import type { Log } from '#contract/log-events'
import type { Bus } from '#storage/bus/bus'
import type { Connection } from './connection.ts'
import type { BrokerMetrics } from './metrics.ts'
import type { TakeoverAudit } from './takeover-audit.ts'

/** How far the clocks of two brokers may be apart, ms, until which the newer of two connections is still found. */
const CLOCK_SKEW_MS_MAX = 5_000

type Holder = { readonly connection: Connection; readonly atMs: number; readonly sinceMs: number }

/** Which connection speaks for each terminal on this broker, and the end of the older ones. */
export class Takeovers {
  readonly #broker: string
  readonly #bus: Pick<Bus, 'publish'> | undefined
  readonly #audit: Pick<TakeoverAudit, 'note'>
  readonly #metrics: Pick<BrokerMetrics, 'takeovers'>
  readonly #log: Log
  readonly #nowMs: () => number
  readonly #elapsedMs: () => number
  readonly #holders = new Map<TerminalSerial, Holder>()

  constructor(o: {
    /** Name of this broker process, new at each start. */
    broker: string
    bus: Pick<Bus, 'publish'> | undefined
    audit: Pick<TakeoverAudit, 'note'>
    metrics: Pick<BrokerMetrics, 'takeovers'>
    log: Log
    nowMs: () => number
    /** A clock that never goes back, ms. */
    elapsedMs: () => number
  }) {
    this.#broker = o.broker
    this.#bus = o.bus
    this.#audit = o.audit
    this.#metrics = o.metrics
    this.#log = o.log
    this.#nowMs = o.nowMs
    this.#elapsedMs = o.elapsedMs
  }

  /** The connection that speaks for a terminal on this broker. */
  holderOf(serial: TerminalSerial): Connection | undefined {
    return this.#holders.get(serial)?.connection
  }

  /** A terminal was admitted: its older connection is closed, here at once and on other brokers by the bus. */
  admit(serial: TerminalSerial, connection: Connection): void {
    const older = this.#holders.get(serial)
    const atMs = this.#nowMs()
    this.#holders.set(serial, { connection, atMs, sinceMs: this.#elapsedMs() })
    if (older !== undefined && older.connection !== connection)
      this.#close(serial, older.connection, { address: connection.address, where: 'here' })
    const { address } = connection
    this.#bus?.publish('terminal.connected', { serial, broker: this.#broker, address, atMs })
  }

  /** A connection has ended. */
  leave(serial: TerminalSerial, connection: Connection): void {
    if (this.#holders.get(serial)?.connection === connection) this.#holders.delete(serial)
  }

  /** Another broker has admitted a terminal. */
  onConnected({ serial, broker, address, atMs }: BusMessages['terminal.connected']): void {
    if (broker === this.#broker) return
    const holder = this.#holders.get(serial)
    if (holder === undefined) return
    // Within the skew of the clocks the larger time wins on both brokers, and the name decides between equal ones. What has
    // stood for longer than that is older whatever the clocks say.
    const isOlder =
      this.#elapsedMs() - holder.sinceMs > CLOCK_SKEW_MS_MAX ||
      holder.atMs < atMs ||
      (holder.atMs === atMs && this.#broker < broker)
    if (!isOlder) return
    this.#holders.delete(serial)
    this.#close(serial, holder.connection, { address, where: 'elsewhere' })
  }

  #close(serial: TerminalSerial, older: Connection, by: { address: string; where: 'here' | 'elsewhere' }): void {
    // Its will would call a terminal gone that is speaking on another connection.
    older.isWillVoid = true
    if (older.conn.destroyed) return
    older.endReason = 'taken over'
    this.#metrics.takeovers.inc({ where: by.where })
    this.#log.debug('terminal.takenOver', { terminal: serial, from: older.address, to: by.address, where: by.where })
    this.#audit.note({ serial, from: older.address, to: by.address, atMs: this.#nowMs() })
    older.conn.destroy()
  }
}
