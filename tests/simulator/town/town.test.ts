import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { Lift, Organisation, Terminal } from '#contract/register'
import { generateTown, LIFT_COUNT_MAX, TOWN_CENTRE } from '#simulator/town/town'

const boundAtMs = 1_795_190_400_000
const schemas = { lift: Compile(Lift), organisation: Compile(Organisation), terminal: Compile(Terminal) }

/** The first, the 60th and the last: registers that were filled long ago hold them. */
const IDS_OF_SEED_20 = ['jxy-1-1', 'syxc-7-3', 'wqgy-5-4']
const NAMES_OF_SEED_20 = ['菊香苑 1 号楼 1 单元', '霜叶新村 7 号楼 3 单元', '晚晴公寓 5 号楼 4 单元']

describe('the demonstration town', () => {
  it('has 120 lifts in 8 compounds, served by three contractors', () => {
    const { lifts, organisations } = generateTown({ seed: 20, liftCount: 120, boundAtMs })
    expect(lifts.length).toBe(120)
    expect(new Set(lifts.map(({ compound }) => compound)).size).toBe(8)
    expect(organisations.map(({ id }) => id as string)).toEqual(['ops', 'contractor-a', 'contractor-b', 'contractor-c'])
    expect(new Set(lifts.map(({ contractor }) => contractor as string))).toEqual(
      new Set(['contractor-a', 'contractor-b', 'contractor-c']),
    )
    for (const { name, compound, building, unit } of lifts) {
      expect(name).toMatch(/^\p{Script=Han}{3,4} \d+ 号楼 \d 单元$/u)
      expect(name).toBe(`${compound} ${building} ${unit}`)
    }
  })

  it('is the same for the same seed and another for another seed', () => {
    const town = (seed: number) => JSON.stringify(generateTown({ seed, liftCount: 120, boundAtMs }))
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        expect(town(seed)).toBe(town(seed))
        expect(town(seed)).not.toBe(town(seed + 1))
      }),
      { numRuns: 10 },
    )
  })

  it('names every lift, terminal and plate once, at any size, and every row is one of the contract', () => {
    const sizes = fc.oneof(fc.integer({ min: 8, max: 400 }), fc.constantFrom(8, 120, 1000, 4999, LIFT_COUNT_MAX))
    fc.assert(
      fc.property(fc.nat(), sizes, (seed, liftCount) => {
        const { lifts, terminals, organisations } = generateTown({ seed, liftCount, boundAtMs })
        expect(lifts.length).toBe(liftCount)
        for (const key of ['id', 'name', 'registrationCode', 'rescueCode'] as const)
          expect(new Set(lifts.map((lift) => lift[key])).size, key).toBe(liftCount)
        expect(new Set(terminals.map(({ serial }) => serial)).size).toBe(liftCount)
        expect(terminals.map(({ lift }) => lift)).toEqual(lifts.map(({ id }) => id))
        expect(lifts.filter((lift) => !schemas.lift.Check(lift))).toEqual([])
        expect(terminals.filter((terminal) => !schemas.terminal.Check(terminal))).toEqual([])
        expect(organisations.filter((organisation) => !schemas.organisation.Check(organisation))).toEqual([])
      }),
      { numRuns: 25, examples: [[20, LIFT_COUNT_MAX]] },
    )
  }, 60_000)

  it('has landings that a car can serve, and small cars among the large', () => {
    const { lifts } = generateTown({ seed: 20, liftCount: 1000, boundAtMs })
    for (const { landings, entry, ratedLoadKg, ratedSpeedMps, simulated } of lifts) {
      const gapsMm = landings.slice(1).map(({ heightMm }, index) => heightMm - (landings[index]?.heightMm ?? NaN))
      expect(landings[0]).toEqual({ label: '1', heightMm: 0 })
      expect(Math.min(...gapsMm)).toBeGreaterThanOrEqual(2800)
      expect(landings.some(({ label }) => label.endsWith('.5'))).toBe(entry === 'half-landing')
      expect([400, 450, 630]).toContain(ratedLoadKg)
      expect([0.63, 1]).toContain(ratedSpeedMps)
      expect(simulated).toBe(true)
    }
    const loadShare = (loadKg: number) =>
      lifts.filter(({ ratedLoadKg }) => ratedLoadKg === loadKg).length / lifts.length
    expect(loadShare(630)).toBeGreaterThan(0.6)
    expect(loadShare(450)).toBeGreaterThan(0.15)
    expect(loadShare(400)).toBeGreaterThan(0)
    expect(loadShare(400)).toBeLessThan(0.1)
  })

  it('keeps the ids that it has always given', () => {
    const { lifts, terminals } = generateTown({ seed: 20, liftCount: 120, boundAtMs })
    const ends = (texts: readonly string[]) => [texts[0], texts[59], texts[119]]
    expect(ends(lifts.map(({ id }) => id))).toEqual(IDS_OF_SEED_20)
    expect(ends(lifts.map(({ name }) => name))).toEqual(NAMES_OF_SEED_20)
    expect(ends(terminals.map(({ serial }) => serial))).toEqual(['TJ-00001', 'TJ-00060', 'TJ-00120'])
  })

  it('has its lifts in buildings of compounds, with neighbours that have none yet', () => {
    for (const liftCount of [8, 120, 1000, LIFT_COUNT_MAX]) {
      const { lifts, compounds, propertyCompanies } = generateTown({ seed: 20, liftCount, boundAtMs })
      const buildings = compounds.flatMap((compound) => compound.buildings)
      expect(buildings.flatMap((building) => building.lifts)).toEqual(lifts.map(({ id }) => id))
      expect(new Set(buildings.map(({ id }) => id)).size).toBe(buildings.length)
      expect(new Set(compounds.map(({ id }) => id)).size).toBe(compounds.length)
      for (const { id, lifts: own, unitCount } of buildings) {
        expect(own.length).toBeLessThanOrEqual(unitCount)
        for (const [index, lift] of own.entries()) expect(lift).toBe(`${id}-${index + 1}`)
      }
      expect(buildings.some((building) => building.lifts.length === 0)).toBe(true)
      const known = new Set(propertyCompanies.map(({ id }) => id))
      for (const { propertyCompany } of compounds) expect(known).toContain(propertyCompany)
      for (const { name } of propertyCompanies) expect(name).toMatch(/物业（演示）$/)
    }
  })

  it('has more streets and contractors when it is large, each with its share', () => {
    const { lifts, organisations } = generateTown({ seed: 20, liftCount: LIFT_COUNT_MAX, boundAtMs })
    const counts = (values: readonly (string | null)[]) =>
      [...new Set(values)].map((value) => values.filter((one) => one === value).length)
    const perContractor = counts(lifts.map(({ contractor }) => contractor))
    const perStreet = counts(lifts.map(({ town }) => town))
    expect(perContractor.length).toBe(organisations.length - 1)
    expect(Math.max(...perContractor)).toBeLessThan(1000)
    expect(perStreet.length).toBe(16)
    expect(Math.max(...perStreet)).toBeLessThan(800)
  })

  it('stands around one centre, no two lifts on one spot', () => {
    const { lifts } = generateTown({ seed: 20, liftCount: 120, boundAtMs })
    expect(new Set(lifts.map(({ longitude, latitude }) => `${longitude} ${latitude}`)).size).toBe(120)
    for (const { longitude, latitude } of lifts) {
      expect(Math.abs(longitude - TOWN_CENTRE.longitude)).toBeLessThan(0.02)
      expect(Math.abs(latitude - TOWN_CENTRE.latitude)).toBeLessThan(0.02)
    }
  })

  it('may be empty, and refuses more lifts than it can name', () => {
    expect(generateTown({ seed: 1, liftCount: 0, boundAtMs }).lifts).toEqual([])
    for (const liftCount of [-1, 1.5, LIFT_COUNT_MAX + 1])
      expect(() => generateTown({ seed: 1, liftCount, boundAtMs })).toThrow(RangeError)
    for (const seed of [-1, 1.5, NaN]) expect(() => generateTown({ seed, liftCount: 1, boundAtMs })).toThrow(RangeError)
  })
})
