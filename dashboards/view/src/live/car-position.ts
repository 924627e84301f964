/** Where the car is drawn. Reported positions are never invented: the picture only walks from one report to the next. */
import type { LiveState } from '#contract/live'
import type { Lift } from '#contract/register'

/** Longest time that the picture walks between two reports; a car still running after it without news is marked. */
export const WALK_MS_MAX = 2_000

/** Height of the car floor above the lowest landing, mm; undefined when the terminal reports nothing to tell it from. */
export function reportedHeightMm(state: LiveState, lift: Pick<Lift, 'landings'>): number | undefined {
  const status = state.status
  if (status === null) return undefined
  if (status.positionMm !== undefined) return status.positionMm
  if (status.floorIndex !== undefined) {
    const landing = lift.landings[status.floorIndex]
    if (landing !== undefined) return landing.heightMm
  }
  return lift.landings.find((landing) => landing.label === status.carPosition)?.heightMm
}

/** Index of the landing that the terminal names; otherwise the nearest one to the height. */
export function landingIndexOf(state: LiveState, lift: Pick<Lift, 'landings'>): number | undefined {
  const status = state.status
  if (status === null) return undefined
  const named = lift.landings.findIndex((landing) => landing.label === status.carPosition)
  if (named >= 0) return named
  if (status.floorIndex !== undefined && lift.landings[status.floorIndex] !== undefined) return status.floorIndex
  const heightMm = status.positionMm
  if (heightMm === undefined) return undefined
  let nearest = 0
  for (const [index, landing] of lift.landings.entries()) {
    const best = lift.landings[nearest]
    if (best !== undefined && Math.abs(landing.heightMm - heightMm) < Math.abs(best.heightMm - heightMm))
      nearest = index
  }
  return nearest
}

/** How far the car floor is above the landing that the terminal names, mm; undefined when the height is not measured. */
export function levelOffsetMm(state: LiveState, lift: Pick<Lift, 'landings'>): number | undefined {
  const index = landingIndexOf(state, lift)
  const landing = index === undefined ? undefined : lift.landings[index]
  const heightMm = state.status?.positionMm
  return landing === undefined || heightMm === undefined ? undefined : heightMm - landing.heightMm
}

/** One walk of the picture, between the height drawn when a report came and the height that it reported. */
export type Walk = {
  readonly fromMm: number
  readonly toMm: number
  /** When the report came, local clock. */
  readonly startAtMs: number
  readonly durationMs: number
  /** The report says that the car runs: what it does after it is not known. */
  readonly isRunning: boolean
}

/** The walk that a new report starts. Without an earlier one the car stands where it was reported. */
export function nextWalk(
  walk: Walk | undefined,
  report: { readonly heightMm: number; readonly isRunning: boolean; readonly sinceLastReportMs: number | undefined },
  nowMs: number,
): Walk {
  const fromMm = walk === undefined ? report.heightMm : drawnAt(walk, nowMs).heightMm
  const durationMs = Math.min(WALK_MS_MAX, Math.max(0, report.sinceLastReportMs ?? 0))
  return { fromMm, toMm: report.heightMm, startAtMs: nowMs, durationMs, isRunning: report.isRunning }
}

/** What to draw at `nowMs`: linear, never beyond the report, and `estimated` once a running car was silent for too long. */
export function drawnAt(walk: Walk, nowMs: number): { heightMm: number; estimated: boolean; settled: boolean } {
  const passedMs = Math.max(0, nowMs - walk.startAtMs)
  const share = walk.durationMs === 0 ? 1 : Math.min(1, passedMs / walk.durationMs)
  return {
    heightMm: share === 1 ? walk.toMm : walk.fromMm + (walk.toMm - walk.fromMm) * share,
    estimated: walk.isRunning && passedMs > WALK_MS_MAX,
    settled: share === 1 && (!walk.isRunning || passedMs > WALK_MS_MAX),
  }
}
