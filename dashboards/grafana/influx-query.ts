/**
 * Queries in InfluxQL, the one language that InfluxDB 1.x, 2.x and 3.x share. The foundation SDK has no module for this
 * data source, so the target is built here.
 */
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import { MEASUREMENTS, type Measurement } from '#contract/history'
import { DATA_SOURCE } from './layout.ts'

/** What Grafana puts in: the chosen range, and a bucket width that suits the width of the panel. */
export const IN_RANGE = '$timeFilter'
export const PER_BUCKET = 'time($__interval)'

/** `series` draws over time, `table` gives rows. `name` is what the series is called. */
export type InfluxQuery = { readonly text: string; readonly format: 'series' | 'table'; readonly name?: string }

/** A function that quotes the fields of one measurement, and refuses any that the contract does not have. */
export function fieldsOf(measurement: Measurement): (name: string) => string {
  return (name) => {
    if (!Object.hasOwn(MEASUREMENTS[measurement], name)) throw new Error(`${measurement} has no field ${name}`)
    return `"${name}"`
  }
}

export class InfluxTarget implements Builder<Dataquery> {
  readonly #query: InfluxQuery
  readonly #refId: string

  constructor(query: InfluxQuery, index: number) {
    this.#query = query
    this.#refId = String.fromCharCode('A'.charCodeAt(0) + index)
  }

  build(): Dataquery {
    const { text, format, name } = this.#query
    return {
      // A mark that the type asks for; functions do not reach the file.
      _implementsDataqueryVariant() {},
      ...{
        refId: this.#refId,
        datasource: DATA_SOURCE,
        query: text,
        rawQuery: true,
        resultFormat: format === 'series' ? 'time_series' : 'table',
        ...(name === undefined ? {} : { alias: name }),
      },
    }
  }
}
