/** Who lives behind the doors of one stair unit (单元): drawn from the seed and the lift's id alone, so the same at any time. */
import type { LiftId } from '#contract/ids'
import type { Lift } from '#contract/register'
import { mix, RandomStream, textWord } from '../random.ts'
import type { Occupation } from './routines.ts'

/**
 * `real` is the traffic of such a lift; `lively` is more of it, also at night, so that a demonstration has something to show.
 */
export type Pattern = 'real' | 'lively'

/** Those who live around one lift. `speed` is how many times as fast as the clock they live. */
export type House = {
  readonly lift: LiftId
  readonly seed: number
  readonly landingCount: number
  readonly entry: Lift['entry']
  readonly speed: number
  readonly pattern: Pattern
}

export const houseOf = (
  lift: Pick<Lift, 'id' | 'landings' | 'entry'>,
  o: { seed: number; speed: number; pattern: Pattern },
): House => ({ ...o, lift: lift.id, landingCount: lift.landings.length, entry: lift.entry })

/**
 * Age bands: child of school age, adult, older from 60, old from 80. `massKg` from–to, `transferMs` how long one of them needs
 * through the door: 1.75 s for a grown person at home, more for those who walk slowly.
 */
export const AGE_BANDS = {
  child: { massKg: [22, 58], transferMs: [1500, 1900] },
  adult: { massKg: [48, 88], transferMs: [1600, 1900] },
  older: { massKg: [46, 82], transferMs: [1900, 2800] },
  old: { massKg: [42, 74], transferMs: [2700, 4200] },
} as const
export type AgeBand = keyof typeof AGE_BANDS

/** Children below school age, with their own mass. */
const INFANT_MASS_KG = [8, 21] as const

/** What somebody pushes in front, with its own mass and time. */
export const AIDS = {
  pram: { massKg: 11, transferMs: 2500 },
  wheelchair: { massKg: 16, transferMs: 4000 },
  trolley: { massKg: 6, transferMs: 600 },
} as const
export type Aid = keyof typeof AIDS

/** `aid` is what is always with this person; `isEscorted` when somebody of the household must come along. */
export type Member = {
  readonly age: AgeBand
  readonly occupation: Occupation
  readonly massKg: number
  readonly transferMs: number
  readonly aid: Aid | null
  readonly isEscorted: boolean
}

/** `landing` is the index of the landing they use; `use` the share of their ways for which they take the lift at all. */
export type Household = {
  readonly flat: string
  readonly storey: number
  readonly landing: number
  readonly use: number
  readonly members: readonly Member[]
}

const FLATS_MAX = 24
const ACTIVE_MIN = 10
const ACTIVE_MAX = 20

/** Storeys and flats of a stair unit: 12 to 24 flats for the usual 6 and 7 storeys. Units of one building have one plan. */
export function unitPlanOf(house: Pick<House, 'lift' | 'seed' | 'landingCount' | 'entry'>) {
  const storeyCount = house.landingCount + (house.entry === 'half-landing' ? 1 : 0)
  const building = house.lift.slice(0, Math.max(3, house.lift.lastIndexOf('-')))
  const most = Math.max(1, Math.min(4, Math.floor(FLATS_MAX / storeyCount)))
  const least = Math.min(2, most)
  const flatsPerStorey = new RandomStream(house.seed, textWord(building), 31).integer(least, most)
  return { storeyCount, flatsPerStorey, flatCount: storeyCount * flatsPerStorey }
}

/** What kinds of household live in old compounds, with the share of each: about 40 of 100 people are 60 or older. */
const HOUSEHOLD_KINDS: readonly { readonly share: number; readonly members: readonly (AgeBand | 'infant')[] }[] = [
  { share: 0.17, members: ['older', 'older'] },
  { share: 0.08, members: ['old', 'older'] },
  { share: 0.09, members: ['older'] },
  { share: 0.08, members: ['old'] },
  { share: 0.12, members: ['adult', 'adult', 'child'] },
  { share: 0.05, members: ['adult', 'adult', 'infant'] },
  { share: 0.07, members: ['adult', 'adult', 'child', 'older', 'older'] },
  { share: 0.03, members: ['adult', 'adult', 'infant', 'older'] },
  { share: 0.06, members: ['adult', 'adult', 'older'] },
  { share: 0.12, members: ['adult', 'adult'] },
  { share: 0.1, members: ['adult'] },
  { share: 0.03, members: ['adult', 'adult', 'adult'] },
]

