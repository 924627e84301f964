import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  accelerationAt,
  haltFrom,
  heightAt,
  kinematicsAt,
  motionTo,
  motionToSpeed,
  reachMm,
  restAt,
  speedAt,
  targetMm,
  timeOfHeight,
  wayOf,
  type Kinematics,
  type Limits,
  type Motion,
} from '#simulator/lift/motion'
import { BUFFER, CREEP, EMERGENCY_BRAKE, rideLimits, SAFETY_GEAR, WEAK_BRAKE } from '#simulator/lift/limits'

const rides = fc.constantFrom(rideLimits(630), rideLimits(1000), CREEP)
const heights = fc.integer({ min: 0, max: 20_000 })
const atRest = (heightMm: number): Kinematics => ({ heightMm, speedMmps: 0, accelerationMmps2: 0 })

/** A car somewhere on a ride, as a redirection or a brake finds it. */
const underWay = fc
  .record({ fromMm: heights, toMm: heights, limits: rides, share: fc.integer({ min: 0, max: 1000 }) })
  .filter(({ fromMm, toMm }) => fromMm !== toMm)
  .map(({ fromMm, toMm, limits, share }) => {
    const motion = motionTo(atRest(fromMm), toMm, limits)
    return {
      limits,
      motion,
      now: kinematicsAt(motion, (motion.endS * share) / 1000),
      way: toMm > fromMm ? (1 as const) : (-1 as const),
    }
  })

/** Finite differences of the formulas stay within the limits, and each formula is the slope of the one above it. */
function expectLawful(motion: Motion, limits: Limits) {
  const stepS = motion.endS / 400 + 1e-6
  let before = kinematicsAt(motion, 0)
  for (let atS = stepS; atS <= motion.endS + 2 * stepS; atS += stepS) {
    const now = kinematicsAt(motion, atS)
    const climbed = (now.heightMm - before.heightMm) / stepS
    const gained = (now.speedMmps - before.speedMmps) / stepS
    const jerk = (now.accelerationMmps2 - before.accelerationMmps2) / stepS
    const slack = limits.jerkMmps3 * stepS
    const isLawful =
      Math.abs(now.accelerationMmps2) <= limits.accelerationMmps2 + 1e-3 &&
      Math.abs(gained) <= limits.accelerationMmps2 + 1e-3 &&
      Math.abs(jerk) <= limits.jerkMmps3 * (1 + 1e-6) + 1e-3 &&
      Math.abs(climbed - (now.speedMmps + before.speedMmps) / 2) <= slack * stepS + 1e-3 &&
      Math.abs(gained - (now.accelerationMmps2 + before.accelerationMmps2) / 2) <= slack + 1e-3
    if (!isLawful) throw new Error(JSON.stringify({ atS, before, now, limits, motion }))
    before = now
  }
}

