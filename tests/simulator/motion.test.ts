import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { brakingDistanceMm, heightAt, motionS, motionTo, speedAt, targetMm, timeOfHeight } from '#simulator/motion'

const ways = fc
  .record({
    fromMm: fc.integer({ min: 0, max: 20_000 }),
    toMm: fc.integer({ min: 0, max: 20_000 }),
    startMmps: fc.integer({ min: 0, max: 1000 }),
    ratedMmps: fc.constantFrom(630, 1000),
    accelerationMmps2: fc.constantFrom(300, 600, 1500),
  })
  .filter((way) => way.startMmps <= way.ratedMmps)
  .filter((way) => Math.abs(way.toMm - way.fromMm) >= brakingDistanceMm(way.startMmps, way.accelerationMmps2))

describe('the motion of a car', () => {
  it('ends at rest at its target and never goes faster, harder or farther than it may', () => {
    fc.assert(
      fc.property(ways, (way) => {
        const motion = motionTo(way)
        const endS = motionS(motion)
        expect(targetMm(motion)).toBe(way.toMm)
        expect(heightAt(motion, endS + 1)).toBe(way.toMm)
        const stepS = endS / 200 + 1e-9
        let [heightMm, speedMmps] = [heightAt(motion, 0), speedAt(motion, 0)]
        for (let atS = stepS; atS <= endS + stepS; atS += stepS) {
          const [nextMm, nextMmps] = [heightAt(motion, atS), speedAt(motion, atS)]
          const aheadMm = (nextMm - heightMm) * motion.sign
          const isLawful =
            aheadMm >= -1e-6 &&
            aheadMm <= way.ratedMmps * stepS + 1e-6 &&
            Math.abs(nextMmps - speedMmps) <= way.accelerationMmps2 * stepS + 1e-6 &&
            nextMmps <= way.ratedMmps + 1e-6
          if (!isLawful) throw new Error(`at ${atS} s: ${heightMm} → ${nextMm} mm, ${speedMmps} → ${nextMmps} mm/s`)
          heightMm = nextMm
          speedMmps = nextMmps
        }
        expect(speedMmps).toBeCloseTo(0, 6)
      }),
      { numRuns: 200 },
    )
  })

  it('knows when it passes a height', () => {
    fc.assert(
      fc.property(ways, fc.double({ min: 0, max: 1, noNaN: true }), (way, share) => {
        const motion = motionTo(way)
        const heightMm = way.fromMm + (way.toMm - way.fromMm) * share
        const atS = timeOfHeight(motion, heightMm)
        expect(atS === undefined ? undefined : heightAt(motion, atS)).toBeCloseTo(heightMm, 3)
        expect(timeOfHeight(motion, way.toMm + motion.sign)).toBeUndefined()
      }),
      { numRuns: 200 },
    )
  })

  it('refuses a target before which the car cannot stop', () => {
    expect(() => motionTo({ fromMm: 0, toMm: 100, startMmps: 1000, ratedMmps: 1000, accelerationMmps2: 600 })).toThrow(
      RangeError,
    )
  })
})