/** The households that use the lift: those above the ground floor in flats that are lived in, 10 to 20 in the usual house. */
export function householdsOf(house: Pick<House, 'lift' | 'seed' | 'landingCount' | 'entry'>): Household[] {
  const { storeyCount, flatsPerStorey } = unitPlanOf(house)
  const random = new RandomStream(mix(house.seed, textWord(house.lift), 32))
  const flats: { flat: string; storey: number; order: number }[] = []
  for (let storey = 2; storey <= storeyCount; storey += 1)
    for (let door = 1; door <= flatsPerStorey; door += 1)
      flats.push({ flat: `${storey}0${door}`, storey, order: random.next() })
  const livedIn = Math.round(flats.length * (0.85 + 0.15 * random.next()))
  const activeCount = Math.min(flats.length, ACTIVE_MAX, Math.max(ACTIVE_MIN, livedIn))
  return flats
    .toSorted((a, b) => a.order - b.order)
    .slice(0, activeCount)
    .toSorted((a, b) => a.storey - b.storey || (a.flat < b.flat ? -1 : 1))
    .map(({ flat, storey }) => ({
      ...{ flat, storey, use: useOf(storey, random) },
      landing: landingOf(house, storey, random),
      members: drawMembers(random),
    }))
}

/** Many on the second floor walk, whoever shared in the cost or not. */
const useOf = (storey: number, random: RandomStream): number =>
  storey === 2 ? 0.35 + 0.4 * random.next() : storey === 3 ? 0.8 + 0.2 * random.next() : 1

/** At half-landing entry people walk half a flight, up from the landing below their floor or, a few, down from the one above. */
function landingOf(house: Pick<House, 'landingCount' | 'entry'>, storey: number, random: RandomStream): number {
  const top = house.landingCount - 1
  if (house.entry === 'full-floor') return Math.min(top, storey - 1)
  const isAbove = random.next() < 0.2
  return Math.min(top, Math.max(1, storey - (isAbove ? 1 : 2)))
}

function drawMembers(random: RandomStream): Member[] {
  let chance = random.next()
  const kind = HOUSEHOLD_KINDS.find(({ share }) => (chance -= share) < 0) ?? HOUSEHOLD_KINDS[HOUSEHOLD_KINDS.length - 1]
  return (kind?.members ?? []).map((member) => drawMember(member, random))
}

const HOMEMAKER_SHARE = 0.14
const WHEELCHAIR_SHARE = { child: 0, adult: 0.003, older: 0.012, old: 0.09 } as const
const TROLLEY_SHARE = { child: 0, adult: 0, older: 0.15, old: 0.25 } as const
const PRAM_SHARE = 0.6

function drawMember(kind: AgeBand | 'infant', random: RandomStream): Member {
  const age = kind === 'infant' ? 'child' : kind
  const { transferMs } = AGE_BANDS[age]
  const massKg = kind === 'infant' ? INFANT_MASS_KG : AGE_BANDS[age].massKg
  const isInWheelchair = random.next() < WHEELCHAIR_SHARE[age]
  const hasOther = random.next() < (kind === 'infant' ? PRAM_SHARE : TROLLEY_SHARE[age])
  return {
    age,
    occupation: occupationOf(kind, random.next() < HOMEMAKER_SHARE),
    massKg: random.integer(massKg[0], massKg[1]),
    transferMs: random.integer(transferMs[0], transferMs[1]),
    aid: isInWheelchair ? 'wheelchair' : hasOther ? (kind === 'infant' ? 'pram' : 'trolley') : null,
    isEscorted: kind === 'infant' || isInWheelchair,
  }
}

function occupationOf(kind: AgeBand | 'infant', isHomemaker: boolean): Occupation {
  switch (kind) {
    case 'infant':
      return 'infant'
    case 'child':
      return 'pupil'
    case 'adult':
      return isHomemaker ? 'homemaker' : 'employee'
    case 'older':
      return 'pensioner'
    case 'old':
      return 'frail'
  }
}
