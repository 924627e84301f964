/**
 * How a car gets from one height to another: pieces of constant jerk, so that its height is a cubic, its speed a parabola and
 * its acceleration a straight line of time. Nothing is stepped, so a lift that nobody looks at costs nothing. Heights in mm
 * above the lowest landing, up is positive, times in s from the start of the motion.
 */

/** Where a car is and how it moves at one moment. */
export type Kinematics = {
  readonly heightMm: number
  readonly speedMmps: number
  readonly accelerationMmps2: number
}
/** A piece of constant jerk: what holds when it begins. It lasts until the next one begins. */
type Piece = Kinematics & { readonly fromS: number; readonly jerkMmps3: number }
/**
 * Pieces in the order of time. The last one has neither jerk nor acceleration and never ends: a car at rest stays at rest, a
 * car brought to a speed keeps it. `endS` is when it begins.
 */
export type Motion = { readonly pieces: readonly Piece[]; readonly endS: number }
/** What a motion may not exceed. */
export type Limits = { readonly speedMmps: number; readonly accelerationMmps2: number; readonly jerkMmps3: number }

const TOLERANCE_MM = 1e-6
/** Halvings that narrow a span of some seconds, or of some mm/s, down to far less than anybody can see. */
const HALVINGS = 45

/** A car at rest. */
export const restAt = (heightMm: number): Motion => ({
  pieces: [{ fromS: 0, heightMm, speedMmps: 0, accelerationMmps2: 0, jerkMmps3: 0 }],
  endS: 0,
})

/** Where a motion ends. */
export const targetMm = (motion: Motion): number => motion.pieces[motion.pieces.length - 1]?.heightMm ?? 0

/** Up, down, or 0 for a car at rest: a motion never turns. */
export function wayOf(motion: Motion): 1 | 0 | -1 {
  const leadMm = targetMm(motion) - (motion.pieces[0]?.heightMm ?? 0)
  return leadMm > 0 ? 1 : leadMm < 0 ? -1 : 0
}

function pieceAt(motion: Motion, elapsedS: number): Piece {
  const { pieces } = motion
  for (let index = pieces.length - 1; index > 0; index -= 1) {
    const piece = pieces[index]
    if (piece !== undefined && piece.fromS <= elapsedS) return piece
  }
  const [first] = pieces
  if (first === undefined) throw new Error('a motion without pieces')
  return first
}

export function heightAt(motion: Motion, elapsedS: number): number {
  const piece = pieceAt(motion, elapsedS)
  const t = Math.max(0, elapsedS - piece.fromS)
  return piece.heightMm + t * (piece.speedMmps + t * (piece.accelerationMmps2 / 2 + (t * piece.jerkMmps3) / 6))
}

export function speedAt(motion: Motion, elapsedS: number): number {
  const piece = pieceAt(motion, elapsedS)
  const t = Math.max(0, elapsedS - piece.fromS)
  return piece.speedMmps + t * (piece.accelerationMmps2 + (t * piece.jerkMmps3) / 2)
}

export function accelerationAt(motion: Motion, elapsedS: number): number {
  const piece = pieceAt(motion, elapsedS)
  return piece.accelerationMmps2 + Math.max(0, elapsedS - piece.fromS) * piece.jerkMmps3
}

export const kinematicsAt = (motion: Motion, elapsedS: number): Kinematics => ({
  heightMm: heightAt(motion, elapsedS),
  speedMmps: speedAt(motion, elapsedS),
  accelerationMmps2: accelerationAt(motion, elapsedS),
})

/** One stretch of a change of speed: so long with that jerk. */
type Stretch = { readonly forS: number; readonly jerkMmps3: number }

/**
 * The quickest change from a speed and an acceleration to another speed and no acceleration: the acceleration rises, may stay
 * at its limit, and falls to nothing again.
 */
