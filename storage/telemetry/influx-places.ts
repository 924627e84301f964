/**
 * Where samples and figures are kept in one InfluxDB, made before they are needed and again after the server said that they
 * are gone. The place of figures stands apart, so that nothing is asked in front of samples because only figures have none.
 */
import { HttpError } from '@influxdata/influxdb-client'
import type { Log } from '#contract/log-events'
import { toStoreError, type SendToInflux } from './influx-connection.ts'
import { ensureDatabase, FIGURES_POLICY, figuresPolicyAdvice } from './influx-database.ts'
import type { InfluxAddress } from './influx-url.ts'
import { TelemetryStoreError } from './points.ts'

export class InfluxPlaces {
  readonly #send: SendToInflux
  readonly #address: InfluxAddress
  readonly #o: { readonly days: number | undefined; readonly log: Log }
  #database: Promise<void> | undefined
  #isPolicyMissing = false
  #toldReason: string | undefined

  constructor(send: SendToInflux, address: InfluxAddress, o: { days: number | undefined; log: Log }) {
    this.#send = send
    this.#address = address
    this.#o = o
  }

  /** Once, and again after the server said that the database is gone. Rejects with a `TelemetryStoreError`. */
  ensureDatabase(): Promise<void> {
    this.#database ??= this.#prepare().catch((error: unknown) => {
      this.#database = undefined
      throw error
    })
    return this.#database
  }

  /** That of figures, too. */
  async ensurePolicy(): Promise<void> {
    await this.ensureDatabase()
    if (!this.#isPolicyMissing) return
    await this.#prepare()
    this.#isPolicyMissing = false
  }

  /** Whether a question was answered by there being no such place, so that there is nothing in it. */
  isMissing(answer: string): boolean {
    if (/database not found/.test(answer)) this.#database = undefined
    else if (/retention policy not found/.test(answer)) this.#isPolicyMissing = true
    else return false
    return true
  }

  /** What a failed write of samples means. */
  toWriteError(error: unknown): TelemetryStoreError {
    if (error instanceof HttpError && error.statusCode === 404) this.#database = undefined
    return toStoreError(this.#address, error)
  }

  /** What a failed write of figures means: that they have no place is told with what to do. */
  toFiguresError(error: unknown): TelemetryStoreError {
    const known = toStoreError(this.#address, error)
    const isMissing = this.isMissing(known.message) || (error instanceof HttpError && error.statusCode === 404)
    if (!isMissing || this.#database === undefined) return known
    this.#isPolicyMissing = true
    const { host, bucket } = this.#address
    const reason = `InfluxDB at ${host} has no place for hourly figures (retention policy “${FIGURES_POLICY}” of ${JSON.stringify(bucket)})`
    return new TelemetryStoreError('away', `${reason}; ${figuresPolicyAdvice(this.#address)}`, { cause: error })
  }

  async #prepare(): Promise<void> {
    const onRefused = (reason: string): void => this.#tell(reason)
    await ensureDatabase(this.#send, this.#address, { days: this.#o.days, onRefused }).catch((error: unknown) => {
      throw toStoreError(this.#address, error)
    })
  }

  /** The same is told once, however often it is tried. */
  #tell(reason: string): void {
    const { host, bucket } = this.#address
    if (reason !== this.#toldReason) this.#o.log.warn('telemetry.notPrepared', { host, bucket, reason })
    this.#toldReason = reason
  }
}
