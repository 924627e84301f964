/**
 * The demonstration town. Compounds, streets and firms are invented; what is real is the kind of lift: 6 and 7 storeys, small
 * cars, full-floor or half-landing entry. The same seed always gives the same rows, and a larger town is marked as simulated
 * just as the small one is.
 */
import { isLiftId, isTerminalSerial, type LiftId, type TerminalSerial } from '#contract/ids'
import type { Landing, Lift, Organisation, Terminal } from '#contract/register'
import { BLOSSOMS, CONTRACTORS, ENCLOSURES, OPERATIONS_CENTRE, STREETS } from './names.ts'
import { RandomStream } from './random.ts'

/** Most lifts one town can name. */
export const LIFT_COUNT_MAX = 10_000
/** 120 lifts make 8 compounds. */
const LIFTS_PER_COMPOUND = 15
/** So that even a tiny town has every contractor. */
const COMPOUND_COUNT_MIN = 3
/** Invented centre, WGS-84 degrees. */
export const TOWN_CENTRE = { longitude: 121.284, latitude: 31.0625 } as const
const METRES_PER_DEGREE = 111_320

/** A terminal of the town and the lift that it is bound to. */
export type TownTerminal = Terminal & { readonly lift: LiftId }
export type Town = {
  readonly organisations: Organisation[]
  readonly lifts: Lift[]
  readonly terminals: TownTerminal[]
}

type Compound = {
  readonly name: string
  readonly initials: string
  readonly town: string
  readonly contractor: Organisation
}
type Building = {
  readonly compound: Compound
  readonly number: number
  readonly unitCount: number
  readonly landings: Landing[]
  readonly entry: Lift['entry']
  readonly ratedLoadKg: number
  readonly ratedSpeedMps: number
  readonly longitude: number
  readonly latitude: number
}

/** The whole town from its seed. Pure: the same arguments give the same rows. */
export function generateTown(o: { seed: number; liftCount: number; boundAtMs: number }): Town {
  const { seed, liftCount, boundAtMs } = o
  if (!Number.isInteger(liftCount) || liftCount < 0 || liftCount > LIFT_COUNT_MAX)
    throw new RangeError(`a town has 0 to ${LIFT_COUNT_MAX} lifts, not ${liftCount}`)
  const compoundCount = Math.min(liftCount, Math.max(COMPOUND_COUNT_MIN, Math.ceil(liftCount / LIFTS_PER_COMPOUND)))
  const lifts = compounds(seed, compoundCount).flatMap((compound, index) => {
    const isLarger = index < liftCount % compoundCount
    return compoundLifts({
      seed,
      compound,
      index,
      compoundCount,
      liftCount: Math.floor(liftCount / compoundCount) + (isLarger ? 1 : 0),
    })
  })
  return {
    organisations: [OPERATIONS_CENTRE, ...CONTRACTORS],
    lifts: lifts.map((lift, index) => ({ ...lift, ...codes(seed, index) })),
    terminals: lifts.map((lift, index) => ({ serial: serial(index), lift: lift.id, boundAtMs, revokedAtMs: null })),
  }
}

/** Plate and register numbers that no real lift has: the register's begin with 9999, the rescue codes with 90. */
function codes(seed: number, index: number): Pick<Lift, 'registrationCode' | 'rescueCode'> {
  // 7919 shares no factor with 10 000: every index gives another code.
  const scattered = (index * 7919 + (seed % 10_000)) % 10_000
  return {
    registrationCode: `9999${String(index + 1).padStart(16, '0')}`,
    rescueCode: `90${String(scattered).padStart(4, '0')}`,
  }
}

function serial(index: number): TerminalSerial {
  const text = `TJ-${String(index + 1).padStart(5, '0')}`
  if (!isTerminalSerial(text)) throw new Error(`${text} is no serial`)
  return text
}

/** Names are combined, not drawn, so that neither a name nor its initials can come twice. */
function compounds(seed: number, count: number): Compound[] {
  const random = new RandomStream(seed, 1)
  const shift = random.integer(0, BLOSSOMS.length - 1)
  return Array.from({ length: count }, (_, index) => {
    const blossom = at(BLOSSOMS, index + shift)
    const enclosure = at(ENCLOSURES, index)
    return {
      name: blossom.zh + enclosure.zh,
      initials: blossom.initials + enclosure.initials,
      town: at(STREETS, Math.floor((index * STREETS.length) / count)),
      contractor: at(CONTRACTORS, index),
    }
  })
}

