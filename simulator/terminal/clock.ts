/**
 * The clock of a terminal as a pure function of the true time. Every time that a payload carries is what this clock showed.
 *
 * A crystal runs a few millionths too fast or too slow; a time server sets it right every few hours, to within what the way to
 * that server costs. Between two corrections the clock never goes back, unless it is made to jump.
 */
import { unit } from '../random.ts'

/** A jump of `byMs` that shows from `fromMs` until `toMs` (true time) or until the next correction, whichever is first. */
export type ClockJump = { readonly fromMs: number; readonly toMs: number; readonly byMs: number }

export type ClockPlan = {
  /** Of what the clock is right to within its drift: all its corrections are wrong by so much, ms. */
  readonly skewMs: number
  /** Millionths by which the clock runs too fast. */
  readonly driftPpm: number
  /** Time between two corrections, ms; Infinity for a clock that is never corrected. */
  readonly correctEveryMs: number
  /** A correction is wrong by at most this, ms, one way or the other. */
  readonly residualMs: number
  /** The clock was right to within skew and residual at this true time. */
  readonly startAtMs: number
  readonly seed: number
  readonly jumps: readonly ClockJump[]
}

export const CORRECT_EVERY_MS = 4 * 3600_000
const RESIDUAL_MS = 40

/** A clock that is always right. */
export const trueClock = (startAtMs: number): ClockPlan => ({
  skewMs: 0,
  driftPpm: 0,
  correctEveryMs: Infinity,
  residualMs: 0,
  startAtMs,
  seed: 0,
  jumps: [],
})

/** The clock of one terminal among those whose skew and drift are at most so large. With 0 and 0 it is always right. */
export function drawClock(o: { clockSkewMs: number; driftPpm: number; startAtMs: number; seed: number }): ClockPlan {
  const { clockSkewMs, driftPpm, startAtMs, seed } = o
  if (clockSkewMs === 0 && driftPpm === 0) return trueClock(startAtMs)
  return {
    skewMs: Math.round((unit(seed, 1) * 2 - 1) * clockSkewMs),
    driftPpm: (unit(seed, 2) * 2 - 1) * driftPpm,
    correctEveryMs: CORRECT_EVERY_MS,
    residualMs: RESIDUAL_MS,
    startAtMs,
    seed,
    jumps: [],
  }
}

/** Adds a jump, and lets go of those that no longer show, so that the list stays as long as there are jumps at once. */
export const withJump = (clock: ClockPlan, jump: ClockJump): ClockPlan => ({
  ...clock,
  jumps: [...clock.jumps.filter(({ toMs }) => toMs > jump.fromMs), jump],
})

/** When the clock was last corrected, true time. */
export function correctedAtMs(clock: ClockPlan, atMs: number): number {
  const { startAtMs, correctEveryMs } = clock
  if (correctEveryMs === Infinity) return startAtMs
  return startAtMs + Math.floor((atMs - startAtMs) / correctEveryMs) * correctEveryMs
}

/**
 * What the clock shows at `atMs`, whole Unix ms, never below 0. Without jumps it differs from the true time by at most
 * |skew| + |drift| · correctEveryMs / 10⁶ + residual + 1 ms (of rounding); jumps that show are added.
 */
export function deviceMsAt(clock: ClockPlan, atMs: number): number {
  const { skewMs, driftPpm, residualMs, jumps } = clock
  const setAtMs = correctedAtMs(clock, atMs)
  let shownMs = atMs + skewMs
  if (driftPpm !== 0) shownMs += ((atMs - setAtMs) * driftPpm) / 1e6
  if (residualMs !== 0) shownMs += (unit(clock.seed, Math.floor(setAtMs / 1000), 3) * 2 - 1) * residualMs
  for (const jump of jumps) if (atMs >= jump.fromMs && atMs < jump.toMs && jump.fromMs >= setAtMs) shownMs += jump.byMs
  return Math.max(0, Math.floor(shownMs))
}
