/** A day of a town on the virtual clock: what it costs, that it is the same each time, and whether its figures are those of real lifts. */
import { parseArgs } from 'node:util'
import { hoursOfFaults, type FaultFigures } from './day-faults.ts'
import { dayOf, type DayFigures } from './day-town.ts'
import { print, short, table } from './figures.ts'
import type { Benchmark } from './main.ts'

const SECONDS_MAX = 30
/** With fewer lifts most of the time is that of a compiler that warms up. */
const JUDGED_LIFTS_MIN = 100

export const day: Benchmark = {
  summary:
    'a day of a town on the virtual clock: seconds, the same bytes twice, and its figures beside those of real lifts',
  options: '[--lifts 300] [--lift-years 2000] [--quick]',
  run: (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        lifts: { type: 'string' },
        'lift-years': { type: 'string' },
        quick: { type: 'boolean', default: false },
      },
    })
    const liftCount = Number(values.lifts ?? (values.quick ? 10 : 300))
    const liftYears = Number(values['lift-years'] ?? (values.quick ? 100 : 2_000))
    const [first, again, other] = [dayOf(20, liftCount), dayOf(20, liftCount), dayOf(21, liftCount)]
    printCost([first, again, other], liftCount)
    const isSame = first.sha256 === again.sha256 && first.sha256 !== other.sha256
    verdict(isSame, 'the same seed says the same bytes, another seed others')
    const isFast = liftCount < JUDGED_LIFTS_MIN || first.cpuS * (300 / liftCount) < SECONDS_MAX
    if (liftCount >= JUDGED_LIFTS_MIN)
      verdict(isFast, `a day of 300 lifts takes less than ${SECONDS_MAX} s of one core`)
    const faults = hoursOfFaults(20, liftYears)
    const rows = [...rowsOfUse(first), ...rowsOfFaults(faults)]
    printRanges(rows, faults)
    const isReal = rows.every((row) => row.isTold === true || isWithin(row))
    verdict(isReal, 'every figure lies in its range; those in brackets are told and not judged')
    return Promise.resolve(isSame && isFast && isReal)
  },
}

const verdict = (isMet: boolean, what: string): void => print(`${isMet ? 'met   ' : 'MISSED'}  ${what}`)

function printCost(days: readonly DayFigures[], liftCount: number): void {
  const rows = days.map(({ seed, wallS, cpuS, messageCount, bytes, sha256 }) => [
    `seed ${seed}`,
    short(wallS),
    short(cpuS),
    String(messageCount),
    short(bytes / 1e6),
    sha256,
  ])
  print(`\nA day of ${liftCount} lifts, with every byte they say\n`)
  print(table(['', 'seconds', 'CPU s', 'messages', 'MB', 'SHA-256 of all topics and payloads'], rows) + '\n')
}

type Row = {
  readonly what: string
  readonly value: number
  readonly min: number
  readonly max: number
  readonly restsOn: string
  /** Bulletins of lifts of all kinds: whether retrofitted lifts are like them is not known. */
  readonly isTold?: boolean
}
const isWithin = ({ value, min, max }: Row): boolean => value >= min && value <= max

function rowsOfUse(figures: DayFigures): Row[] {
  const { rideCount, personCount, startCount, doorCycleCount, energyKWh, distanceM, liftCount } = figures
  return [
    {
      what: 'trips with people, per lift and day',
      value: rideCount / liftCount,
      ...{ min: 60, max: 200, restsOn: '10 to 20 active households, 6 to 10 trips each; derived' },
    },
    {
      what: 'persons per trip',
      value: personCount / rideCount,
      ...{ min: 1.1, max: 1.6, restsOn: 'flats of older couples; our estimate' },
    },
    {
      what: 'starts of the car, per lift and day',
      value: startCount / liftCount,
      ...{ min: 100, max: 380, restsOn: 'a trip and most of the empty runs to it; derived' },
    },
    {
      what: 'door cycles per trip',
      value: doorCycleCount / rideCount,
      ...{ min: 1.5, max: 2.5, restsOn: 'one where people get in, one where they get out' },
    },
    {
      what: 'door cycles, per lift and day',
      value: doorCycleCount / liftCount,
      ...{ min: 120, max: 400, restsOn: 'twice the trips' },
    },
    {
      what: 'energy, kWh per lift-year',
      value: (energyKWh / liftCount) * 365.25,
      ...{ min: 420, max: 700, restsOn: '520 at little traffic, 669 at 300 trips a day (630 kg, 1 m/s, ISO 25745-2)' },
    },
    {
      what: 'distance, km per lift and day',
      value: distanceM / liftCount / 1000,
      ...{ min: 0.6, max: 3.5, restsOn: 'starts times half a shaft of 15 to 18 m' },
    },
  ]
}