function speedChange(from: Kinematics, toMmps: number, limits: Limits): readonly [Stretch, Stretch, Stretch] {
  const { accelerationMmps2: limit, jerkMmps3: jerk } = limits
  const { accelerationMmps2: a } = from
  const sign = toMmps >= coastingMmps(from, jerk) ? 1 : -1
  const gain = (toMmps - from.speedMmps) * sign
  const startA = a * sign
  const peakA = Math.min(limit, Math.sqrt(Math.max(0, jerk * gain + (startA * startA) / 2)))
  const riseS = Math.max(0, (peakA - startA) / jerk)
  const fallS = peakA / jerk
  const gained = ((startA + peakA) / 2) * riseS + (peakA / 2) * fallS
  const holdS = peakA < limit || peakA === 0 ? 0 : Math.max(0, (gain - gained) / peakA)
  return [
    { forS: riseS, jerkMmps3: sign * jerk },
    { forS: holdS, jerkMmps3: 0 },
    { forS: fallS, jerkMmps3: -sign * jerk },
  ]
}

/** The speed that a car has when its acceleration has been taken back to nothing at once. */
const coastingMmps = (from: Kinematics, jerkMmps3: number): number =>
  from.speedMmps + (from.accelerationMmps2 * Math.abs(from.accelerationMmps2)) / (2 * jerkMmps3)

/** How far a car gets in the given stretches. */
function distanceOf(from: Kinematics, stretches: readonly Stretch[]): number {
  let { speedMmps: v, accelerationMmps2: a } = from
  let distance = 0
  for (const { forS: t, jerkMmps3: j } of stretches) {
    distance += t * (v + t * (a / 2 + (t * j) / 6))
    v += t * (a + (t * j) / 2)
    a += t * j
  }
  return distance
}

/** Lays the stretches one after the other; the motion ends with exactly `end`, which rounding would miss by a hair. */
function lay(from: Kinematics, stretches: readonly Stretch[], end: { heightMm: number; speedMmps: number }): Motion {
  const pieces: Piece[] = []
  let fromS = 0
  let { heightMm, speedMmps: v, accelerationMmps2: a } = from
  for (const { forS: t, jerkMmps3: j } of stretches) {
    if (t <= 0) continue
    pieces.push({ fromS, heightMm, speedMmps: v, accelerationMmps2: a, jerkMmps3: j })
    fromS += t
    heightMm += t * (v + t * (a / 2 + (t * j) / 6))
    v += t * (a + (t * j) / 2)
    a += t * j
  }
  pieces.push({ fromS, ...end, accelerationMmps2: 0, jerkMmps3: 0 })
  return { pieces, endS: fromS }
}

/** The quickest change to a speed, which is then kept. */
export function motionToSpeed(from: Kinematics, toMmps: number, limits: Limits): Motion {
  const stretches = speedChange(from, toMmps, limits)
  return lay(from, stretches, { heightMm: from.heightMm + distanceOf(from, stretches), speedMmps: toMmps })
}

/** The quickest stop. */
export const haltFrom = (from: Kinematics, limits: Limits): Motion => motionToSpeed(from, 0, limits)

/** Seen along a way: ahead is positive, and heights count from where the car is. */
const along = (from: Kinematics, way: 1 | -1): Kinematics => ({
  heightMm: 0,
  speedMmps: from.speedMmps * way,
  accelerationMmps2: from.accelerationMmps2 * way,
})

/**
 * How far ahead the nearest place is at which a motion of `motionTo` can end: the car first stops accelerating, or braking for
 * another place, and then brakes.
 */
export function reachMm(from: Kinematics, way: 1 | -1, limits: Limits): number {
  const ahead = along(from, way)
  return distanceOver(ahead, Math.max(0, coastingMmps(ahead, limits.jerkMmps3)), limits)
}

/** How far a car gets that goes over to a speed and then brakes. */
function distanceOver(from: Kinematics, peakMmps: number, limits: Limits): number {
  const atPeak = { heightMm: 0, speedMmps: peakMmps, accelerationMmps2: 0 }
  return distanceOf(from, speedChange(from, peakMmps, limits)) + distanceOf(atPeak, speedChange(atPeak, 0, limits))
}

