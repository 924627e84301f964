/** Everything that is asked of the measurement `message`: faults, events and alarms that controllers raised or cleared. */
import type { CodeSet, MessageClass } from '#contract/telemetry'
import { IN_RANGE, PER_BUCKET, fieldsOf, type InfluxQuery } from '../influx-query.ts'

const field = fieldsOf('message')
const FROM = 'FROM "message"'
const ROWS_MAX = 200

/** Messages of one class that were raised, per bucket, all lifts together. */
export const raisedCount = (class_: MessageClass, title: string): InfluxQuery => ({
  text:
    `SELECT count(${field('code')}) ${FROM} WHERE ${field('kind')} = '${class_}' AND ${field('raised')} = true AND ${IN_RANGE}` +
    ` GROUP BY ${PER_BUCKET} fill(null)`,
  format: 'series',
  name: title,
})

const newest = (codeSet: CodeSet, lifts: string): InfluxQuery => ({
  text:
    `SELECT "lift", ${field('kind')}, ${field('code')}, ${field('raised')} ${FROM}` +
    ` WHERE ${field('codeSet')} = '${codeSet}' AND "lift" =~ ${lifts} AND ${IN_RANGE} ORDER BY time DESC LIMIT ${ROWS_MAX}`,
  format: 'table',
})

/** The newest messages of one code set. A code means nothing without its set, so the sets are never mixed in one table. */
export const newestOfTown = (codeSet: CodeSet): InfluxQuery => newest(codeSet, '/.*$lift.*/')
export const newestOfLift = (codeSet: CodeSet): InfluxQuery => newest(codeSet, '/^$lift$/')