describe('the motion of a car', () => {
  it('ends at rest exactly at its target, and never moves faster, harder or more abruptly than it may', () => {
    fc.assert(
      fc.property(heights, heights, rides, (fromMm, toMm, limits) => {
        const motion = motionTo(atRest(fromMm), toMm, limits)
        expectLawful(motion, limits)
        expect(heightAt(motion, motion.endS + 1)).toBe(toMm)
        expect(speedAt(motion, motion.endS)).toBe(0)
        expect(accelerationAt(motion, motion.endS)).toBe(0)
        expect(wayOf(motion)).toBe(Math.sign(toMm - fromMm))
        const speeds = motion.pieces.map(({ speedMmps }) => Math.abs(speedMmps))
        expect(Math.max(...speeds)).toBeLessThanOrEqual(limits.speedMmps + 1e-6)
      }),
      { numRuns: 300 },
    )
  })

  it('takes as long as the textbook says for a full ride, and 0.8 s for the last 15 mm', () => {
    // From rest to rest: way / speed + speed / acceleration + acceleration / jerk.
    expect(motionTo(atRest(0), 14_000, rideLimits(1000)).endS).toBeCloseTo(14 + 1 / 0.6 + 0.6, 9)
    expect(motionTo(atRest(0), 15, rideLimits(1000)).endS).toBeCloseTo(4 * Math.cbrt(0.015 / 2), 9)
  })

  it('goes over to another target from any place, speed and acceleration without a jump', () => {
    fc.assert(
      fc.property(underWay, fc.integer({ min: 0, max: 15_000 }), ({ limits, now, way }, furtherMm) => {
        const toMm = now.heightMm + way * (reachMm(now, way, limits) + furtherMm)
        const motion = motionTo(now, toMm, limits)
        expectLawful(motion, limits)
        expect(heightAt(motion, 0)).toBeCloseTo(now.heightMm, 6)
        expect(speedAt(motion, 0)).toBeCloseTo(now.speedMmps, 6)
        expect(accelerationAt(motion, 0)).toBeCloseTo(now.accelerationMmps2, 6)
        expect(targetMm(motion)).toBe(toMm)
        for (const { speedMmps } of motion.pieces) expect(speedMmps * way).toBeGreaterThanOrEqual(-1e-6)
      }),
      { numRuns: 300 },
    )
  })

  it('refuses a target before which the car cannot stop', () => {
    const now = { heightMm: 0, speedMmps: 1000, accelerationMmps2: 0 }
    const nearestMm = reachMm(now, 1, rideLimits(1000))
    expect(nearestMm).toBeCloseTo(500 * (1 / 0.6 + 0.6), 6)
    expect(() => motionTo(now, nearestMm - 1, rideLimits(1000))).toThrow(RangeError)
    expect(motionTo(now, nearestMm, rideLimits(1000)).endS).toBeCloseTo(1 / 0.6 + 0.6, 6)
  })

  it('stops at once from any place, speed and acceleration, without turning', () => {
    fc.assert(
      fc.property(
        underWay,
        fc.constantFrom(EMERGENCY_BRAKE, WEAK_BRAKE, BUFFER, SAFETY_GEAR),
        ({ now, way }, limits) => {
          const motion = haltFrom(now, limits)
          expectLawful(motion, limits)
          expect(speedAt(motion, motion.endS)).toBe(0)
          expect((targetMm(motion) - now.heightMm) * way).toBeGreaterThanOrEqual(-1e-6)
          // From 1 m/s the brake needs about a quarter of a metre.
          if (limits === EMERGENCY_BRAKE) expect(Math.abs(targetMm(motion) - now.heightMm)).toBeLessThan(330)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('keeps a speed that it was brought to', () => {
    const motion = motionToSpeed(atRest(500), -1000, rideLimits(1000))
    expectLawful(motion, rideLimits(1000))
    expect(speedAt(motion, 1000)).toBe(-1000)
    expect(heightAt(motion, motion.endS + 2)).toBeCloseTo(targetMm(motion) - 2000, 6)
  })

  it('knows when it passes a height', () => {
    fc.assert(
      fc.property(
        heights,
        heights,
        rides,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (fromMm, toMm, limits, share) => {
          fc.pre(fromMm !== toMm)
          const motion = motionTo(atRest(fromMm), toMm, limits)
          const heightMm = fromMm + (toMm - fromMm) * share
          const atS = timeOfHeight(motion, heightMm)
          expect(atS === undefined ? undefined : heightAt(motion, atS)).toBeCloseTo(heightMm, 3)
          expect(timeOfHeight(motion, toMm + Math.sign(toMm - fromMm))).toBeUndefined()
          expect(timeOfHeight(motion, fromMm - Math.sign(toMm - fromMm))).toBeUndefined()
        },
      ),
      { numRuns: 200 },
    )
  })

  it('is nothing for a car at rest', () => {
    expect(kinematicsAt(restAt(700), 3600)).toEqual(atRest(700))
    expect(wayOf(restAt(700))).toBe(0)
  })
})
