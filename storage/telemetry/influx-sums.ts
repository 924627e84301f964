/** What the hours of each lift add up to, added by InfluxDB. */
import { FIGURES_POLICY } from './influx-database.ts'
import { addedName, countedName, WORST_FIELD } from './influx-hours.ts'
import { andOfLifts, isBetween, toIdentifier, type InfluxRows } from './influx-ql.ts'
import { toHourSums, type SumsQuery } from './hour-sums.ts'
import { ADDED, COUNTERS, type HourSums } from './sum-figures.ts'

/** They stand in the address of the request, and no request may take long. */
const LIFTS_PER_REQUEST = 100
const sum = (field: string, as: string): string => `sum(${toIdentifier(field)}) AS ${toIdentifier(as)}`
const SELECTED = [
  'count("sampleCount") AS "hourCount"',
  ...ADDED.map((name) => sum(name, name)),
  ...COUNTERS.flatMap((name) => [sum(addedName(name), name), sum(countedName(name), `${name}CountedMs`)]),
  `max(${toIdentifier(WORST_FIELD)}) AS "worstVibrationMg"`,
].join(', ')

/** In order of lifts. */
export async function readSums(
  ask: (question: string) => Promise<InfluxRows[]>,
  query: SumsQuery,
): Promise<HourSums[]> {
  const found: HourSums[] = []
  for (const part of partsOf(query)) {
    const [rows = []] = await ask(toQuestion(part))
    found.push(...rows.map(toSums))
  }
  return found.sort((a, b) => (a.lift < b.lift ? -1 : 1))
}

function partsOf(query: SumsQuery): SumsQuery[] {
  const { lifts } = query
  if (lifts === undefined) return [query]
  const count = Math.ceil(lifts.length / LIFTS_PER_REQUEST)
  return Array.from({ length: count }, (_, part) => ({
    ...query,
    lifts: lifts.slice(part * LIFTS_PER_REQUEST, (part + 1) * LIFTS_PER_REQUEST),
  }))
}

function toQuestion({ lifts, ...range }: SumsQuery): string {
  return `SELECT ${SELECTED} FROM ${toIdentifier(FIGURES_POLICY)}."hour" WHERE ${isBetween(range)}${andOfLifts(lifts)} GROUP BY "lift"`
}

function toSums(row: InfluxRows[number]): HourSums {
  const worst = row['worstVibrationMg']
  return toHourSums({ ...row, worstVibrationMg: typeof worst === 'number' && worst >= 0 ? worst : undefined })
}