function rowsOfFaults(faults: FaultFigures): Row[] {
  const { liftYears, faultCount, entrapmentCount, trappedCount, causes, trapCauses } = faults
  const share = (counts: Readonly<Record<string, number>>, ...names: string[]): number => {
    const all = Object.values(counts).reduce((sum, count) => sum + count, 0)
    return (100 * names.reduce((sum, name) => sum + (counts[name] ?? 0), 0)) / all
  }
  return [
    {
      what: 'faults per lift-year',
      value: faultCount / liftYears,
      ...{ min: 2, max: 4, restsOn: 'contractors of such lifts; the rate that is drawn is 3' },
    },
    {
      what: 'entrapments per lift-year',
      value: entrapmentCount / liftYears,
      ...{ min: 0.05, max: 0.16, restsOn: 'bulletins of rescue centres: 0.037 to 0.16, a new fleet 0.05' },
    },
    {
      what: 'people per entrapment',
      value: trappedCount / entrapmentCount,
      ...{ min: 1, max: 2.3, restsOn: 'bulletins: 1.4 to 2.3 in lifts of all kinds' },
    },
    {
      what: 'faults of the door system, %',
      value: share(causes, 'door'),
      ...{ min: 40, max: 50, restsOn: '45; our estimate' },
    },
    {
      what: 'faults of control and drive, %',
      value: share(causes, 'control'),
      ...{ min: 10, max: 20, restsOn: '15; our estimate' },
    },
    { what: 'faults of the mains, %', value: share(causes, 'power'), min: 9, max: 15, restsOn: '12; our estimate' },
    {
      what: 'faults by people, %',
      value: share(causes, 'human'),
      ...{ min: 14, max: 22, restsOn: '18; our estimate' },
    },
    {
      what: 'other faults, %',
      value: share(causes, 'external', 'other'),
      ...{ min: 7, max: 13, restsOn: '10; our estimate' },
    },
    {
      what: 'entrapments by the door system, %',
      value: share(trapCauses, 'door'),
      ...{ min: 12, max: 16, restsOn: 'bulletins of rescue centres, lifts of all kinds', isTold: true },
    },
    {
      what: 'entrapments from outside and by the mains, %',
      value: share(trapCauses, 'external', 'power'),
      ...{ min: 28, max: 36, restsOn: 'the same; cuts of the mains alone 23 in one of them', isTold: true },
    },
    {
      what: 'entrapments by people, %',
      value: share(trapCauses, 'human'),
      ...{ min: 22, max: 35, restsOn: 'the same', isTold: true },
    },
  ]
}

function printRanges(rows: readonly Row[], { liftYears }: FaultFigures): void {
  const cells = rows.map((row) => [
    row.what,
    short(row.value),
    row.isTold === true ? `(${row.min}–${row.max})` : `${row.min}–${row.max}`,
    isWithin(row) ? 'yes' : 'no',
    row.restsOn,
  ])
  print(
    `\nUse from the day above; faults from ${liftYears} lift-years: when and what is drawn, and each fault is then played on its lift,`,
  )
  print(
    'from a quarter of an hour before it until it is over. A day without a fault traps nobody, so the days between are not.\n',
  )
  print(table(['', 'here', 'range', 'within', 'what the range rests on'], cells) + '\n')
}
