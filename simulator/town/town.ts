/**
 * The demonstration town. Compounds, streets and firms are invented; what is real is the kind of lift: 6 and 7 storeys, small
 * cars, full-floor or half-landing entry. The same seed always gives the same rows, and a larger town is marked as simulated
 * just as the small one is. Who lives there follows from a lift and a seed: see `householdsOf`.
 */
import { isLiftId, isTerminalSerial, type LiftId, type OrganisationId, type TerminalSerial } from '#contract/ids'
import type { Landing, Lift, Organisation, Terminal } from '#contract/register'
import { RandomStream } from '../random.ts'
import * as layout from './layout.ts'
import { BLOSSOMS, CONTRACTORS, ENCLOSURES, OPERATIONS_CENTRE } from './names.ts'
import { PROPERTY_COMPANIES, STREETS, type PropertyCompany } from './names.ts'

export { TOWN_CENTRE } from './layout.ts'

/** Most lifts one town can name. */
export const LIFT_COUNT_MAX = 10_000
/** 120 lifts make 8 compounds. */
const LIFTS_PER_COMPOUND = 15
/** So that even a tiny town has every contractor. */
const COMPOUND_COUNT_MIN = 3
const COMPOUNDS_PER_STREET = 40
const STREET_COUNT_MIN = 4
const LIFTS_PER_CONTRACTOR = 400
const CONTRACTOR_COUNT_MIN = 3
const COMPOUNDS_PER_PROPERTY_COMPANY = 4
const PROPERTY_COMPANY_COUNT_MIN = 2
/** A compound has at least so many buildings, with lifts or without. */
const BUILDING_COUNT_MIN = 10

/** A terminal of the town and the lift that it is bound to. */
export type TownTerminal = Terminal & { readonly lift: LiftId }
export type Building = {
  /** `{compound}-{number}`; its lifts are `{building}-{unit}`. */
  readonly id: string
  readonly name: string
  readonly storeyCount: number
  readonly unitCount: number
  readonly ground: layout.Rectangle
  /** Those of its units that have one; none in a building whose owners have not agreed. */
  readonly lifts: readonly LiftId[]
}
/** 小区. */
export type Compound = {
  readonly id: string
  readonly name: string
  /** 街镇. */
  readonly street: string
  readonly contractor: OrganisationId
  readonly propertyCompany: string
  readonly ground: layout.Rectangle
  readonly buildings: readonly Building[]
}
export type Town = {
  readonly seed: number
  readonly organisations: Organisation[]
  readonly lifts: Lift[]
  readonly terminals: TownTerminal[]
  readonly grid: layout.Grid
  readonly compounds: Compound[]
  readonly propertyCompanies: PropertyCompany[]
}

type BareLift = Omit<Lift, 'registrationCode' | 'rescueCode'>
type BareCompound = Omit<Compound, 'buildings' | 'ground'>
/** What all lifts of one building have in common. */
type Plan = Pick<Lift, 'landings' | 'entry' | 'ratedLoadKg' | 'ratedSpeedMps'> & {
  readonly number: number
  readonly storeyCount: number
  readonly unitCount: number
}

/** The whole town from its seed. Pure: the same arguments give the same rows. */
export function generateTown(o: { seed: number; liftCount: number; boundAtMs: number }): Town {
  const { seed, liftCount, boundAtMs } = o
  if (!Number.isInteger(liftCount) || liftCount < 0 || liftCount > LIFT_COUNT_MAX)
    throw new RangeError(`a town has 0 to ${LIFT_COUNT_MAX} lifts, not ${liftCount}`)
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`a seed is a whole number from 0, not ${seed}`)
  const compoundCount = Math.min(liftCount, Math.max(COMPOUND_COUNT_MIN, Math.ceil(liftCount / LIFTS_PER_COMPOUND)))
  const streetCount = few(STREETS, compoundCount / COMPOUNDS_PER_STREET, STREET_COUNT_MIN).length
  const grid = layout.gridOf(compoundCount, streetCount)
  const contractors = few(CONTRACTORS, liftCount / LIFTS_PER_CONTRACTOR, CONTRACTOR_COUNT_MIN)
  const propertyCompanies = few(
    PROPERTY_COMPANIES,
    compoundCount / COMPOUNDS_PER_PROPERTY_COMPANY,
    PROPERTY_COMPANY_COUNT_MIN,
  )
  const place = layout.placer(seed)
  const built = bareCompounds({ seed, grid, contractors, propertyCompanies }).map((compound, index) => {
    const isLarger = index < liftCount % compoundCount
    const ofCompound = Math.floor(liftCount / compoundCount) + (isLarger ? 1 : 0)
    return build({ seed, compound, index, corner: layout.blockCorner(grid, index), liftCount: ofCompound, place })
  })
  const lifts = built.flatMap((each) => each.lifts)
  return {
    seed,
    organisations: [OPERATIONS_CENTRE, ...contractors],
    lifts: lifts.map((lift, index) => ({ ...lift, ...codes(seed, index) })),
    terminals: lifts.map((lift, index) => ({ serial: serial(index), lift: lift.id, boundAtMs, revokedAtMs: null })),
    ...{ grid, compounds: built.map(({ compound }) => compound), propertyCompanies },
  }
}

