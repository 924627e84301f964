/** The bounds of questions about figures (统计数据). */
import { HOUR_SAMPLES_LIMITS, type HourSamplesLimits } from '#storage/telemetry/hour-samples'

export type FiguresLimits = HourSamplesLimits & {
  /** Hours of one lift that are read at once. */
  readonly pieceHours: number
  /** Questions about the fleet at one time; more are refused. */
  readonly fleetQuestionsMax: number
  /** Whoever asks about the fleet waits no longer than this, for all of the answer. */
  readonly fleetMsMax: number
  /** Lifts that the store is asked for at once. */
  readonly askedLifts: number
  /** Lifts of one total. */
  readonly totalLiftsMax: number
}
export const FIGURES_LIMITS: FiguresLimits = {
  ...HOUR_SAMPLES_LIMITS,
  pieceHours: 5_000,
  // Each looks through the hours of many lifts.
  fleetQuestionsMax: 4,
  fleetMsMax: 30_000,
  // The store is free for others between two of them.
  askedLifts: 100,
  totalLiftsMax: 10_000,
}
