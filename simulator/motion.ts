/**
 * How a car gets from one height to another: accelerate, cruise, brake, as formulas of time. Nothing is stepped, so a lift
 * that nobody looks at costs nothing. Heights in mm above the lowest landing, speeds in mm/s, times in s.
 */
export type Motion = {
  readonly fromMm: number
  /** +1 up, -1 down. */
  readonly sign: 1 | -1
  readonly distanceMm: number
  /** Speed at the start, along `sign`. */
  readonly startMmps: number
  readonly peakMmps: number
  readonly accelerationMmps2: number
  readonly accelerateS: number
  readonly cruiseS: number
  readonly brakeS: number
}

/** The shortest way in which a car at `speedMmps` can come to rest. */
export const brakingDistanceMm = (speedMmps: number, accelerationMmps2: number): number =>
  (speedMmps * speedMmps) / (2 * accelerationMmps2)

/** A movement that ends at rest at `toMm`. The car must be able to stop in that distance, or this throws. */
export function motionTo(o: {
  fromMm: number
  toMm: number
  /** Speed at the start, towards `toMm`. */
  startMmps?: number
  ratedMmps: number
  accelerationMmps2: number
}): Motion {
  const { fromMm, toMm, startMmps = 0, ratedMmps, accelerationMmps2: a } = o
  const distanceMm = Math.abs(toMm - fromMm)
  // A hair of tolerance: a car told to brake as hard as it can has no distance to spare, and floats round.
  if (brakingDistanceMm(startMmps, a) > distanceMm + 1e-6) throw new RangeError('the car cannot stop in that distance')
  const peakMmps = Math.max(startMmps, Math.min(ratedMmps, Math.sqrt(a * distanceMm + (startMmps * startMmps) / 2)))
  const accelerateMm = (peakMmps * peakMmps - startMmps * startMmps) / (2 * a)
  const cruiseMm = Math.max(0, distanceMm - accelerateMm - brakingDistanceMm(peakMmps, a))
  return {
    fromMm,
    sign: toMm >= fromMm ? 1 : -1,
    distanceMm,
    startMmps,
    peakMmps,
    accelerationMmps2: a,
    accelerateS: (peakMmps - startMmps) / a,
    cruiseS: peakMmps > 0 ? cruiseMm / peakMmps : 0,
    brakeS: peakMmps / a,
  }
}

/** A car at rest. */
export const restAt = (heightMm: number): Motion => ({
  fromMm: heightMm,
  sign: 1,
  distanceMm: 0,
  startMmps: 0,
  peakMmps: 0,
  accelerationMmps2: 1,
  accelerateS: 0,
  cruiseS: 0,
  brakeS: 0,
})

export const motionS = (motion: Motion): number => motion.accelerateS + motion.cruiseS + motion.brakeS
export const targetMm = (motion: Motion): number => motion.fromMm + motion.sign * motion.distanceMm

/** Speed along `sign` after `elapsedS`, mm/s. */
export function speedAt(motion: Motion, elapsedS: number): number {
  if (elapsedS <= 0) return motion.startMmps
  if (elapsedS < motion.accelerateS) return motion.startMmps + motion.accelerationMmps2 * elapsedS
  if (elapsedS < motion.accelerateS + motion.cruiseS) return motion.peakMmps
  return Math.max(0, motion.accelerationMmps2 * (motionS(motion) - elapsedS))
}

/** Height after `elapsedS`, mm; never beyond the target. */
export function heightAt(motion: Motion, elapsedS: number): number {
  const { startMmps, peakMmps, accelerationMmps2: a, accelerateS, cruiseS } = motion
  if (elapsedS <= 0) return motion.fromMm
  const leftS = motionS(motion) - elapsedS
  if (leftS <= 0) return targetMm(motion)
  const t = Math.min(elapsedS, accelerateS)
  const accelerated = startMmps * t + (a * t * t) / 2
  if (elapsedS < accelerateS + cruiseS) return motion.fromMm + motion.sign * (accelerated + peakMmps * (elapsedS - t))
  return targetMm(motion) - (motion.sign * a * leftS * leftS) / 2
}

/** When the car first reaches `heightMm`, s from the start; undefined when it does not. */
export function timeOfHeight(motion: Motion, heightMm: number): number | undefined {
  const ahead = (heightMm - motion.fromMm) * motion.sign
  if (ahead < 0 || ahead > motion.distanceMm) return undefined
  let early = 0
  let late = motionS(motion)
  // The height only grows along `sign`: halving 40 times is exact to far below a millisecond.
  for (let round = 0; round < 40; round += 1) {
    const middle = (early + late) / 2
    if ((heightAt(motion, middle) - motion.fromMm) * motion.sign < ahead) early = middle
    else late = middle
  }
  return late
}