/** The first of them, as many as are wanted but no fewer than `min` and no more than there are. */
const few = <Item>(items: readonly Item[], wanted: number, min: number): Item[] =>
  items.slice(0, Math.max(min, Math.ceil(wanted)))

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
function bareCompounds(o: {
  seed: number
  grid: layout.Grid
  contractors: readonly Organisation[]
  propertyCompanies: readonly PropertyCompany[]
}): BareCompound[] {
  const random = new RandomStream(o.seed, 1)
  const shift = random.integer(0, BLOSSOMS.length - 1)
  return Array.from({ length: o.grid.compoundCount }, (_, index) => {
    const blossom = at(BLOSSOMS, index + shift)
    const enclosure = at(ENCLOSURES, index)
    return {
      id: blossom.initials + enclosure.initials,
      name: blossom.zh + enclosure.zh,
      street: at(STREETS, layout.streetIndexOf(o.grid, index)),
      contractor: at(o.contractors, index).id,
      // Neighbours are often looked after by one company.
      propertyCompany: at(o.propertyCompanies, Math.floor(index / 2)).id,
    }
  })
}

function build(o: {
  seed: number
  compound: BareCompound
  index: number
  corner: layout.Point
  liftCount: number
  place: (point: layout.Point) => layout.Position
}): { compound: Compound; lifts: BareLift[] } {
  const { seed, compound, index, corner } = o
  const random = new RandomStream(seed, 2, index)
  random.next() // Unused; it keeps the numbers that follow, and so the ids, as they were.
  const plans: Plan[] = []
  let left = o.liftCount
  for (let number = 1; left > 0; number += random.integer(1, 2)) {
    const plan = drawPlan(random, number)
    plans.push(plan)
    left -= plan.unitCount
  }
  const others = new RandomStream(seed, 21, index)
  const last = plans[plans.length - 1]?.number ?? 0
  const buildingCount = Math.max(last, BUILDING_COUNT_MIN + others.integer(0, 2))
  const lifts: BareLift[] = []
  const buildings = Array.from({ length: buildingCount }, (_, before): Building => {
    const number = before + 1
    const plan = plans.find((one) => one.number === number)
    const { storeyCount, unitCount } = plan ?? { storeyCount: others.integer(5, 7), unitCount: others.integer(2, 4) }
    const ground = drawGround(others, corner, number, unitCount)
    const own: BareLift[] = []
    if (plan !== undefined)
      for (let unit = 1; unit <= unitCount && lifts.length + own.length < o.liftCount; unit += 1)
        own.push(liftOf(compound, plan, unit, o.place(layout.liftPoint(ground, unit, unitCount))))
    lifts.push(...own)
    const [id, name] = [`${compound.id}-${number}`, `${number} 号楼`]
    return { ...{ id, name, storeyCount, unitCount, ground }, lifts: own.map((lift) => lift.id) }
  })
  return { compound: { ...compound, ground: layout.compoundGround(corner, buildingCount), buildings }, lifts }
}

/** Units are 11.5 to 15 m wide and blocks 10 to 12 m deep; they stand in rows but not to the centimetre. */
function drawGround(random: RandomStream, corner: layout.Point, number: number, unitCount: number): layout.Rectangle {
  const widthM = unitCount * (11.5 + 3.5 * random.next())
  const depthM = 10 + 2 * random.next()
  const shiftM = (random.next() * 2 - 1) * Math.min(3, layout.shiftMaxM(widthM))
  return layout.buildingGround(corner, { number, widthM, depthM, shiftM })
}

function drawPlan(random: RandomStream, number: number): Plan {
  const storeyCount = random.next() < 0.6 ? 6 : 7
  const entry = random.next() < 0.4 ? 'half-landing' : 'full-floor'
  const storeyMm = random.integer(28, 30) * 100
  const isSmall = random.next() < 0.3
  return {
    number,
    storeyCount,
    unitCount: random.integer(2, 4),
    landings: entry === 'half-landing' ? halfLandings(storeyCount, storeyMm) : fullFloors(storeyCount, storeyMm),
    entry,
    // Cars for 400 kg are rare.
    ratedLoadKg: isSmall ? (random.next() < 0.2 ? 400 : 450) : 630,
    ratedSpeedMps: isSmall && random.next() < 0.6 ? 0.63 : 1,
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

function liftOf(compound: BareCompound, plan: Plan, unit: number, position: layout.Position): BareLift {
  const { number, landings, entry, ratedLoadKg, ratedSpeedMps } = plan
  const id = `${compound.id}-${number}-${unit}`
  if (!isLiftId(id)) throw new Error(`${id} is no lift id`)
  const [longitude, latitude] = position
  return {
    id,
    name: `${compound.name} ${number} 号楼 ${unit} 单元`,
    compound: compound.name,
    building: `${number} 号楼`,
    unit: `${unit} 单元`,
    town: compound.street,
    ...{ landings, entry, ratedLoadKg, ratedSpeedMps, longitude, latitude },
    contractor: compound.contractor,
    simulated: true,
  }
}

export function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index % items.length]
  if (item === undefined) throw new RangeError('the list of names is empty')
  return item
}