/** A motion that ends at rest at `toMm`, from any place, speed and acceleration. Throws when `toMm` is nearer than `reachMm`. */
export function motionTo(from: Kinematics, toMm: number, limits: Limits): Motion {
  const way = toMm >= from.heightMm ? 1 : -1
  const distanceMm = Math.abs(toMm - from.heightMm)
  const ahead = along(from, way)
  const isAtRest = ahead.speedMmps === 0 && ahead.accelerationMmps2 === 0
  const peakMmps = isAtRest ? peakFromRest(distanceMm, limits) : peakFromMotion(ahead, distanceMm, limits)
  const atPeak = { heightMm: 0, speedMmps: peakMmps, accelerationMmps2: 0 }
  const rise = speedChange(ahead, peakMmps, limits)
  const fall = speedChange(atPeak, 0, limits)
  const cruiseMm = distanceMm - distanceOf(ahead, rise) - distanceOf(atPeak, fall)
  const cruise = { forS: peakMmps > 0 ? Math.max(0, cruiseMm) / peakMmps : 0, jerkMmps3: 0 }
  const stretches = [...rise, cruise, ...fall].map(({ forS, jerkMmps3 }) => ({ forS, jerkMmps3: jerkMmps3 * way }))
  return lay(from, stretches, { heightMm: toMm, speedMmps: 0 })
}

/** The highest speed of a run from rest to rest: the run is two equal halves, so this has a formula. */
function peakFromRest(distanceMm: number, limits: Limits): number {
  const { speedMmps, accelerationMmps2: a, jerkMmps3: j } = limits
  const isTooShortForFullAcceleration = distanceMm < (2 * a ** 3) / j ** 2
  const peakMmps = isTooShortForFullAcceleration
    ? Math.cbrt((distanceMm * distanceMm * j) / 4)
    : (a / 2) * (Math.sqrt((a / j) ** 2 + (4 * distanceMm) / a) - a / j)
  return Math.min(speedMmps, peakMmps)
}

/** The highest speed of a run by a car that moves already: the distance grows with it, so it is found by halving. */
function peakFromMotion(ahead: Kinematics, distanceMm: number, limits: Limits): number {
  let low = Math.max(0, coastingMmps(ahead, limits.jerkMmps3))
  let high = Math.max(low, limits.speedMmps)
  if (distanceOver(ahead, low, limits) > distanceMm + TOLERANCE_MM)
    throw new RangeError('the car cannot stop in that distance')
  if (distanceOver(ahead, high, limits) <= distanceMm) return high
  for (let round = 0; round < HALVINGS; round += 1) {
    const middle = (low + high) / 2
    if (distanceOver(ahead, middle, limits) <= distanceMm) low = middle
    else high = middle
  }
  return low
}

/** When the car first reaches `heightMm`, s from the start; undefined when it does not. */
export function timeOfHeight(motion: Motion, heightMm: number): number | undefined {
  const { pieces } = motion
  const startMm = pieces[0]?.heightMm ?? 0
  const way = Math.sign(heightMm - startMm)
  if (way === 0) return 0
  const aheadMm = (elapsedS: number) => (heightAt(motion, elapsedS) - heightMm) * way
  const last = pieces[pieces.length - 1]
  if (last === undefined) return undefined
  if (aheadMm(motion.endS) < 0) {
    const keptMmps = last.speedMmps * way
    return keptMmps > 0 ? motion.endS - aheadMm(motion.endS) / keptMmps : undefined
  }
  const next = pieces.findIndex(({ fromS }) => aheadMm(fromS) >= 0)
  let early = pieces[next - 1]?.fromS ?? 0
  let late = pieces[next]?.fromS ?? motion.endS
  // The height only grows along the way, so that halving finds the one moment.
  for (let round = 0; round < HALVINGS; round += 1) {
    const middle = (early + late) / 2
    if (aheadMm(middle) < 0) early = middle
    else late = middle
  }
  return late
}
