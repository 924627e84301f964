/** How long telemetry is kept (保存期). Times are Unix ms. */
import type { Log } from '#contract/log-events'
import type { TelemetryPoint, TelemetryStore } from './points.ts'

export const MS_PER_DAY = 86_400_000
/** Hourly figures outlive the samples that they were made of: 5 years, leap days included. */
export const FIGURES_RETENTION_DAYS = 5 * 366
/** It is told at most so often that samples are left out. */
const TOLD_EVERY_MS = 3_600_000

export type Retention = {
  /** Whole days, at least 1. */
  readonly days: number
  readonly nowMs: () => number
}

/** Samples before this instant are not kept; at it and after it they are. */
export const keptFromMs = ({ days, nowMs }: Retention): number => nowMs() - days * MS_PER_DAY

/**
 * The same store, to which samples that it would remove at once are not given: InfluxDB refuses them, and each would
 * cost a batch its halving. They are counted, and told once an hour.
 */
export function leavingOutTheExpired(store: TelemetryStore, retention: Retention, log: Log): TelemetryStore {
  let leftOutCount = 0
  let untoldCount = 0
  let toldAtMs = -Infinity

  function tell(fromMs: number, nowMs: number): void {
    if (untoldCount === 0 || nowMs - toldAtMs < TOLD_EVERY_MS) return
    log.warn('telemetry.tooOld', { count: untoldCount, keptFrom: new Date(fromMs).toISOString() })
    toldAtMs = nowMs
    untoldCount = 0
  }

  return {
    ...store,
    async append(points) {
      const fromMs = keptFromMs(retention)
      const isKept = (point: TelemetryPoint): boolean => !(point.sampledAtMs < fromMs)
      const kept = points.every(isKept) ? points : points.filter(isKept)
      await store.append(kept)
      leftOutCount += points.length - kept.length
      untoldCount += points.length - kept.length
      tell(fromMs, retention.nowMs())
    },
    retained: () => ({ ...store.retained(), leftOutCount }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}
