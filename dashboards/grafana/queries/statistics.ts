/** Everything that is asked of the measurement `statistics`: counters that only grow, until the controller is replaced. */
import { IN_RANGE, PER_BUCKET, fieldsOf, type InfluxQuery } from '../influx-query.ts'

const field = fieldsOf('statistics')
const FROM = 'FROM "statistics"'

/**
 * Growth of a counter between neighbouring reports of one lift. A replaced controller starts again at zero; that one step
 * is left out instead of being counted as negative.
 */
const growth = (name: string, where: string) =>
  `SELECT non_negative_difference(${field(name)}) AS "growth" ${FROM} WHERE ${where} GROUP BY "lift"`

/** Growth of a counter per bucket, all lifts together. */
export const townGrowth = (name: string, title: string): InfluxQuery => ({
  text: `SELECT sum("growth") FROM (${growth(name, IN_RANGE)}) WHERE ${IN_RANGE} GROUP BY ${PER_BUCKET} fill(null)`,
  format: 'series',
  name: title,
})

/** The lifts whose counter grew the most. */
export const mostGrowth = (name: string): InfluxQuery => ({
  text:
    `SELECT top("growth", "lift", 20) AS "${name}" FROM (SELECT sum("growth") AS "growth"` +
    ` FROM (${growth(name, `"lift" =~ /.*$lift.*/ AND ${IN_RANGE}`)}) WHERE ${IN_RANGE} GROUP BY "lift")`,
  format: 'table',
})

/** Growth of a counter of the lift per bucket. */
export const liftGrowth = (name: string, title: string): InfluxQuery => ({
  text:
    `SELECT sum("growth") FROM (${growth(name, `"lift" =~ /^$lift$/ AND ${IN_RANGE}`)})` +
    ` WHERE ${IN_RANGE} GROUP BY ${PER_BUCKET} fill(null)`,
  format: 'series',
  name: title,
})
