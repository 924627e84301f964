/** What processes tell one another while they run. The bus may drop: whoever needs everything reads the journal or the register. */
import type { Alarm, Occurrence } from './alarms.ts'
import type { TerminalSerial } from './ids.ts'
import type { LiveState, PlatformHealth } from './live.ts'

export type BusMessages = {
  /** Changed lifts (ingest → api), at most `DELTAS_PER_SECOND_MAX` a second. Each row is whole, so a lost message heals itself with the next. */
  live: { readonly atMs: number; readonly states: readonly LiveState[] }
  /** An api that starts asks for every lift once; ingest answers with `live` messages. */
  'live.wanted': { readonly atMs: number }
  /** An alarm changed, and the line of its history that says how. `contractor` inside decides who sees it. */
  alarm: { readonly alarm: Alarm; readonly occurrence: Occurrence }
  /**
   * What a part is missing, every 5 s and on change. `startedAtMs` is when the part began; a new one means that messages
   * may have been lost in between. Of a part that runs in several processes each one says its own, under its `worker` name;
   * an ingest worker that took over lifts of another has a new `startedAtMs`, too.
   */
  health: { readonly part: string; readonly worker?: string; readonly startedAtMs?: number } & PlatformHealth
  /**
   * A broker has admitted a terminal (broker → the other brokers): whoever holds an older connection of it closes that one.
   * `broker` is the name of the broker process, new at each start; `atMs` is its clock.
   */
  'terminal.connected': {
    readonly serial: TerminalSerial
    readonly broker: string
    readonly address: string
    readonly atMs: number
  }
}
export type BusSubject = keyof BusMessages
export const BUS_SUBJECTS = [
  'live',
  'live.wanted',
  'alarm',
  'health',
  'terminal.connected',
] as const satisfies readonly BusSubject[]