function compoundLifts(o: {
  seed: number
  compound: Compound
  index: number
  compoundCount: number
  liftCount: number
}) {
  const random = new RandomStream(o.seed, 2, o.index)
  const centre = compoundCentre(random, o.index, o.compoundCount)
  const lifts: Omit<Lift, 'registrationCode' | 'rescueCode'>[] = []
  for (let number = 1; lifts.length < o.liftCount; number += random.integer(1, 2)) {
    const building = drawBuilding(random, o.compound, number, centre)
    for (let unit = 1; unit <= building.unitCount && lifts.length < o.liftCount; unit += 1)
      lifts.push(liftOf(building, unit))
  }
  return lifts
}

/** Compounds stand about 350 m apart on a spiral of golden angle, which never puts two on one spot. */
function compoundCentre(random: RandomStream, index: number, compoundCount: number) {
  const radiusM = 260 * Math.sqrt(index + (compoundCount > 1 ? 0.6 : 0))
  const angle = index * 2.399963 + random.next() * 0.4
  return offset(TOWN_CENTRE, radiusM * Math.cos(angle), radiusM * Math.sin(angle))
}

function drawBuilding(
  random: RandomStream,
  compound: Compound,
  number: number,
  centre: { longitude: number; latitude: number },
): Building {
  const storeyCount = random.next() < 0.6 ? 6 : 7
  const entry = random.next() < 0.4 ? 'half-landing' : 'full-floor'
  const storeyMm = random.integer(28, 30) * 100
  const isSmall = random.next() < 0.3
  // Blocks in rows of five, 32 m apart, as such compounds were built.
  const row = Math.floor((number - 1) / 5)
  const place = offset(centre, ((number - 1) % 5) * 34 - 68, row * 32 - 32)
  return {
    compound,
    number,
    unitCount: random.integer(2, 4),
    landings: entry === 'half-landing' ? halfLandings(storeyCount, storeyMm) : fullFloors(storeyCount, storeyMm),
    entry,
    ratedLoadKg: isSmall ? random.pick([400, 450]) : 630,
    ratedSpeedMps: isSmall && random.next() < 0.6 ? 0.63 : 1,
    ...place,
  }
}

const fullFloors = (storeyCount: number, storeyMm: number): Landing[] =>
  Array.from({ length: storeyCount }, (_, floor) => ({ label: String(floor + 1), heightMm: floor * storeyMm }))

/**
 * The lift stops at the stairs' landings between floors and people walk half a flight. There is no stop at 1.5: half a storey
 * above the ground a second door would not fit above the first.
 */
const halfLandings = (storeyCount: number, storeyMm: number): Landing[] => [
  { label: '1', heightMm: 0 },
  ...Array.from({ length: storeyCount - 2 }, (_, index) => ({
    label: `${index + 2}.5`,
    heightMm: Math.round((index + 1.5) * storeyMm),
  })),
]

function liftOf(building: Building, unit: number): Omit<Lift, 'registrationCode' | 'rescueCode'> {
  const { compound, number, landings, entry, ratedLoadKg, ratedSpeedMps } = building
  const id = `${compound.initials}-${number}-${unit}`
  if (!isLiftId(id)) throw new Error(`${id} is no lift id`)
  const { longitude, latitude } = offset(building, (unit - 2) * 8, 0)
  return {
    id,
    name: `${compound.name} ${number} 号楼 ${unit} 单元`,
    compound: compound.name,
    building: `${number} 号楼`,
    unit: `${unit} 单元`,
    town: compound.town,
    landings,
    entry,
    ratedLoadKg,
    ratedSpeedMps,
    longitude,
    latitude,
    contractor: compound.contractor.id,
    simulated: true,
  }
}

/** A place so many metres east and north of another, to 6 digits (0.1 m). */
function offset(from: { longitude: number; latitude: number }, eastM: number, northM: number) {
  const round = (degrees: number) => Math.round(degrees * 1e6) / 1e6
  return {
    longitude: round(from.longitude + eastM / (METRES_PER_DEGREE * Math.cos((from.latitude * Math.PI) / 180))),
    latitude: round(from.latitude + northM / METRES_PER_DEGREE),
  }
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index % items.length]
  if (item === undefined) throw new RangeError('the list of names is empty')
  return item
}
