/** Everything that is asked of the measurement `status`. */
import { IN_RANGE, PER_BUCKET, fieldsOf, type InfluxQuery } from '../influx-query.ts'
import { OFFERED_LIFTS_MAX } from '../layout.ts'

const field = fieldsOf('status')
const FROM = 'FROM "status"'
/** The one lift of the variable. Lift ids hold nothing that a regular expression would read otherwise. */
const THIS_LIFT = `"lift" =~ /^$lift$/ AND ${IN_RANGE}`
/** Lifts whose id holds the text of the filter box; all of them when it is empty. */
const FILTERED = '"lift" =~ /.*$lift.*/'

/** For the list of the variable `lift`, narrowed by the variable `find`. */
export const offeredLifts = `SHOW TAG VALUES ${FROM} WITH KEY = "lift" WHERE "lift" =~ /.*$find.*/ LIMIT ${OFFERED_LIFTS_MAX}`

/** How many lifts sent at least one status in the range. */
export const heardLifts: InfluxQuery = {
  text: `SELECT count("seq") FROM (SELECT last(${field('seq')}) AS "seq" ${FROM} WHERE ${IN_RANGE} GROUP BY "lift")`,
  format: 'series',
  name: '电梯',
}

/** How many lifts were last heard in one service mode. A mode in which none is gives no row. */
export const liftsInServiceMode = (code: number, name: string): InfluxQuery => ({
  text:
    `SELECT count("mode") FROM (SELECT last(${field('serviceMode')}) AS "mode" ${FROM} WHERE ${IN_RANGE} GROUP BY "lift")` +
    ` WHERE "mode" = ${code}`,
  format: 'series',
  name,
})

/** Statuses per bucket, all lifts together. */
export const receivedCount: InfluxQuery = {
  text: `SELECT count(${field('seq')}) ${FROM} WHERE ${IN_RANGE} GROUP BY ${PER_BUCKET} fill(null)`,
  format: 'series',
  name: '状态报文',
}

/** Lifts whose newest status says: stopped, outside the door zone, somebody inside. */
export const occupiedOutsideDoorZone: InfluxQuery = {
  text:
    `SELECT "receivedAtMs", "stopped", "zone", "person" FROM (SELECT last(${field('receivedAtMs')}) AS "receivedAtMs",` +
    ` last(${field('carStatus')}) AS "stopped", last(${field('doorZone')}) AS "zone", last(${field('passengerPresent')}) AS "person"` +
    ` ${FROM} WHERE ${FILTERED} AND ${IN_RANGE} GROUP BY "lift") WHERE "stopped" = 0 AND "zone" = false AND "person" = true GROUP BY "lift" LIMIT 100`,
  format: 'table',
}

/** The lifts that have been silent the longest, among those heard in the range. */
export const longestSilent: InfluxQuery = {
  text:
    `SELECT bottom("receivedAtMs", "lift", 50) AS "receivedAtMs" FROM (SELECT last(${field('receivedAtMs')}) AS "receivedAtMs"` +
    ` ${FROM} WHERE ${FILTERED} AND ${IN_RANGE} GROUP BY "lift")`,
  format: 'table',
}

/** The lifts with the weakest radio, by mean signal. */
export const weakestSignal: InfluxQuery = {
  text:
    `SELECT bottom("rssiDbm", "lift", 20) AS "rssiDbm" FROM (SELECT mean(${field('rssiDbm')}) AS "rssiDbm"` +
    ` ${FROM} WHERE ${FILTERED} AND ${IN_RANGE} GROUP BY "lift")`,
  format: 'table',
}

/** The newest value of one field of the lift. */
export const newest = (name: string, title: string): InfluxQuery => ({
  text: `SELECT last(${field(name)}) ${FROM} WHERE ${THIS_LIFT}`,
  format: 'series',
  name: title,
})

/** One value of one field per bucket. Empty buckets stay empty: a gap is a gap. */
export const perBucket = (how: 'last' | 'mean' | 'min' | 'max', name: string, title: string): InfluxQuery => ({
  text: `SELECT ${how}(${field(name)}) ${FROM} WHERE ${THIS_LIFT} GROUP BY ${PER_BUCKET} fill(null)`,
  format: 'series',
  name: title,
})
