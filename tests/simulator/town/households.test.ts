import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AGE_BANDS, AIDS, householdsOf, houseOf, unitPlanOf } from '#simulator/town/households'
import { generateTown } from '#simulator/town/town'
import { house } from './riding-days.ts'

const town = generateTown({ seed: 20, liftCount: 1000, boundAtMs: 0 })
const houses = town.lifts.map((lift) => houseOf(lift, { seed: 20, speed: 1, pattern: 'real' }))

describe('the households of a unit', () => {
  it('are 10 to 20 that use the lift, in 12 to 24 flats', () => {
    for (const of of houses) {
      const { flatCount } = unitPlanOf(of)
      const households = householdsOf(of)
      expect(flatCount).toBeGreaterThanOrEqual(12)
      expect(flatCount).toBeLessThanOrEqual(24)
      expect(households.length).toBeGreaterThanOrEqual(10)
      expect(households.length).toBeLessThanOrEqual(Math.min(20, flatCount))
      expect(new Set(households.map(({ flat }) => flat)).size).toBe(households.length)
    }
  })

  it('live in the storeys that the building has, the units of one building alike', () => {
    const planOf = new Map(houses.map((of) => [of.lift, unitPlanOf(of)]))
    for (const { lifts, storeyCount } of town.compounds.flatMap(({ buildings }) => buildings)) {
      const plans = lifts.map((lift) => planOf.get(lift))
      expect(new Set(plans.map((plan) => plan?.flatCount)).size).toBeLessThanOrEqual(1)
      for (const plan of plans) expect(plan?.storeyCount).toBe(storeyCount)
    }
  })

  it('use a landing at their floor, or half a flight from it', () => {
    for (const of of houses) {
      const { landings } = town.lifts.find(({ id }) => id === of.lift) ?? { landings: [] }
      for (const { storey, landing } of householdsOf(of)) {
        expect(landing).toBeGreaterThanOrEqual(1)
        const label = Number(landings[landing]?.label)
        expect(Math.abs(label - storey)).toBe(of.entry === 'half-landing' ? 0.5 : 0)
      }
    }
  })

  it('are old by four in ten, children by one in ten', () => {
    const members = houses.flatMap((of) => householdsOf(of).flatMap((household) => household.members))
    const shareOf = (...ages: string[]) => members.filter(({ age }) => ages.includes(age)).length / members.length
    expect(shareOf('older', 'old')).toBeGreaterThan(0.35)
    expect(shareOf('older', 'old')).toBeLessThan(0.45)
    expect(shareOf('child')).toBeGreaterThan(0.08)
    expect(shareOf('child')).toBeLessThan(0.2)
    for (const aid of Object.keys(AIDS)) expect(members.some((member) => member.aid === aid)).toBe(true)
    for (const { age, massKg, transferMs, occupation } of members) {
      const band = AGE_BANDS[age]
      expect(transferMs).toBeGreaterThanOrEqual(band.transferMs[0])
      expect(transferMs).toBeLessThanOrEqual(band.transferMs[1])
      expect(massKg).toBeGreaterThanOrEqual(occupation === 'infant' ? 8 : band.massKg[0])
      expect(massKg).toBeLessThanOrEqual(band.massKg[1])
    }
  })

  it('live in any house, however few or many landings it has', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 64 }),
        fc.constantFrom('full-floor' as const, 'half-landing' as const),
        fc.nat(),
        (landingCount, entry, seed) => {
          const households = householdsOf(house({ landingCount, entry, seed }))
          expect(households.length).toBeGreaterThan(0)
          for (const { landing } of households) {
            expect(landing).toBeGreaterThanOrEqual(1)
            expect(landing).toBeLessThan(landingCount)
          }
          expect(householdsOf(house({ landingCount, entry, seed }))).toEqual(households)
        },
      ),
      { numRuns: 60 },
    )
  })
})
