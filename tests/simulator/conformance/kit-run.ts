import type { LiftId, TerminalSerial } from '#contract/ids'
import type { Clock } from '#simulator/conformance/clock'
import { runKit, TIMINGS, type KitRun, type Timings } from '#simulator/conformance/kit'
import { Transcript } from '#simulator/conformance/transcript'
import type { PhaseName } from '#simulator/conformance/facts'

export const LIFT = 'yhy-3-1' as LiftId
export const TERMINAL = 'TJ-0007' as TerminalSerial
export const SUBJECT = { lift: LIFT, terminal: TERMINAL }

/** The kit on a free port of loopback, with the clock of the test. */
export async function runOnBench(o: {
  clock: Clock
  timings?: Partial<Timings>
  subject?: { lift: LiftId; terminal: TerminalSerial }
  transcript?: Transcript
  stop?: AbortSignal
  tls?: { certPem: string; keyPem: string }
  onListening: (port: number) => void
  onPhase?: (phase: PhaseName) => void
}): Promise<KitRun> {
  using own = new Transcript(undefined)
  return await runKit({
    subject: o.subject ?? SUBJECT,
    host: '127.0.0.1',
    port: 0,
    tls: o.tls,
    timings: { ...TIMINGS, ...o.timings },
    clock: o.clock,
    transcript: o.transcript ?? own,
    stop: o.stop ?? new AbortController().signal,
    events: { onListening: o.onListening, onPhase: o.onPhase ?? (() => {}), onFact: () => {} },
  })
}

export const resultsOf = (run: KitRun, state: KitRun['judged'][number]['verdict']['state']): string[] =>
  run.judged.filter(({ verdict }) => verdict.state === state).map(({ check }) => check.id)
