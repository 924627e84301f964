/** What a part is missing at the moment, since when, and why: for the wall, and so that each outage is logged once. */
import type { Log, LogEvent } from '#contract/log-events'
import type { PlatformHealth } from '#contract/live'

export type Outages = {
  began(part: string, reason: string): void
  ended(part: string): void
  current(): PlatformHealth['degraded']
}

const EVENTS: Readonly<Record<string, { away: LogEvent; back: LogEvent }>> = {
  register: { away: 'register.away', back: 'register.back' },
  telemetry: { away: 'telemetry.away', back: 'telemetry.back' },
  figures: { away: 'figures.away', back: 'figures.back' },
  journal: { away: 'journal.degraded', back: 'journal.recovered' },
  broker: { away: 'broker.silent', back: 'broker.heard' },
}

export function newOutages({ log, nowMs, onChange }: { log: Log; nowMs: () => number; onChange: () => void }): Outages {
  const open = new Map<string, { part: string; reason: string; sinceAtMs: number }>()
  return {
    began(part, reason) {
      const known = open.get(part)
      open.set(part, { part, reason, sinceAtMs: known?.sinceAtMs ?? nowMs() })
      if (known !== undefined) return
      log.warn(EVENTS[part]?.away ?? 'ingest.retry', { part, reason })
      onChange()
    },
    ended(part) {
      const known = open.get(part)
      if (known === undefined) return
      open.delete(part)
      log.info(EVENTS[part]?.back ?? 'ingest.retry', { part, awayMs: nowMs() - known.sinceAtMs })
      onChange()
    },
    current: () => [...open.values()],
  }
}
