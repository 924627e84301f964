/** Everything that is asked of the measurement `connection`: terminals that came and went. */
import { IN_RANGE, fieldsOf, type InfluxQuery } from '../influx-query.ts'

const field = fieldsOf('connection')
const FROM = 'FROM "connection"'

/**
 * How many lifts have a terminal whose newest word was `online`, or `offline`. None gives no row. The newest is the one
 * received last: a clock that runs ahead must not make a terminal look online after it said goodbye.
 */
export const liftsWithLink = (state: 'online' | 'offline', title: string): InfluxQuery => ({
  text:
    `SELECT count("state") FROM (SELECT max(${field('receivedAtMs')}) AS "receivedAtMs", ${field('state')} ${FROM} WHERE ${IN_RANGE} GROUP BY "lift")` +
    ` WHERE "state" = '${state}'`,
  format: 'series',
  name: title,
})

/** Every change of the link of the lift, newest first, with the terminal that was bound then. */
export const linkChanges: InfluxQuery = {
  text:
    `SELECT ${field('state')}, ${field('terminal')}, ${field('firmware')}, ${field('boot')} ${FROM}` +
    ` WHERE "lift" =~ /^$lift$/ AND ${IN_RANGE} ORDER BY time DESC LIMIT 200`,
  format: 'table',
}

/** The newest terminal of the lift. */
export const newest = (name: string, title: string): InfluxQuery => ({
  text: `SELECT last(${field(name)}) ${FROM} WHERE "lift" =~ /^$lift$/ AND ${IN_RANGE}`,
  format: 'series',
  name: title,
})
