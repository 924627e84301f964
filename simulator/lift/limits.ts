/**
 * How hard and how fast the car may move in each kind of motion. Those of a ride are the values for residential lifts of
 * 0.63 to 1 m/s; the others are our own, of the size that brakes and safety gears have.
 */
import type { Limits } from './motion.ts'

/** A ride: what people feel as smooth. Its speed is the rated one of the lift. */
export const RIDE = { accelerationMmps2: 600, jerkMmps3: 1000 } as const
export const rideLimits = (ratedMmps: number): Limits => ({ speedMmps: ratedMmps, ...RIDE })

/** The safety circuit or the mains drop the brake: it bites within a tenth of a second, and far harder than a drive brakes. */
export const EMERGENCY_BRAKE: Limits = { speedMmps: Infinity, accelerationMmps2: 2000, jerkMmps3: 20_000 }
/** The same with worn linings. */
export const WEAK_BRAKE: Limits = { speedMmps: Infinity, accelerationMmps2: 800, jerkMmps3: 20_000 }
/** The brake and the buffer together, at the end of the shaft. */
export const BUFFER: Limits = { speedMmps: Infinity, accelerationMmps2: 4000, jerkMmps3: 60_000 }
/** The wedges of the safety gear (安全钳) grip the rails. */
export const SAFETY_GEAR: Limits = { speedMmps: Infinity, accelerationMmps2: 6000, jerkMmps3: 100_000 }

/** To the nearest landing after a stop between two, on battery or by hand. */
export const CREEP: Limits = { speedMmps: 200, accelerationMmps2: 300, jerkMmps3: 1000 }
/** A mechanic on the car roof. */
export const INSPECTION: Limits = { speedMmps: 300, accelerationMmps2: 300, jerkMmps3: 1000 }
/** A car that its brake does not hold: the counterweight draws it away until the stopping device grips. */
export const DRIFT: Limits = { speedMmps: 600, accelerationMmps2: 500, jerkMmps3: 2000 }

/** A car may go this much over its rated speed before the governor (限速器) trips the safety gear. */
export const OVERSPEED_FACTOR = 1.15
/** How fast it gets before the gear has gripped. */
export const RUNAWAY_FACTOR = 1.2
/** Farthest that a car may drift from its landing with open doors. */
export const DRIFT_MM_MAX = 1200
/** Farthest that a car gets beyond the last landing. */
export const OVERRUN_MM_MAX = 300

/** The last stretch to the landing, from rest: 0.8 s. */
export const LEVELLING_MM = 15
/** In the unlocking zone (开锁区域): this near to a landing. */
export const DOOR_ZONE_MM = 75
